"""QGroundControl's .plan: mission, fence and rally points in one JSON file.

Source: QGroundControl developer guide, "Plan File Format" (version 1; mission 2, geoFence 2, rallyPoints 2).
QGroundControl passes over keys it does not know, so an item's transect and an unset speed are kept under keys of our
own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flightplan.formats.checks import (
    MAX_ITEMS,
    altitude,
    fence_circle,
    fence_polygon,
    json_of,
    latitude,
    longitude,
    mapping,
    mission_item,
    name_or_none,
    number,
    rally_point,
    refuse,
    sequence,
    seven_params,
    speed,
    whole,
)
from flightplan.mission import (
    AutopilotType,
    Command,
    FenceCircle,
    FencePolygon,
    Mission,
    MissionItem,
    RallyPoint,
    VehicleType,
)

_MIXED, _RELATIVE, _ABSOLUTE, _CALCULATED, _TERRAIN = 0, 1, 2, 3, 4
_SAME_M = 0.01
_ALTITUDE_MODES = {0: _ABSOLUTE, 3: _RELATIVE, 5: _ABSOLUTE, 6: _RELATIVE, 10: _TERRAIN, 11: _TERRAIN}
_DEFAULT_CRUISE_MPS, _DEFAULT_HOVER_MPS = 15.0, 5.0


def read_qgc_plan(text: str, where: str) -> Mission:
    """Read a plan; surveys and other patterns become the items they hold. Raises MissionFormatError with the place."""
    document = mapping(json_of(text, where), "the plan", where)
    if document.get("fileType") != "Plan":
        refuse(f"fileType is {document.get('fileType')!r}, not 'Plan'", where)
    _version(document, (1,), "the plan", where)
    place = f"{where}, mission"
    mission = mapping(document.get("mission"), "the mission", where)
    _version(mission, (1, 2), "the mission", place)
    numbered = list(_items(sequence(mission.get("items"), "items", place), f"{place}.items"))
    items = tuple(_jumps_resolved(numbered))
    if len(items) > MAX_ITEMS:
        refuse(f"{len(items)} items, more than MAVLink can count", place)
    home, home_altitude = _home(mission.get("plannedHomePosition"), f"{place}.plannedHomePosition")
    fence, circles = _fence(document.get("geoFence"), f"{where}, geoFence")
    rally = _rally(document.get("rallyPoints"), f"{where}, rallyPoints")
    return Mission(
        items=items,
        home=home,
        home_altitude_msl_m=home_altitude,
        fence=fence,
        rally=rally,
        cruise_speed_mps=_speed(document, mission, place),
        fence_circles=circles,
        autopilot_type=_made_for(document, mission, "firmware", place),
        vehicle_type=_made_for(document, mission, "vehicle", place),
    )


def write_qgc_plan(mission: Mission) -> str:
    """Return a plan that QGroundControl opens. An unknown home is written as 0, 0."""
    return plan_text(plan_document(mission, [item_document(item, n) for n, item in enumerate(mission.items, start=1)]))


def plan_text(document: Mapping[str, Any]) -> str:
    """Return a plan's JSON as text."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def plan_document(mission: Mission, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a plan with these entries as its items, and fence, rally points, home and speed of the mission."""
    longitude_deg, latitude_deg = mission.home or (0.0, 0.0)
    known = mission.cruise_speed_mps is not None
    return {
        "fileType": "Plan",
        "groundStation": "overfly",
        "version": 1,
        "overfly": {
            "speedKnown": known,
            "firmwareKnown": mission.autopilot_type is not None,
            "vehicleKnown": mission.vehicle_type is not None,
        },
        "mission": {
            "version": 2,
            "firmwareType": AutopilotType.ARDUPILOT if mission.autopilot_type is None else mission.autopilot_type,
            "vehicleType": VehicleType.QUADROTOR if mission.vehicle_type is None else mission.vehicle_type,
            "globalPlanAltitudeMode": _altitude_mode(mission),
            "cruiseSpeed": mission.cruise_speed_mps if known else _DEFAULT_CRUISE_MPS,
            "hoverSpeed": mission.cruise_speed_mps if known else _DEFAULT_HOVER_MPS,
            "plannedHomePosition": [latitude_deg, longitude_deg, mission.home_altitude_msl_m],
            "items": items,
        },
        "geoFence": {
            "version": 2,
            "polygons": [
                {"version": 1, "inclusion": p.inclusion, "polygon": [[lat, lon] for lon, lat in p.ring]}
                for p in mission.fence
            ],
            "circles": [
                {
                    "version": 1,
                    "inclusion": c.inclusion,
                    "circle": {"center": [c.latitude_deg, c.longitude_deg], "radius": c.radius_m},
                }
                for c in mission.fence_circles
            ],
        },
        "rallyPoints": {
            "version": 2,
            "points": [[p.latitude_deg, p.longitude_deg, p.altitude_home_m] for p in mission.rally],
        },
    }


def _version(document: Mapping[str, Any], known: tuple[int, ...], what: str, where: str) -> None:
    if document.get("version") not in known or isinstance(document.get("version"), bool):
        versions = " or ".join(str(v) for v in known)
        refuse(f"{what} has version {document.get('version')!r}; version {versions} is read here", where)


@dataclass(frozen=True)
class _Read:
    """An item, and the number by which jumps name it in the file."""

    item: MissionItem
    jump_id: Any
    where: str


def _jumps_resolved(read: list[_Read]) -> Iterator[MissionItem]:
    """Yield the items; a jump goes to an item's `doJumpId`, which need not be its place in the mission."""
    jumps = any(entry.item.command == Command.DO_JUMP for entry in read)
    places: dict[float, int] = {}
    for place, entry in enumerate(read, start=1):
        if jumps and entry.jump_id is not None:
            identifier = number(entry.jump_id, "doJumpId", entry.where)
            if identifier in places:
                refuse(f"doJumpId {identifier:g} is there twice", entry.where)
            places[identifier] = place
    renumbered = any(identifier != place for identifier, place in places.items())
    for entry in read:
        item = entry.item
        if item.command == Command.DO_JUMP and renumbered:
            target = item.params[0]
            if target not in places:
                refuse(f"a jump to item {target:g}, which is not there", entry.where)
            item = replace(item, params=(float(places[target]), *item.params[1:]))
        yield item


def _items(entries: list[Any], where: str) -> Iterator[_Read]:
    for n, entry in enumerate(entries):
        place = f"{where}[{n}]"
        item = mapping(entry, "the item", place)
        kind = item.get("type")
        if kind == "ComplexItem":
            for m, held in enumerate(_held(item, place)):
                inner = mapping(held, "the item", f"{place}.Items[{m}]")
                yield _Read(_item(inner, f"{place}.Items[{m}]"), inner.get("doJumpId"), f"{place}.Items[{m}]")
        elif kind == "SimpleItem":
            yield _Read(_item(item, place), item.get("doJumpId"), place)
        else:
            refuse(f"type is {kind!r}, neither SimpleItem nor ComplexItem", place)


def _held(pattern: Mapping[str, Any], where: str) -> list[Any]:
    """Return the items that a pattern (survey, CorridorScan) keeps beside the settings that made them."""
    style = pattern.get("TransectStyleComplexItem")
    held = style.get("Items") if isinstance(style, dict) else None
    if not isinstance(held, list) or not held:
        refuse(
            f"a {pattern.get('complexItemType')!r} pattern does not hold its items",
            where,
            "In QGroundControl, save the mission after sending it to a vehicle and loading it back",
        )
    return sequence(held, "Items", where)


def _item(item: Mapping[str, Any], where: str) -> MissionItem:
    auto = item.get("autoContinue")
    if not isinstance(auto, bool):
        refuse(f"autoContinue is {auto!r}, not true or false", where)
    transect = name_or_none(item.get("transect"), "transect", where)
    read = mission_item(
        whole(item.get("command"), "the command", where),
        whole(item.get("frame"), "the frame", where, 0, 255),
        sequence(item.get("params"), "params", where),
        where,
        autocontinue=auto,
        transect=transect,
    )
    if item.get("Altitude") is not None and read.longitude_deg is not None and item.get("AltitudeMode") != _CALCULATED:
        said_m = altitude(item["Altitude"], where, "Altitude")
        # QGroundControl flies the one, MAVSDK the other.
        if abs(said_m - read.altitude_m) > _SAME_M:
            refuse(f"Altitude is {said_m:g}, and parameter 7 is {read.altitude_m:g}", where)
    return read


def item_document(item: MissionItem, number: int) -> dict[str, Any]:
    """Return a SimpleItem; `number` is its place in the mission, from 1, home not counted."""
    document: dict[str, Any] = {
        "type": "SimpleItem",
        "autoContinue": item.autocontinue,
        "command": int(item.command),
        "doJumpId": number,
        "frame": int(item.frame),
        "params": [None if math.isnan(value) else value for value in seven_params(item)],
    }
    if item.longitude_deg is not None or item.frame in _ALTITUDE_MODES:
        document["Altitude"] = item.altitude_m
        document["AltitudeMode"] = _ALTITUDE_MODES.get(item.frame, _RELATIVE)
        document["AMSLAltAboveTerrain"] = None
    if item.transect is not None:
        document["transect"] = item.transect
    return document


def _altitude_mode(mission: Mission) -> int:
    modes = {_ALTITUDE_MODES[i.frame] for i in mission.items if i.frame in _ALTITUDE_MODES}
    return modes.pop() if len(modes) == 1 else _MIXED if modes else _RELATIVE


def _home(value: Any, where: str) -> tuple[tuple[float, float] | None, float | None]:
    if value is None:
        refuse("plannedHomePosition is missing", where)
    if isinstance(value, dict):
        value = value.get("coordinate")
    position = sequence(value, "plannedHomePosition", where)
    if len(position) != 3:
        refuse(f"{len(position)} values instead of latitude, longitude and altitude", where)
    home_altitude = None if position[2] is None else altitude(position[2], where)
    lat, lon = latitude(position[0], where), longitude(position[1], where)
    return ((lon, lat) if (lat, lon) != (0.0, 0.0) else None), home_altitude


def _speed(document: Mapping[str, Any], mission: Mapping[str, Any], where: str) -> float | None:
    if _said_unknown(document, "speed"):
        return None
    hovers = mission.get("vehicleType", VehicleType.QUADROTOR) == VehicleType.QUADROTOR
    name = "hoverSpeed" if hovers else "cruiseSpeed"
    value = mission.get(name)
    return None if value is None else speed(value, name, where)


def _made_for(document: Mapping[str, Any], mission: Mapping[str, Any], what: str, where: str) -> int | None:
    """Return a MAV_AUTOPILOT (firmware) or MAV_TYPE (vehicle)."""
    value = mission.get(f"{what}Type")
    known = None if value is None else whole(value, f"{what}Type", where, 0, 255)
    return None if _said_unknown(document, what) else known


def _said_unknown(document: Mapping[str, Any], what: str) -> bool:
    """Whether overfly wrote a value only because QGroundControl asks for one."""
    ours = document.get("overfly")
    return isinstance(ours, dict) and ours.get(f"{what}Known") is False


def _fence(value: Any, where: str) -> tuple[tuple[FencePolygon, ...], tuple[FenceCircle, ...]]:
    if value is None:
        return (), ()
    fence = mapping(value, "geoFence", where)
    _version(fence, (1, 2), "the fence", where)
    # Version 1 had neither list; version 2 asks for both.
    absent: list[Any] | None = [] if fence["version"] == 1 else None
    polygons = []
    for n, entry in enumerate(sequence(fence.get("polygons", absent), "polygons", where)):
        place = f"{where}.polygons[{n}]"
        polygon = mapping(entry, "the polygon", place)
        corners = sequence(polygon.get("polygon"), "polygon", place)
        points = [_pair(corner, place) for corner in corners]
        polygons.append(fence_polygon(points, _inclusion(polygon, place), place))
    # Version 1 had one polygon without a flag, which was an inclusion.
    if fence.get("polygon"):
        points = [_pair(corner, where) for corner in sequence(fence["polygon"], "polygon", where)]
        polygons.append(fence_polygon(points, True, where))
    circles = []
    for n, entry in enumerate(sequence(fence.get("circles", absent), "circles", where)):
        place = f"{where}.circles[{n}]"
        circle = mapping(entry, "the circle", place)
        shape = mapping(circle.get("circle"), "circle", place)
        lon, lat = _pair(shape.get("center"), place)
        circles.append(fence_circle(lon, lat, shape.get("radius"), _inclusion(circle, place), place))
    return tuple(polygons), tuple(circles)


def _rally(value: Any, where: str) -> tuple[RallyPoint, ...]:
    if value is None:
        return ()
    rally = mapping(value, "rallyPoints", where)
    _version(rally, (1, 2), "the rally points", where)
    points = []
    for n, entry in enumerate(sequence(rally.get("points"), "points", where)):
        point = sequence(entry, "the rally point", f"{where}.points[{n}]")
        if len(point) != 3:
            refuse(f"{len(point)} values instead of latitude, longitude and altitude", f"{where}.points[{n}]")
        points.append(rally_point(point[1], point[0], point[2], f"{where}.points[{n}]"))
    return tuple(points)


def _pair(value: Any, where: str) -> tuple[Any, Any]:
    pair = sequence(value, "a corner", where)
    if len(pair) != 2:
        refuse(f"{len(pair)} values instead of latitude and longitude", where)
    return pair[1], pair[0]


def _inclusion(entry: Mapping[str, Any], where: str) -> bool:
    value = entry.get("inclusion")
    if not isinstance(value, bool):
        refuse(f"inclusion is {value!r}, not true or false", where)
    return value
