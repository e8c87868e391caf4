"""What walking does to a count: animals like those found, walking, seen by the survey's own frames and counted again.

The truth is known there, so the difference is the bias of counting animals that move, with this survey's geometry,
times, pose errors and recall. It is stated beside a count and never taken off it: how animals walk is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from counts.identity import resolve
from counts.looks import WANDERING_S, Looks
from counts.observed import CHI2_95
from counts.passes import Passes
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

PHASES = 16
PLACES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Survey:
    """How a survey looked: its frames, their units, the passes where units are seen from several, and its errors.

    `unit` (F,) is the transect of each frame. `shared` and `own` (2, 2) are the covariances of a frame's pose and of a
    box in it, m². `detection` is the chance that an animal in view is found.
    """

    looks: Looks
    unit: Ints
    passes: Passes | None
    shared: Floats
    own: Floats
    detection: float


@dataclass(frozen=True)
class Movement:
    """The count of animals that walk against how many there were, over `worlds` simulated surveys.

    `bias` is the mean of counted over present less 1, `bias_error` its Monte-Carlo standard error (None for one world),
    `spread` the standard deviation of a single survey's. `in_frames` is how many were in some frame at some time,
    over those present at a time: how far a count of all that were ever seen would be off.
    """

    speed_mps: float
    worlds: int
    animals: int
    bias: float
    bias_error: float | None
    spread: float | None
    in_frames: float
    untold: float


def simulate_movement(
    survey: Survey, places: Floats, *, speed_limit_mps: float, worlds: int = 10, seed: int = 1
) -> Movement:
    """Let animals walk at `places` (M, 2), where they were found, and count them by `counts.identity.resolve`.

    Speeds are those of which 95 % do not exceed the limit, normal in each direction. Around the ground that was
    searched others walk, as dense as on it, so that as many come as go. Raises EstimateError without places or worlds.
    """
    if not len(places) or worlds < 1:
        raise EstimateError("there are no animals, or no worlds, to simulate", where="movement")
    ground = _Ground.of(survey)
    ratios, shown, untold = [], [], []
    for world in range(worlds):
        rng = np.random.default_rng([seed, 0x30, world])
        walkers = _Walkers.drawn(ground.populated(places, speed_limit_mps, rng), speed_limit_mps, rng)
        present = ground.present(walkers)
        counted, ever, doubtful = _count(survey, walkers, speed_limit_mps, rng)
        if present > 0:
            ratios.append(counted / present)
            shown.append(ever / present)
            untold.append(doubtful / present)
    off = np.array(ratios) - 1
    spread = float(off.std(ddof=1)) if len(off) > 1 else None
    return Movement(
        speed_mps=speed_limit_mps,
        worlds=len(off),
        animals=len(places),
        bias=float(off.mean()),
        bias_error=None if spread is None else float(spread / np.sqrt(len(off))),
        spread=spread,
        in_frames=float(np.mean(shown)),
        untold=float(np.mean(untold)),
    )


@dataclass(frozen=True)
class _Walkers:
    """Animals on circles: `centre` (M, 2), `radius`, `rate` in radians a second with its sense, `phase`."""

    centre: Floats
    radius: Floats
    rate: Floats
    phase: Floats

    @classmethod
    def drawn(cls, places: Floats, speed_limit_mps: float, rng: np.random.Generator) -> _Walkers:
        speed = np.hypot(*rng.normal(0.0, speed_limit_mps / np.sqrt(CHI2_95), (2, len(places))))
        sense = rng.choice([-1.0, 1.0], len(places))
        return cls(places, speed * WANDERING_S, sense / WANDERING_S, rng.uniform(0, 2 * np.pi, len(places)))

    def at(self, rows: Ints, times_s: Floats) -> Floats:
        angle = self.phase[rows] + self.rate[rows] * times_s
        return np.asarray(self.centre[rows] + self.radius[rows, None] * np.column_stack([np.cos(angle), np.sin(angle)]))


@dataclass(frozen=True)
class _Ground:
    """What was searched in each unit."""

    searched: npt.NDArray[np.object_]

    @classmethod
    def of(cls, survey: Survey) -> _Ground:
        footprints = survey.looks.footprints
        units = [shapely.union_all(footprints[survey.unit == value]) for value in np.unique(survey.unit).tolist()]
        searched = np.array(units, dtype=object)
        shapely.prepare(searched)
        return cls(searched)

    def populated(self, places: Floats, speed_limit_mps: float, rng: np.random.Generator) -> Floats:
        """The places, and others at random around the ground, as dense as on it."""
        reach = 2 * speed_limit_mps * WANDERING_S
        whole = shapely.union_all(self.searched)
        around = shapely.difference(shapely.buffer(whole, reach, quad_segs=2), whole)
        others = round(len(places) * float(around.area / whole.area))
        shapely.prepare(around)
        low, high = np.array(whole.bounds).reshape(2, 2) + np.array([[-reach], [reach]])
        found = np.empty((0, 2))
        while len(found) < others:
            tried = rng.uniform(low, high, (2 * others + 8, 2))
            found = np.vstack([found, tried[shapely.contains_xy(around, tried)]])
        return np.vstack([places, found[:others]])

    def present(self, walkers: _Walkers) -> float:
        """How many are on the searched ground at a time, on average; one on the ground of two units is in each."""
        rows = np.repeat(np.arange(len(walkers.phase)), PHASES)
        turn = np.tile(np.arange(PHASES), len(walkers.phase)) * 2 * np.pi * WANDERING_S / PHASES
        where = walkers.at(rows, turn)
        return float(sum(shapely.contains_xy(unit, where).sum() for unit in self.searched) / PHASES)


def _count(survey: Survey, walkers: _Walkers, speed_limit_mps: float, rng: np.random.Generator) -> tuple[int, int, int]:
    """How many are counted, how many were in some frame (once for each unit), and how many tracks cannot be told."""
    looks = survey.looks
    frame, animal, where = _in_view(looks, walkers)
    ever = len(np.unique(np.column_stack([survey.unit[frame], animal]), axis=0))
    found = rng.random(len(frame)) < survey.detection
    frame, where = frame[found], where[found]
    if not len(frame):
        return 0, ever, 0
    moved = rng.multivariate_normal(np.zeros(2), survey.shared, len(looks.footprints), method="cholesky")
    boxes = rng.multivariate_normal(np.zeros(2), survey.own, len(frame), method="cholesky")
    corners, of = shapely.get_coordinates(looks.footprints, return_index=True)
    shown = shapely.set_coordinates(looks.footprints.copy(), corners + moved[of])
    total = float(np.trace(survey.shared + survey.own))
    individuals = resolve(
        where + moved[frame] + boxes,
        np.broadcast_to(survey.shared + survey.own, (len(frame), 2, 2)),
        looks.times_s[frame],
        frame,
        survey.unit[frame],
        np.full(len(frame), "animal"),
        np.ones(len(frame)),
        speed_limit_mps=speed_limit_mps,
        detection_probability=min(survey.detection, 0.98),
        shared_within_frame=float(np.trace(survey.shared)) / total,
        footprints=shown[frame],
        passes=None
        if survey.passes is None
        else Passes.checked(
            looks.of_pass[frame],
            survey.passes.corners,
            survey.passes.times_s,
            len(frame),
            Looks(shown, looks.of_pass, looks.times_s),
        ),
    )
    counts = individuals.counts["animal"]
    return counts.chosen, ever, counts.untold


def _in_view(looks: Looks, walkers: _Walkers) -> tuple[Ints, Ints, Floats]:
    """Each frame that shows an animal, which, and where it then was."""
    tree = shapely.STRtree(looks.footprints)
    widest = float(walkers.radius.max()) if len(walkers.radius) else 0.0
    parts: list[tuple[Ints, Ints, Floats]] = []
    step = max(1, PLACES_AT_ONCE // max(1, len(looks.footprints)))
    for start in range(0, len(walkers.phase), step):
        rows = np.arange(start, min(start + step, len(walkers.phase)))
        near, frame = tree.query(shapely.points(walkers.centre[rows]), predicate="dwithin", distance=widest)
        animal = rows[near]
        where = walkers.at(animal, looks.times_s[frame])
        inside = shapely.contains_xy(looks.footprints[frame], where[:, 0], where[:, 1])
        parts.append((frame[inside], animal[inside], where[inside]))
    frame, animal, where = (np.concatenate(column) for column in zip(*parts, strict=True))
    return frame.astype(np.int64), animal.astype(np.int64), np.asarray(where, dtype=np.float64)
