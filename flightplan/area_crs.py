"""From the coordinates that a file states to longitude and latitude on WGS 84; nothing is assumed where none is."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from flightplan.area_features import Feature, printable
from flightplan.errors import AreaError

# Ellipsoids whose datums differ from WGS 84 by a metre or two, so that no shift between them is none that matters.
_MODERN = ("WGS 84", "GRS 1980", "GRS80", "WGS84")
_NEAR_USE_DEG = 3.0


def to_wgs84(feature: Feature, stated: str | None, path: Path) -> Feature:
    """Return a feature in longitude and latitude on WGS 84.

    `stated` is what the user says of a file that says nothing; what the file says goes first. Raises AreaError when
    neither says anything, when the system is unknown or has no known way to WGS 84, or when the coordinates lie where
    the system is not used: they are of another one then, or their axes are swapped.
    """
    where = f"{path}, {feature.label}"
    crs = feature.crs
    if crs is None and stated is not None:
        crs = parse_crs(stated)
    if crs is None:
        raise AreaError(
            "does not state its coordinate reference system",
            where=str(path),
            hint="Say what its coordinates are (--crs EPSG:number), or add the .prj file that belongs to it",
        )
    if not np.isfinite(shapely.get_coordinates(feature.geometry)).all():
        raise AreaError(
            "has a coordinate that is not a number", where=where, hint="Correct it in the program that it came from"
        )
    if (crs.is_geographic and crs.to_epsg() == 4326) or crs.name == "WGS 84 (CRS84)":
        return feature
    transformer = _transformer(crs.to_wkt(), crs.name, str(path))

    def transform(points: Any) -> Any:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    with np.errstate(all="ignore"):
        geometry = shapely.transform(feature.geometry, transform)
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AreaError(f"has coordinates outside of {crs.name}", where=where, hint="Is that its reference system?")
    _check_use(crs, geometry, where)
    return Feature(geometry, feature.properties, feature.label, crs)


def parse_crs(text: str) -> pyproj.CRS:
    """Return the coordinate reference system that a user named; raises AreaError for one that nobody knows."""
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise AreaError(
            f"{printable(text)!r} is not a coordinate reference system", hint="Write it as EPSG:4326"
        ) from error


@lru_cache(maxsize=32)
def _transformer(wkt: str, name: str, where: str) -> pyproj.Transformer:
    crs = pyproj.CRS.from_wkt(wkt)
    try:
        transformer = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise AreaError(
            f"there is no way from its coordinate reference system, {printable(name)}, to longitude and latitude",
            where=where,
            hint="Convert it to WGS 84 in the program that it came from",
        ) from error
    ellipsoid = crs.ellipsoid.name if crs.ellipsoid else ""
    if "ballpark" in transformer.description.lower() and not any(m in ellipsoid for m in _MODERN):
        raise AreaError(
            f"nothing is known of how {printable(name)} lies to WGS 84: its places may be off by hundreds of metres",
            where=where,
            hint="Convert it to WGS 84 in a program that has the datum's shift, or state the system by its EPSG number",
        )
    return transformer


def _check_use(crs: pyproj.CRS, geometry: Any, where: str) -> None:
    use = crs.area_of_use
    # A system whose use spans the antimeridian has its west greater than its east: not looked at.
    if use is None or use.west > use.east:
        return
    west, south, east, north = shapely.total_bounds(geometry)
    room = _NEAR_USE_DEG
    if west > use.east + room or east < use.west - room or south > use.north + room or north < use.south - room:
        raise AreaError(
            f"lies at longitude {(west + east) / 2:.3f}, latitude {(south + north) / 2:.3f}, where {crs.name} is not"
            " used",
            where=where,
            hint="Are its axes swapped, or is it another coordinate reference system?",
        )
