"""A mission as KML 2.2 (OGC 07-147r2), to look at in Google Earth; its fields are kept as ExtendedData."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flightplan.formats.checks import json_of, plain, refuse, xml_of
from flightplan.formats.fields import Collector, item_fields, whole_fields
from flightplan.mission import Frame, Mission, MissionItem

_KML = "http://www.opengis.net/kml/2.2"
_HEADER = b'<?xml version="1.0" encoding="UTF-8"?>\n'
MARK = "overfly mission"
_ALTITUDE_MODES = {0: "absolute", 5: "absolute"}


def read_kml(data: bytes, where: str) -> Mission:
    """Read a mission written by `write_kml`. Raises MissionFormatError with the placemark named."""
    root = xml_of(data, where)
    document = root.find(f"{{{_KML}}}Document")
    marked = _fields(document, where) if document is not None else {}
    if document is None or marked.get("type") != MARK:
        refuse(
            "KML, but not a mission written by overfly: it does not say how to fly",
            where,
            "For an area to survey use `overfly plan`",
        )
    collector = Collector(where)
    collector.take_whole(marked)
    for n, placemark in enumerate(root.iter(f"{{{_KML}}}Placemark")):
        place = f"{where}, placemark {n}"
        fields = _fields(placemark, place)
        collector.add(str(fields.get("role")), fields, _points(placemark, place), place)
    return collector.mission()


def write_kml(mission: Mission) -> bytes:
    """Return all of a mission, in folders: path, items, fence, rally points."""
    root = Element("kml", {"xmlns": _KML})
    document = SubElement(root, "Document")
    SubElement(document, "name").text = "Mission"
    _styles(document)
    _extend(document, {"type": MARK, **whole_fields(mission)})
    if mission.home is not None:
        placemark = _placemark(document, "Home", {"role": "home", "altitude_msl_m": mission.home_altitude_msl_m})
        _point(placemark, *mission.home, None)
    _path(document, mission)
    items = _folder(document, "Items")
    for n, item in enumerate(mission.items, start=1):
        placemark = _placemark(items, f"{n}", {"role": "item", **item_fields(item, n)})
        if item.longitude_deg is not None and item.latitude_deg is not None:
            _point(placemark, item.longitude_deg, item.latitude_deg, item)
    fences = _folder(document, "Fence")
    for polygon in mission.fence:
        name = "Stay inside" if polygon.inclusion else "Stay out"
        placemark = _placemark(fences, name, {"role": "fence", "inclusion": polygon.inclusion})
        SubElement(placemark, "styleUrl").text = "#inside" if polygon.inclusion else "#outside"
        boundary = SubElement(SubElement(SubElement(placemark, "Polygon"), "outerBoundaryIs"), "LinearRing")
        ring = (*polygon.ring, polygon.ring[0])
        SubElement(boundary, "coordinates").text = " ".join(f"{plain(lon)},{plain(lat)}" for lon, lat in ring)
    for circle in mission.fence_circles:
        fields = {"role": "fence circle", "inclusion": circle.inclusion, "radius_m": circle.radius_m}
        placemark = _placemark(fences, f"Circle of {circle.radius_m:g} m", fields)
        _point(placemark, circle.longitude_deg, circle.latitude_deg, None)
    rallies = _folder(document, "Rally points")
    for rally in mission.rally:
        fields = {"role": "rally point", "altitude_home_m": rally.altitude_home_m}
        _point(_placemark(rallies, "Rally point", fields), rally.longitude_deg, rally.latitude_deg, None)
    indent(root, " ")
    return _HEADER + str(tostring(root, encoding="unicode")).encode("utf-8") + b"\n"


def _styles(document: Element) -> None:
    for name, colour in (("path", "ff00d7ff"), ("inside", "ff50b050"), ("outside", "ff3030e0")):
        style = SubElement(document, "Style", {"id": name})
        line = SubElement(style, "LineStyle")
        SubElement(line, "color").text = colour
        SubElement(line, "width").text = "2"
        SubElement(SubElement(style, "PolyStyle"), "fill").text = "0"


def _path(document: Element, mission: Mission) -> None:
    points = [i for i in mission.items if i.longitude_deg is not None]
    if len(points) < 2:
        return
    placemark = _placemark(document, "Path", {"role": "path"})
    SubElement(placemark, "styleUrl").text = "#path"
    line = SubElement(placemark, "LineString")
    SubElement(line, "altitudeMode").text = _ALTITUDE_MODES.get(points[-1].frame, "relativeToGround")
    text = " ".join(f"{plain(i.longitude_deg or 0.0)},{plain(i.latitude_deg or 0.0)},{i.altitude_m:g}" for i in points)
    SubElement(line, "coordinates").text = text


def _folder(document: Element, name: str) -> Element:
    folder = SubElement(document, "Folder")
    SubElement(folder, "name").text = name
    return folder


def _placemark(parent: Element, name: str, fields: Mapping[str, Any]) -> Element:
    placemark = SubElement(parent, "Placemark")
    SubElement(placemark, "name").text = name
    _extend(placemark, fields)
    return placemark


def _extend(parent: Element, fields: Mapping[str, Any]) -> None:
    data = SubElement(parent, "ExtendedData")
    for name, value in fields.items():
        entry = SubElement(data, "Data", {"name": name})
        SubElement(entry, "value").text = json.dumps(value, ensure_ascii=True, allow_nan=False)


def _point(placemark: Element, lon: float, lat: float, item: MissionItem | None) -> None:
    point = SubElement(placemark, "Point")
    height = ""
    if item is not None:
        mode = _ALTITUDE_MODES.get(item.frame, "relativeToGround")
        SubElement(point, "altitudeMode").text = mode if item.frame != Frame.MISSION else "clampToGround"
        height = f",{plain(item.altitude_m)}"
    SubElement(point, "coordinates").text = f"{plain(lon)},{plain(lat)}{height}"


def _fields(element: Element, where: str) -> dict[str, Any]:
    data = element.find(f"{{{_KML}}}ExtendedData")
    if data is None:
        return {}
    found = {}
    for entry in data.findall(f"{{{_KML}}}Data"):
        text = entry.findtext(f"{{{_KML}}}value") or ""
        name = entry.get("name", "")
        if name in found:
            refuse(f"{name!r} is said twice", where)
        found[name] = json_of(text, where)
    return found


def _points(placemark: Element, where: str) -> list[tuple[Any, Any]]:
    texts = [element.text or "" for element in placemark.iter(f"{{{_KML}}}coordinates")]
    if len(texts) > 1:
        refuse(f"{len(texts)} geometries instead of one", where)
    return list(_pairs(texts[0], where)) if texts else []


def _pairs(text: str, where: str) -> Iterator[tuple[Any, Any]]:
    for part in text.split():
        values = part.split(",")
        if len(values) not in (2, 3):
            refuse(f"coordinates {part[:40]!r} are not longitude,latitude", where)
        yield values[0], values[1]
