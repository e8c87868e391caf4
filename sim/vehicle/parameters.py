"""The parameters of the simulated autopilot: ArduCopter's names, types and defaults for those that matter here."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping

Defaults = Mapping[str, tuple[int, float]]

INT8, INT16, INT32, REAL32 = 2, 4, 6, 9
_INTEGERS = frozenset({INT8, INT16, INT32})

# name: (MAV_PARAM_TYPE, default). Names and defaults as a 4.7 multirotor reports them.
COPTER: Defaults = {
    "ANGLE_MAX": (INT16, 3000),
    "ARMING_CHECK": (INT32, 1),
    "ARMING_NEED_LOC": (INT8, 0),
    "ATC_INPUT_TC": (REAL32, 0.15),
    "ATC_SLEW_YAW": (REAL32, 6000),
    "AUTO_OPTIONS": (INT32, 0),
    "BATT_ARM_MAH": (INT32, 0),
    "BATT_ARM_VOLT": (REAL32, 0),
    "BATT_CAPACITY": (INT32, 3300),
    "BATT_CRT_MAH": (REAL32, 0),
    "BATT_CRT_VOLT": (REAL32, 0),
    "BATT_FS_CRT_ACT": (INT8, 0),
    "BATT_FS_LOW_ACT": (INT8, 0),
    "BATT_LOW_MAH": (REAL32, 0),
    "BATT_LOW_TIMER": (INT8, 10),
    "BATT_LOW_VOLT": (REAL32, 10.5),
    "BATT_MONITOR": (INT8, 4),
    "CAM1_DURATION": (REAL32, 0.1),
    "CAM1_INTRVAL_MIN": (REAL32, 0),
    "CAM1_TRIGG_DIST": (REAL32, 0),
    "CAM1_TYPE": (INT8, 1),
    "DISARM_DELAY": (INT8, 10),
    "FENCE_ACTION": (INT8, 1),
    "FENCE_ALT_MAX": (REAL32, 100),
    "FENCE_ALT_MIN": (REAL32, -10),
    "FENCE_AUTOENABLE": (INT8, 0),
    "FENCE_ENABLE": (INT8, 0),
    "FENCE_MARGIN": (REAL32, 2),
    "FENCE_RADIUS": (REAL32, 150),
    "FENCE_TOTAL": (INT8, 0),
    "FENCE_TYPE": (INT8, 7),
    "FRAME_CLASS": (INT8, 1),
    "FRAME_TYPE": (INT8, 0),
    "FS_CRASH_CHECK": (INT8, 1),
    "FS_EKF_ACTION": (INT8, 1),
    "FS_EKF_THRESH": (REAL32, 0.8),
    "FS_GCS_ENABLE": (INT8, 0),
    "FS_GCS_TIMEOUT": (REAL32, 5),
    "FS_OPTIONS": (INT32, 16),
    "FS_THR_ENABLE": (INT8, 1),
    "GUID_TIMEOUT": (REAL32, 3),
    "LAND_ALT_LOW": (INT16, 1000),
    "LAND_SPEED": (INT16, 50),
    "LAND_SPEED_HIGH": (INT16, 0),
    "LOIT_SPEED": (REAL32, 1250),
    "MAV_GCS_SYSID": (INT16, 255),
    "MAV_SYSID": (INT16, 1),
    "MIS_OPTIONS": (INT16, 0),
    "MIS_RESTART": (INT8, 0),
    "MIS_TOTAL": (INT16, 0),
    "MOT_THST_HOVER": (REAL32, 0.39),
    "PILOT_SPEED_UP": (INT16, 250),
    "PSC_ANGLE_MAX": (REAL32, 0),
    "PSC_JERK_XY": (REAL32, 5),
    "PSC_POSXY_P": (REAL32, 1),
    "PSC_VELXY_D": (REAL32, 0.25),
    "PSC_VELXY_I": (REAL32, 1),
    "PSC_VELXY_P": (REAL32, 2),
    "RALLY_INCL_HOME": (INT8, 1),
    "RALLY_LIMIT_KM": (REAL32, 0.3),
    "RALLY_TOTAL": (INT8, 0),
    "RTL_ALT": (INT32, 1500),
    "RTL_ALT_FINAL": (INT16, 0),
    "RTL_ALT_TYPE": (INT8, 0),
    "RTL_CLIMB_MIN": (INT16, 0),
    "RTL_LOIT_TIME": (INT32, 5000),
    "RTL_SPEED": (INT16, 0),
    "SIM_BATT_VOLTAGE": (REAL32, 12.6),
    "SIM_GPS1_ENABLE": (INT8, 1),
    "SIM_SPEEDUP": (REAL32, 1),
    "SIM_WIND_DIR": (REAL32, 180),
    "SIM_WIND_SPD": (REAL32, 0),
    "SIM_WIND_TC": (REAL32, 5),
    "SIM_WIND_TURB": (REAL32, 0),
    "STAT_BOOTCNT": (INT16, 1),
    "STAT_FLTTIME": (INT32, 0),
    "STAT_RUNTIME": (INT32, 0),
    "TERRAIN_ENABLE": (INT8, 1),
    "TKOFF_SLEW_TIME": (REAL32, 2),
    "WPNAV_ACCEL": (REAL32, 250),
    "WPNAV_ACCEL_C": (REAL32, 0),
    "WPNAV_ACCEL_Z": (REAL32, 100),
    "WPNAV_JERK": (REAL32, 1),
    "WPNAV_RADIUS": (REAL32, 200),
    "WPNAV_SPEED": (REAL32, 1000),
    "WPNAV_SPEED_DN": (REAL32, 150),
    "WPNAV_SPEED_UP": (REAL32, 250),
    "WP_YAW_BEHAVIOR": (INT8, 2),
}
# What flight is computed from is kept within what an airframe can do, whatever is asked.
_RANGES: dict[str, tuple[float, float]] = {
    "ANGLE_MAX": (1000, 8000),
    "ATC_INPUT_TC": (0.0, 1.0),
    "BATT_CAPACITY": (0, 1_000_000),
    "FENCE_ALT_MAX": (1, 10_000),
    "FENCE_RADIUS": (1, 100_000),
    "LAND_ALT_LOW": (100, 10_000),
    "LAND_SPEED": (10, 500),
    "LAND_SPEED_HIGH": (0, 1000),
    "PSC_ANGLE_MAX": (0, 80),
    "PSC_JERK_XY": (1, 20),
    "PSC_POSXY_P": (0.5, 4),
    "PSC_VELXY_D": (0, 1),
    "PSC_VELXY_I": (0, 2),
    "PSC_VELXY_P": (0.1, 6),
    "RTL_ALT": (30, 300_000),
    "RTL_ALT_FINAL": (0, 1000),
    "RTL_SPEED": (0, 2000),
    "SIM_BATT_VOLTAGE": (0, 60),
    "SIM_WIND_SPD": (0, 60),
    "SIM_WIND_TURB": (0, 20),
    "WPNAV_ACCEL": (50, 1000),
    "WPNAV_ACCEL_C": (0, 1000),
    "WPNAV_ACCEL_Z": (50, 500),
    "WPNAV_JERK": (0.1, 20),
    "WPNAV_RADIUS": (5, 1000),
    "WPNAV_SPEED": (10, 3000),
    "WPNAV_SPEED_DN": (10, 1000),
    "WPNAV_SPEED_UP": (10, 1000),
}
_LIMITS = {INT8: (-128, 127), INT16: (-32768, 32767), INT32: (-(2**31), 2**31 - 1)}


class Parameters:
    """Named values as the autopilot stores them: integers whole, floats in single precision.

    `values` overrides `defaults` (ArduCopter's if None), as a parameter file at boot would; an unknown name raises
    KeyError.
    """

    def __init__(self, values: Mapping[str, float] | None = None, defaults: Defaults | None = None) -> None:
        defaults = defaults or COPTER
        self._types = {name: kind for name, (kind, _) in defaults.items()}
        self._values = {name: _stored(kind, value) for name, (kind, value) in defaults.items()}
        self._index = {name: i for i, name in enumerate(self._values)}
        for name, value in (values or {}).items():
            if not self.set(name, value):
                raise KeyError(name)

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def name_at(self, index: int) -> str | None:
        """Return the name at a list index, None beyond the end."""
        names = list(self._values)
        return names[index] if 0 <= index < len(names) else None

    def index(self, name: str) -> int:
        """Return the list index of a name."""
        return self._index[name]

    def kind(self, name: str) -> int:
        """Return the MAV_PARAM_TYPE of a name."""
        return self._types[name]

    def set(self, name: str, value: float) -> bool:
        """Store a value in the parameter's own type and range; False for an unknown name or what is no number."""
        if name not in self._values or not math.isfinite(value):
            return False
        low, high = _RANGES.get(name, (-math.inf, math.inf))
        value = min(max(value, low), high)
        self._values[name] = _stored(self._types[name], value)
        return True


def _stored(kind: int, value: float) -> float:
    if kind in _INTEGERS:
        low, high = _LIMITS[kind]
        return float(min(max(round(value), low), high))
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
