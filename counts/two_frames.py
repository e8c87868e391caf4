"""Which sighting is whose, for many small groups at once that only two frames show: the commonest there are.

What `counts.following` does with one component after the other is done here with all that have as many sightings in
their first frame and in their second, as arrays: along a line flown with little overlap that is nearly every herd. The
results are the same, and a test holds them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from counts.following import LEAST_AGREEMENT, OWN_WAY, STRAYING, WELL_IN_VIEW, peaks
from counts.likelihood import least_gate, mahalanobis_squared, not_seen
from counts.observed import Observed
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_CELLS = 10_000
"""Components with more pairs than that are few, and followed one by one."""

_CELLS_AT_ONCE = 50_000
_REFINED = 3


def in_two_frames(frames: Ints, bounds: Ints, asked: Bools) -> tuple[Bools, Ints]:
    """Return which of the components (C,) that are `asked` for (C,) two frames show, and what is in the first (C,).

    `frames` (N,) are those of sightings component after component, each from `bounds` (C + 1,) on, and ordered.
    """
    size = np.diff(bounds)
    component = np.repeat(np.arange(len(size)), size)
    changed = np.flatnonzero((np.diff(frames) != 0) & (np.diff(component) == 0)) + 1
    two = asked & (np.bincount(component[changed], minlength=len(size)) == 1)
    before = np.zeros(len(size), dtype=np.int64)
    chosen = changed[two[component[changed]]]
    before[component[chosen]] = chosen - bounds[component[chosen]]
    return two & (before * (size - before) <= MOST_CELLS), before


def match_two(s: Observed, density: Floats, rows: Ints, first: Ints, second: Ints, gate: float) -> tuple[Ints, Ints]:
    """Return sightings (K,) of first frames and those (K,) of second ones that are the same animals.

    `rows` (N,) of `s` are component after component, each ordered by frame, of which `first` (C,) sightings are in its
    first frame and `second` (C,) in the other. `density` (len(s),) is that of animals per m² around each sighting.
    """
    start = np.cumsum(first + second) - (first + second)
    seen: list[tuple[Ints, Ints]] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    shape = first * (1 + int(second.max(initial=0))) + second
    for value in np.unique(shape).tolist():
        alike = np.flatnonzero(shape == value)
        before, after = int(first[alike[0]]), int(second[alike[0]])
        for some in np.split(alike, range(per := _at_once(before, after), len(alike), per)):
            seen += _within_reach(
                s, density, rows[start[some, None] + np.arange(before)],
                rows[start[some, None] + before + np.arange(after)], gate,
            )  # fmt: skip
    one, other = (np.concatenate(column) for column in zip(*seen, strict=True))
    return one, other


def _at_once(before: int, after: int) -> int:
    return max(1, _CELLS_AT_ONCE // (before * after))


def _within_reach(s: Observed, density: Floats, one: Ints, two: Ints, gate: float) -> list[tuple[Ints, Ints]]:
    """Leave out sightings (C, T) of first frames that the second frames (C, n) cannot have shown, and match the rest.

    What is left is as many in some components as in others: each number is matched by itself.
    """
    now = _common(s, one, two)
    ground = s.points[two] if s.corners is None else np.concatenate([s.points[two], s.corners[two[:, 0]]], axis=1)
    place = s.points[one]
    low, high = ground.min(axis=1)[:, None], ground.max(axis=1)[:, None]
    away = np.maximum(np.maximum(low - place, place - high), 0.0)
    spread = np.trace(s.own[one], axis1=2, axis2=3) + np.trace(s.own[two], axis1=2, axis2=3).max(axis=1)[:, None]
    spread = spread + np.trace(now.prior, axis1=1, axis2=2)[:, None] + (2 + 2 * OWN_WAY**2) * now.walked[:, None]
    near = (away**2).sum(axis=2) <= gate * spread
    number = near.sum(axis=1)
    found = []
    for value in np.unique(number[number > 0]).tolist():
        some = np.flatnonzero(number == value)
        pairs = _Pairs.of(s, density, one[some][near[some]].reshape(-1, value), two[some], now.rows(some), gate)
        which, row, column = pairs.matched()
        found.append((pairs.one[which, row], pairs.two[which, column]))
    return found


@dataclass(frozen=True)
class _Common:
    """What holds for a whole component (C,): the offset that is to be expected, m², the walking between, the recall."""

    prior: Floats
    walked: Floats
    detection: Floats

    def rows(self, chosen: npt.NDArray[np.generic]) -> _Common:
        return _Common(self.prior[chosen], self.walked[chosen], self.detection[chosen])


def _common(s: Observed, one: Ints, two: Ints) -> _Common:
    shared = [(s.covariances[rows] - s.own[rows]).mean(axis=1) for rows in (two, one)]
    walked = (s.times[two[:, 0]] - s.times[one[:, 0]]) ** 2 * s.drift_variance[one[:, 0]]
    return _Common(shared[0] + shared[1] + _round(walked), walked, s.detection[one[:, 0]])


@dataclass(frozen=True)
class _Pairs:
    """All pairs of first and second sightings of components (C, T, n): offsets, covariances, densities."""

    one: Ints
    two: Ints
    common: _Common
    offset: Floats
    own: Floats
    loose: Floats
    density: Floats
    places: Floats
    points: Floats
    edge: Floats
    before: Floats | None
    after: Floats | None
    gate: float

    @classmethod
    def of(cls, s: Observed, density: Floats, one: Ints, two: Ints, common: _Common, gate: float) -> _Pairs:
        waited = _round(common.walked)[:, None, None]
        own = s.own[one][:, :, None] + s.own[two][:, None] + OWN_WAY**2 * waited
        return cls(
            one=one,
            two=two,
            common=common,
            offset=s.points[two][:, None] - s.points[one][:, :, None],
            own=own,
            loose=own + common.prior[:, None, None] + waited,
            density=np.sqrt(density[one][:, :, None] * density[two][:, None]),
            places=s.points[one],
            points=s.points[two],
            edge=s.own[two[:, 0]] if s.corners is None else s.covariances[two[:, 0]],
            before=None if s.corners is None else s.corners[one[:, 0]],
            after=None if s.corners is None else s.corners[two[:, 0]],
            gate=gate,
        )

    def rows(self, chosen: npt.NDArray[np.generic]) -> _Pairs:
        """Some of the components."""
        held = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("common", "gate")}
        some = {name: array[chosen] for name, array in held.items() if array is not None}
        return replace(self, common=self.common.rows(chosen), **some)

    def matched(self) -> tuple[Ints, Ints, Ints]:
        """Return component, first and second sighting of each pair that is one animal."""
        components = len(self.offset)
        registered, step, spread = self._register()
        which, row, column = np.empty((3, 0), dtype=np.int64)
        if registered.any():
            of = np.flatnonzero(registered)
            some = self.rows(of)
            covariance = some.own + spread[of, None, None]
            cost = mahalanobis_squared(some.offset - step[of, None, None], covariance) - least_gate(
                covariance, some.density, some._missed(covariance, step[of]), self.gate
            )
            which, row, column = _assigned(cost, cost < 0)
            which = of[which]
        missed = self._missed(self.loose, step)
        # Where most agree, one that does not is rather another animal than one that went its own way.
        missed[registered] /= STRAYING
        cost = mahalanobis_squared(self.offset, self.loose) - least_gate(self.loose, self.density, missed, self.gate)
        free_one, free_two = np.ones((components, self.offset.shape[1]), bool), np.ones(self.points.shape[:2], bool)
        free_one[which, row] = free_two[which, column] = False
        free = free_one[:, :, None] & free_two[:, None] & (cost < 0)
        left = np.flatnonzero(free.any(axis=(1, 2)))
        more = _assigned(np.where(free[left], cost[left], 0.0), free[left])
        return (
            np.concatenate([which, left[more[0]]]),
            np.concatenate([row, more[1]]),
            np.concatenate([column, more[2]]),
        )

    def _missed(self, covariance: Floats, step: Floats) -> Floats:
        """The chance (C, T, n) that two sightings, if two animals, were each not seen in the other's frame."""
        here = None if self.after is None else (self.after - step[:, None])[:, None]
        there = None if self.before is None else self.before[:, None, None]
        chance = self.common.detection
        first = not_seen(chance[:, None], self.places, covariance.mean(axis=2), here)
        points = np.broadcast_to((self.points - step[:, None])[:, None], self.offset.shape)
        return first[:, :, None] * not_seen(chance[:, None, None], points, covariance, there)

    def _register(self) -> tuple[Bools, Floats, Floats]:
        """Components (C,) whose frames most animals lay on each other, by which offset (C, 2), and its covariance."""
        step, spread = np.zeros((len(self.offset), 2)), self.common.prior.copy()
        near = mahalanobis_squared(self.offset, self.loose) <= self.gate
        registered = (near.sum(axis=(1, 2)) >= 2) & (np.trace(self.common.prior, axis1=1, axis2=2) >= 1e-9)
        if min(self.offset.shape[1:3]) < 2 or not registered.any():
            return np.zeros(len(self.offset), dtype=np.bool_), step, spread
        of = np.flatnonzero(registered)
        some = self.rows(of)
        best, well = some._best_offset(near[of])
        of, some, best = of[well], some.rows(well), best[well]
        kept, best, sure = some._refined(best)
        registered[:] = False
        registered[of[kept]] = True
        step[of[kept]], spread[of[kept]] = best[kept], sure[kept]
        return registered, step, spread

    def _best_offset(self, near: Bools) -> tuple[Floats, Bools]:
        """Of the offsets on which pairs agree that (C, 2) which explains all best, and whether it does so well."""
        tried = []
        for offset, own, chosen in zip(self.offset, self.own, near, strict=True):
            sigma = float(np.sqrt(np.trace(own[chosen].mean(axis=0)) / 2))
            tried.append(np.vstack([np.zeros((1, 2)), peaks(offset[chosen], sigma)]))
        number = np.array([len(offsets) for offsets in tried])
        some = np.zeros((len(tried), int(number.max()), 2))
        given = np.arange(some.shape[1]) < number[:, None]
        some[given] = np.concatenate(tried)
        gain = np.maximum(
            self.gate - mahalanobis_squared(self.offset[:, None] - some[:, :, None, None], self.own[:, None]), 0.0
        )
        by_one, by_two = gain.max(axis=3), gain.max(axis=2)
        edge = self.edge[:, None, None]
        after = None if self.after is None else self.after[:, None, None]
        before = None if self.before is None else self.before[:, None, None]
        shown = 1 - not_seen(1.0, self.places[:, None] + some[:, :, None], edge, after)
        was = 1 - not_seen(1.0, self.points[:, None] - some[:, :, None], edge, before)
        chance = self.common.detection
        against = np.minimum(-2 * np.log(np.maximum(1 - chance, 1e-3)), self.gate / 2)[:, None]
        forward = by_one.sum(axis=2) - against * (shown * (by_one <= 0)).sum(axis=2)
        backward = by_two.sum(axis=2) - against * (was * (by_two <= 0)).sum(axis=2)
        value = np.minimum(forward, backward) - ((some @ np.linalg.inv(self.common.prior)) * some).sum(axis=2)
        value[~given] = -np.inf
        row, best = np.arange(len(value)), np.argmax(value, axis=1)
        share = np.minimum(
            _share(shown[row, best], by_one[row, best] > 0), _share(was[row, best], by_two[row, best] > 0)
        )
        return some[row, best], (value[row, best] > 0) & (share >= LEAST_AGREEMENT * chance)

    def _refined(self, best: Floats) -> tuple[Bools, Floats, Floats]:
        """The offsets (C, 2) of the pairs that they make one, their covariances, and where there are two such pairs."""
        weight, inverse = np.linalg.inv(self.own), np.linalg.inv(self.common.prior)
        covariance = self.own + self.common.prior[:, None, None] * 0.05
        spread, kept = self.common.prior, np.ones(len(best), dtype=np.bool_)
        for _ in range(_REFINED):
            cost = mahalanobis_squared(self.offset - best[:, None, None], covariance)
            which, row, column = _assigned(cost - self.gate, cost <= self.gate)
            kept &= np.bincount(which, minlength=len(best)) >= 2
            total, moment = inverse.copy(), np.zeros((len(best), 2))
            mine = weight[which, row, column]
            summed = np.zeros_like(inverse)
            np.add.at(summed, which, mine)
            np.add.at(moment, which, (mine @ self.offset[which, row, column][:, :, None])[:, :, 0])
            spread = np.linalg.inv(total + summed)
            best = (spread @ moment[:, :, None])[:, :, 0]
            covariance = self.own
        return kept, best, spread


def _assigned(cost: Floats, taken: Bools) -> tuple[Ints, Ints, Ints]:
    """Component, row and column of pairs at least total cost, one-to-one; of those only what may be `taken`."""
    none = np.empty(0, dtype=np.int64)
    which, rows, columns = [none], [none], [none]
    for index, matrix in enumerate(np.minimum(cost, 0.0)):
        row, column = linear_sum_assignment(matrix)
        which.append(np.full(len(row), index))
        rows.append(row)
        columns.append(column)
    found = tuple(np.concatenate(part) for part in (which, rows, columns))
    chosen = taken[found]
    one, two, three = (part[chosen] for part in found)
    return one, two, three


def _share(expected: Floats, found: Bools) -> Floats:
    """The share (C,) that was found of the animals that are well in view, 1 where none is."""
    well = expected > WELL_IN_VIEW
    number = well.sum(axis=1)
    share: Floats = np.where(number > 0, (found & well).sum(axis=1) / np.maximum(number, 1), 1.0)
    return share


def _round(variance: Floats) -> Floats:
    result: Floats = variance[:, None, None] * np.eye(2)
    return result
