"""Who is who among animals at rest, once their frames lie on each other: every sighting against all others at once.

Each frame in turn is taken out and its boxes are given back one-to-one to the animals that the other frames show, or to
animals of their own, whichever is likelier; then animals that no frame shows together, and that stand in one place, are
made one. An animal of its own was missed by all other frames that looked at its place, and pays for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from counts.likelihood import not_seen
from counts.mosaic import Mosaic, offset_between
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FARTHEST = 27.0
"""d² up to which two sightings may be one animal, if nobody else is near."""

MOST_FOUND = 0.95
"""However good a detector, what hides an animal once may hide it again."""

SWEEPS = 3

LIKE_THE_MOSAIC = 0.01
"""A frame is laid on the animals that others show where strangers would be as like seldomer than this."""

ENOUGH_TO_BE_LIKE = 6
"""Two groups that share so many animals are as like as two frames are, or share none."""

WIDE = 4.0
"""Places are compared that are known up to so many times the usual variance."""

_NONE = -1


@dataclass(frozen=True)
class Settled:
    """`track` (N,) numbers the animals. `shift` (F, 2) and `variance` (F,) are those of each frame as it lies now.

    `registered` frames lie on others, those of a `group` on each other; `between` is a group's variance against others.
    """

    track: Ints
    shift: Floats
    variance: Floats
    registered: Bools
    group: Ints
    between: Floats
    view: View

    @property
    def mosaic(self) -> Mosaic:
        """The frames as they lie now."""
        return Mosaic(self.shift, self.variance, self.group, self.between)


@dataclass(frozen=True)
class Boxes:
    """N sightings in F frames as reported, metres: what is to be told apart.

    `points` (N, 2), `frame` (N,) a row of `corners` (F, 4, 2), anticlockwise. Variances are per axis: `own_m2` (N,) of
    a box within its frame, `shared_m2` (F,) of a frame that lies on no other. `strip` (F,) is the pass of each frame,
    `density` (N,) the animals per m² around, `detection` the chance that an animal in view is found.
    """

    points: Floats
    frame: Ints
    own_m2: Floats
    shared_m2: Floats
    corners: Floats
    strip: Ints
    density: Floats
    detection: float


def settle(boxes: Boxes, mosaic: Mosaic) -> Settled:
    """Tell sightings apart whose frames lie in a mosaic."""
    now = _Settling(boxes, mosaic)
    for sweep in range(SWEEPS):
        now.sweep(first=sweep == 0)
        now.join(FARTHEST)
    return now.settled()


def settle_apart(boxes: Boxes, settled: Settled, farthest: float) -> Ints:
    """The tracks (N,) of the same sightings where only those are one that stand nearer than `farthest`, d²."""
    now = _Settling(boxes, settled.mosaic)
    now.sweep(first=True, farthest=farthest, lay=False)
    now.join(farthest)
    return now.track


class _Settling:
    """Animals found so far: the sum of their places and its weight (0 for a free row), and the group they stand in."""

    def __init__(self, boxes: Boxes, mosaic: Mosaic) -> None:
        self.points, self.frame, self.own, self.corners = boxes.points, boxes.frame, boxes.own_m2, boxes.corners
        self.density, self.strip = boxes.density, boxes.strip
        self.shared, self.p = boxes.shared_m2, min(boxes.detection, MOST_FOUND)
        self.shift, self.spread = mosaic.shift.copy(), mosaic.variance.copy()
        self.group, self.between = mosaic.group.copy(), mosaic.between.copy()
        members = np.bincount(self.group)
        self.alone = members[self.group] == 1
        by_frame = np.argsort(self.frame, kind="stable")
        bounds = np.searchsorted(self.frame[by_frame], np.arange(len(self.corners) + 1))
        self.inside = [by_frame[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
        seen = np.bincount(self.group[self.frame], minlength=len(members))
        # Frames that lie on others come first, the largest group before all.
        self.turns = np.lexsort((np.arange(len(self.corners)), -seen[self.group], self.alone))
        count = len(self.points)
        self.track = np.full(count, _NONE, dtype=np.int64)
        self.sums, self.weight, self.seen = np.zeros((count, 2)), np.zeros(count), np.zeros(count, dtype=np.int64)
        self.standing, self.apart = np.full(count, _NONE, dtype=np.int64), np.zeros(count)
        self.used = 0
        self.view = View.of(self)
        self.looks = 1

    def settled(self) -> Settled:
        return Settled(self.track, self.shift, self.spread, ~self.alone, self.group, self.between, View.of(self))

    def sweep(self, *, first: bool, farthest: float = FARTHEST, lay: bool = True) -> None:
        """Give each frame's boxes to the animals that the others show."""
        done = np.full(len(self.corners), not first)
        if not first and self.looks == 1:
            # Frames were laid on the whole since.
            self.view, self.looks = View.of(self), 2
        for f in self.turns.tolist():
            rows = self.inside[f]
            if not len(rows):
                continue
            if not first:
                self._take_out(f, rows)
            held = self._near(f, rows)
            if first and lay and self.alone[f] and self._laid(f, rows, held):
                held = self._near(f, rows)
            to = self._given(f, rows, held, self.view.missed(rows, done), farthest)
            done[f] = True
            self._put(f, rows, to)

    def _own_group(self, f: int, tracks: Ints) -> Bools:
        return np.asarray((self.standing[tracks] == self.group[f]) & ~self.alone[f])

    def _weights(self, f: int, rows: Ints, tracks: Ints) -> Floats:
        between = np.where(self._own_group(f, tracks), 0.0, self.between[f])
        return np.asarray(1.0 / (self.own[rows] + self.spread[f] + between))

    def _take_out(self, f: int, rows: Ints) -> None:
        tracks = self.track[rows]
        weight = self._weights(f, rows, tracks)
        self.sums[tracks] -= weight[:, None] * (self.points[rows] - self.shift[f])
        self.weight[tracks] -= weight
        self.seen[tracks] -= 1
        gone = tracks[self.seen[tracks] == 0]
        self.sums[gone], self.weight[gone] = 0.0, 0.0

    def _near(self, f: int, rows: Ints) -> Ints:
        """The animals that a frame could show."""
        held = np.flatnonzero(self.weight[: self.used] > 0)
        if not len(held):
            return held
        mine, middle = self.points[rows] - self.shift[f], self.sums[held] / self.weight[held, None]
        spread = self.own[rows].max() + self.spread[f] + (1.0 / self.weight[held]).max()
        if not self._own_group(f, held).all():
            spread += self.between[f] + self.apart[held].max()
        reach = np.sqrt(FARTHEST * spread)
        inside = (middle >= mine.min(axis=0) - reach) & (middle <= mine.max(axis=0) + reach)
        return np.asarray(held[inside.all(axis=1)])

    def _laid(self, f: int, rows: Ints, held: Ints) -> bool:
        """Lay a frame that lies on no other on the animals of the group that shows most here, if it is like them."""
        standing = self.standing[held]
        if not (standing >= 0).any():
            return False
        group = int(np.bincount(standing[standing >= 0]).argmax())
        theirs = held[standing == group]
        middle = self.sums[theirs] / self.weight[theirs, None]
        own = float(self.own[rows].mean() + (1.0 / self.weight[theirs]).mean())
        found = offset_between(
            self.points[rows], middle, own, float(self.shared[f] + self.apart[theirs].mean()), likeness=LIKE_THE_MOSAIC
        )
        if found is None:
            return False
        self.shift[f], self.spread[f] = (found.x_m, found.y_m), found.variance
        self.group[f], self.alone[f], self.between[f] = group, False, self.apart[theirs].min()
        return True

    def _given(self, f: int, rows: Ints, held: Ints, missed: Floats, farthest: float) -> Ints:
        """The animal of each box, `_NONE` for one of its own; `missed` is the log of the chance that others missed it.

        The cost is −2 ln of the chance to stand there if it is the animal, against those of being a stranger that all
        others missed while the animal was missed here.
        """
        to = np.full(len(rows), _NONE, dtype=np.int64)
        if not len(held):
            return to
        mine, middle = self.points[rows] - self.shift[f], self.sums[held] / self.weight[held, None]
        d2 = np.subtract.outer(mine[:, 0], middle[:, 0]) ** 2 + np.subtract.outer(mine[:, 1], middle[:, 1]) ** 2
        variance = np.add.outer(self.own[rows] + self.spread[f], 1.0 / self.weight[held])
        variance += np.where(self._own_group(f, held), 0.0, self.between[f] + self.apart[held])
        round_it = variance.mean(axis=0)[:, None, None] * np.eye(2)
        hidden = np.log(not_seen(self.p, middle, round_it, self.corners[f][None] - self.shift[f]))
        strangers = np.log(2 * np.pi * self.density[rows]) + missed
        limit = -2 * (np.log(variance) + strangers[:, None] + hidden[None])
        cost = d2 / variance - np.clip(limit, 0.0, farthest)
        standing = self.standing[held]
        for group in np.unique(standing[(standing >= 0) & (standing != self.group[f])]).tolist() * (not self.alone[f]):
            theirs = standing == group
            near = (d2 / variance <= FARTHEST)[:, theirs].any(axis=1)
            if near.sum() >= ENOUGH_TO_BE_LIKE:
                own = float(self.own[rows].mean() + (1.0 / self.weight[held[theirs]]).mean())
                apart = float(self.between[f] + self.apart[held[theirs]].mean())
                if offset_between(mine[near], middle[theirs], own, apart, likeness=LIKE_THE_MOSAIC) is None:
                    cost[:, theirs] = 0.0
        row, column = linear_sum_assignment(np.minimum(cost, 0.0))
        good = cost[row, column] < 0
        to[row[good]] = held[column[good]]
        return to

    def _put(self, f: int, rows: Ints, to: Ints) -> None:
        fresh = np.flatnonzero(to == _NONE)
        free = np.flatnonzero(self.weight[: self.used] <= 0)[: len(fresh)]
        more = np.arange(self.used, self.used + len(fresh) - len(free))
        new = np.concatenate([free, more])
        self.used += len(more)
        to[fresh] = new
        self.sums[new], self.weight[new], self.seen[new] = 0.0, 0.0, 0
        self.standing[new], self.apart[new] = (_NONE, 0.0) if self.alone[f] else (self.group[f], self.between[f])
        weight = self._weights(f, rows, to)
        self.sums[to] += weight[:, None] * (self.points[rows] - self.shift[f])
        self.weight[to] += weight
        self.seen[to] += 1
        self.track[rows] = to

    def join(self, farthest: float) -> None:
        """Make one of animals that stand in one place and that no frame shows together."""
        held, row = np.unique(self.track, return_inverse=True)
        middle, variance = self.sums[held] / self.weight[held, None], 1.0 / self.weight[held]
        apart, standing = self.apart[held], self.standing[held]
        usual = variance + apart
        reach = np.sqrt(2 * farthest * min(usual.max(), WIDE * np.median(usual)))
        first, second = KDTree(middle).query_pairs(float(reach), output_type="ndarray").T
        everywhere = np.ones(len(self.corners), dtype=np.bool_)
        missed, density = np.zeros(len(held)), np.zeros(len(held))
        np.minimum.at(missed, row, self.view.missed(np.arange(len(self.points)), everywhere))
        np.maximum.at(density, row, self.density)
        together = (standing[first] == standing[second]) & (standing[first] >= 0)
        spread = variance[first] + variance[second] + np.where(together, 0.0, apart[first] + apart[second])
        d2 = ((middle[first] - middle[second]) ** 2).sum(axis=1) / spread
        strangers = np.log(2 * np.pi * spread * np.sqrt(density[first] * density[second]))
        limit = np.clip(-2 * (strangers + np.maximum(missed[first], missed[second])), 0.0, farthest)
        likely = np.flatnonzero(d2 < limit)
        likely = likely[~self._unlike(first[likely], second[likely], middle, held)]
        likely = likely[np.lexsort((second[likely], first[likely], d2[likely]))]
        one = _joined(len(held), first[likely].tolist(), second[likely].tolist(), row, self.frame)
        self.track = one[row]
        self._rebuild()

    def _unlike(self, first: Ints, second: Ints, middle: Floats, held: Ints) -> Bools:
        """Pairs of animals (P,) of two groups that share enough to be like each other, and are not."""
        unlike = np.zeros(len(first), dtype=np.bool_)
        one, other = self.standing[held[first]], self.standing[held[second]]
        rows = np.flatnonzero((one >= 0) & (other >= 0) & (one != other))
        swap = one[rows] > other[rows]
        a, b = np.where(swap, second[rows], first[rows]), np.where(swap, first[rows], second[rows])
        key = self.standing[held[a]] * (len(self.corners) + 1) + self.standing[held[b]]
        for value in np.unique(key).tolist():
            pairs = key == value
            theirs, others = np.unique(a[pairs]), np.unique(b[pairs])
            if min(len(theirs), len(others)) < ENOUGH_TO_BE_LIKE:
                continue
            own = float((1.0 / self.weight[held[theirs]]).mean() + (1.0 / self.weight[held[others]]).mean())
            apart = float(self.apart[held[theirs]].mean() + self.apart[held[others]].mean())
            if offset_between(middle[theirs], middle[others], own, apart, likeness=LIKE_THE_MOSAIC) is None:
                unlike[rows[pairs]] = True
        return unlike

    def _rebuild(self) -> None:
        self.used = used = int(self.track.max()) + 1
        group = np.where(self.alone, _NONE, self.group)[self.frame]
        # An animal stands in the group that shows it most often.
        told = np.flatnonzero(group >= 0)
        pairs, number = np.unique(np.column_stack([self.track[told], group[told]]), axis=0, return_counts=True)
        order = np.lexsort((number, pairs[:, 0]))
        self.standing[:], self.apart[:] = _NONE, 0.0
        self.standing[pairs[order, 0]] = pairs[order, 1]
        same = (self.standing[self.track] == group) & (group >= 0)
        between = self.between[self.frame]
        # Those that stand in none are known to what is left of a pose along a pass, over the passes that saw them.
        seen_by = np.unique(np.column_stack([self.track, self.strip[self.frame]]), axis=0)[:, 0]
        self.apart[:used] = np.bincount(self.track, weights=between) / np.bincount(self.track) / np.bincount(seen_by)
        self.apart[self.track[same]] = between[same]
        weight = 1.0 / (self.own + self.spread[self.frame] + np.where(same, 0.0, between))
        where = self.points - self.shift[self.frame]
        self.sums[:], self.weight[:], self.seen[:] = 0.0, 0.0, 0
        for axis in (0, 1):
            self.sums[:used, axis] = np.bincount(self.track, weights=weight * where[:, axis])
        self.weight[:used] = np.bincount(self.track, weights=weight)
        self.seen[:used] = np.bincount(self.track)


def _joined(count: int, first: list[int], second: list[int], row: Ints, frame: Ints) -> Ints:
    """A number (count,) that animals have in common which are one, joined in this order where frames allow it."""
    frames: list[set[int]] = [set() for _ in range(count)]
    for animal, shown in zip(row.tolist(), frame.tolist(), strict=True):
        frames[animal].add(shown)
    root = list(range(count))

    def top(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for a, b in zip(first, second, strict=True):
        one, other = top(a), top(b)
        if one != other and not frames[one] & frames[other]:
            root[other] = one
            frames[one] |= frames[other]
    return np.unique([top(i) for i in range(count)], return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class View:
    """The log of the chance that each sighting's animal was missed by each other frame, as rows of a sparse table."""

    start: Ints
    frame: Ints
    log_missed: Floats

    @classmethod
    def of(cls, now: _Settling) -> View:
        """What frames could show, as they lie now."""
        ground = now.corners - now.shift[:, None]
        here = now.points - now.shift[now.frame]
        reach = 3 * float(np.sqrt(2 * now.between.max()))
        tree = shapely.STRtree(shapely.polygons(ground))
        row, other = tree.query(shapely.points(here), predicate="dwithin", distance=reach)
        row, other = row[other != now.frame[row]], other[other != now.frame[row]]
        order = np.lexsort((other, row))
        row, other = row[order], other[order]
        mine = now.frame[row]
        between = np.where(now.group[mine] == now.group[other], 0.0, now.between[mine] + now.between[other])
        spread = (now.own[row] + between)[:, None, None] * np.eye(2)
        missed = np.log(not_seen(now.p, here[row], spread, ground[other]))
        return cls(np.searchsorted(row, np.arange(len(here) + 1)).astype(np.int64), other.astype(np.int64), missed)

    def missed(self, rows: Ints, by: Bools) -> Floats:
        """The log of the chance that each of some sightings' animals was missed by all of the frames `by`."""
        first, number = self.start[rows], self.start[rows + 1] - self.start[rows]
        of = np.repeat(np.arange(len(rows)), number)
        at = np.arange(len(of)) + np.repeat(first - np.cumsum(number) + number, number)
        weights = self.log_missed[at] * by[self.frame[at]]
        return np.asarray(np.bincount(of, weights=weights, minlength=len(rows)), dtype=np.float64)
