"""A person checks a random sample of frames; what they saw becomes a correction of the count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy.orm import Session

from counts.assignment import Polygons
from counts.census import Census
from counts.effort import CoreZones, core_zones
from counts.store import (
    VerificationEntry,
    add_verification,
    find_survey,
    latest_detection_run,
    latest_survey,
    read_detections,
    read_verification,
)
from counts.store.detections import DetectionRunInfo, count_by_capture
from counts.store.looking import looked_at
from counts.store.samples import (
    FrameCount,
    SampleFrameEntry,
    add_count,
    add_sample,
    first_counters,
    first_counts,
    read_frames,
    read_sample,
)
from counts.verification import Correction, correction, draw_sample
from flightplan.errors import CensusError
from overfly.chain.ground import Ints, SurveyGround, read_ground
from overfly.chain.mosaic_ground import MosaicsShown, mosaics_shown

STRATA = ("zero", "positive")
_ORDER = 0x0DE5


@dataclass(frozen=True)
class FrameToCheck:
    """A frame drawn for verification: the animals whose middle lies in its core zone are to be counted.

    `zone_px` is the zone in the picture, in the pixels of `detect.detections`. `part` is the number of a part of a
    mosaic, of which each is a frame; 0 for a picture.
    """

    capture_id: int
    path: Path
    content_hash: str
    zone_px: shapely.Geometry
    part: int = 0


@dataclass(frozen=True)
class Checkable:
    """What a sample is drawn from: U frames on effort, or parts of mosaics.

    `row` (U,) is each one's place in the arrays of detections and counts, `capture` (U,) the row of its picture, `part`
    (U,) its number in a mosaic, 0 for a frame, `zones` (U,) the ground to count on, in metres. `mark` tells how a
    mosaic was cut: a sample of other parts says nothing of these.
    """

    row: Ints
    capture: Ints
    part: Ints
    zones: Polygons
    mark: str | None = None

    @classmethod
    def of_frames(cls, ground: SurveyGround, zones: CoreZones) -> Checkable:
        """Return every capture on effort, with its core zone."""
        on = np.flatnonzero(ground.assignment.transect >= 0)
        return cls(on, on, np.zeros(len(on), dtype=np.int64), zones.polygons[on])

    @classmethod
    def of_parts(cls, shown: MosaicsShown) -> Checkable:
        """Return every part of a survey's mosaics."""
        parts = shown.parts
        return cls(np.arange(len(parts)), shown.rows[parts.mosaic], parts.number, parts.polygons, shown.mark)

    @property
    def parameters(self) -> dict[str, Any]:
        """What of it a sample remembers."""
        return {} if self.mark is None else {"parts": self.mark}


Verifier = Callable[[Sequence[FrameToCheck]], Mapping[int, Mapping[str, int]]]
"""Given frames, returns what somebody counted in each core zone: capture, then species, then number.

A frame that is left out was not looked at; a species that is left out was not there.
"""


@dataclass(frozen=True)
class Verification:
    """The sample and what was found in it.

    `frames` (n,) are rows of the survey's captures, or of a mosaic's parts (`Checkable.row`), `stratum` (n,) 0 where
    nothing was detected and 1 where something was, `sizes` how many frames each of those two holds. `seen` gives (n,)
    true counts by species.
    """

    frames: Ints
    stratum: Ints
    sizes: tuple[int, int]
    seen: Mapping[str, Ints]
    who: str
    survey: str = ""


def frames_to_check(
    ground: SurveyGround, checkable: Checkable, detections: Ints, *, positive: int, zero: int, seed: int
) -> tuple[tuple[FrameToCheck, ...], Ints, tuple[int, int]]:
    """Draw the sample: the frames, their strata, and the sizes of the two strata.

    `detections` counts what the detector found, in the rows of `checkable`; each of those can be drawn.
    """
    sample = draw_sample(detections[checkable.row], positive, zero, seed)
    frames = []
    for i in sample.captures.tolist():
        row = int(checkable.capture[i])
        stored = ground.captures[row]
        frames.append(
            FrameToCheck(
                capture_id=stored.capture_id,
                path=stored.capture.path,
                content_hash=stored.capture.content_hash,
                zone_px=ground.in_picture(row, checkable.zones[i]),
                part=int(checkable.part[i]),
            )
        )
    return tuple(frames), sample.stratum, sample.stratum_sizes


def draw_for_people(
    census: Census, *, survey: str | None = None, who: str = "", positive: int, zero: int, seed: int
) -> int:
    """Draw a survey's sample and write it down for people to check; return its key.

    Raises CensusError when nothing was looked for yet, or the survey has no design to draw frames on effort from.
    """
    with census.reading() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        run = latest_detection_run(session, info.survey_id)
        if run is None:
            raise CensusError(
                f"nothing was looked for in the survey {info.name!r} yet", hint="Run first: overfly detect"
            )
        ground = read_ground(session, info, looked_at=looked_at(session, run.run_id))
        detections = ground.by_capture(*count_by_capture(session, run.run_id))
        found = read_detections(session, run.run_id) if ground.by_mosaic else None
    if found is not None:
        shown = mosaics_shown(ground)
        checkable, detections = Checkable.of_parts(shown), shown.detected(found)
    elif not ground.planned:
        raise CensusError(f"the survey {info.name!r} has no design: no frame is on effort")
    else:
        zones = core_zones(ground.footprints, ground.assignment, ground.lines, ground.land)
        checkable = Checkable.of_frames(ground, zones)
    frames, stratum, sizes = frames_to_check(ground, checkable, detections, positive=positive, zero=zero, seed=seed)
    asked = {"positive": positive, "zero": zero, "sizes": list(sizes), **checkable.parameters}
    with census.writing() as session:
        return _write_sample(session, run, ground, frames, stratum, asked, who, seed, datetime.now(UTC))


def ask(
    session: Session,
    run: DetectionRunInfo,
    ground: SurveyGround,
    checkable: Checkable,
    detections: Ints,
    species: Collection[str],
    verifier: Verifier,
    *,
    who: str,
    positive: int,
    zero: int,
    seed: int,
    identity_run_id: int | None = None,
    time_utc: datetime | None = None,
) -> int:
    """Draw a sample, have it checked and write both down; return its key.

    Frames that were checked before are not asked for again: what a person counted stands.
    """
    now = time_utc or datetime.now(UTC)
    frames, stratum, sizes = frames_to_check(ground, checkable, detections, positive=positive, zero=zero, seed=seed)
    asked = {"positive": positive, "zero": zero, "sizes": list(sizes), **checkable.parameters}
    sample_id = _write_sample(session, run, ground, frames, stratum, asked, who, seed, now, identity_run_id)
    frame_of = {(f.entry.capture_id, f.entry.part): f.frame_id for f in read_frames(session, sample_id)}
    names = sorted(species)
    known = first_counts(session, sample_id)
    missing = [f for f in frames if any(s not in known.get(frame_of[f.capture_id, f.part], {}) for s in names)]
    for frame, answer in _answered(verifier, missing):
        key = frame_of[frame.capture_id, frame.part]
        new = {name: int(answer.get(name, 0)) for name in names if name not in known.get(key, {})}
        try:
            add_count(session, FrameCount(key, new, who, now))
        except CensusError as error:
            raise CensusError(error.what, where=str(frame.path), hint=error.hint) from error
    return sample_id


def verify(
    session: Session,
    run: DetectionRunInfo,
    identity_run_id: int,
    ground: SurveyGround,
    checkable: Checkable,
    detections: Ints,
    census_counts: Mapping[str, Ints],
    verifier: Verifier,
    *,
    who: str,
    positive: int,
    zero: int,
    seed: int,
    time_utc: datetime | None = None,
) -> Verification:
    """Draw a sample, have it checked, and hold it against what the census has there now: `ask`, `checked_sample`.

    `census_counts` gives individuals by zone, in the rows of `checkable`, by species. The same draw is the same sample,
    also when the individuals have changed since.
    """
    now = time_utc or datetime.now(UTC)
    sample_id = ask(
        session, run, ground, checkable, detections, census_counts, verifier,
        who=who, positive=positive, zero=zero, seed=seed, identity_run_id=identity_run_id, time_utc=now,
    )  # fmt: skip
    return checked_sample(session, sample_id, identity_run_id, ground, checkable, census_counts, time_utc=now)


def _answered(verifier: Verifier, frames: Sequence[FrameToCheck]) -> Iterator[tuple[FrameToCheck, Mapping[str, int]]]:
    """Ask about frames, all pictures at once; of a mosaic's parts one by one, for answers go by picture."""
    pictures = [frame for frame in frames if not frame.part]
    answers = verifier(pictures) if pictures else {}
    yield from ((frame, answers[frame.capture_id]) for frame in pictures if frame.capture_id in answers)
    for frame in (frame for frame in frames if frame.part):
        if (answer := verifier([frame]).get(frame.capture_id)) is not None:
            yield frame, answer


def fits(session: Session, sample_id: int, checkable: Checkable) -> bool:
    """Whether a sample was drawn from what there is to check now: frames, or a mosaic that was cut in the same way."""
    return bool(read_sample(session, sample_id).parameters.get("parts") == checkable.mark)


def checked_sample(
    session: Session,
    sample_id: int,
    identity_run_id: int,
    ground: SurveyGround,
    checkable: Checkable,
    census_counts: Mapping[str, Ints],
    *,
    time_utc: datetime | None = None,
) -> Verification:
    """Hold what people counted in a sample's frames against what the census has there now, and write that down.

    Of two people who counted one frame the one who was first counts. Frames that are no longer on effort are left out.
    """
    keys = zip(ground.captures.capture_id[checkable.capture].tolist(), checkable.part.tolist(), strict=True)
    row = dict(zip(keys, checkable.row.tolist(), strict=True))
    species = sorted(census_counts)
    counts = first_counts(session, sample_id)
    frames = [
        f
        for f in read_frames(session, sample_id)
        if (f.entry.capture_id, f.entry.part) in row and all(s in counts.get(f.frame_id, {}) for s in species)
    ]
    frames.sort(key=lambda f: row[f.entry.capture_id, f.entry.part])
    entries = [
        VerificationEntry(
            f.entry.capture_id,
            f.entry.sample_stratum,
            name,
            counts[f.frame_id][name],
            int(census_counts[name][row[f.entry.capture_id, f.entry.part]]),
            f.entry.part,
        )
        for f in frames
        for name in species
    ]
    people = dict.fromkeys(first_counters(session, sample_id).get(f.frame_id, "") for f in frames)
    who = ", ".join(name for name in people if name)
    known = {(e.capture_id, e.part, e.species) for e in read_verification(session, identity_run_id)}
    new = [e for e in entries if (e.capture_id, e.part, e.species) not in known]
    add_verification(session, identity_run_id, new, who=who, time_utc=time_utc or datetime.now(UTC))
    sizes = read_sample(session, sample_id).parameters["sizes"]
    return Verification(
        frames=np.array([row[f.entry.capture_id, f.entry.part] for f in frames], dtype=np.int64),
        stratum=np.array([STRATA.index(f.entry.sample_stratum) for f in frames], dtype=np.int64),
        sizes=(int(sizes[0]), int(sizes[1])),
        seen={s: np.array([counts[f.frame_id][s] for f in frames], dtype=np.int64) for s in species},
        who=who,
        survey=ground.info.name,
    )


def corrections(
    verification: Verification,
    detections: Ints,
    census_counts: Mapping[str, Ints],
    effort: npt.NDArray[np.bool_],
    *,
    units: str = "frames on effort",
) -> dict[str, Correction]:
    """Return each species' factor from counted to true animals, from the checked frames.

    Its source names the survey: what was measured in one is no error that another shares.
    """
    positive = detections > 0
    source = (
        f"{len(verification.frames)} of {sum(verification.sizes)} {units} of {verification.survey}, drawn at "
        f"random and checked by {verification.who}"
    )
    result = {}
    for name, counts in census_counts.items():
        result[name] = correction(
            verification.seen[name],
            counts[verification.frames],
            verification.stratum,
            verification.sizes,
            (float(counts[effort & ~positive].sum()), float(counts[effort & positive].sum())),
            source=source,
        )
    return result


def _write_sample(
    session: Session,
    run: DetectionRunInfo,
    ground: SurveyGround,
    frames: Sequence[FrameToCheck],
    stratum: Ints,
    asked: Mapping[str, Any],
    who: str,
    seed: int,
    time_utc: datetime,
    identity_run_id: int | None = None,
) -> int:
    entries = [
        SampleFrameEntry(f.capture_id, STRATA[of], _rings(f.zone_px), f.part)
        for f, of in zip(frames, stratum.tolist(), strict=True)
    ]
    # People go through them in this order: a sample that is half counted is still one of all the area.
    order = np.random.default_rng([seed, _ORDER]).permutation(len(entries))
    return add_sample(
        session,
        ground.info.survey_id,
        run.run_id,
        [entries[i] for i in order.tolist()],
        seed=seed,
        parameters=asked,
        who=who,
        time_utc=time_utc,
        identity_run_id=identity_run_id,
    )


def _rings(zone_px: shapely.Geometry) -> list[list[list[float]]]:
    rings = [ring for part in shapely.get_parts(zone_px) for ring in shapely.get_rings(part)]
    return [np.round(shapely.get_coordinates(ring), 1).tolist() for ring in rings]
