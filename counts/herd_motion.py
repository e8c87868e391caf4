"""How herds walk as a whole, and what that does to a count by looks.

Animals that walk each their own way meet the lines as often as they escape them, and looks count them right. A herd
that walks one way meets few lines or many. So of each herd it is weighed how it may walk: not as one, or as one with
any velocity within the speed limit, each as likely as the tracks of all passes make it (`counts.pass_drift`). Looks are
counted on ground that goes with it: a frame showed a place of the herd if it showed where that place was by then. So
far as its tracks show that it does walk, the count is the mean over how it may; what that differs by from all that the
herd may do is how far off the count may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import KDTree

from counts.likelihood import components, density_within, strangers_near
from counts.observed import CHI2_95, Observed
from counts.pass_drift import Followed, pass_drift
from counts.passes import Passes
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

CHAIN_M, LARGEST_M = 50.0, 400.0
"""A herd is who stands in touching squares of the one side, cut where it is larger than the other."""

AS_ONE = 0.5
"""How likely a herd walks as one, before its tracks are asked."""

MOST_STRANGERS_NEXT = 2.0
"""Tracks of a herd tell nothing where more others stand, on average, where an animal may be in the next frame."""

LONGEST_WALK_S = 900.0
"""No herd is taken to go on in one way for longer."""

WAYS = 24
"""So many velocities stand for all that a herd may have."""

MOST_HERDS, MOST_ASKED, MOST_OF_A_HERD = 300, 15_000, 800
"""So many herds, the largest, are weighed, by so many sightings in all and of each."""

_SPEEDS, _HEADINGS, _FINE = 48, 72, 1e-3
_ROUNDS = 3


@dataclass(frozen=True)
class Walks:
    """What walking as one may do to a count by looks: a `factor` (N,) of each sighting, and the `error` in animals."""

    factor: Floats
    error: float


@dataclass(frozen=True)
class HerdMotion:
    """The velocity (2,) of a herd that walks as one, m/s, its `variance` per axis, and how likely it does at all."""

    velocity: Floats
    variance: float
    chance: float
    ways: Floats


def walks(s: Observed, reported: Observed, track: Ints, rows: Ints, share: Floats, passes: Passes) -> Walks:
    """What the walking of herds does to the count of sightings `rows` (N,), by the `track` of each of all sightings.

    `share` (N,) is what each tells of an animal if herds stand. `reported` are the sightings before the flight's
    smoothness was taken for what it tells of the poses: a slow drift of a pose looks like a walk, and is still in them.
    """
    herd = herds_at(s.points[rows])
    animals = np.bincount(herd, weights=share)
    seen = followed(reported, track, rows, herd, len(passes.corners))
    velocity, information = pass_drift(seen, len(animals) * len(passes.corners))
    velocity, information = velocity.reshape(-1, len(passes.corners), 2), information.reshape(-1, len(passes.corners))
    information[_crowded(s, rows, herd, passes)] = 0.0
    limit = float(np.sqrt(s.drift_variance[rows[0]] * CHI2_95))
    flown = Flown.of(passes)
    asked = np.argsort(-animals, kind="stable")[:MOST_HERDS]
    most = min(MOST_OF_A_HERD, MOST_ASKED // len(asked))
    by_herd = np.argsort(herd, kind="stable")
    bounds = np.searchsorted(herd[by_herd], np.arange(len(animals) + 1))
    factor, variance = np.ones(len(animals)), np.zeros(len(animals))
    for value in asked.tolist():
        mine = by_herd[bounds[value] : bounds[value + 1]]
        some = rows[mine[np.unique(np.linspace(0, len(mine) - 1, min(len(mine), most)).astype(np.int64))]]
        factor[value], variance[value] = _swayed(
            s, some, flown, weighed(velocity[value], information[value], limit), animals[value]
        )
    usual = float(np.mean(variance[asked]))
    others = np.ones(len(animals), dtype=np.bool_)
    others[asked] = False
    error = float((animals**2 * np.where(others, usual, variance)).sum())
    return Walks(factor[herd], float(np.sqrt(error)))


def _crowded(s: Observed, rows: Ints, herd: Ints, passes: Passes) -> npt.NDArray[np.bool_]:
    """Herds so dense that a track may go from one animal to another, and a whole frame be taken for one shifted."""
    assert passes.looks is not None
    step = passes.looks.intervals_s(len(passes.corners))[s.passes[rows]]
    place = 2 * s.covariances[rows] + (s.drift_variance[rows] * step**2)[:, None, None] * np.eye(2)
    strangers = strangers_near(place, density_within(s.points, s.layers)[rows])
    return np.asarray(np.bincount(herd, weights=strangers) > MOST_STRANGERS_NEXT * np.bincount(herd))


def herds_at(points: Floats) -> Ints:
    """The herd (N,) of each place, from 0: those in squares of `CHAIN_M` that touch, cut at `LARGEST_M`."""
    cell, of = np.unique(np.floor(points / CHAIN_M).astype(np.int64), axis=0, return_inverse=True)
    first, second = KDTree(cell).query_pairs(1.5, output_type="ndarray").T
    chain = components(len(cell), first, second)[of.ravel()]
    low = np.full((int(chain.max()) + 1, 2), np.inf)
    np.minimum.at(low, chain, points)
    square = np.floor((points - low[chain]) / LARGEST_M).astype(np.int64)
    cut = np.unique(np.column_stack([chain, square]), axis=0, return_inverse=True)[1]
    return cut.ravel().astype(np.int64)


def followed(s: Observed, track: Ints, rows: Ints, herd: Ints, passes: int) -> Followed:
    """What the passes tell of how herds walk: a part is one herd in one pass."""
    own = np.trace(s.own[rows], axis1=1, axis2=2) / 2
    pose = np.trace(s.covariances[rows], axis1=1, axis2=2) / 2 - own
    part = herd * passes + s.passes[rows]
    return Followed(s.points[rows], s.times[rows], s.frames[rows], track[rows], part, own, pose)


def weighed(velocity: Floats, information: Floats, speed_limit_mps: float) -> HerdMotion:
    """How a herd may walk that P passes each gave a `velocity` (P, 2) with so much `information` (P,), per axis.

    Before its tracks are asked a herd walks as one with `AS_ONE`, at any speed up to the limit and any way. Passes that
    differ by more than their errors tell that much less.
    """
    told = information > 0
    total = float(information.sum())
    mean = (information[:, None] * velocity).sum(axis=0) / max(total, 1e-12)
    freedom = 2 * (int(told.sum()) - 1)
    misfit = float((information[told, None] * (velocity[told] - mean) ** 2).sum()) / freedom if freedom > 0 else 1.0
    variance = max(misfit, 1.0) / max(total, 1e-12)
    fastest = max(speed_limit_mps, float(np.hypot(*mean)) if total > 0 else 0.0)
    # Fine where the tracks tell much: rings and spokes around the likeliest velocity would miss it otherwise.
    speed = (np.arange(_SPEEDS) + 0.5) * fastest / _SPEEDS
    heading = 2 * np.pi * np.arange(_HEADINGS) / _HEADINGS
    spread = float(np.sqrt(variance))
    if spread < fastest / 6:
        side = np.linspace(-4.0, 4.0, 33) * spread
        tried = mean + np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
        fast = np.hypot(*tried.T)
        # As likely at each speed, and so likelier to the square metre where speeds are low.
        prior = np.where(fast <= fastest, 1 / (2 * np.pi * fastest * np.maximum(fast, _FINE)), 0.0)
        prior *= (side[1] - side[0]) ** 2
    else:
        tried = (speed[:, None, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)).reshape(-1, 2)
        prior = np.full(len(tried), 1.0 / len(tried))
    squared = ((tried - mean) ** 2).sum(axis=1) / variance
    standing = float((mean**2).sum()) / variance
    least = min(float(squared.min()), standing)
    weight = prior * np.exp(-(squared - least) / 2)
    walking, stood = AS_ONE * float(weight.sum()), (1 - AS_ONE) * float(np.exp(-(standing - least) / 2))
    reached = np.cumsum(weight) / max(float(weight.sum()), 1e-300)
    picked = np.minimum(np.searchsorted(reached, (np.arange(WAYS) + 0.5) / WAYS), len(tried) - 1)
    return HerdMotion(mean, variance, walking / max(walking + stood, 1e-300), tried[picked])


def _swayed(s: Observed, some: Ints, flown: Flown, motion: HerdMotion, animals: float) -> tuple[float, float]:
    """What to multiply a herd's count by, and the variance of that, by some of its sightings."""
    velocities = np.vstack([np.zeros((1, 2)), motion.ways])
    counted = (1.0 / flown.looks_along(s.points[some], s.times[some], s.passes[some], velocities)).sum(axis=1)
    counted = counted[1:] / counted[0]
    # What the tracks say nothing of is not corrected for: an error, not a bias.
    shown = max(0.0, motion.chance - AS_ONE) / (1 - AS_ONE)
    mean = 1 + shown * (float(counted.mean()) - 1)
    squared = motion.chance * float(((counted - mean) ** 2).mean()) + (1 - motion.chance) * (1 - mean) ** 2
    # One animal alone walks its own way, which is reckoned with elsewhere.
    return mean, squared * max(0.0, 1 - 1 / max(animals, 1e-9))


@dataclass(frozen=True)
class Flown:
    """Passes whose frames are at hand: `frames` of each, and a tree of the swaths."""

    passes: Passes
    frames: tuple[npt.NDArray[np.object_], ...]
    swaths: npt.NDArray[np.object_]
    tree: shapely.STRtree

    @classmethod
    def of(cls, passes: Passes) -> Flown:
        """Those of all passes."""
        assert passes.looks is not None
        order = np.argsort(passes.looks.of_pass, kind="stable")
        bounds = np.searchsorted(passes.looks.of_pass[order], np.arange(1, len(passes.corners)))
        swaths = np.asarray(shapely.polygons(passes.corners), dtype=object)
        return cls(passes, tuple(np.split(passes.looks.footprints[order], bounds)), swaths, shapely.STRtree(swaths))

    def looks_along(self, points: Floats, times: Floats, of_pass: Ints, velocities: Floats) -> Floats:
        """How many frames showed the places in a herd of sightings (N,), (V, N) by the herd's velocity; at least 1."""
        number = np.zeros((len(velocities), len(points)))
        places, fastest = shapely.points(points), float(np.hypot(*velocities.T).max())
        low, high = np.sort(self.passes.times_s, axis=1).T
        longest = fastest * min(LONGEST_WALK_S, max(float(high.max() - times.min()), float(times.max() - low.min())))
        widths, around = self.passes.widths, shapely.convex_hull(shapely.multipoints(points))
        reached = self.tree.query(around, predicate="dwithin", distance=longest + float(widths.max()))
        for row in np.sort(reached).tolist():
            lag = np.minimum(np.maximum(high[row] - times, times - low[row]), LONGEST_WALK_S)
            near = np.flatnonzero(shapely.distance(self.swaths[row], places) <= fastest * lag + widths[row])
            if not len(near) or not len(self.frames[row]):
                continue
            way, at = np.repeat(np.arange(len(velocities)), len(near)), np.tile(near, len(velocities))
            there, same = points[at], np.full(len(at), row)
            for _ in range(_ROUNDS):
                walked_s = np.clip(self.passes.when(same, there) - times[at], -LONGEST_WALK_S, LONGEST_WALK_S)
                there = points[at] + velocities[way] * walked_s[:, None]
            there = np.where((of_pass[at] == row)[:, None], points[at], there)
            seen = shapely.STRtree(self.frames[row]).query(shapely.points(there), predicate="intersects")[0]
            number += np.bincount(way[seen] * len(points) + at[seen], minlength=number.size).reshape(number.shape)
        return np.maximum(number, 1.0)
