"""Pairs of detections that may be one animal: side by side, answered, taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import numpy as np
import shapely
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.review.api.items import Key, Note, Request, Undo
from counts.review.place import Here, Place, Reviewer, Viewer, refused
from counts.review.sessions import Visitor
from counts.schema import Capture, Detection, Footprint, Sighting
from counts.store.identity import latest_identity_run
from counts.store.pairs import (
    PairAnswer,
    PairEntry,
    add_answer,
    count_pairs,
    decisions,
    find_pair,
    key_of_pair,
    next_undecided_pair,
    undo_last_answer,
)
from counts.store.review import in_capture
from flightplan.errors import CensusError
from flightplan.frames import Floats, LocalFrame

router = APIRouter(tags=["pairs"])
MOST_SIGHTS = 24
Ring = list[tuple[float, float]]


class Side(BaseModel):
    """One detection of a pair.

    Places are metres east and north of the pair's middle, which tell how the two lie and not where on earth; None where
    the detection was given no place. `footprint_m` is the ground that its picture shows.
    """

    detection_id: int
    capture_id: int
    picture: str
    label: str
    score: float
    box_px: tuple[float, float, float, float]
    time_utc: str | None
    place_m: tuple[float, float] | None
    footprint_m: list[Ring]


class Pair(BaseModel):
    """Two detections that the method could not tell to be one animal or two: what it chose, and what people said."""

    pair_id: int
    first: Side
    second: Side
    distance_m: float | None
    probability: float | None
    seconds_between: float | None
    together: bool
    reason: str | None
    answer: str | None


class PairProgress(BaseModel):
    """Of `total` pairs of the newest counting people answered `decided`; `answers` says how."""

    total: int
    decided: int
    answers: dict[str, int]


class Answer(BaseModel):
    """Somebody's answer about a pair that the counting asks about, or about any two detections of two pictures."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    pair_id: Key | None = None
    detection_ids: tuple[Key, Key] | None = None
    answer: Literal["same", "different", "unsure"]
    note: Note | None = None

    @model_validator(mode="after")
    def _is_about_two(self) -> Answer:
        if (self.pair_id is None) == (self.detection_ids is None):
            raise ValueError("an answer is about a pair_id, or about two detection_ids")
        return self


class Answered(BaseModel):
    """The detections of the pair that was answered or taken back, and how far people are with those asked about.

    `detection_ids` is None where there was nothing to take back; `pair_id` where the newest counting does not ask.
    """

    pair_id: int | None
    detection_ids: tuple[int, int] | None
    progress: PairProgress


class Sight(BaseModel):
    """One detection of an animal, and the picture it is in."""

    detection_id: int
    capture_id: int
    picture: str


class Animal(BaseModel):
    """What the newest counting took for one animal with a detection: the others, by time; none where it is alone."""

    others: list[Sight]


@router.get("/pairs/progress")
def progress(here: Here, visitor: Viewer) -> PairProgress:
    """How many pairs there are, and how many people answered."""
    with here.census.reading() as session:
        return pair_progress(session, _run(here, session))


@router.get("/pairs/next")
def next_pair(here: Here, visitor: Viewer, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Pair | None:
    """The next pair that nobody has answered, from the first again when there is none after the place."""
    with here.census.reading() as session:
        run_id = _run(here, session)
        if run_id is None:
            return None
        found = next_undecided_pair(session, run_id, after=after) or next_undecided_pair(session, run_id)
        return None if found is None else _pair(here, session, visitor, run_id, *found)


@router.get("/pairs/{pair_id}")
def pair(here: Here, visitor: Viewer, pair_id: Key) -> Pair:
    """A pair, answered or not."""
    with here.census.reading() as session:
        run_id = _run(here, session)
        return _pair(here, session, visitor, run_id or 0, pair_id, _found(session, run_id, pair_id))


@router.post("/pairs/answers")
def answer(here: Here, visitor: Reviewer, said: Answer) -> Answered:
    """Write an answer; it is on disk when this answers, and counts from the next counting on."""
    try:
        with here.census.writing() as session:
            run_id = _run(here, session)
            if said.detection_ids is not None:
                for key in said.detection_ids:
                    here.box(session, key)
                keys = said.detection_ids
            else:
                asked = _found(session, run_id, said.pair_id or 0)
                keys = (asked.first_id, asked.second_id)
            entry = PairAnswer(
                *keys, said.answer, visitor.name, datetime.now(UTC), said.request, note=said.note,
                person_id=visitor.person_id,
            )  # fmt: skip
            add_answer(session, entry)
            return Answered(pair_id=said.pair_id, detection_ids=keys, progress=pair_progress(session, run_id))
    except CensusError as error:
        raise refused(error) from error


@router.post("/pairs/undo")
def undo(here: Here, visitor: Reviewer, wish: Undo) -> Answered:
    """Take back one's last answer that still stands; again and again, without end."""
    with here.census.writing() as session:
        run_id = _run(here, session)
        if run_id is None:
            return Answered(pair_id=None, detection_ids=None, progress=pair_progress(session, None))
        keys = undo_last_answer(
            session, run_id, who=visitor.name, time_utc=datetime.now(UTC), request=wish.request,
            person_id=visitor.person_id,
        )  # fmt: skip
        pair_id = None if keys is None else key_of_pair(session, run_id, *keys)
        return Answered(pair_id=pair_id, detection_ids=keys, progress=pair_progress(session, run_id))


@router.get("/detections/{detection_id}/animal")
def animal(here: Here, visitor: Viewer, detection_id: Key) -> Animal:
    """Where else the newest counting saw the animal of a detection."""
    with here.census.reading() as session:
        here.box(session, detection_id)
        own = (
            select(Sighting.individual_id)
            .where(Sighting.identity_run_id == _run(here, session), Sighting.detection_id == detection_id)
            .scalar_subquery()
        )
        rows = session.execute(
            select(Sighting.detection_id, Capture.fid, Capture.path)
            .join(Detection, Sighting.detection_id == Detection.fid)
            .join(Capture, Detection.capture_id == Capture.fid)
            .where(Sighting.individual_id == own, Sighting.detection_id != detection_id)
            .order_by(Capture.time_utc, Sighting.detection_id)
            .limit(MOST_SIGHTS)
        ).all()
    return Animal(
        others=[Sight(detection_id=r[0], capture_id=r[1], picture=here.name_of(r[1], r[2], visitor)) for r in rows]
    )


def _run(here: Place, session: Session) -> int | None:
    return latest_identity_run(session, here.survey(session).survey_id)


def _found(session: Session, run_id: int | None, pair_id: int) -> PairEntry:
    found = None if run_id is None else find_pair(session, run_id, pair_id)
    if found is None:
        raise HTTPException(404, "the newest counting has no such pair")
    return found


def pair_progress(session: Session, run_id: int | None) -> PairProgress:
    """How far people are with the pairs of an identity run; None has none."""
    if run_id is None:
        return PairProgress(total=0, decided=0, answers={})
    said = list(decisions(session, run_id).values())
    answers = {name: said.count(name) for name in ("same", "different", "unsure")}
    return PairProgress(total=count_pairs(session, run_id), decided=len(said), answers=answers)


def _pair(here: Place, session: Session, visitor: Visitor, run_id: int, key: int, entry: PairEntry) -> Pair:
    keys = (entry.first_id, entry.second_id)
    rows = session.scalars(select(Sighting).where(Sighting.identity_run_id == run_id, Sighting.detection_id.in_(keys)))
    points = {row.detection_id: row.point for row in rows}
    middle = np.mean([(p.x, p.y) for p in points.values()], axis=0) if points else None
    frame = None if middle is None else LocalFrame(float(middle[0]), float(middle[1]))
    first, second = (_side(here, session, visitor, k, points.get(k), frame) for k in keys)
    times = [datetime.fromisoformat(s.time_utc) for s in (first, second) if s.time_utc]
    if here.withholds(visitor):
        first, second = (s.model_copy(update={"time_utc": None}) for s in (first, second))
    return Pair(
        pair_id=key, first=first, second=second, distance_m=entry.distance_m, probability=entry.probability,
        seconds_between=abs((times[1] - times[0]).total_seconds()) if len(times) == 2 else None,
        together=entry.together, reason=entry.reason, answer=decisions(session, run_id).get(keys),
    )  # fmt: skip


def _side(
    here: Place,
    session: Session,
    visitor: Visitor,
    detection_id: int,
    point: shapely.Point | None,
    frame: LocalFrame | None,
) -> Side:
    picture, box = here.box(session, detection_id)
    found = in_capture(session, here.run(session).run_id, picture.capture_id)
    item = next((i for i in found if i.detection_id == detection_id), None)
    if item is None:
        raise HTTPException(409, "a detection of this pair was taken back: count again")
    outline = session.scalars(select(Footprint.polygon).where(Footprint.capture_id == picture.capture_id)).first()
    time = session.scalars(select(Capture.time_utc).where(Capture.fid == picture.capture_id)).one()
    rings: list[Ring] = []
    if frame is not None and outline is not None:
        rings = [_rounded(frame.to_local(shapely.get_coordinates(r))) for r in shapely.get_rings(outline)]
    place = None if frame is None or point is None else _rounded(frame.to_local([(point.x, point.y)]))[0]
    here.pictures.draw_ahead([picture], [(picture, box)])
    return Side(
        detection_id=detection_id, capture_id=picture.capture_id,
        picture=here.name_of(picture.capture_id, picture.path, visitor),
        label=item.label, score=item.score, box_px=box,
        time_utc=None if time is None else time.isoformat(), place_m=place, footprint_m=rings,
    )  # fmt: skip


def _rounded(metres: Floats) -> Ring:
    return [(round(float(x), 2), round(float(y), 2)) for x, y in metres]
