"""Elevation models: heights of the ground anywhere, voids named as such."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import rasterio.errors
import rasterio.features
import rasterio.windows
import shapely

from flightplan.errors import TerrainError, UnreadableFileError
from flightplan.frames import Floats, HeightDatum

_MAX_CELLS = 60_000_000
# No ground on Earth: the shores of the Dead Sea lie at −430 m, the top of Everest at 8849 m. Whatever else is in a
# file is a void that nobody marked.
_LOWEST_M, _HIGHEST_M = -600.0, 9_000.0
# A point on a cell's centre, up to rounding, does not ask the neighbour, which may be void.
_NO_WEIGHT = 1e-8


@dataclass(frozen=True)
class TerrainSource:
    """Which elevation model something was made with, without the model itself.

    `crs` is an authority's code or the name; `datum` what its heights are measured from, None when the file does not
    say. `heights_sha256` is of the heights around the area and where they lie, `void_share` the share of them that are
    voids.
    """

    name: str
    crs: str | None
    datum: str | None
    heights_sha256: str
    cell_m: float | None
    lowest_m: float
    highest_m: float
    void_share: float


@dataclass(frozen=True)
class GroundRange:
    """The lowest and the highest ground of a place, and the share of its cells that are voids."""

    lowest_m: float
    highest_m: float
    void_share: float


@dataclass(frozen=True, eq=False)
class Terrain:
    """The ground: flat at one height, or a grid of heights.

    `grid_m` is (rows, columns) with NaN in voids; its cell (row, column) is centred at
    transform · (column + ½, row + ½) in `crs`. `datum` is what the heights are measured from, None when the file does
    not say.
    """

    height_m: float | None = None
    grid_m: Floats | None = None
    crs: pyproj.CRS | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    datum: HeightDatum | None = None
    source: str | None = field(default=None)

    @classmethod
    def flat(cls, height_m: float, datum: HeightDatum | None = None) -> Terrain:
        """Return level ground at a height."""
        if not np.isfinite(height_m):
            raise TerrainError(f"level ground needs a height, not {height_m!r}")
        return cls(height_m=float(height_m), datum=datum)

    @classmethod
    def from_file(cls, path: Path, bounds: tuple[float, float, float, float] | None = None) -> Terrain:
        """Read an elevation model that rasterio can read, or the part of it around (west, south, east, north).

        Raises UnreadableFileError when it is no raster, TerrainError when it is no elevation model, has no coordinate
        reference system, or does not reach the bounds.
        """
        try:
            with rasterio.open(path) as dataset:
                return _read(cls, dataset, path, bounds)
        except rasterio.errors.RasterioError as error:
            raise UnreadableFileError(f"not an elevation model: {error}", where=str(path)) from error

    @property
    def is_flat(self) -> bool:
        """Whether this is level ground."""
        return self.grid_m is None

    def heights_m(self, lonlat: npt.ArrayLike) -> Floats:
        """Heights (N,) at degrees (N, 2), bilinear between cell centres; NaN in voids and outside the model."""
        points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
        if self.grid_m is None:
            return np.where(np.isfinite(points).all(axis=1), self.range_m[0], np.nan)
        return _bilinear(self.grid_m, *self._columns_rows(points))

    def range_within(self, polygon: Any) -> GroundRange:
        """Return the ground of every cell that a geographic polygon touches.

        Raises TerrainError when none of them has a height.
        """
        if self.grid_m is None:
            return GroundRange(*self.range_m, 0.0)
        assert self.transform is not None
        rows, columns = self.grid_m.shape
        there = shapely.transform(polygon, lambda p: np.column_stack(self._columns_rows(p)) + 0.5)
        left, top, right, bottom = shapely.total_bounds(there)
        c0, c1 = max(0, int(np.floor(left))), min(columns, int(np.ceil(right)) + 1)
        r0, r1 = max(0, int(np.floor(top))), min(rows, int(np.ceil(bottom)) + 1)
        cells = np.empty(0)
        if c0 < c1 and r0 < r1:
            touched = rasterio.features.geometry_mask(
                [there],
                (r1 - r0, c1 - c0),
                rasterio.Affine.translation(c0, r0),
                all_touched=True,
                invert=True,
            )
            cells = self.grid_m[r0:r1, c0:c1][touched]
        known = cells[np.isfinite(cells)]
        if not len(known):
            raise TerrainError("has no height anywhere there", where=self.source or "the elevation model")
        return GroundRange(float(known.min()), float(known.max()), 1 - len(known) / len(cells))

    def described(self) -> TerrainSource:
        """Return what to remember of this model."""
        low, high = self.range_m
        digest = hashlib.sha256()
        grid = np.array([self.range_m[0]]) if self.grid_m is None else self.grid_m
        digest.update(repr((grid.shape, self.transform)).encode())
        digest.update(np.ascontiguousarray(np.where(np.isnan(grid), np.nan, grid), dtype="<f8").tobytes())
        authority = None if self.crs is None else self.crs.to_authority()
        crs = None if self.crs is None else ":".join(authority) if authority else self.crs.name
        return TerrainSource(
            name=Path(self.source).name if self.source else "level ground" if self.is_flat else "an elevation model",
            crs=crs,
            datum=None if self.datum is None else str(self.datum),
            heights_sha256=digest.hexdigest(),
            cell_m=None if self.grid_m is None else round(self.cell_m, 3),
            lowest_m=low,
            highest_m=high,
            void_share=float(np.isnan(grid).mean()),
        )

    @cached_property
    def range_m(self) -> tuple[float, float]:
        """The lowest and the highest ground."""
        if self.grid_m is None:
            assert self.height_m is not None
            return self.height_m, self.height_m
        return float(np.nanmin(self.grid_m)), float(np.nanmax(self.grid_m))

    @cached_property
    def cell_m(self) -> float:
        """The shorter side of a cell, in metres on the ground; infinite for level ground."""
        if self.grid_m is None:
            return np.inf
        return float(min(self._cell_sides_m))

    @cached_property
    def steepest(self) -> float:
        """The greatest slope anywhere between neighbouring cells, rise over run; 0 for level ground."""
        if self.grid_m is None:
            return 0.0
        across_m, down_m = self._cell_sides_m
        with np.errstate(invalid="ignore"):
            across = np.abs(np.diff(self.grid_m, axis=1)) / across_m
            down = np.abs(np.diff(self.grid_m, axis=0)) / down_m
        greatest = [float(np.nanmax(d)) if np.isfinite(d).any() else 0.0 for d in (across, down)]
        return float(np.hypot(greatest[0], greatest[1]))

    @cached_property
    def _cell_sides_m(self) -> tuple[float, float]:
        assert self.grid_m is not None
        rows, columns = self.grid_m.shape
        corners = np.array(
            [
                [columns / 2 - 0.5, rows / 2],
                [columns / 2 + 0.5, rows / 2],
                [columns / 2, rows / 2 - 0.5],
                [columns / 2, rows / 2 + 0.5],
            ]
        )
        assert self.transform is not None
        a, b, c, d, e, f = self.transform
        x, y = a * corners[:, 0] + b * corners[:, 1] + c, d * corners[:, 0] + e * corners[:, 1] + f
        lon, lat = self._to_crs.transform(x, y, direction="INVERSE")
        _, _, length = pyproj.Geod(ellps="WGS84").inv(lon[[0, 2]], lat[[0, 2]], lon[[1, 3]], lat[[1, 3]])
        return float(length[0]), float(length[1])

    @cached_property
    def _to_crs(self) -> pyproj.Transformer:
        assert self.crs is not None
        horizontal = self.crs.sub_crs_list[0] if self.crs.is_compound else self.crs
        return pyproj.Transformer.from_crs("EPSG:4326", horizontal, always_xy=True)

    def _columns_rows(self, lonlat: Floats) -> tuple[Floats, Floats]:
        assert self.transform is not None
        x, y = self._to_crs.transform(lonlat[:, 0], lonlat[:, 1])
        column, row = _columns_rows(self.transform, x, y)
        return column - 0.5, row - 0.5


def _columns_rows(
    transform: tuple[float, float, float, float, float, float], x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Invert an affine transform: 0, 0 is the outer corner of the first cell."""
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    with np.errstate(invalid="ignore"):
        return (e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant


def _bilinear(grid: Floats, column: Floats, row: Floats) -> Floats:
    rows, columns = grid.shape
    with np.errstate(invalid="ignore"):
        inside = (column >= -0.5) & (column <= columns - 0.5) & (row >= -0.5) & (row <= rows - 0.5)
    # Between the outermost cell centres and the edge of the grid the height stays that of the edge.
    x = np.clip(np.where(inside, column, 0.0), 0.0, columns - 1.0)
    y = np.clip(np.where(inside, row, 0.0), 0.0, rows - 1.0)
    left = np.minimum(x.astype(np.int64), max(columns - 2, 0))
    top = np.minimum(y.astype(np.int64), max(rows - 2, 0))
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    u, v = x - left, y - top
    total = np.zeros(len(x))
    for rr, cc, weight in (
        (top, left, (1 - u) * (1 - v)),
        (top, right, u * (1 - v)),
        (bottom, left, (1 - u) * v),
        (bottom, right, u * v),
    ):
        total += np.where(weight > _NO_WEIGHT, grid[rr, cc] * weight, 0.0)
    return np.where(inside, total, np.nan)


def _read(
    cls: type[Terrain],
    dataset: rasterio.io.DatasetReader,
    path: Path,
    bounds: tuple[float, float, float, float] | None,
) -> Terrain:
    where = str(path)
    if dataset.crs is None:
        raise TerrainError("the elevation model has no coordinate reference system", where=where)
    if dataset.count != 1:
        raise TerrainError(
            f"{dataset.count} bands: a picture, not an elevation model", where=where, hint="Give a one-band raster"
        )
    crs = pyproj.CRS.from_wkt(dataset.crs.to_wkt())
    window = rasterio.windows.Window(0, 0, dataset.width, dataset.height)
    if bounds is not None:
        window = _window(dataset, crs, where, bounds)
    if window.width * window.height > _MAX_CELLS:
        raise TerrainError(
            f"{window.width * window.height / 1e6:.0f} million cells are too many to hold",
            where=where,
            hint="Cut it to the study area, or give a coarser one",
        )
    band = dataset.read(1, window=window, masked=True).astype(np.float64)
    grid = band.filled(np.nan) * (dataset.scales[0] or 1.0) + dataset.offsets[0]
    grid *= _metres_per_unit(dataset.units[0], crs, where)
    with np.errstate(invalid="ignore"):
        grid[~((grid > _LOWEST_M) & (grid < _HIGHEST_M))] = np.nan
    if not np.isfinite(grid).any():
        raise TerrainError("no cell of the elevation model has a height there", where=where)
    a, b, c, d, e, f = dataset.transform[:6]
    left, top = window.col_off, window.row_off
    return cls(
        grid_m=grid,
        crs=crs,
        transform=(a, b, c + a * left + b * top, d, e, f + d * left + e * top),
        datum=_datum(crs),
        source=where,
    )


def _window(
    dataset: rasterio.io.DatasetReader, crs: pyproj.CRS, where: str, bounds: tuple[float, float, float, float]
) -> rasterio.windows.Window:
    horizontal = crs.sub_crs_list[0] if crs.is_compound else crs
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", horizontal, always_xy=True)
    west, south, east, north = to_crs.transform_bounds(*bounds, densify_pts=21)
    x, y = np.array([west, west, east, east]), np.array([south, north, south, north])
    columns, rows = _columns_rows(dataset.transform[:6], x, y)
    first_column, last_column = max(0, int(columns.min()) - 2), min(dataset.width, int(columns.max()) + 3)
    first_row, last_row = max(0, int(rows.min()) - 2), min(dataset.height, int(rows.max()) + 3)
    if first_column >= last_column or first_row >= last_row:
        raise TerrainError("the elevation model does not reach the study area", where=where)
    return rasterio.windows.Window(first_column, first_row, last_column - first_column, last_row - first_row)


def _metres_per_unit(unit: str | None, crs: pyproj.CRS, where: str) -> float:
    vertical = [axis.unit_conversion_factor for axis in crs.axis_info if axis.direction == "up"]
    name = (unit or "").strip().casefold()
    if name in ("m", "metre", "meter", "metres", "meters"):
        return 1.0
    if name in ("ft", "foot", "feet"):
        return 0.3048
    if name in ("us survey foot", "us-ft", "ussft"):
        return 1200 / 3937
    if name:
        raise TerrainError(f"heights in {unit!r}, which is no length known here", where=where)
    return float(vertical[0]) if vertical else 1.0


def _datum(crs: pyproj.CRS) -> HeightDatum | None:
    if crs.is_compound:
        return HeightDatum.MEAN_SEA_LEVEL
    if len(crs.axis_info) == 3:
        return HeightDatum.ELLIPSOID
    return None
