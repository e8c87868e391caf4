"""GeoJSON (RFC 7946, and the older form that names its reference system) as plain features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from flightplan.area_features import Feature, named, printable, read_text, wgs84
from flightplan.errors import AreaError, UnreadableFileError


def read_geojson(path: Path) -> list[Feature]:
    """Read the features of a collection, the one feature, or the bare geometry that a file is."""
    document = _document(path)
    crs = _geojson_crs(document, path)
    kind = document.get("type")
    if kind == "FeatureCollection":
        members = document.get("features")
        if not isinstance(members, list):
            raise UnreadableFileError("is a FeatureCollection without a list of features", where=str(path))
    elif kind == "Feature":
        members = [document]
    else:
        members = [{"type": "Feature", "properties": {}, "geometry": document}]
    return [_geojson_feature(member, f"feature {i}", crs, path) for i, member in enumerate(members, start=1)]


def name_in_geojson(path: Path) -> str | None:
    """Return the name that a file gives itself, None without one."""
    stored = _document(path).get("name")
    return (printable(stored) or None) if isinstance(stored, str) else None


def _document(path: Path) -> dict[str, Any]:
    text = read_text(path, "JSON")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"is not JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise UnreadableFileError("is JSON but not GeoJSON: it is not an object", where=str(path))
    return document


def _geojson_crs(document: Mapping[str, Any], path: Path) -> pyproj.CRS:
    """RFC 7946 fixes WGS 84; the older `crs` member, where a file still carries it, states otherwise."""
    member = document.get("crs")
    if member is None:
        return wgs84()
    try:
        name = member["properties"]["name"]
        if not isinstance(name, str):
            raise TypeError("a name is text")
        return pyproj.CRS.from_user_input(name)
    except (KeyError, TypeError, pyproj.exceptions.CRSError) as error:
        raise AreaError(
            "its crs member names no known coordinate reference system",
            where=str(path),
            hint="Remove it if the coordinates are WGS 84 longitude and latitude",
        ) from error


def _geojson_feature(member: Any, label: str, crs: pyproj.CRS, path: Path) -> Feature:
    where = f"{path}, {label}"
    if not isinstance(member, dict) or member.get("type") != "Feature":
        raise UnreadableFileError("is not a GeoJSON feature", where=where)
    geometry = member.get("geometry")
    properties = member.get("properties") or {}
    if not isinstance(geometry, dict) or not isinstance(properties, dict):
        raise UnreadableFileError("has no geometry", where=where)
    label = named(label, properties)
    where = f"{path}, {label}"
    if not _numbers(geometry.get("coordinates", [])):
        raise UnreadableFileError(
            "has a geometry that is not GeoJSON: a coordinate is not a number", where=where, hint="Correct it there"
        )
    try:
        # JSON as Python reads it may hold NaN; that is said later, in better words than a warning's.
        with np.errstate(all="ignore"):
            shape = shapely.force_2d(shapely.geometry.shape(geometry))
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise UnreadableFileError(
            f"has a geometry that is not GeoJSON: {printable(str(error))}", where=where, hint="Correct it there"
        ) from error
    return Feature(shape, properties, label, crs)


def _numbers(coordinates: Any) -> bool:
    """Whether lists hold numbers and lists only: shapely takes "12" and true for numbers, a reader must not."""
    waiting = [coordinates]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, bool) or not isinstance(value, int | float):
            return False
    return True
