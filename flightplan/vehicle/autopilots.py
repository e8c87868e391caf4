"""What ArduPilot and PX4 say differently: told apart by HEARTBEAT, never by what the operator believes.

Mode numbers: ArduPilot's ArduCopter/mode.h and ArduPlane/mode.h (through pymavlink), PX4's px4_custom_mode.h. How
parameters are encoded: mavlink.io/en/services/parameter.html#parameter_encoding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flightplan.vehicle.connection import ardupilotmega, mavutil

DO_SET_MODE, PAUSE_CONTINUE, LAND_START = 176, 193, 189
_CUSTOM_MODE = 1
_PX4_MAIN = {1: "MANUAL", 2: "ALTCTL", 3: "POSCTL", 5: "ACRO", 6: "OFFBOARD", 7: "STABILIZED", 8: "RATTITUDE"}
_PX4_AUTO = {1: "READY", 2: "TAKEOFF", 3: "LOITER", 4: "MISSION", 5: "RTL", 6: "LAND", 7: "RTGS", 8: "FOLLOW ME"}
_PX4_AUTO_MAIN = 4
_MULTIROTORS = frozenset({2, 3, 4, 13, 14, 15, 29, 35})
_VTOLS = frozenset({19, 20, 21, 22, 23, 24, 25})
# Message id and seconds between two, of what preflight and flight watch.
_STREAMS = {33: 1.0, 30: 1.0, 1: 1.0, 42: 1.0, 245: 1.0, 24: 2.0, 242: 5.0, 147: 5.0, 2: 5.0}
_ARDUPILOT_STREAMS = {193: 1.0, 168: 5.0, 136: 2.0}
# Where frames come without angles, or without a place, those of the telemetry stand in.
_PX4_STREAMS = {230: 1.0, 231: 5.0, 141: 2.0, 33: 0.2, 30: 0.2}
# MAV_PARAM_TYPE -> how PX4 puts the four bytes of an integer into the float field.
_BYTEWISE = {1: "<Bxxx", 2: "<bxxx", 3: "<Hxx", 4: "<hxx", 5: "<I", 6: "<i"}


class Firmware(StrEnum):
    """Whose autopilot it is."""

    ARDUPILOT = "ArduPilot"
    PX4 = "PX4"
    OTHER = "an autopilot that overfly does not know"


class Airframe(StrEnum):
    """What kind of vehicle it is."""

    MULTIROTOR = "multirotor"
    PLANE = "fixed wing"
    VTOL = "fixed wing with vertical take-off"
    OTHER = "no aircraft that overfly flies"


@dataclass(frozen=True)
class Order:
    """One command to the vehicle, and what it is for in words."""

    deed: str
    command: int
    params: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """How one vehicle wants to be spoken to."""

    firmware: Firmware
    airframe: Airframe
    vehicle_type: int

    @classmethod
    def of(cls, heartbeat: Any) -> Dialect:
        """Tell from a HEARTBEAT of the autopilot."""
        firmware = {
            ardupilotmega.MAV_AUTOPILOT_ARDUPILOTMEGA: Firmware.ARDUPILOT,
            ardupilotmega.MAV_AUTOPILOT_PX4: Firmware.PX4,
        }.get(heartbeat.autopilot, Firmware.OTHER)
        airframe = Airframe.OTHER
        if heartbeat.type in _MULTIROTORS:
            airframe = Airframe.MULTIROTOR
        elif heartbeat.type == ardupilotmega.MAV_TYPE_FIXED_WING:
            airframe = Airframe.PLANE
        elif heartbeat.type in _VTOLS:
            airframe = Airframe.VTOL
        return cls(firmware, airframe, heartbeat.type)

    @property
    def is_ardupilot(self) -> bool:
        """Whether item 0 of a mission is home, and the other ways of ArduPilot hold."""
        return self.firmware is Firmware.ARDUPILOT

    @property
    def mission_mode(self) -> str:
        """The name of the mode that flies a mission."""
        return "MISSION" if self.firmware is Firmware.PX4 else "AUTO"

    @property
    def streams(self) -> dict[int, float]:
        """Ids of the messages to ask for, and the seconds between two."""
        return {**_STREAMS, **(_PX4_STREAMS if self.firmware is Firmware.PX4 else _ARDUPILOT_STREAMS)}

    def mode_name(self, custom_mode: int) -> str:
        """Return a flight mode's name; "mode N" for a number that nobody knows."""
        if self.firmware is Firmware.PX4:
            main, sub = custom_mode >> 16 & 0xFF, custom_mode >> 24 & 0xFF
            name = _PX4_AUTO.get(sub) if main == _PX4_AUTO_MAIN else _PX4_MAIN.get(main)
            return name or f"mode {main}.{sub}"
        names = mavutil.mode_mapping_bynumber(self.vehicle_type) or {} if self.is_ardupilot else {}
        return str(names.get(custom_mode, f"mode {custom_mode}"))

    def to_mode(self, name: str) -> Order:
        """Return the order to change mode; KeyError when this vehicle has no such mode."""
        if self.firmware is Firmware.PX4:
            sub = {word: number for number, word in _PX4_AUTO.items()}[name]
            return Order(f"go to {name}", DO_SET_MODE, (_CUSTOM_MODE, _PX4_AUTO_MAIN, sub))
        numbers = {word: n for n, word in (mavutil.mode_mapping_bynumber(self.vehicle_type) or {}).items()}
        return Order(f"go to {name}", DO_SET_MODE, (_CUSTOM_MODE, numbers[name]))

    def pause(self) -> Order:
        """Return the order to wait where it is; a fixed wing circles."""
        if self.is_ardupilot and self.airframe is Airframe.MULTIROTOR:
            return Order("pause", PAUSE_CONTINUE, (0,))
        return Order("pause", *_bare(self.to_mode("LOITER")))

    def resume(self) -> Order:
        """Return the order to go on with the mission after a pause."""
        if self.is_ardupilot and self.airframe is Airframe.MULTIROTOR:
            return Order("go on", PAUSE_CONTINUE, (1,))
        return Order("go on", *_bare(self.to_mode(self.mission_mode)))

    def return_home(self) -> Order:
        """Return the order to come back."""
        return Order("return home", *_bare(self.to_mode("RTL")))

    def land(self) -> Order:
        """Return the order to land: here, but an ArduPlane only where its mission has a landing."""
        if self.is_ardupilot and self.airframe is Airframe.PLANE:
            return Order("go to its landing", LAND_START)
        name = "QLAND" if self.is_ardupilot and self.airframe is Airframe.VTOL else "LAND"
        return Order("land", *_bare(self.to_mode(name)))

    def parameter_value(self, field: float, kind: int) -> float:
        """Read the value field of a PARAM_VALUE: PX4 puts an integer's bytes there, ArduPilot the number itself."""
        if self.firmware is not Firmware.PX4 or kind not in _BYTEWISE:
            return field
        return float(struct.unpack(_BYTEWISE[kind], struct.pack("<f", field))[0])

    def parameter_field(self, value: float, kind: int) -> float:
        """Return the value field of a PARAM_SET."""
        if self.firmware is not Firmware.PX4 or kind not in _BYTEWISE:
            return value
        return float(struct.unpack("<f", struct.pack(_BYTEWISE[kind], round(value)))[0])


def _bare(order: Order) -> tuple[int, tuple[float, ...]]:
    return order.command, order.params
