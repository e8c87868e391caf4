"""One animal across tile borders: the detections of overlapping tiles, each animal once.

Each tile answers for its core; cores fill the image without overlap. Boxes of different tiles that show the same extent
where their tiles overlap are one animal, matched one to one, best first: two boxes of one tile are never one animal, so
a packed herd stays as many as any tile saw. A matched animal is counted once wherever its box wobbles to; an unmatched
one counts when its centre lies in its own tile's core. An animal longer than the overlap, cut by both tiles, becomes
the box around its parts. Oriented boxes are compared as they lie, so that animals side by side at a slant stay apart;
points are one animal when they are no further from each other than half of its extent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely

from detect.detections import Detections, sorted_detections
from detect.tiles import Tile
from flightplan.frames import Floats

Indices = npt.NDArray[np.intp]

MATCH_IOU = 0.5
"""Two boxes are the same animal when they agree by this much where both tiles could see it."""

_EDGE_PX = 2.0


def merge_tiles(
    parts: Sequence[tuple[Tile, Detections]], *, width_px: int, height_px: int, names: tuple[str, ...], detector: str
) -> Detections:
    """The detections of one image from those of its tiles, each given in its tile's own pixels.

    The result is in the image's pixels, clipped to it, and the same whatever the order of `parts`.
    """
    if not any(len(found) for _, found in parts):
        return sorted_detections([], [], [], names, detector)
    pool = _Pool.gather(parts, width_px, height_px)
    if not len(pool.scores):
        return sorted_detections([], [], [], names, detector)
    group = _group(pool)
    return _one_each(pool, group, names, detector)


class _Pool:
    """All rows of an image in one order, with the window and core of the tile that each came from, all (N, 4).

    `corners` and `points` are those of `Detections`, or None. Boxes are clipped to their tile's part of the image,
    but for the squares around points.
    """

    def __init__(
        self, found: Detections, windows: Floats, cores: Floats, size_px: tuple[int, int], *, order: Indices
    ) -> None:
        found = found.take(order)
        self.size_px = size_px
        self.boxes, self.scores, self.class_ids = found.boxes_px, found.scores, found.class_ids
        self.corners, self.points, self.centres = found.corners_px, found.points_px, found.centres_px
        self.windows, self.cores = windows[order], cores[order]
        self.tile_ids = np.unique(self.windows, axis=0, return_inverse=True)[1].reshape(-1)

    @classmethod
    def gather(cls, parts: Sequence[tuple[Tile, Detections]], width_px: int, height_px: int) -> _Pool:
        """Rows moved into the image's pixels; those in the padding are dropped."""
        parts = [(tile, found) for tile, found in parts if len(found)]
        counts = [len(found) for _, found in parts]
        corners = [
            (t.x_px, t.y_px, min(t.x_px + t.width_px, width_px), min(t.y_px + t.height_px, height_px)) for t, _ in parts
        ]
        windows = np.repeat(np.array(corners, dtype=np.float64), counts, axis=0)
        cores = np.repeat(np.array([t.core_px for t, _ in parts], dtype=np.float64), counts, axis=0)
        found = _joined([found for _, found in parts], windows[:, :2])
        boxes = found.boxes_px
        if found.points_px is None:
            boxes = np.clip(boxes, windows[:, [0, 1, 0, 1]], windows[:, [2, 3, 2, 3]])
            some = np.asarray((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
            found = replace(found, boxes_px=boxes)
        else:
            some = np.asarray((found.points_px <= windows[:, 2:]).all(axis=1))
        order = np.lexsort(
            (
                found.class_ids, -found.scores, boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0],
                windows[:, 0], windows[:, 1],
            )
        )  # fmt: skip
        return cls(found, windows, cores, (width_px, height_px), order=order[some[order]])

    def owned(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Whether each row's point lies in the core of the row's tile; the image's far edges belong to the last."""
        until = np.where(self.cores[:, 2:] >= self.size_px, np.inf, self.cores[:, 2:])
        return np.asarray(((points >= self.cores[:, :2]) & (points < until)).all(axis=1))

    def cut(self) -> npt.NDArray[np.bool_]:
        """Whether each box ends at a border of its tile that is no border of the image; a point never does."""
        if self.points is not None:
            return np.zeros(len(self.scores), dtype=bool)
        low = (self.boxes[:, :2] - self.windows[:, :2] < _EDGE_PX) & (self.windows[:, :2] > 0.0)
        high = (self.windows[:, 2:] - self.boxes[:, 2:] < _EDGE_PX) & (self.windows[:, 2:] < self.size_px)
        return np.asarray((low | high).any(axis=1))


def _joined(parts: Sequence[Detections], offsets: Floats) -> Detections:
    """The rows of all tiles in one, moved by (N, 2) `offsets`."""
    first = parts[0]
    corners = [found.corners_px for found in parts if found.corners_px is not None]
    points = [found.points_px for found in parts if found.points_px is not None]
    return Detections(
        np.concatenate([found.boxes_px for found in parts]) + np.tile(offsets, 2),
        np.concatenate([found.scores for found in parts]),
        np.concatenate([found.class_ids for found in parts]),
        first.names,
        first.detector,
        corners_px=np.concatenate(corners) + offsets[:, None] if corners else None,
        points_px=np.concatenate(points) + offsets if points else None,
    )


def _group(pool: _Pool) -> Indices:
    """A group number for each box; the boxes of a group are one animal, at most one of each tile."""
    group = np.arange(len(pool.scores))
    first, second = _candidates(pool)
    members = {int(i): {int(pool.tile_ids[i])} for i in {*first.tolist(), *second.tolist()}}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        a, b = _root(group, one), _root(group, other)
        if a != b and not members[a] & members[b]:
            keep, gone = min(a, b), max(a, b)
            group[gone] = keep
            members[keep] |= members.pop(gone)
    return np.array([_root(group, i) for i in range(len(group))], dtype=np.intp)


def _root(group: Indices, i: int) -> int:
    while group[i] != i:
        i = int(group[i])
    return i


def _candidates(pool: _Pool) -> tuple[Indices, Indices]:
    """Pairs of rows of different tiles that agree where both tiles see, best pair first."""
    rows, columns = _near(pool)
    agreement = _nearness(pool, rows, columns) if pool.points is not None else _overlap(pool, rows, columns)
    same_class = pool.class_ids[rows] == pool.class_ids[columns]
    good = agreement >= MATCH_IOU
    rows, columns, agreement, same_class = rows[good], columns[good], agreement[good], same_class[good]
    order = np.lexsort((columns, rows, -agreement, ~same_class))
    return rows[order], columns[order]


def _nearness(pool: _Pool, rows: Indices, columns: Indices) -> Floats:
    """1 for two points in one place, MATCH_IOU at half the side of their squares, 0 at all of it."""
    apart: Floats = np.hypot(*(pool.centres[rows] - pool.centres[columns]).T)
    side = (pool.boxes[rows, 2] - pool.boxes[rows, 0] + pool.boxes[columns, 2] - pool.boxes[columns, 0]) / 2.0
    return np.asarray(np.clip(1.0 - apart / side, 0.0, None))


def _overlap(pool: _Pool, rows: Indices, columns: Indices) -> Floats:
    """Intersection over union of what two boxes, or oriented boxes, cover of the ground that both tiles see."""
    low = np.maximum(pool.windows[rows, :2], pool.windows[columns, :2])
    high = np.minimum(pool.windows[rows, 2:], pool.windows[columns, 2:])
    if pool.corners is None:
        ours, theirs = _clipped(pool.boxes[rows], low, high), _clipped(pool.boxes[columns], low, high)
        both = _areas(_clipped(ours, theirs[:, :2], theirs[:, 2:]))
        union = _areas(ours) + _areas(theirs) - both
    else:
        shared = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        seen = [shapely.intersection(shapely.polygons(pool.corners[side]), shared) for side in (rows, columns)]
        both = shapely.area(shapely.intersection(*seen))
        union = shapely.area(seen[0]) + shapely.area(seen[1]) - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0.0)


def _near(pool: _Pool) -> tuple[Indices, Indices]:
    """All pairs (i < j) of boxes of different tiles that touch, by a sweep over x."""
    order = np.argsort(pool.boxes[:, 0], kind="stable")
    left, right = pool.boxes[order, 0], pool.boxes[order, 2]
    until = np.searchsorted(left, right, side="left")
    counts = np.maximum(until - np.arange(len(order)) - 1, 0)
    one = np.repeat(np.arange(len(order)), counts)
    other = one + 1 + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    i, j = order[one], order[other]
    touch = (pool.boxes[i, 1] < pool.boxes[j, 3]) & (pool.boxes[j, 1] < pool.boxes[i, 3])
    touch &= pool.tile_ids[i] != pool.tile_ids[j]
    return np.minimum(i, j)[touch], np.maximum(i, j)[touch]


def _clipped(boxes: Floats, low: Floats, high: Floats) -> Floats:
    return np.hstack([np.maximum(boxes[:, :2], low), np.minimum(boxes[:, 2:], high)])


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1))


def _one_each(pool: _Pool, group: Indices, names: tuple[str, ...], detector: str) -> Detections:
    """One row for each group: a whole one rather than a cut one, from the tile whose core holds the animal."""
    cut, centres = pool.cut(), pool.centres
    weight = np.where(cut, 0.0, 1.0)
    whole = np.bincount(group, weight, len(group))
    size = np.bincount(group, minlength=len(group))
    middle: Floats = np.column_stack([np.bincount(group, weight * centres[:, i], len(group)) for i in (0, 1)])
    middle /= np.maximum(whole, 1.0)[:, None]

    owner = pool.owned(middle[group])
    rank = np.lexsort((np.arange(len(group)), -pool.scores, ~owner, cut, group))
    best = rank[np.unique(group[rank], return_index=True)[1]]
    best = best[(size[group[best]] > 1) | pool.owned(centres)[best]]

    around = np.column_stack([np.full((len(group), 2), np.inf), np.full((len(group), 2), -np.inf)])
    np.minimum.at(around[:, :2], group, pool.boxes[:, :2])
    np.maximum.at(around[:, 2:], group, pool.boxes[:, 2:])
    in_parts = (whole[group[best]] == 0.0) & (size[group[best]] > 1)
    boxes = np.where(in_parts[:, None], around[group[best]], pool.boxes[best])
    return sorted_detections(
        boxes,
        pool.scores[best],
        pool.class_ids[best],
        names,
        detector,
        corners_px=None if pool.corners is None else _whole_corners(pool.corners, group, best, in_parts),
        points_px=None if pool.points is None else pool.points[best],
    )


def _whole_corners(corners: Floats, group: Indices, best: Indices, in_parts: npt.NDArray[np.bool_]) -> Floats:
    """The corners of each group's best row; of one seen in parts only, the smallest oriented box around them."""
    chosen = corners[best].copy()
    for row in np.flatnonzero(in_parts):
        parts = shapely.multipoints(corners[group == group[best[row]]].reshape(-1, 2))
        hull = shapely.get_coordinates(shapely.oriented_envelope(parts))
        if len(hull) == 5:
            chosen[row] = hull[:4]
    return chosen
