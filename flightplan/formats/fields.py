"""A mission as named fields, one by one: what GeoJSON and KML carry beside their geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flightplan.formats.checks import (
    altitude,
    fence_circle,
    fence_polygon,
    latitude,
    longitude,
    mission_item,
    name_or_none,
    rally_point,
    refuse,
    seven_params,
    speed,
    whole,
)
from flightplan.mission import Mission, MissionItem

_SAME_DEG = 2e-7
"""How far a drawn point may lie from the item's own: programs that save a file again keep seven places."""
_MOVE_ITEMS = "Change param5 (latitude), param6 (longitude) and the drawing, or plan again"

VERSION = 1
ROLES = ("home", "item", "path", "fence", "fence circle", "rally point")


def whole_fields(mission: Mission) -> dict[str, Any]:
    """Return the fields of a mission as a whole."""
    return {
        "version": VERSION,
        "cruise_speed_mps": mission.cruise_speed_mps,
        "autopilot_type": mission.autopilot_type,
        "vehicle_type": mission.vehicle_type,
    }


def item_fields(item: MissionItem, number: int) -> dict[str, Any]:
    """Return an item's fields; parameters that are to be left as they are become None."""
    fields: dict[str, Any] = {"number": number, "command": int(item.command), "frame": int(item.frame)}
    for n, value in enumerate(seven_params(item), start=1):
        fields[f"param{n}"] = None if math.isnan(value) else value
    return {**fields, "autocontinue": item.autocontinue, "transect": item.transect}


class Collector:
    """A mission being read, feature by feature."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._items: list[MissionItem] = []
        self._mission: dict[str, Any] = {"fence": [], "fence_circles": [], "rally": []}
        self._path: list[tuple[Any, Any]] | None = None
        self._path_where = where

    def add(self, role: str, fields: Mapping[str, Any], points: list[tuple[Any, Any]], where: str) -> None:
        """Take in one feature: its role, its fields, its (longitude, latitude) points."""
        if role == "item":
            if fields.get("number") != len(self._items) + 1:
                refuse(f"item {fields.get('number')!r} where item {len(self._items) + 1} should be", where)
            item = _item(fields, where)
            self._check_place(item, points, where)
            self._items.append(item)
        elif role == "home":
            if "home" in self._mission:
                refuse("a second home", where)
            lon, lat = _one(points, where)
            self._mission["home"] = (longitude(lon, where), latitude(lat, where))
            height = _said(fields, "altitude_msl_m", where)
            self._mission["home_altitude_msl_m"] = None if height is None else altitude(height, where)
        elif role == "fence":
            self._mission["fence"].append(fence_polygon(points, _flag(fields, "inclusion", where), where))
        elif role == "fence circle":
            inclusion = _flag(fields, "inclusion", where)
            circle = fence_circle(*_one(points, where), fields.get("radius_m"), inclusion, where)
            self._mission["fence_circles"].append(circle)
        elif role == "rally point":
            self._mission["rally"].append(rally_point(*_one(points, where), fields.get("altitude_home_m"), where))
        elif role == "path":
            if self._path is not None:
                refuse("a second path", where)
            self._path, self._path_where = points, where
        else:
            refuse(f"role {role!r} is none of {', '.join(ROLES)}", where)

    def take_whole(self, fields: Mapping[str, Any]) -> None:
        """Take in what is said of the mission as a whole; null is unset."""
        if fields.get("version") != VERSION:
            refuse(
                f"version {fields.get('version')!r} of overfly's missions; version {VERSION} is read here", self._where
            )
        value = _said(fields, "cruise_speed_mps", self._where)
        if value is not None:
            self._mission["cruise_speed_mps"] = speed(value, "the cruise speed", self._where)
        for name in ("autopilot_type", "vehicle_type"):
            value = _said(fields, name, self._where)
            self._mission[name] = None if value is None else whole(value, name, self._where, 0, 255)

    def mission(self) -> Mission:
        """Return what was read. Raises MissionFormatError when the path is not the one that the items fly."""
        if self._path is not None:
            places = [_place(item) for item in self._items if item.longitude_deg is not None]
            if len(places) != len(self._path) or not all(
                _near(place, point, self._path_where) for place, point in zip(places, self._path, strict=True)
            ):
                refuse("the path is not the one that the items fly", self._path_where, _MOVE_ITEMS)
        found: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self._mission.items()
        }
        return Mission(items=tuple(self._items), **found)

    def _check_place(self, item: MissionItem, points: list[tuple[Any, Any]], where: str) -> None:
        if points and (item.longitude_deg is None or not _near(_place(item), _one(points, where), where)):
            refuse("its point is not where its parameters 5 and 6 say", where, _MOVE_ITEMS)


def _place(item: MissionItem) -> tuple[float, float]:
    return item.longitude_deg or 0.0, item.latitude_deg or 0.0


def _near(place: tuple[float, float], point: tuple[Any, Any], where: str) -> bool:
    lon, lat = longitude(point[0], where), latitude(point[1], where)
    return max(abs(lon - place[0]), abs(lat - place[1])) <= _SAME_DEG


def _item(fields: Mapping[str, Any], where: str) -> MissionItem:
    transect = name_or_none(_said(fields, "transect", where), "transect", where)
    return mission_item(
        whole(fields.get("command"), "the command", where),
        whole(fields.get("frame"), "the frame", where, 0, 255),
        [_said(fields, f"param{n}", where) for n in range(1, 8)],
        where,
        autocontinue=_flag(fields, "autocontinue", where),
        transect=transect,
    )


def _said(fields: Mapping[str, Any], name: str, where: str) -> Any:
    """Return a field that may be null, but not absent: a name spelt wrong must not mean "leave it as it is"."""
    if name not in fields:
        refuse(f"{name} is missing", where)
    return fields[name]


def _flag(fields: Mapping[str, Any], name: str, where: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        refuse(f"{name} is {value!r}, not true or false", where)
    return value


def _one(points: list[tuple[Any, Any]], where: str) -> tuple[Any, Any]:
    if len(points) != 1:
        refuse(f"{len(points)} points instead of one", where)
    return points[0]
