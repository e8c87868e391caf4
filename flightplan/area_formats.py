"""Vector files as plain features: GeoJSON, KML, KMZ, Shapefile, GeoPackage, FlatGeobuf, CSV, .poly.

A feature is a geometry in the file's own coordinates with its attributes and a label to name it by; what the features
mean for a survey is decided in `flightplan.areas`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import shapely

from flightplan.area_features import MAX_BYTES, MAX_CORNERS, MAX_DATABASE_BYTES, MAX_FEATURES, Feature
from flightplan.area_geojson import name_in_geojson, read_geojson
from flightplan.area_kml import read_kml, read_kmz
from flightplan.area_ogr import Bounds, read_ogr, read_zipped_shapefile
from flightplan.area_tables import read_csv, read_poly
from flightplan.errors import AreaError, UnreadableFileError

__all__ = ["MAX_BYTES", "MAX_FEATURES", "Feature", "read_features", "stored_name"]

_PLAIN: Mapping[str, Callable[[Path], list[Feature]]] = {
    ".geojson": read_geojson,
    ".json": read_geojson,
    ".kml": read_kml,
    ".kmz": read_kmz,
    ".csv": read_csv,
    ".poly": read_poly,
}
_OGR: Mapping[str, Callable[[Path, Bounds | None], list[Feature]]] = {
    ".shp": read_ogr,
    ".gpkg": read_ogr,
    ".fgb": read_ogr,
    ".zip": read_zipped_shapefile,
    ".shz": read_zipped_shapefile,
}


def read_features(path: Path, *, near: Bounds | None = None) -> list[Feature]:
    """Read every feature of a vector file; the format follows from the file's suffix.

    With `near` (west, south, east and north in degrees), features of large formats that lie elsewhere are left out
    while reading: a file may hold a whole country. Raises UnreadableFileError when the file is not what its suffix
    says, AreaError when what it holds cannot be used.
    """
    if not path.is_file():
        raise UnreadableFileError(
            "is a folder, not a file" if path.is_dir() else "there is no such file", where=str(path)
        )
    # Numbers beyond all bounds are refused by name later, in better words than a warning's.
    with np.errstate(all="ignore"):
        features = _read(path, near)
    if not features and near is None:
        raise AreaError("holds no feature", where=str(path), hint="An area needs one polygon or more")
    if len(features) > MAX_FEATURES:
        raise AreaError(
            f"holds more than {MAX_FEATURES} features; that is the limit",
            where=str(path),
            hint="Cut out the part around the area first",
        )
    corners = int(sum(shapely.get_num_coordinates(f.geometry) for f in features))
    if corners > MAX_CORNERS:
        raise AreaError(
            f"has {corners} corners; the limit is {MAX_CORNERS}",
            where=str(path),
            hint="Simplify it to what can be flown, a metre or so",
        )
    return features


def stored_name(path: Path) -> str | None:
    """Return the name that a GeoJSON file gives itself, None without one."""
    return name_in_geojson(path) if _PLAIN.get(path.suffix.lower()) is read_geojson else None


def _read(path: Path, near: Bounds | None) -> list[Feature]:
    suffix = path.suffix.lower()
    if suffix in _OGR:
        size = path.stat().st_size
        if size > MAX_DATABASE_BYTES:
            raise UnreadableFileError(
                f"{size / 1e9:.1f} GB is too large for an area; the limit is {MAX_DATABASE_BYTES / 1e9:.1f} GB",
                where=str(path),
                hint="Cut out the part around the area first",
            )
        return _OGR[suffix](path, near)
    if suffix in _PLAIN:
        return _PLAIN[suffix](path)
    raise UnreadableFileError(
        f"cannot tell what a {path.suffix or 'file without suffix'} is",
        where=str(path),
        hint=f"Areas are read from {', '.join(sorted([*_PLAIN, *_OGR]))}",
    )
