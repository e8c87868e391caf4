"""Detections to judge: pages of them, the next one, verdicts on them, and taking those back.

A verdict is on disk when its answer arrives. Every act has a name of the caller's (`request`): sent again, because an
answer was lost or the server restarted, it is known and not written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.review.place import Here, Place, Reviewer, Viewer, refused
from counts.review.sessions import Visitor
from counts.schema import Verdict
from counts.store.review import Cursor, Progress, ReviewItem, in_capture, judged_page, next_unseen, page, unseen_page
from counts.store.review import progress as read_progress
from counts.store.tallies import UNSEEN, read_tallies
from counts.store.verdicts import COUNTED, VerdictEntry, add_verdicts, undo_last
from flightplan.errors import CensusError

router = APIRouter(tags=["items"])

Key = Annotated[int, Field(ge=1, le=2**53)]
# Neither control characters nor those that turn the direction of writing: a label would look like another.
PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=PLAIN)]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Score = Annotated[float, Query(ge=0.0, le=1.0)]
Request = Annotated[str, Field(min_length=8, max_length=80, pattern=r"^[A-Za-z0-9_.:-]+$")]
Pixel = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
MOST_VERDICTS = 2000
MOST_ACTS = 50
FRAMES_AHEAD, CROPS_AHEAD, NEXT_AHEAD = 12, 100, 3


class After(BaseModel):
    """Where a page goes on: a score and a detection."""

    score: float
    detection_id: int


class Item(BaseModel):
    """A detection as it is now, with the verdict that made it so, if there is one."""

    detection_id: int
    capture_id: int
    label: str
    score: float
    box_px: tuple[float, float, float, float]
    state: str
    verdict_id: int | None

    @classmethod
    def of(cls, item: ReviewItem) -> Item:
        """From the store's."""
        return cls(
            detection_id=item.detection_id, capture_id=item.capture_id, label=item.label, score=item.score,
            box_px=item.box_px, state=item.state, verdict_id=item.verdict_id,
        )  # fmt: skip


class Page(BaseModel):
    """Some items, and where the next page begins; None at the end."""

    items: list[Item]
    after: After | None


class LabelProgress(BaseModel):
    """Of one label from a score up: how many there are, how many were judged, and how many in each state."""

    label: str
    total: int
    seen: int
    states: dict[str, int]

    @classmethod
    def of(cls, progress: Progress) -> LabelProgress:
        """From the store's."""
        return cls(label=progress.label, total=progress.total, seen=progress.seen, states=progress.states)


class Judgement(BaseModel):
    """One decision: about a detection, or, with "add", an animal that the detector missed in a capture."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["accept", "reject", "relabel", "move", "add", "split", "merge"]
    detection_id: Key | None = None
    capture_id: Key | None = None
    label: Label | None = None
    box_px: tuple[Pixel, Pixel, Pixel, Pixel] | None = None
    into: Key | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Judgement:
        if self.action == "add":
            if self.capture_id is None or self.label is None or self.box_px is None:
                raise ValueError("an animal that is drawn needs capture_id, label and box_px")
        elif self.detection_id is None:
            raise ValueError(f"{self.action} is about a detection: name its detection_id")
        if self.action == "relabel" and self.label is None:
            raise ValueError("a new label is missing")
        if self.action == "move" and self.box_px is None:
            raise ValueError("the new box is missing")
        if self.action == "merge" and self.into is None:
            raise ValueError("merge names the other detection: into")
        box = self.box_px
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError("a box is x_min, y_min, x_max, y_max")
        return self


class Act(BaseModel):
    """Decisions that belong together, by one name: they are undone together."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    verdicts: Annotated[list[Judgement], Field(min_length=1, max_length=MOST_VERDICTS)]


class Undo(BaseModel):
    """A wish to take the last act back."""

    model_config = ConfigDict(extra="forbid")
    request: Request


class Acts(BaseModel):
    """Several acts of one person, in the order they were made: what waited while a server was away comes at once."""

    model_config = ConfigDict(extra="forbid")
    acts: Annotated[list[Act | Undo], Field(min_length=1, max_length=MOST_ACTS)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Acts:
        if sum(len(act.verdicts) for act in self.acts if isinstance(act, Act)) > MOST_VERDICTS:
            raise ValueError(f"at most {MOST_VERDICTS} verdicts at once")
        return self


class Done(BaseModel):
    """The verdicts that were written, or were there already."""

    verdict_ids: list[int]


@router.get("/progress")
def progress(here: Here, visitor: Viewer, least_score: Score = 0.0) -> list[LabelProgress]:
    """How much of each label is judged, from a score up; the most frequent label first."""
    with here.census.reading() as session:
        found = read_progress(session, here.run(session).run_id, least_score=least_score)
    return [LabelProgress.of(p) for p in found]


@router.get("/scores")
def scores(here: Here, visitor: Viewer, label: Annotated[Label, Query()]) -> dict[str, list[int]]:
    """How many detections of a label have each whole percent of score (101 numbers): in all, and not judged yet."""
    every, unseen = [0] * 101, [0] * 101
    with here.census.reading() as session:
        for row in read_tallies(session, here.run(session).run_id):
            if row.label == label:
                every[row.percent] += row.detections
                unseen[row.percent] += row.detections if row.state == "unseen" else 0
    return {"all": every, "unseen": unseen}


@router.get("/items")
def items(
    here: Here,
    visitor: Viewer,
    label: Annotated[Label, Query()],
    state: Literal["unseen", "judged", "all"] = "unseen",
    least_score: Score = 0.0,
    after_score: Annotated[float | None, Query(ge=0.0, le=1.0)] = None,
    after_id: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
) -> Page:
    """A page of detections of a label by falling score, after a place in that order."""
    cursor = None if after_score is None or after_id is None else Cursor(after_score, after_id)
    read = {"unseen": unseen_page, "judged": judged_page, "all": page}[state]
    with here.census.reading() as session:
        run_id = here.run(session).run_id
        found = read(session, run_id, label, after=cursor, least_score=least_score, limit=limit)
        # What is wished last is drawn first: this page, then the next one.
        if state == "unseen" and len(found) == limit:
            end = Cursor(found[-1].score, found[-1].detection_id)
            _draw_ahead(here, session, unseen_page(session, run_id, label, after=end, least_score=least_score), 0)
        _draw_ahead(here, session, found[:CROPS_AHEAD], FRAMES_AHEAD)
    place = After(score=found[-1].score, detection_id=found[-1].detection_id) if len(found) == limit else None
    return Page(items=[Item.of(i) for i in found], after=place)


@router.get("/items/next")
def next_item(
    here: Here,
    visitor: Viewer,
    label: Annotated[Label, Query()],
    least_score: Score = 0.0,
    after_score: Annotated[float | None, Query(ge=0.0, le=1.0)] = None,
    after_id: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> Item | None:
    """The next detection of a label that nobody has judged, from the top again when there is none after the place."""
    cursor = None if after_score is None or after_id is None else Cursor(after_score, after_id)
    with here.census.reading() as session:
        run_id = here.run(session).run_id
        found = next_unseen(session, run_id, label, after=cursor, least_score=least_score)
        if found is not None:
            place = Cursor(found.score, found.detection_id)
            more = unseen_page(session, run_id, label, after=place, least_score=least_score, limit=NEXT_AHEAD)
            _draw_ahead(here, session, (found, *more), 1 + NEXT_AHEAD, crops=False)
    return None if found is None else Item.of(found)


@router.get("/captures/{capture_id}/items")
def items_of_capture(here: Here, visitor: Viewer, capture_id: Key) -> list[Item]:
    """Everything found or drawn in one capture, as it is now."""
    with here.census.reading() as session:
        here.picture(session, capture_id)
        return [Item.of(i) for i in in_capture(session, here.run(session).run_id, capture_id)]


@router.post("/verdicts")
def judge(here: Here, visitor: Reviewer, act: Act) -> Done:
    """Write decisions; they are on disk when this answers, all of them or none."""
    return _written(here, visitor, [act])[0]


@router.post("/undo")
def undo(here: Here, visitor: Reviewer, wish: Undo) -> Done:
    """Take back one's last act that still stands, a whole batch at once; again and again, without end."""
    return _written(here, visitor, [wish])[0]


@router.post("/acts")
def acts(here: Here, visitor: Reviewer, several: Acts) -> list[Done]:
    """Write several acts in their order, each as if sent alone; where one is refused none of them is written."""
    return _written(here, visitor, several.acts)


def _draw_ahead(here: Place, session: Session, found: Sequence[ReviewItem], frames: int, *, crops: bool = True) -> None:
    """Draw what the page asks for next: the crops in their order, then the frames that they were cut from."""
    pictures = here.some_pictures(session, (i.capture_id for i in found))
    cuts = [(pictures[i.capture_id], i.box_px) for i in found] if crops else []
    here.pictures.draw_ahead(list(pictures.values())[:frames], cuts)


def _written(here: Place, visitor: Visitor, several: Sequence[Act | Undo]) -> list[Done]:
    try:
        with here.census.writing() as session:
            run_id = here.run(session).run_id
            return [
                Done(
                    verdict_ids=list(
                        _judged(here, session, visitor, run_id, act)
                        if isinstance(act, Act)
                        else undo_last(
                            session, run_id, who=visitor.name, time_utc=datetime.now(UTC), request=act.request
                        )
                    )
                )
                for act in several
            ]
    except CensusError as error:
        raise refused(error) from error


def _judged(here: Place, session: Session, visitor: Visitor, run_id: int, act: Act) -> tuple[int, ...]:
    there = session.scalars(select(Verdict.fid).where(Verdict.request == act.request).order_by(Verdict.fid)).all()
    if there:
        return tuple(there)
    _check_merges(here, session, act)
    now = datetime.now(UTC)
    entries = []
    for verdict in act.verdicts:
        if verdict.detection_id is not None:
            capture_id = here.box(session, verdict.detection_id)[0].capture_id
        else:
            capture_id = here.picture(session, verdict.capture_id or 0).capture_id
        entries.append(
            VerdictEntry(
                capture_id, verdict.detection_id, verdict.action, visitor.name, now, after=_after(verdict),
                batch=act.request if len(act.verdicts) > 1 else None, request=act.request, note=verdict.note,
                person_id=visitor.person_id, run_id=run_id,
            )
        )  # fmt: skip
    return add_verdicts(session, entries)


def _check_merges(here: Place, session: Session, act: Act) -> None:
    """Refuse to merge a box into one that does not count, or is of another picture: its animal would be lost."""
    gone = {v.detection_id for v in act.verdicts if v.action in ("merge", "split", "reject")}
    for verdict in act.verdicts:
        if verdict.action != "merge":
            continue
        capture_id = here.box(session, verdict.into or 0)[0].capture_id
        there = {i.detection_id: i for i in in_capture(session, here.run(session).run_id, capture_id)}
        if verdict.detection_id not in there:
            raise CensusError("boxes of two pictures are one animal by an answer about the pair, not by merging")
        into = there.get(verdict.into or 0)
        if into is None or verdict.into in gone or into.state not in (UNSEEN, *COUNTED):
            raise CensusError("the box that is left does not count: accept it first")


def _after(verdict: Judgement) -> dict[str, Any] | None:
    after: dict[str, Any] = {}
    if verdict.label is not None:
        after["label"] = verdict.label
    if verdict.box_px is not None:
        after["box_px"] = list(verdict.box_px)
    if verdict.into is not None:
        after["into"] = verdict.into
    return after or None
