"""Flight modes by number: what each autopilot calls them, and what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Modes:
    """The modes of one autopilot. `land` and `brake` are None where there is none.

    `positioned` need a position, `armable` may be armed in.
    """

    names: Mapping[int, str]
    manual: int
    auto: int
    guided: int
    hold: int
    back: int
    land: int | None
    brake: int | None
    positioned: frozenset[int]
    armable: frozenset[int]


STABILIZE, ALT_HOLD, AUTO, GUIDED, LOITER, RTL, LAND, POSHOLD, BRAKE = 0, 2, 3, 4, 5, 6, 9, 16, 17
PLANE_MANUAL, CIRCLE, PLANE_STABILIZE, FBWA, FBWB, CRUISE, PLANE_AUTO, PLANE_RTL, PLANE_LOITER = (
    0, 1, 2, 5, 6, 7, 10, 11, 12,
)  # fmt: skip
PLANE_TAKEOFF, PLANE_GUIDED = 13, 15
PLANE = Modes(
    {
        PLANE_MANUAL: "MANUAL", CIRCLE: "CIRCLE", PLANE_STABILIZE: "STABILIZE", FBWA: "FBWA", FBWB: "FBWB",
        CRUISE: "CRUISE", PLANE_AUTO: "AUTO", PLANE_RTL: "RTL", PLANE_LOITER: "LOITER", PLANE_TAKEOFF: "TAKEOFF",
        PLANE_GUIDED: "GUIDED",
    },
    manual=PLANE_MANUAL, auto=PLANE_AUTO, guided=PLANE_GUIDED, hold=PLANE_LOITER, back=PLANE_RTL, land=None, brake=None,
    positioned=frozenset({PLANE_AUTO, PLANE_RTL, PLANE_LOITER, PLANE_TAKEOFF, PLANE_GUIDED}),
    armable=frozenset(
        {
            PLANE_MANUAL, CIRCLE, PLANE_STABILIZE, FBWA, FBWB, CRUISE, PLANE_AUTO, PLANE_LOITER, PLANE_TAKEOFF,
            PLANE_GUIDED,
        }
    ),
)  # fmt: skip

COPTER = Modes(
    {
        STABILIZE: "STABILIZE", ALT_HOLD: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED", LOITER: "LOITER", RTL: "RTL",
        LAND: "LAND", POSHOLD: "POSHOLD", BRAKE: "BRAKE",
    },
    manual=STABILIZE, auto=AUTO, guided=GUIDED, hold=LOITER, back=RTL, land=LAND, brake=BRAKE,
    positioned=frozenset({AUTO, GUIDED, LOITER, RTL, POSHOLD, BRAKE}),
    armable=frozenset({STABILIZE, ALT_HOLD, LOITER, POSHOLD, GUIDED}),
)  # fmt: skip
