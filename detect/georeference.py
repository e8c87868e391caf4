"""A raster that says itself where its pixels lie: an orthomosaic's coordinates, apart from its file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyproj

from flightplan.errors import CaptureError
from flightplan.frames import Floats


@dataclass(frozen=True)
class Georeference:
    """Where an orthomosaic's pixels lie: its coordinate reference system and an affine map.

    `crs` is an authority's code, or WKT; `transform` (a, b, c, d, e, f) takes a column and a row, 0, 0 being the outer
    corner of the first pixel, to x = a·column + b·row + c and y = d·column + e·row + f. `gsd_cm` is a pixel's size on
    the ground in the middle. Raises CaptureError where the two do not hold together.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    gsd_cm: float

    def to_lonlat(self, points_px: npt.ArrayLike) -> Floats:
        """Longitude and latitude on WGS 84 (N, 2) of columns and rows (N, 2)."""
        a, b, c, d, e, f = self.transform
        x, y = np.asarray(points_px, dtype=np.float64).reshape(-1, 2).T
        return np.column_stack(self._project.transform(a * x + b * y + c, d * x + e * y + f))

    def to_pixels(self, lonlat: npt.ArrayLike) -> Floats:
        """Columns and rows (N, 2) of degrees (N, 2), longitude first; they may lie outside."""
        a, b, c, d, e, f = self.transform
        points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
        x, y = self._project.transform(points[:, 0], points[:, 1], direction="INVERSE")
        determinant = a * e - b * d
        x, y = np.asarray(x) - c, np.asarray(y) - f
        return np.column_stack([(e * x - b * y) / determinant, (a * y - d * x) / determinant])

    @cached_property
    def _project(self) -> pyproj.Transformer:
        try:
            return pyproj.Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        except pyproj.exceptions.ProjError as error:
            raise CaptureError(f"its coordinate reference system leads nowhere on Earth ({error})") from error
