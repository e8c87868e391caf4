"""A person checks a random sample of frames; what they saw becomes a correction of the count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy.orm import Session

from counts.census import Census
from counts.effort import CoreZones, core_zones
from counts.store import (
    VerificationEntry,
    add_verification,
    find_survey,
    latest_detection_run,
    latest_survey,
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

STRATA = ("zero", "positive")
_ORDER = 0x0DE5


@dataclass(frozen=True)
class FrameToCheck:
    """A frame drawn for verification: the animals whose middle lies in its core zone are to be counted.

    `zone_px` is the zone in the picture, in the pixels of `detect.detections`.
    """

    capture_id: int
    path: Path
    content_hash: str
    zone_px: shapely.Geometry


Verifier = Callable[[Sequence[FrameToCheck]], Mapping[int, Mapping[str, int]]]
"""Given frames, returns what somebody counted in each core zone: capture, then species, then number.

A frame that is left out was not looked at; a species that is left out was not there.
"""


@dataclass(frozen=True)
class Verification:
    """The sample and what was found in it.

    `frames` (n,) are rows of the survey's captures, `stratum` (n,) 0 where nothing was detected and 1 where something
    was, `sizes` how many frames each of those two holds. `seen` gives (n,) true counts by species.
    """

    frames: Ints
    stratum: Ints
    sizes: tuple[int, int]
    seen: Mapping[str, Ints]
    who: str
    survey: str = ""


def frames_to_check(
    ground: SurveyGround, zones: CoreZones, detections: Ints, *, positive: int, zero: int, seed: int
) -> tuple[tuple[FrameToCheck, ...], Ints, Ints, tuple[int, int]]:
    """Draw the sample: the frames, their rows, their strata, and the sizes of the two strata.

    `detections` (C,) counts what the detector found in each capture. Every capture on effort can be drawn.
    """
    effort = np.flatnonzero(ground.assignment.transect >= 0)
    sample = draw_sample(detections[effort], positive, zero, seed)
    rows = effort[sample.captures]
    frames = tuple(
        FrameToCheck(
            capture_id=stored.capture_id,
            path=stored.capture.path,
            content_hash=stored.capture.content_hash,
            zone_px=ground.in_picture(i, zones.polygons[i]),
        )
        for i, stored in ((i, ground.captures[i]) for i in rows.tolist())
    )
    return frames, rows, sample.stratum, sample.stratum_sizes


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
    if not ground.planned:
        raise CensusError(f"the survey {info.name!r} has no design: no frame is on effort")
    zones = core_zones(ground.footprints, ground.assignment, ground.lines, ground.land)
    frames, _, stratum, sizes = frames_to_check(ground, zones, detections, positive=positive, zero=zero, seed=seed)
    with census.writing() as session:
        return _write_sample(session, run, ground, frames, stratum, sizes, who, positive, zero, seed, datetime.now(UTC))


def verify(
    session: Session,
    run: DetectionRunInfo,
    identity_run_id: int,
    ground: SurveyGround,
    zones: CoreZones,
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
    """Draw a sample, have it checked and write both down; frames that were checked before are not asked for again.

    `census_counts` gives (C,) individuals by capture's core zone, by species. The same draw is the same sample, also
    when the individuals have changed since: what a person counted stands.
    """
    now = time_utc or datetime.now(UTC)
    frames, _, stratum, sizes = frames_to_check(ground, zones, detections, positive=positive, zero=zero, seed=seed)
    sample_id = _write_sample(
        session, run, ground, frames, stratum, sizes, who, positive, zero, seed, now, identity_run_id
    )
    frame_of = {f.entry.capture_id: f.frame_id for f in read_frames(session, sample_id)}
    species = sorted(census_counts)
    known = first_counts(session, sample_id)
    missing = [f for f in frames if any(s not in known.get(frame_of[f.capture_id], {}) for s in species)]
    answers = verifier(missing) if missing else {}
    for frame in missing:
        if frame.capture_id not in answers:
            continue
        answer, key = answers[frame.capture_id], frame_of[frame.capture_id]
        new = {name: int(answer.get(name, 0)) for name in species if name not in known.get(key, {})}
        try:
            add_count(session, FrameCount(key, new, who, now))
        except CensusError as error:
            raise CensusError(error.what, where=str(frame.path), hint=error.hint) from error
    return checked_sample(session, sample_id, identity_run_id, ground, census_counts, time_utc=now)


def checked_sample(
    session: Session,
    sample_id: int,
    identity_run_id: int,
    ground: SurveyGround,
    census_counts: Mapping[str, Ints],
    *,
    time_utc: datetime | None = None,
) -> Verification:
    """Hold what people counted in a sample's frames against what the census has there now, and write that down.

    Of two people who counted one frame the one who was first counts. Frames that are no longer on effort are left out.
    """
    on = np.flatnonzero(ground.assignment.transect >= 0)
    row = dict(zip(ground.captures.capture_id[on].tolist(), on.tolist(), strict=True))
    species = sorted(census_counts)
    counts = first_counts(session, sample_id)
    frames = [
        f
        for f in read_frames(session, sample_id)
        if f.entry.capture_id in row and all(s in counts.get(f.frame_id, {}) for s in species)
    ]
    frames.sort(key=lambda f: row[f.entry.capture_id])
    entries = [
        VerificationEntry(
            f.entry.capture_id,
            f.entry.sample_stratum,
            name,
            counts[f.frame_id][name],
            int(census_counts[name][row[f.entry.capture_id]]),
        )
        for f in frames
        for name in species
    ]
    people = dict.fromkeys(first_counters(session, sample_id).get(f.frame_id, "") for f in frames)
    who = ", ".join(name for name in people if name)
    known = {(e.capture_id, e.species) for e in read_verification(session, identity_run_id)}
    new = [e for e in entries if (e.capture_id, e.species) not in known]
    add_verification(session, identity_run_id, new, who=who, time_utc=time_utc or datetime.now(UTC))
    sizes = read_sample(session, sample_id).parameters["sizes"]
    return Verification(
        frames=np.array([row[f.entry.capture_id] for f in frames], dtype=np.int64),
        stratum=np.array([STRATA.index(f.entry.sample_stratum) for f in frames], dtype=np.int64),
        sizes=(int(sizes[0]), int(sizes[1])),
        seen={s: np.array([counts[f.frame_id][s] for f in frames], dtype=np.int64) for s in species},
        who=who,
        survey=ground.info.name,
    )


def corrections(
    verification: Verification, detections: Ints, census_counts: Mapping[str, Ints], effort: npt.NDArray[np.bool_]
) -> dict[str, Correction]:
    """Return each species' factor from counted to true animals, from the checked frames.

    Its source names the survey: what was measured in one is no error that another shares.
    """
    positive = detections > 0
    source = (
        f"{len(verification.frames)} of {sum(verification.sizes)} frames on effort of {verification.survey}, drawn at "
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
    sizes: tuple[int, int],
    who: str,
    positive: int,
    zero: int,
    seed: int,
    time_utc: datetime,
    identity_run_id: int | None = None,
) -> int:
    entries = [
        SampleFrameEntry(f.capture_id, STRATA[part], _rings(f.zone_px))
        for f, part in zip(frames, stratum.tolist(), strict=True)
    ]
    # People go through them in this order: a sample that is half counted is still one of all the area.
    order = np.random.default_rng([seed, _ORDER]).permutation(len(entries))
    return add_sample(
        session,
        ground.info.survey_id,
        run.run_id,
        [entries[i] for i in order.tolist()],
        seed=seed,
        parameters={"positive": positive, "zero": zero, "sizes": list(sizes)},
        who=who,
        time_utc=time_utc,
        identity_run_id=identity_run_id,
    )


def _rings(zone_px: shapely.Geometry) -> list[list[list[float]]]:
    rings = [ring for part in shapely.get_parts(zone_px) for ring in shapely.get_rings(part)]
    return [np.round(shapely.get_coordinates(ring), 1).tolist() for ring in rings]
