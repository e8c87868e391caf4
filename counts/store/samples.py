"""Random samples of frames that people check blind: who is to look at which, and what each of them counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from counts.schema import Sample, SampleAssignment, SampleCount, SampleFrame
from flightplan.errors import CensusError


@dataclass(frozen=True)
class SampleFrameEntry:
    """A frame that was drawn, and what of it to count in: rings of (x, y) in pixels, None for the whole frame.

    `part` is the number of a part of a mosaic, 0 for a picture that is one frame.
    """

    capture_id: int
    sample_stratum: str
    zone_px: Sequence[Sequence[Sequence[float]]] | None = None
    part: int = 0


@dataclass(frozen=True)
class StoredFrame:
    """A frame of a sample as the census has it, in the order of drawing."""

    frame_id: int
    position: int
    entry: SampleFrameEntry


@dataclass(frozen=True)
class FrameCount:
    """How many of each species somebody counted in a sampled frame; `marks_px` their places, (x, y) in pixels."""

    frame_id: int
    counts: Mapping[str, int]
    who: str
    time_utc: datetime
    marks_px: Mapping[str, Sequence[Sequence[float]]] | None = None
    request: str | None = None
    person_id: int | None = None


def add_sample(
    session: Session,
    survey_id: int,
    detection_run_id: int,
    frames: Iterable[SampleFrameEntry],
    *,
    seed: int,
    parameters: Mapping[str, Any],
    who: str,
    time_utc: datetime,
    blind: bool = True,
    identity_run_id: int | None = None,
) -> int:
    """Write a sample as it was drawn and return its key; the same draw again is the same sample."""
    known = session.scalars(
        select(Sample.fid).where(
            Sample.survey_id == survey_id,
            Sample.detection_run_id == detection_run_id,
            Sample.seed == seed,
            Sample.parameters == dict(parameters),
        )
    ).one_or_none()
    if known is not None:
        return known
    row = Sample(
        survey_id=survey_id,
        detection_run_id=detection_run_id,
        identity_run_id=identity_run_id,
        seed=seed,
        parameters=dict(parameters),
        blind=blind,
        who=who,
        time_utc=time_utc,
    )
    session.add(row)
    session.flush()
    rows = [
        {
            "sample_id": row.fid,
            "capture_id": int(frame.capture_id),
            "part": frame.part,
            "position": position,
            "sample_stratum": frame.sample_stratum,
            "zone_px": None if frame.zone_px is None else [[list(p) for p in ring] for ring in frame.zone_px],
        }
        for position, frame in enumerate(frames, start=1)
    ]
    if rows:
        session.execute(insert(SampleFrame), rows)
    return row.fid


def latest_sample(session: Session, survey_id: int) -> int | None:
    """Return the key of the survey's sample that was drawn last, None when there is none."""
    return session.scalars(select(func.max(Sample.fid)).where(Sample.survey_id == survey_id)).one()


def read_frames(session: Session, sample_id: int) -> tuple[StoredFrame, ...]:
    """Return the frames of a sample in the order of drawing."""
    rows = session.scalars(select(SampleFrame).where(SampleFrame.sample_id == sample_id).order_by(SampleFrame.position))
    return tuple(_stored(row) for row in rows)


def _stored(row: SampleFrame) -> StoredFrame:
    entry = SampleFrameEntry(row.capture_id, row.sample_stratum, row.zone_px, row.part)
    return StoredFrame(row.fid, row.position, entry)


def assign(session: Session, sample_id: int, who: str, *, turn: int, time_utc: datetime, frames: int) -> int:
    """Give somebody the next frames of a sample that nobody has in that turn; return how many there were.

    `turn` 1 is the first look, 2 the second reviewer's: nobody gets a frame twice.
    """
    taken = select(SampleAssignment.sample_frame_id).where(
        (SampleAssignment.turn == turn) | (SampleAssignment.who == who)
    )
    free = session.scalars(
        select(SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id, SampleFrame.fid.not_in(taken))
        .order_by(SampleFrame.position)
        .limit(frames)
    ).all()
    rows = [{"sample_frame_id": key, "who": who, "turn": turn, "time_utc": time_utc} for key in free]
    if rows:
        session.execute(insert(SampleAssignment), rows)
    return len(rows)


def frames_to_do(session: Session, sample_id: int, who: str) -> tuple[StoredFrame, ...]:
    """Return the frames that somebody was given and has not counted yet, in the order of drawing."""
    done = select(SampleCount.sample_frame_id).where(SampleCount.who == who)
    rows = session.scalars(
        select(SampleFrame)
        .join(SampleAssignment, SampleAssignment.sample_frame_id == SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id, SampleAssignment.who == who, SampleFrame.fid.not_in(done))
        .order_by(SampleFrame.position)
    )
    return tuple(_stored(row) for row in rows)


def frames_left(session: Session, sample_id: int) -> dict[int, int]:
    """Return how many frames of a sample nobody was given yet, by turn (1 and 2)."""
    every = session.scalars(select(func.count()).where(SampleFrame.sample_id == sample_id)).one()
    given = session.execute(
        select(SampleAssignment.turn, func.count(SampleAssignment.sample_frame_id.distinct()))
        .join(SampleFrame, SampleAssignment.sample_frame_id == SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id)
        .group_by(SampleAssignment.turn)
    )
    taken = {row[0]: row[1] for row in given}
    return {turn: every - taken.get(turn, 0) for turn in (1, 2)}


def frames_given(session: Session, sample_id: int, who: str) -> tuple[StoredFrame, ...]:
    """Return every frame that somebody was given, counted or not, in the order of drawing."""
    rows = session.scalars(
        select(SampleFrame)
        .join(SampleAssignment, SampleAssignment.sample_frame_id == SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id, SampleAssignment.who == who)
        .order_by(SampleFrame.position)
    )
    return tuple(_stored(row) for row in rows)


def own_marks(session: Session, frame_id: int, who: str) -> dict[str, list[list[float]]] | None:
    """Return where somebody last marked the animals of a frame, by species; None before they counted it."""
    rows = session.execute(
        select(SampleCount.species, SampleCount.marks_px)
        .where(SampleCount.sample_frame_id == frame_id, SampleCount.who == who)
        .order_by(SampleCount.fid)
    ).all()
    return {species: list(marks or []) for species, marks in rows} if rows else None


def add_count(session: Session, count: FrameCount) -> tuple[int, ...]:
    """Write what somebody counted in a frame and return the keys, one a species; a request again is not written.

    Raises CensusError for a count below 0, and for one without any species: a frame without animals has zeros.
    """
    if not count.counts:
        raise CensusError("a count names its species", hint="Write 0 for those that were not there")
    if count.request is not None:
        there = session.scalars(
            select(SampleCount.fid).where(SampleCount.request == count.request).order_by(SampleCount.fid)
        ).all()
        if there:
            return tuple(there)
    rows = []
    for species, number in count.counts.items():
        if number < 0:
            raise CensusError(f"{species} cannot be {number}", hint="Count from 0 up.")
        marks = (count.marks_px or {}).get(species)
        rows.append(
            {
                "sample_frame_id": count.frame_id,
                "species": species,
                "true_count": int(number),
                "marks_px": None if marks is None else [[float(v) for v in mark] for mark in marks],
                "who": count.who,
                "time_utc": count.time_utc,
                "person_id": count.person_id,
                "request": count.request,
            }
        )
    found = session.scalars(insert(SampleCount).returning(SampleCount.fid, sort_by_parameter_order=True), rows)
    return tuple(found.all())


@dataclass(frozen=True)
class SampleInfo:
    """How a sample was drawn, and for which run."""

    sample_id: int
    survey_id: int
    detection_run_id: int
    seed: int
    parameters: Mapping[str, Any]
    blind: bool
    who: str


def read_sample(session: Session, sample_id: int) -> SampleInfo:
    """Return a sample by its key."""
    row = session.get_one(Sample, sample_id)
    return SampleInfo(row.fid, row.survey_id, row.detection_run_id, row.seed, row.parameters, row.blind, row.who)


def checked_sample_of(session: Session, detection_run_id: int) -> int | None:
    """Return the key of the run's newest sample with every frame counted, or else of the newest with any.

    None when nobody counted in one. So a sample that was just begun takes nothing away from one that is done.
    """
    rows = session.execute(
        select(Sample.fid, func.count(SampleFrame.fid.distinct()), func.count(SampleCount.sample_frame_id.distinct()))
        .join(SampleFrame, SampleFrame.sample_id == Sample.fid)
        .outerjoin(SampleCount, SampleCount.sample_frame_id == SampleFrame.fid)
        .where(Sample.detection_run_id == detection_run_id)
        .group_by(Sample.fid)
    ).all()
    begun = [(frames == counted, key) for key, frames, counted in rows if counted]
    return max(begun)[1] if begun else None


def first_counts(session: Session, sample_id: int) -> dict[int, dict[str, int]]:
    """Return what counts of each frame, by its key and species: the last word of whoever counted it first."""
    first, counts = first_counters(session, sample_id), read_counts(session, sample_id)
    return {frame: dict(counts[who][frame]) for frame, who in first.items()}


def first_counters(session: Session, sample_id: int) -> dict[int, str]:
    """Return who counted each frame first, by its key."""
    rows = session.execute(
        select(SampleCount.sample_frame_id, SampleCount.who)
        .join(SampleFrame, SampleCount.sample_frame_id == SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id)
        .order_by(SampleCount.fid)
    )
    first: dict[int, str] = {}
    for frame, who in rows:
        first.setdefault(frame, who)
    return first


def read_counts(session: Session, sample_id: int) -> Mapping[str, Mapping[int, Mapping[str, int]]]:
    """Return what each person counted, by their name, then the frame's key, then species: their last word."""
    rows = session.execute(
        select(SampleCount.who, SampleCount.sample_frame_id, SampleCount.species, SampleCount.true_count)
        .join(SampleFrame, SampleCount.sample_frame_id == SampleFrame.fid)
        .where(SampleFrame.sample_id == sample_id)
        .order_by(SampleCount.fid)
    )
    counts: dict[str, dict[int, dict[str, int]]] = {}
    for who, frame, species, number in rows:
        counts.setdefault(who, {}).setdefault(frame, {})[species] = number
    return counts
