"""A mission as GeoJSON (RFC 7946), for GIS: home, path, items, fence and rally points, each a feature with its role."""

from __future__ import annotations

import json
from typing import Any

from flightplan.formats.checks import json_of, mapping, refuse, sequence
from flightplan.formats.fields import Collector, item_fields, whole_fields
from flightplan.mission import Mission

MARK = "overfly mission"


def read_geojson(text: str, where: str) -> Mission:
    """Read a mission written by `write_geojson`. Raises MissionFormatError with the feature named."""
    document = mapping(json_of(text, where), "the document", where)
    ours = document.get("overfly")
    if document.get("type") != "FeatureCollection" or not isinstance(ours, dict) or ours.get("type") != MARK:
        refuse(
            "GeoJSON, but not a mission written by overfly: it does not say how to fly",
            where,
            "For an area to survey use `overfly plan`",
        )
    collector = Collector(where)
    collector.take_whole(ours)
    for n, entry in enumerate(sequence(document.get("features"), "features", where, most=200_000)):
        place = f"{where}, feature {n}"
        feature = mapping(entry, "the feature", place)
        fields = mapping(feature.get("properties"), "properties", place)
        collector.add(str(fields.get("role")), fields, _points(feature.get("geometry"), place), place)
    return collector.mission()


def write_geojson(mission: Mission) -> str:
    """Return all of a mission as a FeatureCollection."""
    features = []
    if mission.home is not None:
        fields = {"role": "home", "altitude_msl_m": mission.home_altitude_msl_m}
        features.append(_feature("Point", list(mission.home), fields))
    path = [[i.longitude_deg, i.latitude_deg] for i in mission.items if i.longitude_deg is not None]
    if len(path) > 1:
        features.append(_feature("LineString", path, {"role": "path"}))
    for n, item in enumerate(mission.items, start=1):
        fields = {"role": "item", **item_fields(item, n)}
        point = None if item.longitude_deg is None else [item.longitude_deg, item.latitude_deg]
        features.append(_feature("Point", point, fields))
    for polygon in mission.fence:
        ring = [list(point) for point in (*polygon.ring, polygon.ring[0])]
        features.append(_feature("Polygon", [ring], {"role": "fence", "inclusion": polygon.inclusion}))
    for circle in mission.fence_circles:
        fields = {"role": "fence circle", "inclusion": circle.inclusion, "radius_m": circle.radius_m}
        features.append(_feature("Point", [circle.longitude_deg, circle.latitude_deg], fields))
    for rally in mission.rally:
        fields = {"role": "rally point", "altitude_home_m": rally.altitude_home_m}
        features.append(_feature("Point", [rally.longitude_deg, rally.latitude_deg], fields))
    document = {
        "type": "FeatureCollection",
        "overfly": {"type": MARK, **whole_fields(mission)},
        "features": features,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _feature(kind: str, coordinates: list[Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    geometry = None if coordinates is None else {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": fields, "geometry": geometry}


def _points(geometry: Any, where: str) -> list[tuple[Any, Any]]:
    if geometry is None:
        return []
    shape = mapping(geometry, "geometry", where)
    kind = shape.get("type")
    coordinates = sequence(shape.get("coordinates"), "coordinates", where)
    if kind == "Point":
        return [_pair(coordinates, where)]
    if kind == "LineString":
        return [_pair(point, where) for point in coordinates]
    if kind == "Polygon" and len(coordinates) == 1:
        return [_pair(point, where) for point in sequence(coordinates[0], "the ring", where)]
    return refuse(f"a {kind!r} where a point, a line or a polygon without holes should be", where)


def _pair(value: Any, where: str) -> tuple[Any, Any]:
    point = sequence(value, "a point", where)
    if len(point) not in (2, 3):
        refuse(f"a point of {len(point)} numbers", where)
    return point[0], point[1]
