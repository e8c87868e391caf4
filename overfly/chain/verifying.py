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

from counts.effort import CoreZones
from counts.store import VerificationEntry, add_verification, read_verification
from counts.verification import Correction, correction, draw_sample
from flightplan.errors import CensusError
from overfly.chain.ground import Ints, SurveyGround

STRATA = ("zero", "positive")


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
            capture_id=ground.captures[i].capture_id,
            path=ground.captures[i].capture.path,
            content_hash=ground.captures[i].capture.content_hash,
            zone_px=ground.in_picture(i, zones.polygons[i]),
        )
        for i in rows.tolist()
    )
    return frames, rows, sample.stratum, sample.stratum_sizes


def verify(
    session: Session,
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
    """Have the sample checked and write it down; frames that were checked before are not asked for again.

    `census_counts` gives (C,) individuals by capture's core zone, by species.
    """
    frames, rows, stratum, sizes = frames_to_check(ground, zones, detections, positive=positive, zero=zero, seed=seed)
    species = sorted(census_counts)
    known = {(e.capture_id, e.species): e.true_count for e in read_verification(session, identity_run_id)}
    missing = [f for f in frames if any((f.capture_id, s) not in known for s in species)]
    answers = verifier(missing) if missing else {}
    entries = []
    for frame, row, part in zip(frames, rows.tolist(), stratum.tolist(), strict=True):
        if frame.capture_id not in answers:
            continue
        for name in species:
            if (frame.capture_id, name) in known:
                continue
            count = int(answers[frame.capture_id].get(name, 0))
            if count < 0:
                raise CensusError(f"{name} cannot be {count}", where=str(frame.path), hint="Count from 0 up.")
            known[frame.capture_id, name] = count
            entries.append(
                VerificationEntry(frame.capture_id, STRATA[part], name, count, int(census_counts[name][row]))
            )
    add_verification(session, identity_run_id, entries, who=who, time_utc=time_utc or datetime.now(UTC))
    checked = np.array([all((f.capture_id, s) in known for s in species) for f in frames], dtype=bool)
    kept = [f for f, done in zip(frames, checked, strict=True) if done]
    return Verification(
        frames=rows[checked],
        stratum=stratum[checked],
        sizes=sizes,
        seen={s: np.array([known[f.capture_id, s] for f in kept], dtype=np.int64) for s in species},
        who=who,
    )


def corrections(
    verification: Verification, detections: Ints, census_counts: Mapping[str, Ints], effort: npt.NDArray[np.bool_]
) -> dict[str, Correction]:
    """Return each species' factor from counted to true animals, from the checked frames."""
    positive = detections > 0
    source = (
        f"{len(verification.frames)} of {sum(verification.sizes)} frames on effort, drawn at random and checked by "
        f"{verification.who}"
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
