"""Pairs of places within a reach, with bounded memory however dense a crowd is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

MOST_PER_PLACE = 96
"""In a denser crowd each place is paired with so many of those that are nearest in space and time."""

_AT_ONCE = 50_000


def near_pairs(points: Floats, reach_m: float, times_s: Floats, gap_s: float) -> tuple[Ints, Ints]:
    """Pairs of rows (first < second) of `points` (N, 2) within the reach and within the gap in time, each once.

    All of them where there are `MOST_PER_PLACE` to a place or fewer on average; else the nearest ones of each place,
    which join a crowd as well as all would.
    """
    tree = KDTree(points)
    if tree.count_neighbors(tree, reach_m) <= MOST_PER_PLACE * len(points):
        pairs = tree.query_pairs(reach_m, output_type="ndarray").astype(np.int64)
        first, second = pairs.min(axis=1), pairs.max(axis=1)
    else:
        first, second = _nearest(points, reach_m, times_s, gap_s)
    close = np.abs(times_s[second] - times_s[first]) <= gap_s
    return first[close], second[close]


def _nearest(points: Floats, reach_m: float, times_s: Floats, gap_s: float) -> tuple[Ints, Ints]:
    scaled = np.column_stack([points / reach_m, times_s / max(gap_s, 1e-9)])
    tree = KDTree(scaled)
    keys = []
    for start in range(0, len(points), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(points)))
        distance, other = tree.query(scaled[rows], k=MOST_PER_PLACE + 1, distance_upper_bound=np.sqrt(2.0))
        row = np.broadcast_to(rows[:, None], other.shape)
        # Within the ball of the scaled space may lie what is beyond the reach itself.
        found = np.isfinite(distance) & (row != other)
        row, other = row[found], other[found]
        within = np.hypot(*(points[other] - points[row]).T) <= reach_m
        keys.append(np.minimum(row, other)[within] * len(points) + np.maximum(row, other)[within])
    key = np.unique(np.concatenate(keys))
    return (key // len(points)).astype(np.int64), (key % len(points)).astype(np.int64)
