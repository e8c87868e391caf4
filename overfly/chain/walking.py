"""How fast the animals walk, from collars where there are any, and what that does to a survey's count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy.orm import Session

from counts.exchange.tracks import Track
from counts.looks import Looks
from counts.movement import Movement, Survey, simulate_movement
from counts.passes import Passes
from counts.store.received import read_tracks
from flightplan.design import FULL
from flightplan.errors import PlanError
from flightplan.wildlife import species_named
from overfly.chain.ground import Ints, Sightings, SurveyGround
from overfly.chain.recall import BELIEVED
from overfly.chain.resolving import Told

SPEED_LIMIT_MPS = 1.5
"""A walk that hardly an animal exceeds; taken where no collar tells."""

LONGEST_STEP_S = 900.0
"""Fixes further apart in time say how far an animal got, not how fast it walks."""

FEWEST_STEPS = 100

WORLDS = 5
MOST_SIGHTINGS = 3000
"""So many are simulated without being asked: that takes about as long as the count itself, a few times."""

SHARED = 0.8


def walking_speeds(session: Session, labels: Sequence[str], otherwise_mps: float) -> dict[str, float]:
    """Return the speed that 95 % of steps do not exceed, by label: from collars of that species, or `otherwise_mps`.

    A label is a species if the table of wildlife knows it, by its common or its scientific name.
    """
    speeds = dict.fromkeys(labels, otherwise_mps)
    for label in labels:
        animals = read_tracks(session, taxon_of(label))
        steps = [_steps(Track(a.individual, a.taxon, a.tags, a.times_utc, a.lonlat)) for a in animals]
        found = np.concatenate(steps) if steps else np.empty(0)
        if len(found) >= FEWEST_STEPS:
            speeds[label] = round(float(np.quantile(found, 0.95)), 3)
    return speeds


def taxon_of(label: str) -> str:
    """Return the scientific name of a label that the table of wildlife knows; else the label."""
    try:
        return species_named(label).scientific_name
    except PlanError:
        return label


def _steps(track: Track) -> np.typing.NDArray[np.float64]:
    if len(track) < 2:
        return np.empty(0)
    seconds = np.diff(track.times_utc) / np.timedelta64(1, "s")
    return track.speeds_mps[seconds <= LONGEST_STEP_S]


def movement_of(
    ground: SurveyGround,
    sightings: Sightings,
    told: Told,
    speeds_mps: Mapping[str, float],
    worlds: int | None,
) -> dict[str, Movement]:
    """Return what walking does to the count of each label; empty where it cannot be told or was not asked for.

    `worlds` is how many surveys to simulate; when None, a few where full coverage was planned and sightings are not too
    many, else none.
    """
    members, individuals, passes = told.members, told.individuals, told.passes
    if worlds is None:
        # Pictures without a plan may be from places far apart, and a world around all of them has no end.
        full = ground.planned and ground.info.design_kind == FULL
        worlds = WORLDS if full and passes is not None and len(members) <= MOST_SIGHTINGS else 0
    looks, unit = _looks(ground, passes)
    if not worlds or looks is None or not len(members):
        return {}
    total = np.median(sightings.independent_m2[members], axis=0)
    survey = Survey(looks, unit, passes, SHARED * total, (1 - SHARED) * total, BELIEVED)
    counted = individuals.labels[~individuals.left]  # A label may be seen on others' ground alone.
    return {
        str(label): simulate_movement(
            replace(survey, detection=told.recall[str(label)].value),
            individuals.positions[(individuals.labels == label) & ~individuals.left],
            speed_limit_mps=speeds_mps[str(label)],
            worlds=worlds,
        )
        for label in np.unique(counted)
    }


def _looks(ground: SurveyGround, passes: Passes | None) -> tuple[Looks | None, Ints]:
    """The frames that were searched and their units; None where a frame has no ground or no time."""
    if passes is not None and passes.looks is not None:
        return passes.looks, np.zeros(len(passes.looks.times_s), dtype=np.int64)
    rows = np.flatnonzero(ground.assignment.transect >= 0) if ground.planned else np.empty(0, dtype=np.int64)
    usable = np.isfinite(ground.times_s[rows]) & np.array([f is not None for f in ground.footprints[rows]], dtype=bool)
    if not len(rows) or not usable.all():
        return None, np.empty(0, dtype=np.int64)
    unit = ground.assignment.transect[rows].astype(np.int64)
    return Looks.checked(ground.footprints[rows], unit, ground.times_s[rows]), unit
