"""A mission, a fence and rally points as the items of MAVLink's mission protocol, and what two lists of them mean.

Vehicles do not give back the bytes they were given (ArduPilot: item 0 is its own home, commands without a position
change their frame, some parameters are packed or dropped), so lists are compared by meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from flightplan.mission import Frame, Mission, MissionItem
from flightplan.vehicle.connection import ardupilotmega

MISSION, FENCE, RALLY = 0, 1, 2
KINDS = {MISSION: "mission", FENCE: "fence", RALLY: "rally points"}
_FENCE_INCLUSION, _FENCE_EXCLUSION, _CIRCLE_INCLUSION, _CIRCLE_EXCLUSION, _RALLY_POINT = 5001, 5002, 5003, 5004, 5100
# MAV_FRAME values with integer coordinates mean the same as those without.
_SAME_FRAME = {5: 0, 6: 3, 11: 10}
# Parameters (1 to 4) that an ArduCopter stores, by command; it drops the others (AP_Mission.cpp,
# mavlink_int_to_mission_cmd). Commands that are not named here are compared in all four.
_ARDUPILOT_KEEPS = {16: (1,), 19: (1,), 20: (), 21: (), 22: (), 178: (1, 2, 3), 206: (1, 3)}
# Of those, the ones it stores as whole numbers.
_ARDUPILOT_WHOLE = {16: (1,), 19: (1,)}
_WITHOUT_POSITION = frozenset({20, 178, 203, 205, 206, 112, 114, 115, 177, 183, 2000, 2001})


@dataclass(frozen=True)
class WireItem:
    """One item as MISSION_ITEM_INT carries it: `x`, `y` are latitude and longitude in degrees × 10⁷, `z` in metres."""

    command: int
    frame: int
    params: tuple[float, float, float, float]
    x: int = 0
    y: int = 0
    z: float = 0.0
    autocontinue: bool = True

    @classmethod
    def of(cls, message: Any) -> WireItem:
        """Read a MISSION_ITEM_INT or MISSION_ITEM message."""
        scale = 1 if message.get_type() == "MISSION_ITEM_INT" else 1e7
        params = (message.param1, message.param2, message.param3, message.param4)
        return cls(
            message.command, message.frame, params, round(message.x * scale), round(message.y * scale), message.z
        )

    def message(self, sequence: int, kind: int) -> Any:
        """Return the MISSION_ITEM_INT for a place in a list of `kind`."""
        return ardupilotmega.MAVLink_mission_item_int_message(
            0, 1, sequence, self.frame, self.command, 0, self.autocontinue, *self.params, self.x, self.y, self.z, kind
        )


def mission_items(mission: Mission, *, with_home: bool) -> tuple[WireItem, ...]:
    """Return a mission's items; ArduPilot wants its home before them (`with_home`)."""
    items = [_wire(item) for item in mission.items]
    if with_home:
        longitude_deg, latitude_deg = mission.home or (0.0, 0.0)
        home = WireItem(
            16,
            Frame.GLOBAL,
            (0.0, 0.0, 0.0, 0.0),
            _degrees_e7(latitude_deg),
            _degrees_e7(longitude_deg),
            mission.home_altitude_msl_m or 0.0,
        )
        items.insert(0, home)
    return tuple(items)


def fence_items(mission: Mission) -> tuple[WireItem, ...]:
    """Return the vertices of a mission's fence polygons, each with its polygon's count, and its circles."""
    vertices = [
        WireItem(
            _FENCE_INCLUSION if polygon.inclusion else _FENCE_EXCLUSION,
            Frame.GLOBAL,
            (float(len(polygon.ring)), 0.0, 0.0, 0.0),
            _degrees_e7(latitude_deg),
            _degrees_e7(longitude_deg),
        )
        for polygon in mission.fence
        for longitude_deg, latitude_deg in polygon.ring
    ]
    circles = [
        WireItem(
            _CIRCLE_INCLUSION if circle.inclusion else _CIRCLE_EXCLUSION,
            Frame.GLOBAL,
            (circle.radius_m, 0.0, 0.0, 0.0),
            _degrees_e7(circle.latitude_deg),
            _degrees_e7(circle.longitude_deg),
        )
        for circle in mission.fence_circles
    ]
    return (*vertices, *circles)


def rally_items(mission: Mission) -> tuple[WireItem, ...]:
    """Return a mission's rally points."""
    return tuple(
        WireItem(
            _RALLY_POINT,
            Frame.GLOBAL_RELATIVE_ALT,
            (0.0, 0.0, 0.0, 0.0),
            _degrees_e7(point.latitude_deg),
            _degrees_e7(point.longitude_deg),
            point.altitude_home_m,
        )
        for point in mission.rally
    )


def differences(
    sent: tuple[WireItem, ...], read: tuple[WireItem, ...], kind: int, *, ardupilot: bool
) -> tuple[str, ...]:
    """Return where the list read back means something else than the one sent, a sentence each."""
    found = []
    if len(sent) != len(read):
        found.append(f"{len(read)} items came back for {len(sent)}")
    for sequence, (mine, theirs) in enumerate(zip(sent, read, strict=False)):
        if kind == MISSION and ardupilot and sequence == 0:
            continue
        found.extend(f"item {sequence}: {text}" for text in _item_differences(mine, theirs, ardupilot))
    return tuple(found)


def _item_differences(mine: WireItem, theirs: WireItem, ardupilot: bool) -> list[str]:
    if mine.command != theirs.command:
        return [f"command {theirs.command} instead of {mine.command}"]
    found = []
    if mine.command not in _WITHOUT_POSITION:
        if _frame(mine) != _frame(theirs):
            found.append(f"frame {theirs.frame} instead of {mine.frame}")
        if abs(mine.x - theirs.x) > 2 or abs(mine.y - theirs.y) > 2:
            found.append(
                f"position {theirs.x / 1e7:.7f}, {theirs.y / 1e7:.7f} instead of {mine.x / 1e7:.7f}, {mine.y / 1e7:.7f}"
            )
        if abs(mine.z - theirs.z) > 0.011:  # ArduPilot keeps centimetres
            found.append(f"height {theirs.z:g} m instead of {mine.z:g} m")
    keeps = _ARDUPILOT_KEEPS.get(mine.command, (1, 2, 3, 4)) if ardupilot else (1, 2, 3, 4)
    whole = _ARDUPILOT_WHOLE.get(mine.command, ()) if ardupilot else ()
    for number in keeps:
        a, b = _unset_is_zero(mine.params[number - 1]), _unset_is_zero(theirs.params[number - 1])
        tolerance = 1.0 if number in whole else 1e-6 * max(1.0, abs(a))
        if abs(float(np.float32(a)) - b) >= tolerance:
            found.append(f"parameter {number} is {b:g} instead of {a:g}")
    return found


def _frame(item: WireItem) -> int:
    return _SAME_FRAME.get(item.frame, item.frame)


def _unset_is_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _wire(item: MissionItem) -> WireItem:
    if item.longitude_deg is None or item.latitude_deg is None:
        x, y = (round(p) for p in item.params_5_6)
    else:
        x, y = _degrees_e7(item.latitude_deg), _degrees_e7(item.longitude_deg)
    return WireItem(item.command, item.frame, item.params, x, y, item.altitude_m, item.autocontinue)


def _degrees_e7(degrees: float | None) -> int:
    return 0 if degrees is None else round(degrees * 1e7)
