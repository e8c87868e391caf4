"""Mission, fence and rally items as the simulated autopilot stores them, and what it refuses to store."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

MISSION, FENCE, RALLY = 0, 1, 2
MAX_ITEMS = {MISSION: 650, FENCE: 84, RALLY: 84}

NAMES = {
    16: "WP", 17: "LoitUnlim", 18: "LoitTurns", 19: "LoitTime", 20: "RTL", 21: "Land", 22: "Takeoff",
    31: "LoitAltitude", 82: "SplineWP",
    93: "Delay", 112: "CondDelay", 114: "CondDist", 115: "CondYaw", 177: "Jump", 178: "ChangeSpeed", 179: "SetHome",
    181: "SetRelay", 182: "RepeatRelay", 183: "SetServo", 184: "RepeatServo", 189: "LandStart", 195: "SetROI",
    197: "ROINone", 201: "SetROI", 202: "DigiCamCfg", 203: "DigiCamCtrl", 205: "SetMountControl", 206: "SetCamTrigDst",
    207: "FenceEnable", 208: "Parachute", 1000: "GimbalPitchYaw", 2000: "ImageStartCapture", 2001: "ImageStopCapture",
    2500: "VideoStartCapture", 2501: "VideoStopCapture",
}  # fmt: skip
_POSITIONED = frozenset({16, 17, 18, 19, 21, 22, 31, 82, 189, 195, 201})
_NAVIGATION = frozenset({16, 17, 18, 19, 20, 21, 22, 31, 82, 93})
_FENCE = frozenset({5000, 5001, 5002, 5003, 5004})
_RALLY = frozenset({5100})
_POSITION_FRAMES = frozenset({0, 3, 5, 6, 10, 11})


@dataclass(frozen=True)
class Refused:
    """Why an item was not stored, a MAV_MISSION_RESULT."""

    result: int


@dataclass(frozen=True)
class Item:
    """One stored item. `x` and `y` are latitude and longitude in 1e-7 degrees, `z` metres in `frame`."""

    command: int
    frame: int
    params: tuple[float, float, float, float]
    x: int
    y: int
    z: float

    @property
    def navigates(self) -> bool:
        """Whether it takes time to fly, rather than being done at once."""
        return self.command in _NAVIGATION

    @property
    def name(self) -> str:
        """What the autopilot calls it."""
        return NAMES.get(self.command, f"?{self.command}")


def parse_item(message: Any, kind: int) -> Item | Refused:
    """Return a MISSION_ITEM or MISSION_ITEM_INT as it will be stored, or the refusal."""
    params = (float(message.param1), float(message.param2), float(message.param3), float(message.param4))
    scaled = message.get_type() == "MISSION_ITEM_INT"
    for number, value in enumerate(params):
        if math.isinf(value) or (math.isnan(value) and not (kind == MISSION and message.command in _NAVIGATION)):
            return Refused(mav.MAV_MISSION_INVALID_PARAM1 + number)
    if not scaled and not all(math.isfinite(v) for v in (message.x, message.y)):
        return Refused(mav.MAV_MISSION_INVALID_PARAM5_X)
    if not abs(message.z) < 1e5:
        return Refused(mav.MAV_MISSION_INVALID_PARAM7)
    command = int(message.command)
    allowed = {MISSION: frozenset(NAMES), FENCE: _FENCE, RALLY: _RALLY}[kind]
    if command not in allowed:
        return Refused(mav.MAV_MISSION_UNSUPPORTED)
    p1, p2, p3, p4 = (0.0 if math.isnan(v) else float(v) for v in params)
    params = (p1, p2, p3, p4)
    if kind == MISSION and command not in _POSITIONED:
        return Item(command, mav.MAV_FRAME_GLOBAL, params, 0, 0, 0.0)
    if message.frame not in _POSITION_FRAMES:
        return Refused(mav.MAV_MISSION_UNSUPPORTED_FRAME)
    x, y = (message.x, message.y) if scaled else (round(message.x * 1e7), round(message.y * 1e7))
    if abs(x) > 900_000_000:
        return Refused(mav.MAV_MISSION_INVALID_PARAM5_X)
    if abs(y) > 1_800_000_000:
        return Refused(mav.MAV_MISSION_INVALID_PARAM6_Y)
    frame = {5: 0, 6: 3, 11: 10}.get(message.frame, message.frame)
    return Item(command, frame, _packed(command, params) if kind == MISSION else params, x, y, float(message.z))


def _packed(command: int, params: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """What is left of the parameters after ArduPilot's packing: whole seconds and turns, the rest dropped."""
    whole = float(min(max(int(params[0]), 0), 65535))
    if command in (16, 19, 82):
        return whole, 0.0, 0.0, 0.0
    if command == 18:
        return float(int(params[0])), 0.0, float(int(params[2])), 0.0
    if command in (21, 22):
        return whole, 0.0, 0.0, 0.0
    return params


def item_message(item: Item, seq: int, kind: int, *, scaled: bool, current: bool, system: int, component: int) -> Any:
    """Return the MISSION_ITEM_INT (`scaled`) or MISSION_ITEM that answers a request."""
    autocontinue = 1 if kind == MISSION else 0
    if scaled:
        return mav.MAVLink_mission_item_int_message(
            system, component, seq, item.frame, item.command, int(current), autocontinue, *item.params, item.x, item.y,
            item.z, kind,
        )  # fmt: skip
    return mav.MAVLink_mission_item_message(
        system, component, seq, item.frame, item.command, int(current), autocontinue, *item.params, item.x * 1e-7,
        item.y * 1e-7, item.z, kind,
    )  # fmt: skip


def check_fence(items: list[Item]) -> bool:
    """Whether each polygon has exactly the vertices it announces."""
    at = 0
    while at < len(items):
        item = items[at]
        if item.command not in (5001, 5002):
            at += 1
            continue
        count = int(item.params[0])
        ring = items[at : at + count]
        if count < 3 or len(ring) < count or any(v.command != item.command or int(v.params[0]) != count for v in ring):
            return False
        at += count
    return True


def home_item(x: int, y: int, altitude_msl_m: float) -> Item:
    """Return mission item 0."""
    return replace(Item(16, 0, (0.0, 0.0, 0.0, 0.0), 0, 0, 0.0), x=x, y=y, z=altitude_msl_m)
