"""The random sample of frames that people check blind: drawn, given out, counted, and how far two people agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Annotated, Literal

import shapely
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from counts.review.api.frames import drawn_share
from counts.review.api.items import Key, Label, Pixel, Request
from counts.review.pictures import TILE_PX
from counts.review.place import Here, Manager, Place, Reviewer, refused
from counts.review.sessions import Role
from counts.reviewers import compare_reviewers
from counts.store.samples import (
    FrameCount,
    StoredFrame,
    add_count,
    assign,
    first_counters,
    frames_given,
    frames_left,
    frames_to_do,
    latest_sample,
    own_marks,
    read_counts,
    read_frames,
)
from flightplan.errors import CensusError

router = APIRouter(tags=["sample"])
Mark = tuple[Pixel, Pixel]
Marks = dict[Label, Annotated[list[Mark], Field(max_length=5000)]]
EDGE_PX = 2.0


class SampleState(BaseModel):
    """The survey's sample, None before one is drawn: `frames`, how many somebody counted, and how many two people did.

    `mine` of the frames are the visitor's, of which `open` wait for them; `first_left` and `second_left` are still to
    be given out in each turn. `may_draw` says whether this visitor may draw one here.
    """

    sample_id: int | None
    species: list[str]
    frames: int = 0
    counted: int = 0
    counted_twice: int = 0
    mine: int = 0
    open: int = 0
    first_left: int = 0
    second_left: int = 0
    may_draw: bool = False


class Draw(BaseModel):
    """A wish for a sample: so many frames with detections and so many without. The same draw is the same sample."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    positive: Annotated[int, Field(ge=0, le=10_000)] = 80
    zero: Annotated[int, Field(ge=0, le=10_000)] = 60
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1


class Take(BaseModel):
    """A wish to have so many frames to do; turn 2 is the second look at frames that others counted."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    turn: Literal[1, 2] = 1
    open: Annotated[int, Field(ge=1, le=1000)] = 20


class Drawn(BaseModel):
    """A frame to count in, and the outline of the part that counts: rings in pixels, None for the whole.

    `drawn` is as for a capture. Without a ring nothing in it counts: others saw all of its ground. What was detected in
    it is not told. `marks_px` is what the visitor marked before, None if nothing yet.
    `part` is the number of a part of an orthomosaic, all of it that is to be looked at; 0 for a picture.
    """

    frame_id: int
    number: int
    capture_id: int
    part: int
    width_px: int
    height_px: int
    tile_px: int
    levels: int
    drawn: float
    zone_px: list[list[tuple[float, float]]] | None
    marks_px: Marks | None
    before: int | None


class Seen(BaseModel):
    """What somebody saw in a frame: a mark on each animal, by species. No marks say that there was none."""

    model_config = ConfigDict(extra="forbid")
    request: Request
    frame_id: Key
    marks_px: Annotated[Marks, Field(max_length=100)]


class Agreement(BaseModel):
    """How far the first and the second person agree about one species; see `counts.reviewers`."""

    species: str
    frames: int
    same: float | None
    presence_kappa: float | None
    count_kappa: float | None
    first_total: int
    second_total: int


@router.get("/sample")
def state(here: Here, visitor: Reviewer) -> SampleState:
    """How far the newest sample is."""
    with here.census.reading() as session:
        return _state(here, session, visitor.name, draws=visitor.role >= Role.MANAGER)


@router.post("/sample")
def draw(here: Here, visitor: Manager, wish: Draw) -> SampleState:
    """Draw a sample of the frames on effort, at random among those with detections and those without."""
    if here.settings.draw is None:
        raise HTTPException(409, "this server cannot draw: run overfly count --draw")
    if wish.positive + wish.zero == 0:
        raise HTTPException(422, "a sample has a frame at least")
    here.settings.draw(visitor.name, wish.positive, wish.zero, wish.seed)
    with here.census.reading() as session:
        return _state(here, session, visitor.name, draws=True)


@router.post("/sample/assignments")
def take(here: Here, visitor: Reviewer, wish: Take) -> SampleState:
    """See that the visitor has so many frames to do, while there are some; sent again it gives no more."""
    with here.census.writing() as session:
        sample_id = _sample(here, session)
        missing = wish.open - len(frames_to_do(session, sample_id, visitor.name))
        if missing > 0:
            assign(session, sample_id, visitor.name, turn=wish.turn, time_utc=datetime.now(UTC), frames=missing)
        return _state(here, session, visitor.name, draws=visitor.role >= Role.MANAGER)


@router.get("/sample/next")
def next_frame(here: Here, visitor: Reviewer) -> Drawn | None:
    """The next frame that the visitor was given and has not counted; None when there is none."""
    with here.census.reading() as session:
        sample_id = _sample(here, session)
        todo = frames_to_do(session, sample_id, visitor.name)
        here.pictures.draw_ahead(here.picture(session, f.entry.capture_id) for f in todo[:3])
        return _drawn(here, session, sample_id, visitor.name, todo[0]) if todo else None


@router.get("/sample/frames/{frame_id}")
def frame(here: Here, visitor: Reviewer, frame_id: Key) -> Drawn:
    """A frame that the visitor was given, with what they marked in it."""
    with here.census.reading() as session:
        sample_id = _sample(here, session)
        return _drawn(here, session, sample_id, visitor.name, _own(session, sample_id, visitor.name, frame_id))


@router.post("/sample/counts")
def count(here: Here, visitor: Reviewer, seen: Seen) -> SampleState:
    """Write what was seen in a frame; a second time corrects the first. Species without a mark were not there."""
    try:
        with here.census.writing() as session:
            sample_id = _sample(here, session)
            zone = _own(session, sample_id, visitor.name, seen.frame_id).entry.zone_px
            _check_inside(zone, [mark for marks in seen.marks_px.values() for mark in marks])
            earlier = own_marks(session, seen.frame_id, visitor.name) or {}
            species = dict.fromkeys([*here.labels(session), *earlier, *seen.marks_px])
            marks = {name: seen.marks_px.get(name, []) for name in species}
            entry = FrameCount(
                seen.frame_id, {k: len(v) for k, v in marks.items()}, visitor.name, datetime.now(UTC), marks,
                seen.request, visitor.person_id,
            )  # fmt: skip
            add_count(session, entry)
            return _state(here, session, visitor.name, draws=visitor.role >= Role.MANAGER)
    except CensusError as error:
        raise refused(error) from error


@router.get("/sample/agreement")
def agreement(here: Here, visitor: Manager) -> list[Agreement]:
    """How far the first and the second person who counted a frame agree, by species."""
    with here.census.reading() as session:
        sample_id = latest_sample(session, here.survey(session).survey_id)
        if sample_id is None:
            return []
        species, counts = here.labels(session), read_counts(session, sample_id)
        first = first_counters(session, sample_id)
    # Of three people who counted a frame the third is compared with the first, too.
    pairs = [
        (counts[one][key], said[key])
        for key, one in first.items()
        for who, said in counts.items()
        if who != one and key in said
    ]
    names = dict.fromkeys([*species, *(name for pair in pairs for side in pair for name in side)])
    found = {n: compare_reviewers([a.get(n, 0) for a, _ in pairs], [b.get(n, 0) for _, b in pairs]) for n in names}
    return [Agreement(species=name, **vars(each)) for name, each in found.items()]


def _sample(here: Place, session: Session) -> int:
    found = latest_sample(session, here.survey(session).survey_id)
    if found is None:
        raise HTTPException(404, "no sample was drawn yet: a manager draws one")
    return found


def _own(session: Session, sample_id: int, who: str, frame_id: int) -> StoredFrame:
    for given in frames_given(session, sample_id, who):
        if given.frame_id == frame_id:
            return given
    raise HTTPException(404, "you were given no such frame")


def _state(here: Place, session: Session, who: str, *, draws: bool) -> SampleState:
    draws = draws and here.settings.draw is not None
    species = here.labels(session)
    sample_id = latest_sample(session, here.survey(session).survey_id)
    if sample_id is None:
        return SampleState(sample_id=None, species=species, may_draw=draws)
    frames = len(read_frames(session, sample_id))
    counts = read_counts(session, sample_id)
    times: dict[int, int] = {}
    for said in counts.values():
        for key in said:
            times[key] = times.get(key, 0) + 1
    given, left = frames_given(session, sample_id, who), frames_left(session, sample_id)
    return SampleState(
        sample_id=sample_id, species=species, frames=frames, counted=len(times),
        counted_twice=sum(n > 1 for n in times.values()), mine=len(given),
        open=len(frames_to_do(session, sample_id, who)), first_left=left[1], second_left=left[2], may_draw=draws,
    )  # fmt: skip


def _drawn(here: Place, session: Session, sample_id: int, who: str, stored: StoredFrame) -> Drawn:
    picture = here.picture(session, stored.entry.capture_id)
    given = [f.frame_id for f in frames_given(session, sample_id, who)]
    place = given.index(stored.frame_id)
    mine, zone = own_marks(session, stored.frame_id, who), stored.entry.zone_px
    return Drawn(
        frame_id=stored.frame_id,
        number=place + 1,
        capture_id=picture.capture_id,
        part=stored.entry.part,
        width_px=picture.width_px,
        height_px=picture.height_px,
        tile_px=TILE_PX,
        levels=picture.levels,
        drawn=drawn_share(here, picture),
        zone_px=None if zone is None else [[(p[0], p[1]) for p in ring] for ring in zone],
        marks_px=None if mine is None else {k: [(m[0], m[1]) for m in marks] for k, marks in mine.items()},
        before=given[place - 1] if place else None,
    )


def _check_inside(zone_px: Sequence[Sequence[Sequence[float]]] | None, marks: Sequence[Mark]) -> None:
    """Refuse marks outside of the zone: an animal there belongs to another frame and would count twice."""
    if zone_px is None or not marks:
        return
    rings = [shapely.Polygon(ring) for ring in zone_px if len(ring) > 2]
    zone = reduce(shapely.symmetric_difference, rings, shapely.Polygon()).buffer(EDGE_PX)
    outside = ~shapely.contains_xy(zone, [m[0] for m in marks], [m[1] for m in marks])
    if outside.any():
        raise HTTPException(
            409, f"{int(outside.sum())} marks lie outside of the outline: those animals belong to others"
        )
