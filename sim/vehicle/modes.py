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
COPTER = Modes(
    {
        STABILIZE: "STABILIZE", ALT_HOLD: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED", LOITER: "LOITER", RTL: "RTL",
        LAND: "LAND", POSHOLD: "POSHOLD", BRAKE: "BRAKE",
    },
    manual=STABILIZE, auto=AUTO, guided=GUIDED, hold=LOITER, back=RTL, land=LAND, brake=BRAKE,
    positioned=frozenset({AUTO, GUIDED, LOITER, RTL, POSHOLD, BRAKE}),
    armable=frozenset({STABILIZE, ALT_HOLD, LOITER, POSHOLD, GUIDED}),
)  # fmt: skip
