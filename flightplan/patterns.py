"""How lines are flown: where first, in which order, how the aircraft turns, whether it stops for its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightplan.drones import FIXED_WING, MULTIROTOR, Drone
from flightplan.errors import PlanError
from flightplan.messages import message

STRAIGHT, DUBINS = "straight", "dubins"
TURNS = (STRAIGHT, DUBINS)

DEFAULT_BANK_DEG = 30.0
WAYPOINT_RADIUS_M = 90.0
"""How far before a waypoint a fixed wing may turn away from it: ArduPlane's WP_RADIUS unless it was set."""

_GRAVITY_MPS2 = 9.81
# Paths are kept a few metres inside of the edge of the air, and turns a share of their radius.
_SPARE_M, _SPARE_SHARE = 7.0, 0.15


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What was asked of the way lines are flown.

    `entry` is the corner to begin at ("nw", "ne", "sw", "se"); `alternate` flies every other line first. The aircraft
    flies `turnaround_m` straight on before and after each line; by default a fixed wing as far as its turn radius and
    at least `WAYPOINT_RADIUS_M`, and a multirotor not at all. A fixed wing's `turns` are arcs (Dubins) with a bank of
    `bank_deg`, unless straight legs are asked for. With `hover_s` a multirotor stops so long for each picture. `refly`
    flies full coverage a second time, across.
    """

    entry: str | None = None
    alternate: bool = False
    turnaround_m: float | None = None
    turns: str | None = None
    bank_deg: float = DEFAULT_BANK_DEG
    hover_s: float | None = None
    refly: bool = False

    def turning(self, drone: Drone, speed_mps: float, wind_mps: float | None) -> Turning:
        """Return how a drone turns at a speed. Raises PlanError for what it cannot do."""
        turns = self.turns or (DUBINS if drone.kind == FIXED_WING else STRAIGHT)
        if turns not in TURNS:
            raise PlanError(f"there are no turns called {turns!r}", hint=f"Known are: {', '.join(TURNS)}")
        if self.hover_s is not None and drone.kind != MULTIROTOR:
            raise PlanError(f"{drone.name} cannot stop for its pictures", hint="A multirotor can")
        if self.hover_s is not None and not 0 <= self.hover_s <= 600:
            raise PlanError(f"{self.hover_s:g} s is not a time to stop for a picture")
        if self.turnaround_m is not None and not 0 <= self.turnaround_m <= 10_000:
            raise PlanError(f"a turnaround of {self.turnaround_m:g} m is not one")
        radius_m = turn_radius_m(speed_mps, self.bank_deg, wind_mps or 0.0) if turns == DUBINS else 0.0
        run_in_m = radius_m if self.turnaround_m is None else float(self.turnaround_m)
        if drone.kind == FIXED_WING and turns == DUBINS and self.turnaround_m is None:
            run_in_m = max(run_in_m, WAYPOINT_RADIUS_M)
        reach_m = 2 * drone.turn_radius_m(speed_mps) if turns == STRAIGHT else radius_m
        return Turning(radius_m, run_in_m, reach_m)

    def warnings(self, turning: Turning, drone: Drone, wind_mps: float | None) -> list[str]:
        """Return what the pilot should know of the turns."""
        if drone.kind != FIXED_WING:
            return []
        if not turning.radius_m:
            return [
                message(
                    "turns are drawn as straight legs; a fixed wing rounds them within the allowance, which was set"
                    " for it"
                )
            ]
        if wind_mps is None:
            return [
                message(
                    "turns have a radius of {radius:.0f} m, for a bank of {bank:g}° in still air: name the wind",
                    radius=float(turning.radius_m),
                    bank=self.bank_deg,
                )
            ]
        return [
            message(
                "turns have a radius of {radius:.0f} m, for a bank of {bank:g}° in {wind:g} m/s of wind",
                radius=float(turning.radius_m),
                bank=self.bank_deg,
                wind=wind_mps,
            )
        ]


@dataclass(frozen=True)
class Turning:
    """How an aircraft turns: `radius_m` of its arcs (0: on the spot), `run_in_m` straight on before and after a line.

    `reach_m` is how far beyond the run-in a turn reaches.
    """

    radius_m: float
    run_in_m: float
    reach_m: float

    def room_m(self, strip_width_m: float) -> float:
        """Return the allowance around an area in which every line can be entered and left; 0 where none is needed.

        A line goes on until its strip has seen a slanting border's corner, up to half a strip outside.
        """
        beyond_m = self.run_in_m + self.reach_m
        if not self.radius_m and not self.run_in_m:
            return beyond_m
        return beyond_m + strip_width_m / 2 + _SPARE_M + _SPARE_SHARE * self.radius_m


ON_THE_SPOT = Turning(0.0, 0.0, 0.0)
"""How a multirotor turns where nothing was asked."""


def turn_radius_m(airspeed_mps: float, bank_deg: float, wind_mps: float = 0.0) -> float:
    """Return the radius of a circle over ground that a bank can hold all around: (v + w)² / (g tan bank).

    Downwind the aircraft is fastest over ground, and the bank steepest (level coordinated turn). Raises PlanError for a
    bank that is none.
    """
    if not 5 <= bank_deg <= 75:
        raise PlanError(f"a bank of {bank_deg:g}° is not one to survey with", hint="Say 5 to 75 degrees")
    return (airspeed_mps + wind_mps) ** 2 / (_GRAVITY_MPS2 * float(np.tan(np.radians(bank_deg))))
