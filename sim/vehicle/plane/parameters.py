"""The parameters of the simulated fixed wing: ArduPlane's names, types and defaults for those that matter here."""

from __future__ import annotations

from sim.vehicle.parameters import COPTER, INT8, INT16, REAL32, Defaults

# The same in both of ArduPilot's autopilots.
_COMMON = (
    "ARMING_", "BATT_", "CAM1_", "DISARM_DELAY", "FENCE_", "MAV_", "MIS_", "RALLY_", "SIM_", "STAT_", "TERRAIN_ENABLE",
)  # fmt: skip

PLANE: Defaults = {
    **{name: entry for name, entry in COPTER.items() if name.startswith(_COMMON)},
    "AIRSPEED_CRUISE": (REAL32, 22),
    "AIRSPEED_MAX": (REAL32, 30),
    "AIRSPEED_MIN": (REAL32, 14),
    "AIRSPEED_STALL": (REAL32, 11),
    "DISARM_DELAY": (INT8, 0),
    "FENCE_ACTION": (INT8, 0),
    "FENCE_RADIUS": (REAL32, 300),
    "FS_GCS_ENABL": (INT8, 0),
    "FS_LONG_ACTN": (INT8, 0),
    "FS_LONG_TIMEOUT": (REAL32, 5),
    "LAND_DISARMDELAY": (INT8, 20),
    "LAND_FLARE_ALT": (REAL32, 3),
    "NAVL1_DAMPING": (REAL32, 0.75),
    "NAVL1_PERIOD": (REAL32, 17),
    "RALLY_LIMIT_KM": (REAL32, 5),
    "ROLL_LIMIT_DEG": (REAL32, 45),
    "RTL_ALTITUDE": (REAL32, 100),
    "RTL_AUTOLAND": (INT8, 0),
    "RTL_RADIUS": (INT16, 0),
    "TECS_CLMB_MAX": (REAL32, 5),
    "TECS_SINK_MAX": (REAL32, 5),
    "TKOFF_ALT": (REAL32, 50),
    "WP_LOITER_RAD": (INT16, 60),
    "WP_RADIUS": (REAL32, 90),
}
