"""Many detections at once, chosen by a filter: how many there are, and one decision about all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from counts.review.api.items import Done, Key, Label, Request
from counts.review.place import Here, Place, Reviewer
from counts.schema import Capture, Detection, Verdict
from counts.store.verdicts import VerdictEntry, add_verdicts

router = APIRouter(tags=["items"])
MOST_AT_ONCE = 20_000
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Filter(BaseModel):
    """Detections of a label that nobody has judged, from a score up; in one capture, or in all of the survey."""

    model_config = ConfigDict(extra="forbid")
    label: Label
    least_score: Share = 0.0
    capture_id: Key | None = None


class Chosen(BaseModel):
    """How many detections a filter chooses, and how many one act may be about."""

    detections: int
    most: int = MOST_AT_ONCE


class BulkAct(BaseModel):
    """One decision about all that a filter chooses, refused where these are not `expected` many."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    chosen: Filter
    action: Literal["accept", "reject", "relabel"]
    label: Label | None = None
    expected: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]

    @model_validator(mode="after")
    def _is_whole(self) -> BulkAct:
        if (self.action == "relabel") != (self.label is not None):
            raise ValueError("a new label goes with relabel, and with nothing else")
        return self


@router.post("/verdicts/bulk/count")
def count(here: Here, visitor: Reviewer, chosen: Filter) -> Chosen:
    """How many detections a filter chooses now; changes nothing."""
    with here.census.reading() as session:
        return Chosen(detections=session.scalars(_query(here, session, chosen, func.count())).one())


@router.post("/verdicts/bulk")
def judge(here: Here, visitor: Reviewer, act: BulkAct) -> Done:
    """Write one decision about all that a filter chooses; one undo takes all of it back."""
    now = datetime.now(UTC)
    with here.census.writing() as session:
        there = session.scalars(select(Verdict.fid).where(Verdict.request == act.request).order_by(Verdict.fid)).all()
        if there:
            return Done(verdict_ids=list(there))
        query = _query(here, session, act.chosen, Detection.fid, Detection.capture_id).order_by(Detection.fid)
        rows = session.execute(query.limit(MOST_AT_ONCE + 1)).all()
        if len(rows) != act.expected:
            # Somebody else judged in the meantime: what was confirmed is not what would be done.
            raise HTTPException(409, f"there are {len(rows)} now and not {act.expected}: look again")
        after = None if act.label is None else {"label": act.label}
        run_id = here.run(session).run_id
        keys = add_verdicts(
            session,
            [
                VerdictEntry(
                    capture_id, detection_id, act.action, visitor.name, now, after=after, batch=act.request,
                    request=act.request, person_id=visitor.person_id, run_id=run_id,
                )
                for detection_id, capture_id in rows
            ],
        )  # fmt: skip
    return Done(verdict_ids=list(keys))


def _query(here: Place, session: Session, chosen: Filter, *columns: Any) -> Select[Any]:
    """What a filter chooses; what people drew was judged when it was drawn."""
    query = (
        select(*columns)
        .select_from(Detection)
        .join(Capture, (Detection.capture_id == Capture.fid) & Capture.refused.is_(None))
        .where(
            Detection.run_id == here.run(session).run_id,
            Detection.label == chosen.label,
            Detection.score >= chosen.least_score,
            Detection.judged.is_(False),
        )
    )
    return query if chosen.capture_id is None else query.where(Detection.capture_id == chosen.capture_id)
