"""How herds walk as a whole, from the tracks of single passes, and how often their ground, which goes along, was seen.

Animals that walk each their own way meet the lines as often as they escape them, and looks count them right. A herd
that walks one way meets few lines or many. So where the members' walk is plainly one, looks are counted on ground that
moves with them: a frame showed a place of the herd if it showed where that place was by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import KDTree

from counts.likelihood import density_within, strangers_near
from counts.observed import Observed
from counts.passes import Passes
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

AROUND_M, AROUND_S = 200.0, 600.0
"""A herd's walk is that of the tracks around, so near in place and time."""

MOST_TRACKS = 600
FEWEST_TRACKS = 20

LEAST_SQUARES_S2 = 1.0
"""A track tells of a walk whose times differ so much: the sum of their squares about the mean."""

SURE = 9.0
"""The squared speed of a herd is so many times its variance, or it is taken to stand."""

AS_ONE = 1.0
"""A herd walks as one if its squared speed is more than this share of the members' variance about it."""

PLAIN = 0.5
"""And more than this share of all that the tracks differ by: in a crowd they may be of several animals each."""

MOST_STRANGERS_NEXT = 2.0
"""So few others stand where an animal of the herd may be in the next frame, on average."""

_ROUNDS = 3


@dataclass(frozen=True)
class HerdMotion:
    """The velocity (N, 2) of each sighting's herd, m/s, 0 where none is plain, and its standard error (N,) per axis."""

    velocity: Floats
    error: Floats

    @property
    def walks(self) -> bool:
        """Whether any herd does."""
        return bool(self.velocity.any())


def herd_motion(s: Observed, track: Ints, rows: Ints, step_s: Floats) -> HerdMotion:
    """Return how the herds walk that sightings `rows` (N,) are of, by the `track` of each of all sightings.

    `step_s` (N,) is the time to the next frame. Of animals so dense that a track may go from one to another nothing is
    said: a whole frame may have been taken for one that is shifted.
    """
    _, of = np.unique(track[rows], return_inverse=True)
    members, times, points = np.bincount(of), s.times[rows], s.points[rows]
    when = np.bincount(of, weights=times) / members
    where = np.column_stack([np.bincount(of, weights=points[:, axis]) for axis in (0, 1)]) / members[:, None]
    since = times - when[of]
    squares = np.bincount(of, weights=since**2)
    moved = np.column_stack([np.bincount(of, weights=since * (points - where[of])[:, axis]) for axis in (0, 1)])
    telling = np.flatnonzero(squares > LEAST_SQUARES_S2)
    standing = HerdMotion(np.zeros((len(rows), 2)), np.zeros(len(rows)))
    next_place = 2 * s.covariances[rows] + (s.drift_variance[rows] * step_s**2)[:, None, None] * np.eye(2)
    strangers = strangers_near(next_place, density_within(s.points, s.layers)[rows])
    strangers = np.bincount(of, weights=strangers) / members
    if len(telling) < FEWEST_TRACKS:
        return standing
    slope, weight = moved[telling] / squares[telling, None], squares[telling]
    scale = np.array([AROUND_M, AROUND_M, AROUND_S])
    tree = KDTree(np.column_stack([where, when])[telling] / scale)
    most = min(MOST_TRACKS, len(telling))
    velocity, error = np.zeros((len(members), 2)), np.zeros(len(members))
    own = float(np.median(np.trace(s.own[rows], axis1=1, axis2=2)) / 2)
    pose = float(np.median(np.trace(s.covariances[rows], axis1=1, axis2=2)) / 2) - own
    for part in np.array_split(np.arange(len(members)), max(1, len(members) * most // 2_000_000)):
        away, near = tree.query(np.column_stack([where, when])[part] / scale, k=most, distance_upper_bound=1.0)
        known = np.isfinite(away)
        near = np.where(known, near, 0)
        share, number = np.where(known, weight[near], 0.0), np.maximum(known.sum(axis=1), 1)
        total = np.maximum(share.sum(axis=1), 1e-9)
        mean = (share[:, :, None] * slope[near]).sum(axis=1) / total[:, None]
        apart = ((slope[near] - mean[:, None]) ** 2).sum(axis=2)
        span = total / number
        # Boxes of one frame share its error: what is averaged over are frames, of which a track has some three.
        frames = np.sort(np.where(known, np.round(when[telling][near]), when.max() + 1), axis=1)
        sets = np.maximum((np.diff(frames, axis=1) > 0).sum(axis=1), 1) / 2
        variance = (share**2 * apart).sum(axis=1) / 2 / total**2 + pose / span / sets
        member, measured = (share * apart).sum(axis=1) / total, 2 * (own + pose) / span
        squared = (mean**2).sum(axis=1)
        sure = (squared > SURE * variance) & (squared > AS_ONE * (member - measured)) & (squared > PLAIN * member)
        crowd = np.where(known, strangers[telling][near], 0.0).sum(axis=1) / number
        sure &= (number >= FEWEST_TRACKS) & (crowd <= MOST_STRANGERS_NEXT)
        velocity[part], error[part] = np.where(sure[:, None], mean, 0.0), np.where(sure, np.sqrt(variance), 0.0)
    return HerdMotion(velocity[of], error[of])


def looks_along(s: Observed, rows: Ints, velocity: Floats, passes: Passes) -> Floats:
    """How many frames showed the place in its herd of each of the sightings `rows` (N,); at least 1."""
    assert passes.looks is not None
    number = np.zeros(len(rows))
    tree = shapely.STRtree(passes.looks.footprints)
    points, times = s.points[rows], s.times[rows]
    for flown in range(len(passes.corners)):
        there = points
        for _ in range(_ROUNDS):
            when = passes.when(np.full(len(rows), flown), there)
            there = points + velocity * (when - times)[:, None]
        there = np.where((s.passes[rows] == flown)[:, None], points, there)
        row, frame = tree.query(shapely.points(there), predicate="intersects")
        number += np.bincount(row[passes.looks.of_pass[frame] == flown], minlength=len(rows))
    return np.maximum(number, 1.0)
