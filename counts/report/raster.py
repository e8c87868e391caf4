"""Shapes as cells of a grid: what a map draws of a survey with more footprints than an eye can tell apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.frames import Floats

_CROSSINGS_AT_ONCE = 4_000_000


def burnt(shapes: npt.NDArray[np.object_], cell: float, rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Return a grid (rows, columns) of cells, 1 where the middle of a cell lies in one of the polygons.

    Cell (0, 0) begins at the origin; x counts columns, y rows. Each row of middles is cut by the edges of a polygon
    into pieces that lie inside and outside by turns, and those inside are filled: hundreds of thousands of polygons at
    once, without a loop.
    """
    rings, of = shapely.get_rings(parts := shapely.get_parts(shapes), return_index=True)
    depth = np.zeros((rows, columns + 1), dtype=np.int32)
    if len(parts) and len(rings):
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        edge = np.flatnonzero(ring[1:] == ring[:-1])
        start, stop, polygon = xy[edge] / cell, xy[edge + 1] / cell, of[ring[edge]]
        # The middles of the rows from the lower end of an edge up to, but without, its upper end.
        low, high = np.minimum(start[:, 1], stop[:, 1]), np.maximum(start[:, 1], stop[:, 1])
        first = np.clip(np.ceil(low - 0.5), 0, rows).astype(np.int64)
        crossed = np.clip(np.ceil(high - 0.5), 0, rows).astype(np.int64) - first
        done = np.cumsum(crossed)
        at = 0
        while at < len(edge):
            # Whole polygons, whose edges follow one another.
            end = int(np.searchsorted(done, done[at] - crossed[at] + _CROSSINGS_AT_ONCE, side="right"))
            end = int(np.searchsorted(polygon, polygon[min(max(end, at + 1), len(edge)) - 1], side="right"))
            some = slice(at, end)
            _fill(depth, start[some], stop[some], polygon[some], first[some], crossed[some])
            at = end
    return (np.cumsum(depth[:, :-1], axis=1) > 0).astype(np.uint8)


def _fill(
    depth: npt.NDArray[np.int32],
    start: Floats,
    stop: Floats,
    polygon: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    crossed: npt.NDArray[np.int64],
) -> None:
    """Count up where a piece inside a polygon begins and down where it ends."""
    which = np.repeat(np.arange(len(crossed)), crossed)
    row = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    along = (row + 0.5 - start[which, 1]) / (stop[which, 1] - start[which, 1])
    x = start[which, 0] + along * (stop[which, 0] - start[which, 0])
    order = np.lexsort((x, row, polygon[which]))
    row = row[order][::2]
    column = np.clip(np.ceil(x[order] - 0.5), 0, depth.shape[1] - 1).astype(np.int64)
    np.add.at(depth, (row, column[::2]), 1)
    np.add.at(depth, (row, column[1::2]), -1)
