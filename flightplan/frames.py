"""Local metric frames, height datums and geodesy: the only module that decides lon/lat order.

Everywhere in overfly a geographic coordinate is (longitude, latitude) in degrees on WGS 84, and a local one is
(east, north) in metres. Arrays are (N, 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

Floats = npt.NDArray[np.float64]
Geometry = TypeVar("Geometry", bound=Any)

UNSCALED_RADIUS_M = 150_000.0
"""Up to this distance from its centre a frame stretches lengths by less than 0.0093 %: 1 cm in 108 m."""

_EARTH_RADIUS_M = 6_371_000.0
# An area of less degrees than this each way reaches no further than that, at any latitude.
_SMALL_DEG = 1.8


class HeightDatum(StrEnum):
    """What a height is measured from."""

    GROUND = "ground"
    TAKEOFF = "takeoff"
    MEAN_SEA_LEVEL = "msl"
    ELLIPSOID = "ellipsoid"


@dataclass(frozen=True)
class LocalFrame:
    """An azimuthal equidistant plane around one point: metres east and north of it.

    Distances through the centre are true; across it, at r metres from the centre, they are stretched by about
    (r / 6 371 000)² / 6, which is 1 cm per km at 50 km (Snyder 1987, Map Projections, p. 191). Around a geometry that
    reaches further than `UNSCALED_RADIUS_M` one unit of the plane is `unit_m` metres at its centre, half of the stretch
    at the rim: the middle is then drawn as much too short as the rim too long.
    """

    longitude_deg: float
    latitude_deg: float
    unit_m: float = 1.0

    @classmethod
    def around(cls, geometry: Any) -> LocalFrame:
        """Return the frame centred on the bounding box of a geographic geometry."""
        west, south, east, north = shapely.total_bounds(geometry)
        frame = cls(longitude_deg=float((west + east) / 2), latitude_deg=float((south + north) / 2))
        if max(east - west, north - south) < _SMALL_DEG:
            return frame
        reach_m = frame.reach_m(geometry)
        if not UNSCALED_RADIUS_M < reach_m < np.inf:
            return frame
        return replace(frame, unit_m=1 + (reach_m / _EARTH_RADIUS_M) ** 2 / 12)

    @cached_property
    def _forward(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)

    @cached_property
    def crs(self) -> pyproj.CRS:
        """The frame as a coordinate reference system."""
        return pyproj.CRS.from_proj4(
            f"+proj=aeqd +lat_0={self.latitude_deg!r} +lon_0={self.longitude_deg!r} +datum=WGS84"
            f" {'+units=m' if self.unit_m == 1.0 else f'+to_meter={self.unit_m!r}'} +no_defs"
        )

    def to_local(self, lonlat: npt.ArrayLike) -> Floats:
        """Degrees (N, 2), longitude first, to metres east and north (N, 2)."""
        points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
        return np.column_stack(self._forward.transform(points[:, 0], points[:, 1]))

    def to_lonlat(self, local: npt.ArrayLike) -> Floats:
        """Metres east and north (N, 2) to degrees (N, 2), longitude first."""
        points = np.atleast_2d(np.asarray(local, dtype=np.float64))
        return np.column_stack(self._forward.transform(points[:, 0], points[:, 1], direction="INVERSE"))

    def reach_m(self, geometry: Any) -> float:
        """Return how far from the centre a geographic geometry (or some of them) reaches, in units of the plane."""
        return float(np.hypot(*self.to_local(shapely.get_coordinates(geometry)).T).max())

    def localise(self, geometry: Geometry) -> Geometry:
        """Return a geographic shapely geometry (or array of them) in this frame's metres."""
        return shapely.transform(geometry, self.to_local)  # type: ignore[no-any-return]

    def delocalise(self, geometry: Geometry) -> Geometry:
        """Return a geometry in this frame's metres in longitude and latitude."""
        return shapely.transform(geometry, self.to_lonlat)  # type: ignore[no-any-return]
