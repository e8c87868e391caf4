"""One animal seen from several passes of the same ground: what full coverage has and a sample has not.

Within a pass an animal is seen several times in a few seconds, and its sightings make a track (`counts.identity`). The
next line comes by after a minute, another battery's line after an hour. Where the animals cannot have gone far until
then, compared with how far they stand apart, or where a herd's likeness is sure, the tracks of one pass are registered
on those of the other and matched, herd by herd, as frames are. Where not, nothing in a track says which animal it was:
the herd is *untold*, and is counted by how often its ground was looked at (`counts.looks`), which needs no identity.
A herd is told or untold as a whole, and by how its animals stand, not by whether they were matched: to count those that
were matched by their matches and the others by their looks would count too many.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import shapely
from scipy import stats

from counts.following import LEAST_TELLING, OWN_WAY, Component, follow
from counts.likelihood import components, density_within, likely_one, mahalanobis_squared, not_seen, strangers_near
from counts.looks import Looks
from counts.nearby import near_pairs
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

STRANGERS_TOLD = 0.05
"""Animals of two passes are told apart while fewer others than this stand where one of them may be seen next."""

STRANGERS_MATCHED = 0.15
"""So few where the error of a pose may put an animal at rest: which is whose may be mistaken, how many are not."""

STRANGERS_FOLLOWED = 0.15
"""So few where an animal may have walked until the next frame of its pass."""

STRANGERS_MISSED = 1.0
"""So few that were missed within a box's error, in all looks at an animal: each may be a mistake of who is who."""

STRANGERS_SETTLED = 0.05
"""So few that an animal which the pass at home did not show is rather one that it missed."""

NOT_SHOWN_AT_HOME = 0.1

LOOKS_SURE = 0.7
"""The share of the looks at a place that is sure to have shown an animal there, whatever the poses' errors."""

SEEN_TOO_SELDOM = 0.001
"""So improbable that an animal was missed so often."""

MOST_IN_SERIES = 0.9
"""A herd whose likeness joins this share of its tracks is told by it."""

MOST_COMPARED = 2_000_000
"""A herd of which two passes have more pairs of tracks is counted by its looks: those of so many are precise."""

LOOKS_THAT_COUNT = 3
"""How many independent looks a pass is trusted with at most: what hides an animal hides it for a while."""


@dataclass(frozen=True)
class Passes:
    """The flight lines over one ground. `of_sighting` (N,) rows of `corners` (P, 4, 2), the swaths in metres.

    Corners go around: the first two across the swath's one end, the last two across its other. `times_s` (P, 2) is when
    the aircraft was at the one and at the other. `looks` are all frames of all passes, those without sightings too;
    without them the swaths stand for them.
    """

    of_sighting: Ints
    corners: Floats
    times_s: Floats
    looks: Looks | None = None

    @classmethod
    def checked(
        cls,
        of_sighting: npt.ArrayLike,
        corners: npt.ArrayLike,
        times_s: npt.ArrayLike,
        count: int,
        looks: Looks | None = None,
    ) -> Passes:
        """Return passes for `count` sightings. Raises EstimateError for arrays that do not match."""
        rows, around = np.asarray(of_sighting, dtype=np.int64), np.asarray(corners, dtype=np.float64).reshape(-1, 4, 2)
        times = np.asarray(times_s, dtype=np.float64).reshape(-1, 2)
        if len(times) != len(around):
            raise EstimateError(f"{len(around)} swaths but {len(times)} times", where="identity")
        if len(rows) != count:
            raise EstimateError(f"{count} points but {len(rows)} passes", where="identity")
        if count and (rows.min() < 0 or rows.max() >= len(around)):
            raise EstimateError("a sighting is of a pass that has no swath", where="identity")
        if (
            looks is not None
            and len(looks.of_pass)
            and not 0 <= looks.of_pass.min() <= looks.of_pass.max() < len(around)
        ):
            raise EstimateError("a frame is of a pass that has no swath", where="identity")
        if not (np.isfinite(around).all() and np.isfinite(times).all()):
            raise EstimateError("a swath has a corner or a time that is not finite", where="identity")
        ccw = shapely.is_ccw(shapely.linearrings(around)) if len(around) else np.empty(0, dtype=bool)
        return cls(rows, np.where(ccw[:, None, None], around, around[:, [1, 0, 3, 2]]), times, looks)

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

    def weights(self, points: Floats, track: Ints, detection: float) -> Floats:
        """How many animals each track stands for, (T,), of which `points` (N, 2) are the sightings.

        Each look tells of one by the number of looks at its place, over the chance that it finds an animal. Where the
        frames are not known, a track stands for one by the number of swaths.
        """
        if self.looks is not None:
            each = 1.0 / (detection * self.looks.number_at(points))
        else:
            swaths = Looks(np.asarray(shapely.polygons(self.corners)), np.arange(len(self.corners)), self.times_s[:, 0])
            each = 1.0 / (swaths.number_at(points) * np.bincount(track)[track])
        return np.asarray(np.bincount(track, weights=each), dtype=np.float64)

    def along(self, points: Floats) -> Ints:
        """The order (N,) of points one home pass after the other, along each."""
        home = self.home(points)
        start, end = self.corners[home, :2].mean(axis=1), self.corners[home, 2:].mean(axis=1)
        station = ((points - start) * (end - start)).sum(axis=1)
        return np.asarray(np.lexsort((points[:, 1], points[:, 0], station, home)), dtype=np.int64)

    def home(self, points: Floats) -> Ints:
        """The pass whose middle is nearest to each point, (N,)."""
        tree = shapely.STRtree(self.middles)
        found: Ints = tree.query_nearest(shapely.points(points), all_matches=False)[1].astype(np.int64)
        return found


@dataclass(frozen=True)
class Tracks:
    """Animals as one pass saw them, of one label: (T, ...) arrays.

    Covariances, m²: `own` of a track's place against the others', `shared` what they have in common, `box` of one look.
    """

    points: Floats
    own: Floats
    shared: Floats
    box: Floats
    times: Floats
    passes: Ints
    looks: Ints

    def rows(self, chosen: Ints) -> Tracks:
        """Some of the tracks."""
        return Tracks(*(getattr(self, f.name)[chosen] for f in fields(self)))


@dataclass(frozen=True)
class Joined:
    """`animal` (T,): the first of the tracks judged to be one; `untold` (T,): of herds that only looks can count.

    Of the told ones those `left` are rather a second track of an animal than an animal. `first`, `second` and `cost`
    are the pairs that could be one animal, their d², the `probability` that they are and the `strangers` near.
    """

    animal: Ints
    untold: Bools
    left: Bools
    first: Ints
    second: Ints
    cost: Floats
    probability: Floats
    strangers: Floats


def join(tracks: Tracks, passes: Passes, *, drift_variance: float, detection: float, gate: float) -> Joined:
    """Join the tracks of several passes into animals; see the module. `drift_variance` is that of walking, m²/s²."""
    t, density = tracks, density_within(tracks.points, tracks.passes)
    everyone = np.arange(len(t.points))
    first, second, cost = _pairs(t, passes, drift_variance, gate)
    herd = components(len(t.points), first, second)
    size = np.bincount(herd, minlength=1)
    until = _until_seen_again(t, passes, drift_variance, gate)
    seen_by_one = ~np.isfinite(until)
    walked = drift_variance * np.where(seen_by_one, 0.0, until) ** 2
    stands = strangers_near(walked[:, None, None] * np.eye(2), density) <= STRANGERS_TOLD
    stands = (np.bincount(herd, weights=stands, minlength=1) >= 0.5 * size)[herd]
    # What the members of a herd walk on their own is all that a likeness can bear.
    known = strangers_near(OWN_WAY**2 * walked[:, None, None] * np.eye(2), density) <= STRANGERS_TOLD * LEAST_TELLING
    animal, series, too_many = _matched(t, passes, density, herd, (stands, known), drift_variance, detection, gate)
    _, row, in_series = np.unique(series, return_inverse=True, return_counts=True)
    largest = np.zeros(len(size), dtype=np.int64)
    np.maximum.at(largest, herd, in_series[row])
    sure = ((largest >= MOST_IN_SERIES * size) & (size > 1))[herd]
    told = (
        sure
        | seen_by_one
        | (stands & (strangers_near(2 * t.shared + walked[:, None, None] * np.eye(2), density) <= STRANGERS_MATCHED))
    )
    if passes.looks is not None:
        step = passes.looks.intervals_s(len(passes.corners))[t.passes]
        walk = drift_variance * step[:, None, None] ** 2 * np.eye(2)
        told &= strangers_near(walk, density) <= STRANGERS_FOLLOWED
    looks = t.looks if passes.looks is None else passes.looks.number_at(t.points)
    told &= looks * (1 - detection) * strangers_near(2 * t.box, density) <= STRANGERS_MISSED
    told &= ~too_many
    untold = ~(np.bincount(herd, weights=told, minlength=1) >= 0.5 * size)[herd]
    # Who is who is not said of animals that cannot be told.
    animal = np.where(untold, everyone, animal)
    seconds = _seconds(t, passes, animal, density, walked, detection)
    walk = drift_variance * (t.times[second] - t.times[first]) ** 2
    spread = (t.own + t.shared)[first] + (t.own + t.shared)[second] + walk[:, None, None] * np.eye(2)
    found = 1 - (1 - detection) ** np.minimum(LOOKS_THAT_COUNT, t.looks)
    missed = not_seen(1.0, t.points[first], spread, passes.corners[t.passes[second]])
    missed = 1 - found[first] * (1 - missed)
    missed *= 1 - found[second] * (1 - not_seen(1.0, t.points[second], spread, passes.corners[t.passes[first]]))
    likely = likely_one(cost, spread, np.sqrt(density[first] * density[second]), missed)
    return Joined(animal, untold, seconds, first, second, cost, *likely)


def _seconds(t: Tracks, passes: Passes, animal: Ints, density: Floats, walked: Floats, detection: float) -> Bools:
    """Tracks (T,) of animals in the middle of a herd that were seen far too seldom for how often they were looked at.

    They are rather a part of another's sightings than an animal that was missed so often. Where the frames are not
    known, they are those that only one pass has and that another should have seen too.
    """
    if not len(t.points):
        return np.empty(0, dtype=np.bool_)
    spread = 2 * t.shared + walked[:, None, None] * np.eye(2)
    crowded = strangers_near(spread, density) > STRANGERS_SETTLED
    if passes.looks is None:
        home = passes.home(t.points)
        alone = (np.bincount(animal, minlength=len(animal))[animal] == 1) & (home != t.passes)
        shown = not_seen(1.0, t.points, spread, passes.corners[home]) < NOT_SHOWN_AT_HOME
        return np.asarray(alone & shown & crowded)
    seen = np.bincount(animal, weights=t.looks, minlength=len(animal))[animal]
    # Near the edge of a frame it is not sure whether it showed the animal.
    looks = np.floor(LOOKS_SURE * passes.looks.number_at(t.points))
    return np.asarray(crowded & (stats.binom.cdf(seen, looks, detection) < SEEN_TOO_SELDOM) & (seen < looks))


def _until_seen_again(t: Tracks, passes: Passes, drift_variance: float, gate: float) -> Floats:
    """The least time (T,) from or to another pass that may have seen the animal too; infinite where there is none."""
    lag = np.full(len(t.points), np.inf)
    if not len(t.points):
        return lag
    swaths = shapely.polygons(passes.corners)
    points = shapely.points(t.points)
    row, other = shapely.STRtree(swaths).query(points, predicate="dwithin", distance=float(passes.widths.max()))
    row, other = row[other != t.passes[row]], other[other != t.passes[row]]
    passed = np.abs(passes.when(other, t.points[row]) - t.times[row])
    error = np.sqrt(gate * np.trace(t.shared[row], axis1=1, axis2=2))
    near = shapely.distance(points[row], swaths[other]) <= np.sqrt(gate * drift_variance) * passed + error
    np.minimum.at(lag, row[near], passed[near])
    return lag


def _pairs(t: Tracks, passes: Passes, drift_variance: float, gate: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of tracks of different passes that could be one animal, and their d²."""
    if len(t.points) < 2:
        none = np.empty(0, dtype=np.int64)
        return none, none, np.empty(0)
    widest = float(passes.widths.max())
    error = float(np.trace(t.own + t.shared, axis1=1, axis2=2).max())
    walked = drift_variance * float(np.ptp(t.times)) ** 2
    # Animals that walk further than a swath is wide are compared with nothing: the zones answer for them.
    reach = float(np.sqrt(gate * (2 * error + min(walked, widest**2 / gate))))

    def cost(first: Ints, second: Ints) -> Floats:
        walk = drift_variance * (t.times[second] - t.times[first]) ** 2
        spread = (t.own + t.shared)[first] + (t.own + t.shared)[second] + walk[:, None, None] * np.eye(2)
        d2 = mahalanobis_squared(t.points[second] - t.points[first], spread)
        return np.where(t.passes[first] != t.passes[second], d2, np.inf)

    return near_pairs(t.points, reach, cost, gate)


def _matched(
    t: Tracks,
    passes: Passes,
    density: Floats,
    component: Ints,
    which: tuple[Bools, Bools],
    drift_variance: float,
    detection: float,
    gate: float,
) -> tuple[Ints, Ints, Bools]:
    """The animal of each track, a number that tracks of passes have in common which were registered, and the too many.

    `which` of them stand near enough to be matched, and which may be known by a herd's likeness.
    """
    stands, may_be_known = which
    animal, series = np.arange(len(t.points), dtype=np.int64), np.arange(len(t.points), dtype=np.int64)
    too_large = np.zeros(len(t.points), dtype=np.bool_)
    order = np.lexsort((t.points[:, 1], t.points[:, 0], t.passes, component))
    bounds = np.flatnonzero(np.diff(component[order], prepend=-1, append=-1))
    found = 1 - (1 - detection) ** min(LOOKS_THAT_COUNT, int(np.median(t.looks)) if len(t.looks) else 1)
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if stop - start < 2:
            continue
        inside = order[start:stop]
        _, largest = np.unique(t.passes[inside], return_counts=True)
        if np.prod(np.sort(largest)[-2:], dtype=np.float64) > MOST_COMPARED:
            too_large[inside] = True
            continue
        if not stands[inside[0]] and not may_be_known[inside].any():
            continue
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
            strangers_told=np.inf if stands[inside[0]] else STRANGERS_TOLD,
            sure=True,
        )
        animal[inside] = inside[followed.track]
        # Named by the first track of each series in this component.
        _, heads, row = np.unique(followed.series, return_index=True, return_inverse=True)
        series[inside] = inside[heads[row]]
    return animal, series, too_large
