"""Corners and shapes written as text: CSV, and the two formats called .poly."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shapely

from flightplan.area_features import Feature, Point, collect, named, number, polygon, printable, read_text, wgs84
from flightplan.errors import AreaError, UnreadableFileError

_LONGITUDE_NAMES = ("longitude", "lon", "lng", "long", "longitude_deg", "lon_deg")
_LATITUDE_NAMES = ("latitude", "lat", "latitude_deg", "lat_deg")
_WKT_NAMES = ("wkt", "geometry", "geom")
_PART_NAMES = ("part", "polygon", "ring")


def read_csv(path: Path) -> list[Feature]:
    """Read either one corner a row (longitude and latitude columns, by name), or one feature a row (a WKT column).

    Rows of corners may carry a column `part` (or `polygon`, `ring`) that tells polygons apart; other columns are taken
    from a polygon's first row. Longitude and latitude are WGS 84 by their names. Columns are parted by commas, or by
    semicolons or tabs where the first line has no comma.
    """
    text = read_text(path, "a readable CSV")
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), restval=""))
    except csv.Error as error:
        raise UnreadableFileError(f"is not a readable CSV: {error}", where=str(path)) from error
    if not rows:
        raise AreaError(
            "holds no row", where=str(path), hint="The first line names the columns, the others are corners"
        )
    columns = {str(name).strip().lower(): str(name) for name in rows[0] if name is not None}
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
    part = _first(columns, _PART_NAMES)
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(str(row[part]) if part else "", []).append(row)
    features = []
    for i, corners in enumerate(parts.values(), start=1):
        label = f"polygon {i}" if part else "the polygon"
        where = f"{path}, {label}"
        points = [(number(row[longitude], where), number(row[latitude], where)) for row in corners]
        shape = shapely.Point(points[0]) if len(points) == 1 else polygon(points, [], where)
        properties = {k: v for k, v in corners[0].items() if k is not None}
        features.append(Feature(shape, properties, named(label, properties), wgs84()))
    return features


def read_poly(path: Path) -> list[Feature]:
    """Read a .poly file of either kind; they tell themselves apart.

    Osmosis' (wiki.openstreetmap.org, Osmosis/Polygon Filter File Format): a name, then sections of longitude and
    latitude up to END each, those whose name begins with "!" are holes, and a last END. Mission Planner's: one
    corner a line, latitude and longitude, and comments after "#"; no sections, no END.
    """
    lines = [(i, line.strip()) for i, line in enumerate(read_text(path, "a .poly file").splitlines(), start=1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    if not lines:
        raise AreaError("holds no corner", where=str(path))
    if any(line.upper() == "END" for _, line in lines):
        return _osmosis(lines, path)
    corners = [_pair(line, f"{path}, line {i}") for i, line in lines]
    shape = polygon([(lon, lat) for lat, lon in corners], [], str(path))
    return [Feature(shape, {}, "the polygon", wgs84())]


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return next((d for d in (",", ";", "\t") if d in header), ",")


def _wkt_feature(row: Mapping[Any, Any], column: str, number_: int, path: Path) -> Feature:
    where = f"{path}, row {number_}"
    try:
        shape = shapely.force_2d(shapely.from_wkt(row[column]))
    except (shapely.errors.ShapelyError, TypeError, ValueError) as error:
        raise UnreadableFileError(f"has a geometry that is not WKT: {printable(str(error))}", where=where) from error
    if shape is None:
        raise UnreadableFileError("has no geometry", where=where)
    properties = {k: v for k, v in row.items() if k not in (column, None)}
    # WKT carries no reference system, and its column name none either.
    return Feature(shape, properties, named(f"row {number_}", properties), None)


def _first(columns: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[n] for n in names if n in columns), None)


def _osmosis(lines: list[tuple[int, str]], path: Path) -> list[Feature]:
    """The sections of one file are one feature: its holes may lie in any of its parts."""
    # The first line is the file's name, even where it looks like numbers.
    name, rest = lines[0][1], lines[1:]
    shells: list[list[Point]] = []
    holes: list[list[Point]] = []
    section: list[Point] | None = None
    for i, line in rest:
        where = f"{path}, line {i}"
        if line.upper() == "END":
            if section is not None and len(section) < 3:
                raise UnreadableFileError(f"ends a ring of {len(section)} corners", where=where)
            if section is None:
                break
            section = None
        elif section is None:
            section = []
            (holes if line.startswith("!") else shells).append(section)
        else:
            section.append(_pair(line, where))
    else:
        raise UnreadableFileError(
            "stops in the middle: each section ends with END, and so does the file", where=str(path)
        )
    if not shells:
        raise AreaError("holds no polygon", where=str(path))
    parts = [polygon(shell, [], str(path)) for shell in shells]
    # A ring that crosses itself holds nothing for certain; it is refused later, by its own name.
    if holes and all(p.is_valid for p in parts):
        cut = [polygon(hole, [], str(path)) for hole in holes]
        inside = [[h.exterior.coords for h in cut if part.covers(h.exterior)] for part in parts]
        if sum(len(i) for i in inside) != len(holes):
            raise AreaError("has a hole that does not lie in one of its polygons", where=str(path))
        parts = [polygon(shell, own, str(path)) for shell, own in zip(shells, inside, strict=True)]
    properties = {"name": name}
    return [Feature(collect(parts), properties, named("the polygon", properties), wgs84())]


def _pair(line: str, where: str) -> Point:
    words = line.replace(",", " ").split()
    if len(words) < 2:
        raise UnreadableFileError(
            f"is not a corner: {printable(line)!r}", where=where, hint="A line holds two numbers, or END"
        )
    return number(words[0], where), number(words[1], where)
