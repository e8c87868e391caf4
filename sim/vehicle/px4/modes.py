"""PX4's flight modes: main and sub mode in `custom_mode` (PX4-Autopilot, commander/px4_custom_mode.h)."""

from __future__ import annotations

from dataclasses import replace

from sim.vehicle.modes import ALT_HOLD, AUTO, COPTER, GUIDED, LAND, LOITER, POSHOLD, RTL, STABILIZE

# Beneath, the modes are the multirotor's own; these are told.
MISSION, HOLD, RETURN, LANDING, TAKEOFF = (4, 4), (4, 3), (4, 5), (4, 6), (4, 2)
TOLD: dict[int, tuple[int, int]] = {
    STABILIZE: (1, 0), ALT_HOLD: (2, 0), POSHOLD: (3, 0), AUTO: MISSION, LOITER: HOLD, GUIDED: HOLD, RTL: RETURN,
    LAND: LANDING,
}  # fmt: skip
BENEATH = {(1, 0): STABILIZE, (2, 0): ALT_HOLD, (3, 0): POSHOLD, MISSION: AUTO, HOLD: LOITER, RETURN: RTL,
           LANDING: LAND, TAKEOFF: GUIDED}  # fmt: skip
PX4 = replace(
    COPTER, brake=None, armable=frozenset({STABILIZE, ALT_HOLD, POSHOLD, LOITER, AUTO, GUIDED}),
    names={number: name for number, name in COPTER.names.items() if number in TOLD},
)  # fmt: skip


def custom_mode(mode: tuple[int, int]) -> int:
    """Return HEARTBEAT's number of a main and sub mode."""
    return mode[0] << 16 | mode[1] << 24
