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
    rally_point,
    refuse,
    seven_params,
    speed,
    whole,
)
from flightplan.mission import Mission, MissionItem

ROLES = ("home", "item", "path", "fence", "fence circle", "rally point")


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

    def add(self, role: str, fields: Mapping[str, Any], points: list[tuple[Any, Any]], where: str) -> None:
        """Take in one feature: its role, its fields, its (longitude, latitude) points."""
        if role == "item":
            if fields.get("number") != len(self._items) + 1:
                refuse(f"item {fields.get('number')!r} where item {len(self._items) + 1} should be", where)
            self._items.append(_item(fields, where))
        elif role == "home":
            lon, lat = _one(points, where)
            self._mission["home"] = (longitude(lon, where), latitude(lat, where))
            height = fields.get("altitude_msl_m")
            self._mission["home_altitude_msl_m"] = None if height is None else altitude(height, where)
        elif role == "fence":
            self._mission["fence"].append(fence_polygon(points, _flag(fields, "inclusion", where), where))
        elif role == "fence circle":
            inclusion = _flag(fields, "inclusion", where)
            circle = fence_circle(*_one(points, where), fields.get("radius_m"), inclusion, where)
            self._mission["fence_circles"].append(circle)
        elif role == "rally point":
            self._mission["rally"].append(rally_point(*_one(points, where), fields.get("altitude_home_m"), where))
        elif role != "path":
            refuse(f"role {role!r} is none of {', '.join(ROLES)}", where)

    def set_speed(self, value: Any) -> None:
        """Take in the cruise speed, None when unset."""
        if value is not None:
            self._mission["cruise_speed_mps"] = speed(value, "the cruise speed", self._where)

    def mission(self) -> Mission:
        """Return what was read."""
        found: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self._mission.items()
        }
        return Mission(items=tuple(self._items), **found)


def _item(fields: Mapping[str, Any], where: str) -> MissionItem:
    transect = fields.get("transect")
    if transect is not None and not isinstance(transect, str):
        refuse(f"transect is {transect!r}, not a name", where)
    return mission_item(
        whole(fields.get("command"), "the command", where),
        whole(fields.get("frame"), "the frame", where, 0, 255),
        [fields.get(f"param{n}") for n in range(1, 8)],
        where,
        autocontinue=_flag(fields, "autocontinue", where),
        transect=transect,
    )


def _flag(fields: Mapping[str, Any], name: str, where: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        refuse(f"{name} is {value!r}, not true or false", where)
    return value


def _one(points: list[tuple[Any, Any]], where: str) -> tuple[Any, Any]:
    if len(points) != 1:
        refuse(f"{len(points)} points instead of one", where)
    return points[0]
