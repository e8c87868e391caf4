"""Frames laid on each other by the animals that they share, all at once, as a mosaic is.

A frame's pose error moves all its boxes alike. Of two frames that look at one ground, the differences between the
places of their boxes pile up at the offset between the two errors, if the animals stood still in between, and at no
other. How many agree there by chance is what agrees around it, so that a likeness is believed only where strangers
would hardly have it (a Poisson tail over all offsets that were tried). The offsets of all pairs are then made to fit by
least squares, and those that do not fit the others are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy import signal, sparse, stats
from scipy.sparse import linalg
from scipy.spatial import KDTree

from counts.likelihood import components
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

PARTNERS = 3
"""Each frame is compared with so many of its own pass, and as many of others: those that share most animals."""

FEW = 20
"""Those that share fewer are compared with twice as many."""

CHANCE_LIKENESS = 1e-3
"""A likeness is believed that strangers would have this seldom."""

AGREES = 2.0
"""Two boxes agree within so many standard deviations of their difference."""

WEAK_LIKENESS = 0.5
"""One that strangers might have is believed where two others bear it out."""

CLOSES = 12.0

MOST_DIFFERENCES = 800
"""More are counted on a grid."""

MOST_BOXES = 600
"""So many boxes of a frame, those nearest to the other, tell its offset well enough."""

MISFIT = 25.0
"""An offset that is so far from what the others say, d², is dropped."""

_ROUNDS = 6
_RINGS = (1.3, 2.5, 2.0, 6.0)
_AREAS = (2.5**2 - 1.3**2, 6.0**2 - 2.0**2)
_AWAY = np.hypot(*np.mgrid[-8:9, -8:9]) / 3.0
_DISC = (_AWAY <= 1.0).astype(np.float64)
_RING = ((_AWAY > 1.3) & (_AWAY <= 2.5)).astype(np.float64)


@dataclass(frozen=True)
class Mosaic:
    """What each frame (F, ...) is shifted by against the others of its `group`: metres to take off, and m² per axis.

    `variance` is that of the frame within its group; `between` that of its group's place against other groups'.
    """

    shift: Floats
    variance: Floats
    group: Ints
    between: Floats


def mosaic(points: Floats, frame: Ints, own_m2: Floats, shared_m2: Floats, corners: Floats, strip: Ints) -> Mosaic:
    """Lay F frames on each other by their N boxes.

    `points` (N, 2), `frame` (N,) a row of `corners` (F, 4, 2); `own_m2` (N,) a box's variance within its frame and
    `shared_m2` (F,) the frame's, per axis; `strip` (F,) its pass.
    """
    count = len(corners)
    first, second = _partners(points, frame, corners, strip)
    order = np.argsort(frame, kind="stable")
    bounds = np.searchsorted(frame[order], np.arange(count + 1))
    inside = [order[bounds[i] : bounds[i + 1]] for i in range(count)]
    found = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        mine, theirs = inside[a], inside[b]
        if len(mine) > MOST_BOXES:
            mine = _nearest(mine, points, points[theirs].mean(axis=0))
        sigma2 = float(own_m2[mine].mean() + own_m2[theirs].mean())
        laid = offset_between(points[mine], points[theirs], sigma2, float(shared_m2[a] + shared_m2[b]))
        if laid is not None:
            found.append((a, b, laid))
    if not found:
        return Mosaic(np.zeros((count, 2)), np.zeros(count), np.arange(count), shared_m2)
    one, other = (np.array([pair[i] for pair in found], dtype=np.int64) for i in (0, 1))
    x, y, variance, likeness = np.array([pair[2] for pair in found]).T
    offset = np.column_stack([x, y])
    told = (likeness <= CHANCE_LIKENESS) | _closed(count, one, other, offset, variance)
    return _fitted(count, one[told], other[told], offset[told], variance[told], shared_m2, strip)


def _closed(count: int, a: Ints, b: Ints, offset: Floats, variance: Floats) -> npt.NDArray[np.bool_]:
    """Offsets (E,) that two others bear out: around three frames they add up to nothing."""
    edge = sparse.coo_matrix((np.arange(1, len(a) + 1), (a, b)), shape=(count, count)).tocsr()
    start = edge.indptr
    one = np.repeat(np.arange(len(a)), np.diff(start)[b])
    steps = np.arange(len(one)) - np.repeat(np.cumsum(np.diff(start)[b]) - np.diff(start)[b], np.diff(start)[b])
    at = start[b[one]] + steps
    two, last = edge.data[at] - 1, edge.indices[at]
    key = a * count + b
    by_key = np.argsort(key)
    place = np.minimum(np.searchsorted(key[by_key], a[one] * count + last), len(key) - 1)
    three = np.where(key[by_key][place] == a[one] * count + last, by_key[place], -1)
    one, two, three = (e[three >= 0] for e in (one, two, three))
    gap = ((offset[one] + offset[two] - offset[three]) ** 2).sum(axis=1)
    closes = gap <= CLOSES * (variance[one] + variance[two] + variance[three])
    borne_out = np.zeros(len(a), dtype=np.bool_)
    for e in (one, two, three):
        borne_out[e[closes]] = True
    return borne_out


def _partners(points: Floats, frame: Ints, corners: Floats, strip: Ints) -> tuple[Ints, Ints]:
    """Pairs of frames (E,) that share most animals, of one strip and of two."""
    tree = shapely.STRtree(shapely.polygons(corners))
    row, seen_by = tree.query(shapely.points(points), predicate="intersects")
    count = len(corners)
    shared = sparse.coo_matrix((np.ones(len(row)), (frame[row], seen_by)), shape=(count, count)).tocsr()
    both = shared.minimum(shared.T).tocoo()
    a, b, number = both.row, both.col, both.data
    kept = (a != b) & (number >= 2)
    a, b, number = a[kept], b[kept], number[kept]
    alike = (strip[a] == strip[b]).astype(np.int64)
    order = np.lexsort((b, np.abs(a - b), -number, alike, a))
    a, b, alike = a[order], b[order], alike[order]
    key = a * 2 + alike
    start = np.flatnonzero(np.diff(key, prepend=-1))
    rank = np.arange(len(key)) - np.repeat(start, np.diff(np.append(start, len(key))))
    few = number[order] < FEW
    near = (rank < PARTNERS) | (few & (rank < 2 * PARTNERS))
    a, b = a[near], b[near]
    pairs = np.unique(np.sort(np.column_stack([a, b]), axis=1), axis=0)
    return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)


def _nearest(rows: Ints, points: Floats, middle: Floats) -> Ints:
    away = ((points[rows] - middle) ** 2).sum(axis=1)
    return rows[np.sort(np.argsort(away, kind="stable")[:MOST_BOXES])]


class Offset(NamedTuple):
    """How two frames lie to each other, metres; its variance per axis, m²; how often strangers would be as like."""

    x_m: float
    y_m: float
    variance: float
    likeness: float


def offset_between(
    one: Floats, other: Floats, sigma2: float, prior: float, *, likeness: float = WEAK_LIKENESS
) -> Offset | None:
    """The offset on which the boxes (N, 2) and (M, 2) of two frames agree; None where strangers would as well.

    `sigma2` is the variance of the difference between two boxes of one animal, `prior` that of the offset, per axis.
    """
    reach = float(np.sqrt(stats.chi2.isf(1e-4, 2) * prior))
    radius = AGREES * float(np.sqrt(sigma2))
    cut = reach + _RINGS[1] * radius
    x, y = (one[:, None, axis] - other[None, :, axis] for axis in (0, 1))
    near = x * x + y * y <= cut**2
    difference = np.column_stack([x[near], y[near]])
    if len(difference) < 2:
        return None
    tried = max(1.0, 4 * (reach / radius) ** 2)
    middle, agree, around, unrest = _peak(difference, radius, reach)
    chance = max(around, (len(difference) - agree + 1) * (radius / cut) ** 2)
    likely = float(stats.poisson.sf(agree - 1, chance))
    if unrest > 0:
        likely = max(likely, float(stats.norm.sf((agree - chance) / (unrest * np.sqrt(chance)))))
    if tried * likely > likeness:
        return None
    for _ in range(3):
        agreeing = _squared(difference - middle) <= radius**2
        if agreeing.sum() < 2:
            return None
        middle = difference[agreeing].mean(axis=0)
    variance = sigma2 / max(1.0, float(agreeing.sum()) - chance)
    return Offset(float(middle[0]), float(middle[1]), variance, tried * likely)


def _squared(offset: Floats) -> Floats:
    return np.asarray(offset[:, 0] ** 2 + offset[:, 1] ** 2)


def _peak(difference: Floats, radius: float, reach: float) -> tuple[Floats, float, float, float]:
    """Where most differences agree, how many do, how many would by what is around, and how uneven that is.

    Unevenness is the standard deviation of such counts over offsets, over that of a Poisson count.
    """
    if len(difference) <= MOST_DIFFERENCES:
        tree = KDTree(difference)
        agree = tree.query_ball_point(difference, radius, return_length=True)
        best = int(np.argmax(agree))
        middle = difference[best]
        within = [float(tree.query_ball_point(middle, k * radius, return_length=True)) for k in _RINGS]
        near, far = (within[1] - within[0]) / _AREAS[0], (within[3] - within[2]) / _AREAS[1]
        return middle, float(agree[best]) - 1.0, max(near, far), 0.0
    step = radius / 3
    low = difference.min(axis=0) - step
    cell = ((difference - low) / step).astype(np.int64)
    shape = tuple((cell.max(axis=0) + 2).tolist())
    votes = np.bincount(np.ravel_multi_index(tuple(cell.T), shape), minlength=shape[0] * shape[1]).reshape(shape)
    votes = votes.astype(np.float64)
    agree = signal.fftconvolve(votes, _DISC, mode="same")
    around = signal.fftconvolve(votes, _RING, mode="same") * (_DISC.sum() / _RING.sum())
    excess = (agree - around) / np.sqrt(around + 1.0)
    y, x = np.ogrid[: shape[0], : shape[1]]
    inside = (low[0] + (y + 0.5) * step) ** 2 + (low[1] + (x + 0.5) * step) ** 2 <= reach**2
    excess = np.where(inside, excess, -np.inf)
    at = np.unravel_index(int(np.argmax(excess)), shape)
    middle = low + (np.array(at) + 0.5) * step
    unrest = float(np.sqrt(np.mean(np.minimum(excess[inside] ** 2, 9.0))))
    return middle, float(round(agree[at])), float(around[at]), max(1.0, unrest)


def _fitted(count: int, a: Ints, b: Ints, offset: Floats, variance: Floats, shared_m2: Floats, strip: Ints) -> Mosaic:
    """Shifts that fit the offsets between frames best, without those that do not fit."""
    kept = np.ones(len(a), dtype=np.bool_)
    shift = np.zeros((count, 2))
    for _ in range(_ROUNDS):
        weight = 1.0 / variance[kept]
        rows = np.repeat(np.arange(kept.sum()), 2)
        columns = np.column_stack([a[kept], b[kept]]).ravel()
        incidence = sparse.csr_matrix((np.tile([1.0, -1.0], len(weight)), (rows, columns)), shape=(len(weight), count))
        normal = incidence.T @ sparse.diags(weight) @ incidence + sparse.diags(1.0 / shared_m2)
        solve = linalg.factorized(normal.tocsc())
        shift = np.column_stack([solve(incidence.T @ (weight * offset[kept, axis])) for axis in (0, 1)])
        # What is dropped once may fit again when others have gone.
        misfit = ((shift[a] - shift[b] - offset) ** 2).sum(axis=1)
        fits = misfit <= MISFIT * variance + 0.05 * MISFIT * np.median(variance)
        if (fits == kept).all():
            break
        kept = fits
    group = components(count, a[kept], b[kept])
    told = np.bincount(np.concatenate([a[kept], b[kept]]), weights=np.tile(1.0 / variance[kept], 2), minlength=count)
    members = np.bincount(group)[group]
    # What is left of a pose's error is much the same along a pass, and only other passes average it out.
    passes = np.bincount(np.unique(np.column_stack([group, strip]), axis=0)[:, 0])[group]
    return Mosaic(
        shift=shift,
        variance=np.where(members > 1, 1.0 / np.maximum(told, 1e-9), 0.0),
        group=group,
        between=shared_m2 / passes,
    )
