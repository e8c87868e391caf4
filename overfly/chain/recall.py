"""How surely an animal in view is found, as the survey's own overlap shows: what one frame saw, the next should have.

Of the sightings that stand alone, so that it is plain which is whose, each is asked: of the other frames of its line
that showed its place for sure, in how many was its animal found? That is the chance of a look, for animals that can be
found at all, and decides who is who. Frames in which nothing at all was found are looks too. Where people have checked
a sample of frames, what they saw stands above it (`overfly.chain.checked_recall`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from counts.likelihood import density_within, strangers_near
from counts.observed import CHI2_95
from flightplan.frames import Floats
from overfly.chain.ground import Ints, Sightings, SurveyGround

BELIEVED = 0.9
"""What is taken where the survey does not show it."""

LOOKS_BELIEVED = 20.0
"""That weighs as much as so many looks."""

FEWEST_LOOKS = 20
MOST_STRANGERS = 0.05
SURELY_INSIDE = 2.0
"""A place is in a frame for sure that lies so many standard deviations inside of it."""

LEAST, MOST = 0.3, 0.99
MOST_ASKED = 20_000

CHECKED, OVERLAP, ASSUMED = "checked", "overlap", "assumed"


@dataclass(frozen=True)
class Recall:
    """The chance that an animal in view is found, its standard error, the looks that show it, and its source.

    For a sample that people checked the `looks` are the animals that they saw.
    """

    value: float
    error: float
    looks: int
    source: str


@dataclass(frozen=True)
class Asked:
    """Who should have been found where: `rows` of members, each of which `frames` showed for sure."""

    rows: Ints
    frames: Ints


def asked_of(
    ground: SurveyGround,
    sightings: Sightings,
    members: Ints,
    unit: Ints,
    speeds_mps: Mapping[str, float] | float,
    longest_gap_s: float,
) -> dict[str, Asked]:
    """Return what can be asked of the overlap about each label among `members`, rows of `sightings`.

    `unit` (C,) is the unit of each capture, −1 for none: a frame says nothing of an animal that another unit saw.
    """
    result = {}
    labels = sightings.labels[members]
    for label in np.unique(labels).tolist():
        mine = np.flatnonzero(labels == label)
        speed = speeds_mps[label] if isinstance(speeds_mps, Mapping) else speeds_mps
        rows, frames = _asked(ground, sightings, members[mine], unit, speed, longest_gap_s)
        result[label] = Asked(mine[rows], frames)
    return result


def recall_of(asked: Mapping[str, Asked], captures: Ints, individual: Callable[[Ints], Ints]) -> dict[str, Recall]:
    """Return the recall of each label, from what was asked of it.

    `captures` (N,) are those of the members; `individual` gives each of the members (N,) the animal that it is, as far
    as it matters to some rows, and is not called where too little can be asked to show anything.
    """
    known = {label: len(of.rows) >= FEWEST_LOOKS for label, of in asked.items()}
    found = dict.fromkeys(asked, 0)
    if any(known.values()):
        animal = individual(np.unique(np.concatenate([of.rows for of in asked.values()])))
        width = 1 + max(int(captures.max()), *(int(of.frames.max(initial=0)) for of in asked.values()))
        held = np.unique(animal * width + captures)
        for label, of in asked.items():
            found[label] = int(np.isin(animal[of.rows] * width + of.frames, held).sum())
    return {label: _recall(found[label], len(of.rows), known[label]) for label, of in asked.items()}


def _recall(found: int, asked: int, known: bool) -> Recall:
    if not known:
        error = float(np.sqrt(BELIEVED * (1 - BELIEVED) / LOOKS_BELIEVED))
        return Recall(BELIEVED, round(error, 4), asked, ASSUMED)
    value = float(np.clip((found + LOOKS_BELIEVED * BELIEVED) / (asked + LOOKS_BELIEVED), LEAST, MOST))
    # Every animal is asked for from each of its sightings, so that looks count about twice.
    error = float(np.sqrt(2 * value * (1 - value) / (asked + LOOKS_BELIEVED)))
    return Recall(round(value, 4), round(error, 4), asked, OVERLAP)


def _asked(
    ground: SurveyGround, sightings: Sightings, rows: Ints, unit: Ints, speed_mps: float, longest_gap_s: float
) -> tuple[Ints, Ints]:
    """Which places in `rows` may be asked of which frames."""
    capture = sightings.capture[rows]
    points = sightings.local_m[rows]
    usable = np.flatnonzero(
        (unit >= 0)
        & np.isfinite(ground.times_s)
        & ~(shapely.is_missing(ground.footprints) | shapely.is_empty(ground.footprints))
    )
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ASKED)).astype(np.int64))
    row, frame = shapely.STRtree(ground.footprints[usable]).query(shapely.points(points[some]), predicate="within")
    row, frame = some[row], usable[frame]
    lag: Floats = np.abs(ground.times_s[frame] - ground.times_s[capture[row]])
    kept = (frame != capture[row]) & (unit[frame] == unit[capture[row]]) & (lag <= longest_gap_s)
    row, frame, lag = row[kept], frame[kept], lag[kept]
    # Density is told within a frame, and few of many frames are asked from.
    beside = np.flatnonzero(np.isin(capture, capture[row]))
    density = np.zeros(len(rows))
    density[beside] = density_within(points[beside], capture[beside])
    walked = (speed_mps**2 / CHI2_95 * lag**2)[:, None, None] * np.eye(2)
    spread = 2 * sightings.independent_m2[rows[row]] + walked
    alone = strangers_near(spread, density[row]) <= MOST_STRANGERS
    row, frame, spread = row[alone], frame[alone], spread[alone]
    inside = shapely.distance(shapely.points(points[row]), shapely.boundary(ground.footprints[frame]))
    sure = inside >= SURELY_INSIDE * np.sqrt(np.trace(spread, axis1=1, axis2=2) / 2)
    row, frame = row[sure], frame[sure]
    return row, frame
