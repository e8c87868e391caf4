"""How surely an animal in view is found, as the survey's own overlap shows: what one frame saw, the next should have.

Of the sightings that stand alone, so that it is plain which is whose, each is asked: of the other frames of its line
that showed its place for sure, in how many was its animal found? That is the chance of a look, for animals that can be
found at all, and decides who is who. (What a person counted in a sample says how many were found in any frame, and
corrects the estimate.) Frames in which nothing at all was found are looks too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from counts.identity import Individuals
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

OVERLAP, ASSUMED = "overlap", "assumed"


@dataclass(frozen=True)
class Recall:
    """The chance that an animal in view is found, its standard error, the looks that show it, and its source."""

    value: float
    error: float
    looks: int
    source: str


def recall_of(
    ground: SurveyGround,
    sightings: Sightings,
    members: Ints,
    individuals: Individuals,
    unit: Ints,
    speeds_mps: Mapping[str, float] | float,
    longest_gap_s: float,
) -> dict[str, Recall]:
    """Return the recall of each label among `members`, rows of `sightings` of which `individuals` were made.

    `unit` (C,) is the unit of each capture, −1 for none: a frame says nothing of an animal that another unit saw.
    """
    result = {}
    labels = sightings.labels[members]
    for label in np.unique(labels).tolist():
        mine = np.flatnonzero(labels == label)
        speed = speeds_mps[label] if isinstance(speeds_mps, Mapping) else speeds_mps
        found, asked = _asked(
            ground, sightings, members[mine], individuals.individual[mine], unit, speed, longest_gap_s
        )
        value = float(np.clip((found + LOOKS_BELIEVED * BELIEVED) / (asked + LOOKS_BELIEVED), LEAST, MOST))
        # Every animal is asked for from each of its sightings, so that looks count about twice.
        error = float(np.sqrt(2 * value * (1 - value) / (asked + LOOKS_BELIEVED)))
        known = asked >= FEWEST_LOOKS
        result[label] = (
            Recall(round(value, 4), round(error, 4), asked, OVERLAP)
            if known
            else Recall(BELIEVED, round(float(np.sqrt(BELIEVED * (1 - BELIEVED) / LOOKS_BELIEVED)), 4), asked, ASSUMED)
        )
    return result


def _asked(
    ground: SurveyGround,
    sightings: Sightings,
    rows: Ints,
    animal: Ints,
    unit: Ints,
    speed_mps: float,
    longest_gap_s: float,
) -> tuple[int, int]:
    """In how many looks the animals were found, and how many there were."""
    capture = sightings.capture[rows]
    held = np.unique(animal * len(ground.footprints) + capture)
    points = sightings.local_m[rows]
    density = density_within(points, capture)
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
    walked = (speed_mps**2 / CHI2_95 * lag**2)[:, None, None] * np.eye(2)
    spread = 2 * sightings.independent_m2[rows[row]] + walked
    alone = strangers_near(spread, density[row]) <= MOST_STRANGERS
    row, frame, spread = row[alone], frame[alone], spread[alone]
    inside = shapely.distance(shapely.points(points[row]), shapely.boundary(ground.footprints[frame]))
    sure = inside >= SURELY_INSIDE * np.sqrt(np.trace(spread, axis1=1, axis2=2) / 2)
    row, frame = row[sure], frame[sure]
    found = np.isin(animal[row] * len(ground.footprints) + frame, held)
    return int(found.sum()), len(found)
