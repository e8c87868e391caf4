"""Counting again after people decided, and the newest estimates beside those of before."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from counts.review.api.items import Request
from counts.review.place import Here, Place, Reviewer, Viewer
from counts.review.recount import RecountState
from counts.review.sessions import Role
from counts.store import EstimateEntry, latest_estimate_run
from counts.store.results import read_estimates

router = APIRouter(tags=["counting"])


class Estimate(BaseModel):
    """How many animals of a species, in a stratum or, where that is None, in all; `individuals` were counted."""

    species: str
    stratum: str | None
    method: str
    value: float | None
    lower: float | None
    upper: float | None
    cv: float | None
    confidence: float
    individuals: int
    limits_reason: str | None
    notes: list[str]

    @classmethod
    def of(cls, entry: EstimateEntry) -> Estimate:
        """From the store's."""
        return cls(
            species=entry.species, stratum=entry.stratum, method=entry.method, value=entry.value, lower=entry.lower,
            upper=entry.upper, cv=entry.cv, confidence=entry.confidence, individuals=entry.individuals,
            limits_reason=entry.limits_reason, notes=list(entry.notes),
        )  # fmt: skip


class Recounted(BaseModel):
    """How far the last counting is, and the estimates before and after it; `after` are the newest there are.

    `state` is "never", "running", "done" or "failed"; `possible` is whether this visitor may have it counted again.
    """

    state: str
    who: str
    error: str | None
    possible: bool
    before: list[Estimate]
    after: list[Estimate]


class Wish(BaseModel):
    """A wish to have it counted again."""

    model_config = ConfigDict(extra="forbid")
    request: Request


@router.get("/count")
def counted(here: Here, visitor: Viewer) -> Recounted:
    """The newest estimates, and beside them those of before the last counting asked for here."""
    with here.census.reading() as session:
        return _recounted(here, session, here.recount.state, may=visitor.role >= Role.REVIEWER)


@router.post("/count")
def count_again(here: Here, visitor: Reviewer, wish: Wish) -> Recounted:
    """Count again, with everything people decided so far; one counting runs at a time. Ask GET /count how far it is."""
    if not here.recount.possible:
        raise HTTPException(409, "this server cannot count: run overfly count")
    with here.census.reading() as session:
        newest = latest_estimate_run(session, here.survey(session).survey_id)
        state = here.recount.start(wish.request, visitor.name, None if newest is None else newest.estimate_run_id)
        return _recounted(here, session, state, may=True)


def _recounted(here: Place, session: Session, state: RecountState, *, may: bool) -> Recounted:
    newest = latest_estimate_run(session, here.survey(session).survey_id)
    before = [] if state.before is None else read_estimates(session, state.before)
    after = [] if newest is None else read_estimates(session, newest.estimate_run_id)
    return Recounted(
        state=state.state, who=state.who, error=state.error, possible=may and here.recount.possible,
        before=[Estimate.of(e) for e in before], after=[Estimate.of(e) for e in after],
    )  # fmt: skip
