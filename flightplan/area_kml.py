"""KML (OGC 07-147r2) and KMZ as plain features: placemarks, told apart by the folder they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlParseError

import defusedxml.ElementTree
import shapely
from defusedxml.common import DefusedXmlException

from flightplan.area_archive import member_names, read_member
from flightplan.area_features import Feature, Point, collect, named, number, polygon, printable, read_bytes, wgs84
from flightplan.errors import UnreadableFileError

_MAX_DEPTH = 100


def read_kml(path: Path) -> list[Feature]:
    """Read the placemarks of a KML file that have a geometry."""
    return _features(read_bytes(path), path)


def read_kmz(path: Path) -> list[Feature]:
    """Read the placemarks of a KMZ: of its doc.kml, else of the first KML inside (as the standard says)."""
    names = [n for n in member_names(path) if n.lower().endswith(".kml")]
    if not names:
        raise UnreadableFileError("is a zip without a .kml inside", where=str(path))
    return _features(read_member(path, "doc.kml" if "doc.kml" in names else names[0]), path)


def _features(data: bytes, path: Path) -> list[Feature]:
    try:
        root = defusedxml.ElementTree.fromstring(data)
    except DefusedXmlException as error:
        raise UnreadableFileError(
            "is not readable KML: it declares entities, which no map needs and which can be made to explode",
            where=str(path),
            hint="Export it again from the program that it came from",
        ) from error
    except (XmlParseError, ValueError, LookupError) as error:
        raise UnreadableFileError(f"is not readable KML: {error}", where=str(path)) from error
    features = []
    for i, (placemark, folder) in enumerate(_placemarks(root, path), start=1):
        properties = {"folder": folder} | _properties(placemark)
        label = named(f"placemark {i}", properties)
        shapes = list(_shapes(placemark, f"{path}, {label}", 0))
        if shapes:
            features.append(Feature(collect(shapes), properties, label, wgs84()))
    return features


def _placemarks(root: Element, path: Path) -> Iterator[tuple[Element, str]]:
    """Yield each placemark with the name of the innermost folder it lies in."""
    # A stack of our own: a file nested a million deep must not end the program.
    waiting: list[tuple[Element, str, int]] = [(root, "", 0)]
    while waiting:
        element, folder, depth = waiting.pop()
        tag = _tag(element)
        if depth > _MAX_DEPTH:
            raise UnreadableFileError(f"is nested deeper than {_MAX_DEPTH} folders", where=str(path))
        if tag == "Placemark":
            yield element, folder
            continue
        if tag == "Folder":
            names = [(e.text or "").strip() for e in element if _tag(e) == "name"]
            folder = names[0] if names else ""
        waiting += [(child, folder, depth + 1) for child in reversed(element)]


def _tag(element: Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _properties(placemark: Element) -> dict[str, Any]:
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


def _shapes(element: Element, where: str, depth: int) -> Iterator[Any]:
    if depth > _MAX_DEPTH:
        raise UnreadableFileError(f"is nested deeper than {_MAX_DEPTH} geometries", where=where)
    for child in element:
        tag = _tag(child)
        if tag == "Polygon":
            shells = [_coordinates(e, where) for e in child if _tag(e) == "outerBoundaryIs"]
            holes = [_coordinates(e, where) for e in child if _tag(e) == "innerBoundaryIs"]
            if len(shells) != 1:
                raise UnreadableFileError("has a polygon without one outer boundary", where=where)
            yield polygon(shells[0], holes, where)
        elif tag == "Point":
            yield shapely.Point(_coordinates(child, where)[0])
        elif tag in ("LineString", "LinearRing"):
            points = _coordinates(child, where)
            if len(points) < 2:
                raise UnreadableFileError("has a line of fewer than two points", where=where)
            yield shapely.LineString(points)
        elif tag == "MultiGeometry":
            yield from _shapes(child, where, depth + 1)


def _coordinates(element: Element, where: str) -> list[Point]:
    text = " ".join(e.text or "" for e in element.iter() if _tag(e) == "coordinates")
    points = []
    for token in text.split():
        parts = token.split(",")
        if not 2 <= len(parts) <= 3 or "" in parts[:2]:
            raise UnreadableFileError(
                f"has coordinates that are not numbers: {printable(token)!r}",
                where=where,
                hint="KML writes longitude,latitude,height without spaces between them",
            )
        points.append((number(parts[0], where), number(parts[1], where)))
    if not points:
        raise UnreadableFileError("has a geometry without coordinates", where=where)
    return points
