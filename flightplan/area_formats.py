"""Vector files as plain features: GeoJSON, KML, KMZ, Shapefile, GeoPackage, CSV.

A feature is a geometry in the file's own coordinates with its attributes and a label to name it by; what the features
mean for a survey is decided in `flightplan.areas`.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlParseError

import defusedxml.ElementTree
import numpy as np
import pyogrio
import pyproj
import shapely
from defusedxml.common import DefusedXmlException
from pyogrio.errors import DataLayerError, DataSourceError

from flightplan.errors import AreaError, UnreadableFileError

MAX_BYTES = 64 * 1024 * 1024
"""The largest area file, unpacked, that is read: a country's boundary at full detail is a tenth of it."""

MAX_FEATURES = 10_000

_LONGITUDE_NAMES = ("longitude", "lon", "lng", "long")
_LATITUDE_NAMES = ("latitude", "lat")
_WKT_NAMES = ("wkt", "geometry", "geom")


@dataclass(frozen=True)
class Feature:
    """A geometry in the coordinates of `crs` (None when the file states none), its attributes, and a label."""

    geometry: Any
    properties: Mapping[str, Any]
    label: str
    crs: pyproj.CRS | None


def read_features(path: Path) -> list[Feature]:
    """Read every feature of a vector file; the format follows from the file's suffix.

    Raises UnreadableFileError when the file is not what its suffix says, AreaError when what it holds cannot be used.
    """
    if not path.is_file():
        raise UnreadableFileError(
            "is a folder, not a file" if path.is_dir() else "there is no such file", where=str(path)
        )
    readers = {
        ".geojson": _read_geojson,
        ".json": _read_geojson,
        ".kml": _read_kml,
        ".kmz": _read_kmz,
        ".csv": _read_csv,
        ".shp": _read_ogr,
        ".gpkg": _read_ogr,
        ".fgb": _read_ogr,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UnreadableFileError(
            f"cannot tell what a {path.suffix or 'file without suffix'} is",
            where=str(path),
            hint=f"Areas are read from {', '.join(sorted(readers))}",
        )
    size = path.stat().st_size
    if size > MAX_BYTES and reader is not _read_ogr:
        raise UnreadableFileError(
            f"{size / 1e6:.0f} MB is too large for an area; the limit is {MAX_BYTES / 1e6:.0f} MB", where=str(path)
        )
    features = reader(path)
    if not features:
        raise AreaError("holds no feature", where=str(path), hint="An area needs one polygon or more")
    if len(features) > MAX_FEATURES:
        raise AreaError(f"holds {len(features)} features; the limit is {MAX_FEATURES}", where=str(path))
    return features


def _wgs84() -> pyproj.CRS:
    return pyproj.CRS.from_epsg(4326)


# --- GeoJSON ---------------------------------------------------------------------------------------------------------


def _read_geojson(path: Path) -> list[Feature]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"is not JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise UnreadableFileError("is JSON but not GeoJSON: it is not an object", where=str(path))
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


def _geojson_crs(document: Mapping[str, Any], path: Path) -> pyproj.CRS:
    """RFC 7946 fixes WGS 84; the older `crs` member, where a file still carries it, states otherwise."""
    member = document.get("crs")
    if member is None:
        return _wgs84()
    try:
        return pyproj.CRS.from_user_input(member["properties"]["name"])
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
    try:
        # JSON as Python reads it may hold NaN; that is said later, in better words than a warning's.
        with np.errstate(invalid="ignore"):
            shape = shapely.force_2d(shapely.geometry.shape(geometry))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise UnreadableFileError(f"has a geometry that is not GeoJSON: {error}", where=where) from error
    return Feature(shape, properties, _named(label, properties), crs)


# --- KML -------------------------------------------------------------------------------------------------------------


def _read_kml(path: Path) -> list[Feature]:
    return _kml_features(path.read_bytes(), path)


def _read_kmz(path: Path) -> list[Feature]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(".kml")]
            if not names:
                raise UnreadableFileError("is a zip without a .kml inside", where=str(path))
            chosen = "doc.kml" if "doc.kml" in names else names[0]
            # The declared size can lie, so the reading itself stops at the limit.
            with archive.open(chosen) as member:
                data = member.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnreadableFileError(f"is not a readable zip: {error}", where=str(path)) from error
    if len(data) > MAX_BYTES:
        raise UnreadableFileError(f"{chosen} unpacks to more than {MAX_BYTES / 1e6:.0f} MB", where=str(path))
    return _kml_features(data, path)


def _kml_features(data: bytes, path: Path) -> list[Feature]:
    try:
        root = defusedxml.ElementTree.fromstring(data)
    except (XmlParseError, DefusedXmlException, ValueError) as error:
        raise UnreadableFileError(f"is not readable KML: {error}", where=str(path)) from error
    features = []
    for i, (placemark, folder) in enumerate(_kml_placemarks(root, ""), start=1):
        properties = {"folder": folder} | _kml_properties(placemark)
        label = _named(f"placemark {i}", properties)
        shapes = list(_kml_shapes(placemark, f"{path}, {label}"))
        if shapes:
            features.append(Feature(_collect(shapes), properties, label, _wgs84()))
    return features


def _kml_placemarks(element: Element, folder: str) -> Iterator[tuple[Element, str]]:
    """Yield each placemark with the name of the innermost folder it lies in."""
    for child in element:
        tag = _tag(child)
        if tag == "Placemark":
            yield child, folder
        elif tag == "Folder":
            names = [(e.text or "").strip() for e in child if _tag(e) == "name"]
            yield from _kml_placemarks(child, names[0] if names else "")
        else:
            yield from _kml_placemarks(child, folder)


def _tag(element: Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _kml_properties(placemark: Element) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for element in placemark.iter():
        if _tag(element) == "SimpleData" and element.get("name"):
            properties[str(element.get("name"))] = (element.text or "").strip()
        elif _tag(element) == "Data" and element.get("name"):
            values = [(v.text or "").strip() for v in element if _tag(v) == "value"]
            properties[str(element.get("name"))] = values[0] if values else ""
    for element in placemark:
        if _tag(element) == "name":
            properties["name"] = (element.text or "").strip()
    return properties


def _kml_shapes(element: Element, where: str) -> Iterator[Any]:
    for child in element:
        tag = _tag(child)
        if tag == "Polygon":
            shells = [_kml_coordinates(e, where) for e in child if _tag(e) == "outerBoundaryIs"]
            holes = [_kml_coordinates(e, where) for e in child if _tag(e) == "innerBoundaryIs"]
            if len(shells) != 1:
                raise UnreadableFileError("has a polygon without one outer boundary", where=where)
            yield _polygon(shells[0], holes, where)
        elif tag == "Point":
            yield shapely.Point(_kml_coordinates(child, where)[0])
        elif tag in ("LineString", "LinearRing"):
            points = _kml_coordinates(child, where)
            if len(points) < 2:
                raise UnreadableFileError("has a line of fewer than two points", where=where)
            yield shapely.LineString(points)
        elif tag == "MultiGeometry":
            yield from _kml_shapes(child, where)


def _kml_coordinates(element: Element, where: str) -> list[tuple[float, float]]:
    text = " ".join(e.text or "" for e in element.iter() if _tag(e) == "coordinates")
    try:
        points = [(float(lon), float(lat)) for lon, lat, *_ in (token.split(",") for token in text.split())]
    except ValueError as error:
        raise UnreadableFileError(f"has coordinates that are not numbers: {error}", where=where) from error
    if not points:
        raise UnreadableFileError("has a geometry without coordinates", where=where)
    return points


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> list[Feature]:
    """Either one corner a row (longitude and latitude columns, by name), or one feature a row (a WKT column).

    Rows of corners may carry a column `part` (or `polygon`, `ring`) that tells polygons apart; other columns are taken
    from a polygon's first row. Longitude and latitude are WGS 84 by their names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"is not a readable CSV: {error}", where=str(path)) from error
    if not rows:
        raise AreaError("holds no row", where=str(path))
    columns = {str(name).strip().lower(): name for name in rows[0] if name is not None}
    longitude, latitude = _first(columns, _LONGITUDE_NAMES), _first(columns, _LATITUDE_NAMES)
    wkt = _first(columns, _WKT_NAMES)
    if wkt is not None:
        return [_wkt_feature(row, wkt, i, path) for i, row in enumerate(rows, start=1)]
    if longitude is None or latitude is None:
        raise AreaError(
            "has no columns named longitude and latitude, and none named wkt",
            where=str(path),
            hint="The first line must name the columns",
        )
    part = _first(columns, ("part", "polygon", "ring"))
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(str(row[part]) if part else "", []).append(row)
    features = []
    for i, corners in enumerate(parts.values(), start=1):
        label = f"polygon {i}" if part else "the polygon"
        where = f"{path}, {label}"
        try:
            points = [(float(row[longitude]), float(row[latitude])) for row in corners]
        except (TypeError, ValueError) as error:
            raise UnreadableFileError(f"has coordinates that are not numbers: {error}", where=where) from error
        shape = shapely.Point(points[0]) if len(points) == 1 else _polygon(points, [], where)
        features.append(Feature(shape, corners[0], _named(label, corners[0]), _wgs84()))
    return features


def _wkt_feature(row: Mapping[str, Any], column: str, number: int, path: Path) -> Feature:
    where = f"{path}, row {number}"
    try:
        shape = shapely.force_2d(shapely.from_wkt(row[column]))
    except (shapely.errors.ShapelyError, TypeError) as error:
        raise UnreadableFileError(f"has a geometry that is not WKT: {error}", where=where) from error
    if shape is None:
        raise UnreadableFileError("has no geometry", where=where)
    properties = {k: v for k, v in row.items() if k != column}
    # WKT carries no reference system, and its column name none either.
    return Feature(shape, properties, _named(f"row {number}", properties), None)


def _first(columns: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[n] for n in names if n in columns), None)


# --- everything GDAL reads -------------------------------------------------------------------------------------------


def _read_ogr(path: Path) -> list[Feature]:
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except DataSourceError as error:
        raise UnreadableFileError(f"cannot be opened: {error}", where=str(path)) from error
    features: list[Feature] = []
    for layer in layers:
        try:
            meta, _, shapes, columns = pyogrio.raw.read(
                path, layer=layer, force_2d=True, max_features=MAX_FEATURES + 1, encoding=None
            )
        except (DataSourceError, DataLayerError, UnicodeDecodeError) as error:
            raise UnreadableFileError(f"layer {layer} cannot be read: {error}", where=str(path)) from error
        crs = pyproj.CRS.from_user_input(meta["crs"]) if meta["crs"] else None
        fields = [str(f) for f in meta["fields"]]
        for i, shape in enumerate(shapely.from_wkb(shapes), start=1):
            properties = {"layer": layer} | {f: _plain(c[i - 1]) for f, c in zip(fields, columns, strict=True)}
            name = f"feature {i}" if len(layers) == 1 else f"layer {layer}, feature {i}"
            label = _named(name, properties)
            if shape is None:
                raise UnreadableFileError("has no geometry", where=f"{path}, {label}")
            features.append(Feature(shape, properties, label, crs))
    return features


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


# --- shared ----------------------------------------------------------------------------------------------------------


def _polygon(shell: list[tuple[float, float]], holes: list[list[tuple[float, float]]], where: str) -> Any:
    try:
        with np.errstate(invalid="ignore"):
            return shapely.Polygon(shell, holes)
    except (ValueError, shapely.errors.ShapelyError) as error:
        raise UnreadableFileError(f"has a ring that is not one: {error}", where=where) from error


def _collect(shapes: list[Any]) -> Any:
    if len(shapes) == 1:
        return shapes[0]
    if all(s.geom_type == "Polygon" for s in shapes):
        return shapely.MultiPolygon(shapes)
    return shapely.GeometryCollection(shapes)


def _named(label: str, properties: Mapping[str, Any]) -> str:
    name = next((str(v) for k, v in properties.items() if str(k).lower() == "name" and v), None)
    return f"{label} ({name})" if name else label
