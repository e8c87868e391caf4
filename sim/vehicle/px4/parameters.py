"""PX4's parameters, and what each means to the simulated vehicle beneath.

Names, types and defaults as PX4 v1.15's parameter reference has them, of those that matter here. A 32-bit integer's
bytes travel in the float field of PARAM_VALUE and PARAM_SET (MAVLink, "Parameter encoding": bytewise).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sim.vehicle.parameters import Parameters

INT32, REAL32 = 6, 9
HASH_NAME = "_HASH_CHECK"


@dataclass(frozen=True)
class _Entry:
    """Type and default; the name beneath, and how a value becomes the one beneath."""

    kind: int
    default: float
    beneath: str | None = None
    convert: Callable[[float], float] = float


def _times(factor: float) -> Callable[[float], float]:
    return lambda value: value * factor


def _chosen(table: dict[int, float]) -> Callable[[float], float]:
    return lambda value: table.get(round(value), 0.0)


_ENTRIES: dict[str, _Entry] = {
    "BAT1_CAPACITY": _Entry(REAL32, 3300.0, "BATT_CAPACITY"),
    "BAT1_N_CELLS": _Entry(INT32, 3),
    "BAT1_V_CHARGED": _Entry(REAL32, 4.05),
    "BAT1_V_EMPTY": _Entry(REAL32, 3.6),
    "BAT_CRIT_THR": _Entry(REAL32, 0.07),
    "BAT_EMERGEN_THR": _Entry(REAL32, 0.05),
    "BAT_LOW_THR": _Entry(REAL32, 0.15),
    "COM_ARM_WO_GPS": _Entry(INT32, 1),
    "COM_DISARM_LAND": _Entry(REAL32, 2.0),
    "COM_DISARM_PRFLT": _Entry(REAL32, 10.0, "DISARM_DELAY"),
    "COM_DL_LOSS_T": _Entry(INT32, 10, "FS_GCS_TIMEOUT"),
    "COM_LOW_BAT_ACT": _Entry(INT32, 0),
    "COM_RC_IN_MODE": _Entry(INT32, 4),
    "GF_ACTION": _Entry(INT32, 2, "FENCE_ACTION", _chosen({2: 4, 3: 1, 4: 2, 5: 2})),
    "GF_MAX_HOR_DIST": _Entry(REAL32, 0.0, "FENCE_RADIUS"),
    "GF_MAX_VER_DIST": _Entry(REAL32, 0.0, "FENCE_ALT_MAX"),
    "LNDMC_Z_VEL_MAX": _Entry(REAL32, 0.25),
    "MAV_SYS_ID": _Entry(INT32, 1, "MAV_SYSID"),
    "MAV_TYPE": _Entry(INT32, 2),
    "MIS_DIST_1WP": _Entry(REAL32, 10000.0),
    "MIS_TAKEOFF_ALT": _Entry(REAL32, 2.5),
    "MPC_ACC_HOR": _Entry(REAL32, 3.0, "WPNAV_ACCEL", _times(100)),
    "MPC_JERK_AUTO": _Entry(REAL32, 4.0, "WPNAV_JERK"),
    "MPC_LAND_SPEED": _Entry(REAL32, 0.7, "LAND_SPEED", _times(100)),
    "MPC_TILTMAX_AIR": _Entry(REAL32, 45.0, "ANGLE_MAX", _times(100)),
    "MPC_XY_CRUISE": _Entry(REAL32, 5.0, "WPNAV_SPEED", _times(100)),
    "MPC_XY_VEL_MAX": _Entry(REAL32, 12.0),
    "MPC_Z_V_AUTO_DN": _Entry(REAL32, 1.5, "WPNAV_SPEED_DN", _times(100)),
    "MPC_Z_V_AUTO_UP": _Entry(REAL32, 3.0, "WPNAV_SPEED_UP", _times(100)),
    "NAV_ACC_RAD": _Entry(REAL32, 10.0, "WPNAV_RADIUS", _times(100)),
    "NAV_DLL_ACT": _Entry(INT32, 0, "FS_GCS_ENABLE", _chosen({1: 7, 2: 1, 3: 5, 5: 5, 6: 5})),
    "RTL_LAND_DELAY": _Entry(REAL32, 0.0, "RTL_LOIT_TIME", _times(1000)),
    "RTL_RETURN_ALT": _Entry(REAL32, 60.0, "RTL_ALT", _times(100)),
    "SYS_AUTOSTART": _Entry(INT32, 4001),
    "TRIG_INTERFACE": _Entry(INT32, 3),
    "TRIG_MODE": _Entry(INT32, 4),
    # Not PX4's: overfly's own sign that nobody gets hurt, as ArduPilot's simulator has it.
    "SIM_SPEEDUP": _Entry(REAL32, 1.0),
}


class Px4Parameters:
    """The parameters that a PX4 tells of; setting one sets what it means in `beneath`."""

    def __init__(self, beneath: Parameters) -> None:
        self._beneath = beneath
        self._values = {name: entry.default for name, entry in _ENTRIES.items()}
        self._index = {name: number for number, name in enumerate(_ENTRIES)}
        for name, entry in _ENTRIES.items():
            if name not in ("BAT1_CAPACITY", "MAV_SYS_ID"):
                self._apply(name, entry)
        self._values["MAV_SYS_ID"] = beneath["MAV_SYSID"]
        self._values["BAT1_CAPACITY"] = beneath["BATT_CAPACITY"]
        beneath.set("FENCE_ENABLE", 1)
        self._fences()

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def index(self, name: str) -> int:
        """Return the list index of a name."""
        return self._index[name]

    def name_at(self, index: int) -> str | None:
        """Return the name at a list index, None beyond the end."""
        names = list(self._values)
        return names[index] if 0 <= index < len(names) else None

    def kind(self, name: str) -> int:
        """Return the MAV_PARAM_TYPE of a name."""
        return _ENTRIES[name].kind

    def field(self, name: str) -> float:
        """Return the value field of a PARAM_VALUE: an integer's bytes read as a float."""
        value = self._values[name]
        if self.kind(name) == REAL32:
            return value
        return float(struct.unpack("<f", struct.pack("<i", round(value)))[0])

    def set_field(self, name: str, field: float, kind: int) -> bool:
        """Take the value field of a PARAM_SET; False for an unknown name, another type, or what is no number."""
        if name not in self._values or kind != self.kind(name):
            return False
        if kind == REAL32:
            return self.set(name, field)
        return self.set(name, float(struct.unpack("<i", struct.pack("<f", field))[0]))

    def set(self, name: str, value: float) -> bool:
        """Store a value; False for an unknown name or what is no number."""
        if name not in self._values or not math.isfinite(value):
            return False
        entry = _ENTRIES[name]
        if entry.kind == REAL32:
            value = float(struct.unpack("<f", struct.pack("<f", max(min(value, 3e38), -3e38)))[0])
        self._values[name] = value
        self._apply(name, entry)
        if name.startswith("GF_"):
            self._fences()
        return True

    @property
    def hash(self) -> int:
        """A checksum over names and values, as ground stations compare before they list."""
        crc = 0
        for name in sorted(self._values):
            crc = zlib.crc32(name.encode() + struct.pack("<f", self.field(name)), crc)
        return crc

    def _apply(self, name: str, entry: _Entry) -> None:
        if entry.beneath is not None:
            self._beneath.set(entry.beneath, entry.convert(self._values[name]))

    def _fences(self) -> None:
        """Polygons always count, height and radius when they are not 0."""
        ceiling, circle = self._values["GF_MAX_VER_DIST"] > 0, self._values["GF_MAX_HOR_DIST"] > 0
        self._beneath.set("FENCE_TYPE", 4 | int(ceiling) | 2 * int(circle))
