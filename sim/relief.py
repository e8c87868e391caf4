"""Hills under a simulated world: heights on a grid in the area's own metres, and where rays meet them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flightplan.areas import StudyArea
from flightplan.errors import TerrainError
from flightplan.frames import Floats
from flightplan.terrain import Terrain

MARGIN_M = 600.0
_MOST_CELLS = 4_000_000
_MOST_STEPS = 400
_HALVINGS = 16


@dataclass(frozen=True)
class Relief:
    """Heights in metres of the elevation model, rows northwards; the first cell's centre is `corner_m` (east, north).

    Held constant past the grid, which reaches `MARGIN_M` beyond the area.
    """

    heights_m: Floats
    corner_m: tuple[float, float]
    cell_m: float

    @classmethod
    def of(cls, area: StudyArea, terrain: Terrain) -> Relief:
        """Sample an elevation model under an area. Raises TerrainError where the model has no heights there."""
        west, south, east, north = area.localise(area.boundary).bounds
        width, height = east - west + 2 * MARGIN_M, north - south + 2 * MARGIN_M
        finest = 1.0 if terrain.is_flat else max(terrain.cell_m / 2, 0.5)
        cell = max(finest, float(np.sqrt(width * height / _MOST_CELLS)))
        columns, rows = int(width / cell) + 2, int(height / cell) + 2
        corner = (float(west - MARGIN_M), float(south - MARGIN_M))
        x, y = np.meshgrid(corner[0] + cell * np.arange(columns), corner[1] + cell * np.arange(rows))
        heights = terrain.heights_m(area.frame.to_lonlat(np.column_stack([x.ravel(), y.ravel()]))).reshape(x.shape)
        known = np.isfinite(heights)
        inside = known[int(MARGIN_M / cell) : -int(MARGIN_M / cell) or None]
        if not known.any() or inside.mean() < 0.5:
            raise TerrainError("has no heights under most of the area", where=area.name)
        return cls(np.where(known, heights, float(np.median(heights[known]))), corner, cell)

    @cached_property
    def range_m(self) -> tuple[float, float]:
        """The lowest and the highest ground."""
        return float(self.heights_m.min()), float(self.heights_m.max())

    def at(self, points_m: npt.ArrayLike) -> Floats:
        """Heights (N,) of points (N, 2) east and north, bilinear."""
        points = np.asarray(points_m, dtype=np.float64)
        rows, columns = self.heights_m.shape
        u = np.clip((points[:, 0] - self.corner_m[0]) / self.cell_m, 0, columns - 1.001)
        v = np.clip((points[:, 1] - self.corner_m[1]) / self.cell_m, 0, rows - 1.001)
        i, j = u.astype(np.int64), v.astype(np.int64)
        u, v = u - i, v - j
        grid = self.heights_m
        near = grid[j, i] * (1 - u) + grid[j, i + 1] * u
        far = grid[j + 1, i] * (1 - u) + grid[j + 1, i + 1] * u
        return np.asarray(near * (1 - v) + far * v, dtype=np.float64)

    def slope(self, points_m: npt.ArrayLike) -> Floats:
        """How steeply the ground rises (N, 2) to the east and to the north, metres a metre."""
        points = np.asarray(points_m, dtype=np.float64)
        east, north = np.array([self.cell_m, 0.0]), np.array([0.0, self.cell_m])
        rises = [self.at(points + step) - self.at(points - step) for step in (east, north)]
        return np.column_stack(rises) / (2 * self.cell_m)

    def meet(self, origin_m: Floats, rays: Floats) -> Floats:
        """Where rays (N, 3), east, north and up, from one point (3,) first meet the ground: (N, 2); NaN above it.

        Marched in steps of half a cell of horizontal way between the highest and the lowest ground, then halved: the
        first crossing counts, so a ridge hides what is behind it.
        """
        down = np.where(rays[:, 2] < 0, -rays[:, 2], np.nan)
        lowest, highest = self.range_m
        begin = np.maximum(origin_m[2] - highest, 0.0) / down
        end = (origin_m[2] - lowest + 1e-6) / down
        way = np.nanmax(np.hypot(rays[:, 0], rays[:, 1]) * (end - begin), initial=0.0)
        steps = int(np.clip(np.ceil(way / (self.cell_m / 2)), 1, _MOST_STEPS))
        low, high = begin.copy(), end.copy()
        found = ~np.isfinite(down)
        for number in range(1, steps + 1):
            open_rows = np.flatnonzero(~found)
            if not len(open_rows):
                break
            distance = begin[open_rows] + (end - begin)[open_rows] * number / steps
            under = self._over(origin_m, rays[open_rows], distance) <= 0
            high[open_rows[under]], low[open_rows[~under]] = distance[under], distance[~under]
            found[open_rows[under]] = True
        rows = np.flatnonzero(np.isfinite(down))
        for _ in range(_HALVINGS):
            middle = (low[rows] + high[rows]) / 2
            under = self._over(origin_m, rays[rows], middle) <= 0
            high[rows[under]], low[rows[~under]] = middle[under], middle[~under]
        reach = np.where(np.isfinite(down), high, np.nan)
        return np.asarray(origin_m[:2] + reach[:, None] * rays[:, :2])

    def _over(self, origin_m: Floats, rays: Floats, distance: Floats) -> Floats:
        points = origin_m + distance[:, None] * rays
        return np.asarray(points[:, 2] - self.at(points[:, :2]))
