"""Poses of one flight adjusted together, so that matched pixels of two pictures meet on the ground; with what is left.

A bundle adjustment over position and attitude (Triggs et al. 2000, "Bundle adjustment: a modern synthesis"), with the
ground points eliminated: each match is the gap between two places, weighted by what a pixel and an unknown height of
the ground there may do to it. Every pose is held to what was read by `PoseErrors`, the errors common to the flight
being unknowns of their own; wrong matches are weighted away (Cauchy).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu
from scipy.stats import chi2

from detect.matching import Ints, Matches
from detect.pose_errors import common_turned
from detect.stations import Station, above_ground_m, change_between, heading_deg, moved_by, placed, seen
from flightplan.frames import Floats, LocalFrame

_STEPS = 12
_STILL = 1e-6
_MEDIAN_CHI2 = 1.3862943611198906
"""Median of χ² with two degrees of freedom."""

_LEAST_NOISE = 0.1
_CAUCHY = 3.0
_CHUNK = 40
_WHOLE = 1000
"""Up to so many captures a matrix is inverted whole, in 600 MB: many times faster than by columns."""

_PATCH = 0.3
"""Ground this near, in heights above it, is too high or too low together."""

_WIDENINGS = 2
_WIDEST, _INFORMED = 100.0, 0.1
_KINDS = ((0, 1), (2,), (3, 4), (5,))
"""Which of a pose's six are of one kind: shift, height, tilt, yaw."""


@dataclass(frozen=True)
class Adjusted:
    """Stations with adjusted poses, in the order given.

    `changes` (N, 6) are shifts north, east, up (m) and the turn about north, east, down (rad) from the poses as read.
    `common` and `own` (N, 6, 6) are covariances of the adjusted poses: `own` is what is left of a pose once its
    neighbours are known, so that two of them differ by it, `common` the rest, which they share. `flight` (6,) is the
    part of the changes common to all, a tilt being the camera's in its mount, and `flight_covariance` (6, 6) how well
    it is known. `between` is the covariance (6, 6) of one pose with another, by their indices, for those that were
    matched. `noise` is by how much gaps are larger than their weights say.
    """

    stations: tuple[Station, ...]
    changes: Floats
    common: Floats
    own: Floats
    flight: Floats
    flight_covariance: Floats
    between: Mapping[tuple[int, int], Floats]
    noise: float


def adjust(stations: Sequence[Station], matches: Matches, frame: LocalFrame, *, match_m: float) -> Adjusted:
    """Adjust the poses of a flight's stations to matches between their pictures, good to `match_m` each."""
    problem = _Problem.of(stations)
    now, change, flight = _solved(problem, stations, stations, np.zeros(6), matches, frame, match_m)
    gaps = _Gaps.of(now, matches, frame, match_m)
    noise = max(_LEAST_NOISE, gaps.noise())
    for _ in range(_WIDENINGS):
        wider = problem.widened(change, flight, gaps, gaps.weights(noise, alone=False))
        if wider is None:
            break
        problem = wider
        now, change, flight = _solved(problem, stations, now, flight, matches, frame, match_m)
        gaps = _Gaps.of(now, matches, frame, match_m)
        noise = max(_LEAST_NOISE, gaps.noise())
    common, own, known, between = problem.covariances(gaps, gaps.weights(noise, alone=False))
    return Adjusted(tuple(now), change, common, own, flight, known, between, noise)


def _solved(
    problem: _Problem,
    read: Sequence[Station],
    start: Sequence[Station],
    flight: Floats,
    matches: Matches,
    frame: LocalFrame,
    match_m: float,
) -> tuple[list[Station], Floats, Floats]:
    """Stations with adjusted poses, their changes (N, 6) and the flight's (6,), by Gauss and Newton's method."""
    now = list(start)
    change = np.array([change_between(new, old, frame) for new, old in zip(now, read, strict=True)])
    for step in range(_STEPS):
        gaps = _Gaps.of(now, matches, frame, match_m)
        noise = gaps.noise()
        matrix, right = problem.equations(gaps, gaps.weights(noise), change, flight)
        solved = splu(matrix).solve(right)
        flight = flight + solved[:6]
        now = [moved_by(s, d, frame) for s, d in zip(now, solved[6:].reshape(-1, 6), strict=True)]
        change = np.array([change_between(new, old, frame) for new, old in zip(now, read, strict=True)])
        if step > 2 and np.abs(solved).max() < _STILL:
            break
    return now, change, flight


@dataclass(frozen=True)
class _Gaps:
    """Gaps (M, 2) of the matches on the ground and their slopes by both poses (M, 2, 6).

    `inverse` (M, 2, 2) of each gap's own covariance; `shared` (M, 2, 2) likewise, with the ground's height taken as
    wrong alike for all matches of one place: together they say no more of the poses than one of them does.
    """

    first: Ints
    second: Ints
    gap: Floats
    by_first: Floats
    by_second: Floats
    inverse: Floats
    shared: Floats

    @classmethod
    def of(cls, stations: Sequence[Station], matches: Matches, frame: LocalFrame, match_m: float) -> _Gaps:
        (a, _), (b, _) = (
            placed(stations, i, matches.pixels[:, n], frame) for n, i in enumerate((matches.first, matches.second))
        )
        # Slopes are those at the middle: where the places themselves are, they have the gap's own error in them, and
        # the sum of squares would shrink by lowering the whole flight.
        middle = (a + b) / 2
        slope_a, slope_b = (
            placed(stations, i, seen(stations, i, middle, frame), frame)[1] for i in (matches.first, matches.second)
        )
        known = np.isfinite(a + b).all(axis=1) & np.isfinite(slope_a + slope_b).all(axis=(1, 2))
        good = np.flatnonzero(known)
        slope_a, slope_b = slope_a[good], slope_b[good]
        # Shifted alike, two pictures of a hillside meet it at other heights: an elevation model's own errors would
        # decide where the flight lies. A shift moves places by as much, and no more is learnt from it.
        for slope in (slope_a, slope_b):
            slope[:, :, :2] = [[0.0, 1.0], [1.0, 0.0]]
        terrain_m = np.array([s.errors.terrain_m for s in stations])[matches.first[good]]
        relief = (slope_a - slope_b)[:, :, 6] * terrain_m[:, None]
        height_m = float(np.median([above_ground_m(s) for s in stations]))
        _, place, crowd = np.unique(
            np.floor(middle[good] / (_PATCH * height_m)), axis=0, return_inverse=True, return_counts=True
        )
        uneven = relief[:, :, None] * relief[:, None, :]
        pixel = np.eye(2) * match_m**2
        return cls(
            matches.first[good],
            matches.second[good],
            (a - b)[good],
            slope_a[:, :, :6],
            -slope_b[:, :, :6],
            np.linalg.inv(pixel + uneven),
            np.linalg.inv(pixel + uneven * crowd[place.ravel(), None, None]),
        )

    def squared(self) -> Floats:
        """Squares of the gaps in units of their own deviations, (M,)."""
        return np.asarray(np.einsum("mi,mij,mj->m", self.gap, self.inverse, self.gap))

    def noise(self) -> float:
        """By how much gaps are larger than expected, from their median."""
        return float(np.sqrt(np.median(self.squared()) / _MEDIAN_CHI2)) if len(self.gap) else 1.0

    def weights(self, noise: float, *, alone: bool = True) -> Floats:
        """Inverse covariances (M, 2, 2), less the farther off a match is; `alone` or as what matches say together."""
        scale = max(noise, _LEAST_NOISE) ** 2
        weight = 1 / (1 + self.squared() / (scale * _CAUCHY**2)) / scale
        return np.asarray((self.inverse if alone else self.shared) * weight[:, None, None])


@dataclass(frozen=True)
class _Problem:
    """What is known beforehand: how the flight's errors act on each pose (N, 6, 6), inverse covariances of both."""

    acting: Floats
    own_inverse: Floats
    common_inverse: Floats

    @classmethod
    def of(cls, stations: Sequence[Station]) -> _Problem:
        yaw = np.array([heading_deg(s.pose) for s in stations])
        own = np.array([s.errors.independent()[:6, :6] for s in stations])
        common = np.max([np.diag(s.errors.common())[:6] for s in stations], axis=0)
        return cls(common_turned(yaw), np.linalg.inv(own), np.diag(1 / common))

    def equations(self, gaps: _Gaps, weights: Floats, change: Floats, flight: Floats) -> tuple[csc_array, Floats]:
        """Normal equations of the next step: first the six of the flight, then six for each pose."""
        count = len(change)
        inner, slope = self._inner(gaps, weights)
        off = np.einsum("nij,nj->ni", self.own_inverse, change - self.acting @ flight)
        pulled = self.acting.swapaxes(1, 2) @ self.own_inverse
        corner = self.common_inverse + np.einsum("nij,njk->ik", pulled, self.acting)
        border = -np.concatenate(list(pulled), axis=1)
        matrix = np.zeros((6, 6 * count + 6))
        matrix[:, :6], matrix[:, 6:] = corner, border
        top = csc_array(matrix)
        body = inner.tocoo()
        rows = np.concatenate([top.tocoo().row, body.row + 6, top[:, 6:].tocoo().col + 6])
        columns = np.concatenate([top.tocoo().col, body.col + 6, top[:, 6:].tocoo().row])
        values = np.concatenate([top.tocoo().data, body.data, top[:, 6:].tocoo().data])
        full = csc_array((values, (rows, columns)), shape=(6 * count + 6, 6 * count + 6))
        first = np.einsum("nji,nj->i", self.acting, off) - self.common_inverse @ flight
        return full, np.concatenate([first, (slope - off).ravel()])

    def _inner(self, gaps: _Gaps, weights: Floats) -> tuple[csc_array, Floats]:
        """The poses' part of the normal matrix, and the matches' part of the right side (N, 6)."""
        count = len(self.acting)
        blocks, rows, columns = [self.own_inverse], [np.arange(count)], [np.arange(count)]
        right = np.zeros((count, 6))
        sides = ((gaps.first, gaps.by_first), (gaps.second, gaps.by_second))
        for index, slope in sides:
            leaning = slope.swapaxes(1, 2) @ weights
            np.add.at(right, index, -np.einsum("mij,mj->mi", leaning, gaps.gap))
            for other, its in sides:
                key, where = np.unique(index * count + other, return_inverse=True)
                summed = np.zeros((len(key), 6, 6))
                np.add.at(summed, where, leaning @ its)
                blocks.append(summed)
                rows.append(key // count)
                columns.append(key % count)
        row, column, data = np.concatenate(rows), np.concatenate(columns), np.concatenate(blocks)
        i, j = np.meshgrid(np.arange(6), np.arange(6), indexing="ij")
        full = csc_array(
            (
                data.ravel(),
                ((6 * row[:, None, None] + i).ravel(), (6 * column[:, None, None] + j).ravel()),
            ),
            shape=(6 * count, 6 * count),
        )
        return full, right

    def widened(self, change: Floats, flight: Floats, gaps: _Gaps, weights: Floats) -> _Problem | None:
        """The problem with wider errors of those kinds that scatter more than expected; None where none does.

        Of what is left of a pose's own error its variance before less that after is expected; what is more than 99 of
        100 flights would show says that the errors were taken too small (a variance component, Förstner 1979).
        """
        inner, _ = self._inner(gaps, weights)
        after = np.array([column[n] for n, column in _inverse_columns(inner, len(change))])
        before = np.linalg.inv(self.own_inverse)
        left = change - np.einsum("nij,nj->ni", self.acting, np.broadcast_to(flight, change.shape))
        expected = np.einsum("nii->ni", before - after)
        factors = np.ones(6)
        for kind in _KINDS:
            share = expected[:, kind].sum() / np.einsum("nii->ni", before)[:, kind].sum()
            ratio = float((left[:, kind] ** 2).sum() / expected[:, kind].sum())
            freedom = max(share * len(change) * len(kind) - 1, 1.0)
            if share > _INFORMED and ratio * freedom > chi2.ppf(0.99, freedom):
                factors[list(kind)] = min(ratio, _WIDEST)
        if (factors == 1).all():
            return None
        scale = 1 / np.sqrt(factors)
        return replace(self, own_inverse=self.own_inverse * scale[:, None] * scale)

    def covariances(self, gaps: _Gaps, weights: Floats) -> tuple[Floats, Floats, Floats, dict[tuple[int, int], Floats]]:
        """What the poses of neighbours share (N, 6, 6), by what they differ (N, 6, 6), the flight's, those between.

        With the flight's errors fixed the poses' covariance is the inverse S of their part; what is left of the
        flight's own, Q, adds X Q Xᵀ, X being how the poses follow it.
        """
        count = len(self.acting)
        inner, _ = self._inner(gaps, weights)
        solver = splu(inner)
        pulled = self.own_inverse @ self.acting
        follow = solver.solve(pulled.reshape(-1, 6)).reshape(count, 6, 6)
        corner = self.common_inverse + np.einsum("nji,njk->ik", self.acting, pulled)
        known = np.linalg.inv(corner - np.einsum("nji,njk->ik", pulled, follow))
        beside = [set[int]() for _ in range(count)]
        for a, b in np.unique(np.column_stack([gaps.first, gaps.second]), axis=0).tolist():
            beside[a].add(b)
            beside[b].add(a)
        total = follow @ known @ follow.swapaxes(1, 2)
        shared: dict[tuple[int, int], Floats] = {}
        for n, column in _inverse_columns(inner, count):
            total[n] += column[n]
            for other in beside[n]:
                shared[other, n] = column[other] + follow[other] @ known @ follow[n].T
        diagonal = np.zeros((count, 6, 6))
        rows = inner.tocsr()
        for n in range(count):
            diagonal[n] = rows[6 * n : 6 * n + 6, 6 * n : 6 * n + 6].toarray()
        own = np.linalg.inv(diagonal)
        return (
            _positive(np.asarray(total - own, dtype=np.float64)),
            _positive(np.asarray(own, dtype=np.float64)),
            known,
            shared,
        )


def _inverse_columns(matrix: csc_array, count: int) -> Iterator[tuple[int, Floats]]:
    """Block columns (N, 6, 6) of the inverse of a matrix, one after the other."""
    if count <= _WHOLE:
        blocks = np.linalg.inv(matrix.toarray()).reshape(count, 6, count, 6)
        yield from ((n, blocks[:, :, n]) for n in range(count))
        return
    solver = splu(matrix)
    for start in range(0, count, _CHUNK):
        width = min(_CHUNK, count - start)
        unit = np.zeros((6 * count, 6 * width))
        unit[6 * start + np.arange(6 * width), np.arange(6 * width)] = 1.0
        columns = solver.solve(unit).reshape(count, 6, width, 6)
        yield from ((start + n, columns[:, :, n]) for n in range(width))


def _positive(matrices: Floats) -> Floats:
    """The matrices (N, 6, 6) with what rounding, or the mean over neighbours, made less than nothing taken as 0."""
    scale = np.sqrt(np.maximum(np.abs(np.einsum("nii->ni", matrices)), 1e-18))
    scale = np.maximum(scale, 1e-9)
    values, vectors = np.linalg.eigh(matrices / (scale[:, :, None] * scale[:, None, :]))
    whole: Floats = vectors * np.maximum(values, 0.0)[:, None, :] @ vectors.swapaxes(1, 2)
    return np.asarray(whole * scale[:, :, None] * scale[:, None, :])
