"""Pairs of places within a reach that could be one animal's, with bounded memory however dense a crowd is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

MOST_PER_PLACE = 96
"""In a denser crowd each place is paired with so many of the likeliest ones after it, which join a crowd as all do."""

_PAIRS_AT_ONCE = 2_000_000


def near_pairs(
    points: Floats, reach_m: float, cost: Callable[[Ints, Ints], Floats], most_cost: float
) -> tuple[Ints, Ints, Floats]:
    """Pairs of rows (first < second, in order) of `points` (N, 2) within the reach, and their cost, up to a most.

    `cost` gives it for pairs, infinite for those that cannot be.
    """
    firsts, seconds, costs = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], [np.empty(0)]
    if len(points) > 1:
        tree = KDTree(points)
        around = max(1.0, float(tree.count_neighbors(tree, reach_m)) / len(points))
        rows = max(1, int(_PAIRS_AT_ONCE / around))
        for start in range(0, len(points), rows):
            found = KDTree(points[start : start + rows]).sparse_distance_matrix(tree, reach_m, output_type="ndarray")
            first, second = found["i"].astype(np.int64) + start, found["j"].astype(np.int64)
            first, second = first[first < second], second[first < second]
            value = cost(first, second)
            order = np.lexsort((second, first))
            order = order[value[order] <= most_cost]
            if len(order) > MOST_PER_PLACE * rows:
                order = _likeliest(order, first, value)
            firsts.append(first[order])
            seconds.append(second[order])
            costs.append(value[order])
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(costs)


def nearest_pairs(
    points: Floats, reach_m: float, cost: Callable[[Ints, Ints], Floats], most_cost: float, neighbours: int = 8
) -> tuple[Ints, Ints, Floats]:
    """As `near_pairs`, of each place with its nearest neighbours only."""
    _, other = KDTree(points).query(points, k=neighbours + 1, distance_upper_bound=reach_m)
    one = np.repeat(np.arange(len(points)), neighbours + 1)
    found = other.ravel()
    kept = (found < len(points)) & (found != one)
    pairs = np.unique(np.sort(np.column_stack([one[kept], found[kept]]), axis=1), axis=0).astype(np.int64)
    first, second = pairs[:, 0], pairs[:, 1]
    value = cost(first, second)
    kept = value <= most_cost
    return first[kept], second[kept], value[kept]


def _likeliest(order: Ints, first: Ints, value: Floats) -> Ints:
    """Of rows in `order` the `MOST_PER_PLACE` of each first place that cost least."""
    by_cost = np.lexsort((value[order], first[order]))
    place = first[order][by_cost]
    start = np.flatnonzero(np.diff(place, prepend=-1))
    rank = np.arange(len(place)) - np.repeat(start, np.diff(np.append(start, len(place))))
    return np.asarray(order[np.sort(by_cost[rank < MOST_PER_PLACE])], dtype=np.int64)
