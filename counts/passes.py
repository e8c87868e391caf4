"""One animal seen from several passes of the same ground: what full coverage has and a sample has not.

Within a pass an animal is seen several times in a few seconds, and its sightings make a track (`counts.identity`). The
next line comes by after a minute, another battery's line after an hour. Where the animals cannot have gone far between
two passes, compared with the width of a swath, the tracks of one are registered on those of the other and matched, herd
by herd, as frames are. Where they can, nothing in a track says which animal it was; then each pass answers for the
ground nearer to its own middle than to that of any other pass, and a track that stands on another's ground is left to
that one. Animals that walk in no common direction leave and enter such a zone in equal numbers, so the count is right
on average; how far it may be from right for this herd is what `merge all` and `merge none` beside it say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import KDTree

from counts.following import Component, components, density_within, follow, mahalanobis_squared
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

STRANGERS_TOLD = 0.05
"""Animals of two passes are told apart while fewer others than this stand where one of them may be seen next."""

STRANGERS_SETTLED = 0.01
"""So few that an animal which the pass at home did not show is rather one that it missed."""

LOOKS_THAT_COUNT = 3
"""How many independent looks a pass is trusted with at most: what hides an animal hides it for a while."""


@dataclass(frozen=True)
class Passes:
    """The flight lines over one ground. `of_sighting` (N,) rows of `corners` (P, 4, 2), the swaths in metres.

    Corners go around: the first two across the swath's one end, the last two across its other. `times_s` (P, 2) is when
    the aircraft was at the one and at the other.
    """

    of_sighting: Ints
    corners: Floats
    times_s: Floats

    @classmethod
    def checked(cls, of_sighting: npt.ArrayLike, corners: npt.ArrayLike, times_s: npt.ArrayLike, count: int) -> Passes:
        """Return passes for `count` sightings. Raises EstimateError for arrays that do not match."""
        rows, around = np.asarray(of_sighting, dtype=np.int64), np.asarray(corners, dtype=np.float64).reshape(-1, 4, 2)
        times = np.asarray(times_s, dtype=np.float64).reshape(-1, 2)
        if len(times) != len(around):
            raise EstimateError(f"{len(around)} swaths but {len(times)} times", where="identity")
        if len(rows) != count:
            raise EstimateError(f"{count} points but {len(rows)} passes", where="identity")
        if count and (rows.min() < 0 or rows.max() >= len(around)):
            raise EstimateError("a sighting is of a pass that has no swath", where="identity")
        if not (np.isfinite(around).all() and np.isfinite(times).all()):
            raise EstimateError("a swath has a corner or a time that is not finite", where="identity")
        ccw = shapely.is_ccw(shapely.linearrings(around)) if len(around) else np.empty(0, dtype=bool)
        return cls(rows, np.where(ccw[:, None, None], around, around[:, [1, 0, 3, 2]]), times)

    @property
    def middles(self) -> npt.NDArray[np.object_]:
        """The middle line of each swath."""
        ends = np.stack([self.corners[:, :2].mean(axis=1), self.corners[:, 2:].mean(axis=1)], axis=1)
        return np.asarray(shapely.linestrings(ends), dtype=object)

    @property
    def widths(self) -> Floats:
        """How wide each swath is, (P,) metres."""
        across = self.corners[:, 1] - self.corners[:, 0]
        return np.asarray(np.hypot(across[:, 0], across[:, 1]))

    def when(self, rows: Ints, points: Floats) -> Floats:
        """When each pass was beside each point, (N,) seconds."""
        start, end = self.corners[rows, :2].mean(axis=1), self.corners[rows, 2:].mean(axis=1)
        along = end - start
        share = ((points - start) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-9)
        first, last = self.times_s[rows].T
        return np.asarray(first + np.clip(share, 0.0, 1.0) * (last - first))

    def home(self, points: Floats) -> Ints:
        """The pass whose middle is nearest to each point, (N,)."""
        tree = shapely.STRtree(self.middles)
        found: Ints = tree.query_nearest(shapely.points(points), all_matches=False)[1].astype(np.int64)
        return found


@dataclass(frozen=True)
class Tracks:
    """Animals as one pass saw them, of one label: (T, ...) arrays. `own` and `shared` are covariances, m²."""

    points: Floats
    own: Floats
    shared: Floats
    times: Floats
    passes: Ints
    looks: Ints

    def rows(self, chosen: Ints) -> Tracks:
        """Some of the tracks."""
        return Tracks(*(getattr(self, f.name)[chosen] for f in fields(self)))


@dataclass(frozen=True)
class Joined:
    """`animal` (T,): the first of the tracks judged to be one; `left` (T,): on ground that another pass answers for.

    `first`, `second` and `cost` are the pairs that could be one animal, their d²; `apart` those of passes too far apart
    in time to tell.
    """

    animal: Ints
    left: npt.NDArray[np.bool_]
    first: Ints
    second: Ints
    cost: Floats
    apart: npt.NDArray[np.bool_]


def join(tracks: Tracks, passes: Passes, *, drift_variance: float, detection: float, gate: float) -> Joined:
    """Join the tracks of several passes into animals; see the module. `drift_variance` is that of walking, m²/s²."""
    t, density = tracks, density_within(tracks.points, tracks.passes)
    first, second, cost = _pairs(t, passes, drift_variance, gate)
    component = components(len(t.points), first, second)
    animal, series = _matched(t, passes, density, component, drift_variance, detection, gate)
    lag = np.abs(t.times[second] - t.times[first])
    told = _told(t, first, drift_variance * lag**2, np.sqrt(density[first] * density[second]), STRANGERS_TOLD)
    home = passes.home(t.points) if len(t.points) else np.empty(0, dtype=np.int64)
    since = passes.when(home, t.points) - t.times
    everyone = np.arange(len(t.points))
    # An animal that the pass at home missed counts too, where it stands alone or where two others have seen it: a
    # track that only one pass has, in the middle of a herd, is rather one animal taken for two.
    compared = _told(t, everyone, drift_variance * since**2, density, STRANGERS_SETTLED)
    seen_twice = np.bincount(animal, minlength=len(animal))[animal] > 1
    compared |= seen_twice & np.isin(series * len(passes.corners) + home, series * len(passes.corners) + t.passes)
    settled = np.zeros(len(t.points), dtype=np.bool_)
    np.logical_or.at(settled, animal, (home == t.passes) | compared)
    return Joined(animal, ~settled[animal], first, second, cost, ~(told | (series[first] == series[second])))


def _pairs(t: Tracks, passes: Passes, drift_variance: float, gate: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of tracks of different passes that could be one animal, and their d²."""
    if len(t.points) < 2:
        none = np.empty(0, dtype=np.int64)
        return none, none, np.empty(0)
    widest = float(passes.widths.max())
    error = float(np.trace(t.own + t.shared, axis1=1, axis2=2).max())
    walked = drift_variance * float(np.ptp(t.times)) ** 2
    # Animals that walk further than a swath is wide are compared with nothing: the zones answer for them.
    reach = np.sqrt(gate * (2 * error + min(walked, widest**2 / gate)))
    pairs = KDTree(t.points).query_pairs(reach, output_type="ndarray").astype(np.int64)
    first, second = pairs.min(axis=1), pairs.max(axis=1)
    keep = t.passes[first] != t.passes[second]
    first, second = first[keep], second[keep]
    walk = drift_variance * (t.times[second] - t.times[first]) ** 2
    spread = (t.own + t.shared)[first] + (t.own + t.shared)[second] + walk[:, None, None] * np.eye(2)
    cost = mahalanobis_squared(t.points[second] - t.points[first], spread)
    near = cost <= gate
    return first[near], second[near], cost[near]


def _matched(
    t: Tracks, passes: Passes, density: Floats, component: Ints, drift_variance: float, detection: float, gate: float
) -> tuple[Ints, Ints]:
    """The animal of each track, and a number that tracks of passes have in common which were registered."""
    animal, series = np.arange(len(t.points), dtype=np.int64), np.arange(len(t.points), dtype=np.int64)
    order = np.lexsort((t.points[:, 1], t.points[:, 0], t.passes, component))
    bounds = np.flatnonzero(np.diff(component[order], prepend=-1, append=-1))
    found = 1 - (1 - detection) ** min(LOOKS_THAT_COUNT, int(np.median(t.looks)) if len(t.looks) else 1)
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if stop - start < 2:
            continue
        inside = order[start:stop]
        # A pass is a moment: a herd is passed in seconds, and the next line is a minute away.
        _, row = np.unique(t.passes[inside], return_inverse=True)
        times = (np.bincount(row, weights=t.times[inside]) / np.bincount(row))[row]
        earlier = np.argsort(times, kind="stable")
        inside, times = inside[earlier], times[earlier]
        followed = follow(
            Component(
                points=t.points[inside],
                own=t.own[inside],
                shared=t.shared[inside],
                times=times,
                frames=t.passes[inside],
                density=density[inside],
                drift_variance=drift_variance,
                detection=found,
                gate=gate,
                corners=passes.corners[t.passes[inside]],
            ),
            STRANGERS_TOLD,
        )
        animal[inside] = inside[followed.track]
        # Named by the first track of each series in this component.
        _, heads, row = np.unique(followed.series, return_index=True, return_inverse=True)
        series[inside] = inside[heads[row]]
    return animal, series


def _told(t: Tracks, rows: Ints, walk: Floats, density: Floats, strangers: float) -> npt.NDArray[np.bool_]:
    """Whether an animal can be known again by where it stands: few others are where it may be seen next."""
    error = 2 * t.shared[rows] + walk[:, None, None] * np.eye(2)
    area = 2 * np.pi * np.sqrt(np.maximum(error[:, 0, 0] * error[:, 1, 1] - error[:, 0, 1] ** 2, 0.0))
    return np.asarray(area * density <= strangers)
