"""The vehicle's own parameters that could defeat a safe plan, held against what the plan needs.

Names and values: ArduPilot's parameter lists of Copter and Plane 4.3 to 4.7 (ardupilot.org/copter/docs/parameters.html;
those of 4.7 as recorded), PX4's parameter reference (docs.px4.io/main/en/advanced_config/parameter_reference.html).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flightplan.mission import Command, Frame, Mission
from flightplan.vehicle.autopilots import Airframe, Dialect, Firmware
from flightplan.vehicle.checks import Check, Status
from flightplan.vehicle.connection import GCS_SYSTEM
from flightplan.vehicle.extent import Extent
from flightplan.vehicle.setup import Change, FlightSetup

_RETURNS_HIGHER_M = 1.0
_PATIENCE_S = 60.0
_LEFT_SHARE = 0.2
OF_ALL = ("gcs-failsafe", "battery-failsafe", "fence-enabled", "return-height", "speed", "trigger", "own-checks")
WINGS = ("turns", "landing")


@dataclass(frozen=True)
class Question:
    """What a check looks at: the vehicle's parameters by name, the mission, the flight's setup."""

    held: Mapping[str, float]
    mission: Mission
    setup: FlightSetup
    extent: Extent

    def first(self, *names: str) -> str | None:
        """Return the first of these names that the vehicle has: newer firmware has other names."""
        return next((n for n in names if n in self.held), None)

    def change(self, name: str, new: float, why: str) -> Change:
        """Return what a parameter would have to become."""
        return Change(name, self.held[name], new, why)


def check_parameters(
    dialect: Dialect, held: Mapping[str, float], mission: Mission, setup: FlightSetup
) -> tuple[Check, ...]:
    """Return a check for each thing that parameters decide; unknown where the vehicle does not tell."""
    from flightplan.vehicle import needs_ardupilot, needs_px4

    checks: Mapping[str, Callable[[Question], Check]] = {}
    question = Question(held, mission, setup, Extent.of(mission))
    if dialect.firmware is Firmware.ARDUPILOT:
        plane = dialect.airframe is not Airframe.MULTIROTOR
        checks = needs_ardupilot.PLANE if plane else needs_ardupilot.COPTER
    elif dialect.firmware is Firmware.PX4:
        checks = needs_px4.CHECKS
    names: tuple[str, ...] = OF_ALL
    # Only a fixed wing turns before it is there, and needs a way to land.
    names += tuple(n for n in WINGS if dialect.airframe is not Airframe.MULTIROTOR and n in checks)
    return tuple(
        checks[n](question) if n in checks else Check(n, Status.UNKNOWN, "this autopilot's settings are not known")
        for n in names
    )


def parameter_names(dialect: Dialect) -> tuple[str, ...]:
    """Return the names to read for `check_parameters`."""
    from flightplan.vehicle import needs_ardupilot, needs_px4

    if dialect.firmware is Firmware.ARDUPILOT:
        return needs_ardupilot.NAMES
    return needs_px4.NAMES if dialect.firmware is Firmware.PX4 else ()


def return_height_m(question: Question) -> float | None:
    """Return how high above home a straight way home has to be; None when any height on the mission will do.

    As the plan worked it out over the terrain; else the highest of a mission whose heights differ.
    """
    sortie, extent = question.setup.sortie, question.extent
    if sortie is not None and sortie.return_height_m is not None:
        return sortie.return_height_m
    return extent.highest_m if extent.highest_m - extent.lowest_m > _RETURNS_HIGHER_M else None


def planned_speed_mps(mission: Mission) -> float | None:
    """Return the greatest speed that a mission asks for, None when it asks for none."""
    speeds = [i.params[1] for i in mission.items if i.command == Command.DO_CHANGE_SPEED and i.params[1] > 0]
    return max(speeds, default=mission.cruise_speed_mps)


def trigger_every_s(mission: Mission) -> float | None:
    """Return the time between two frames at the planned speed, None when nothing is triggered by distance."""
    distances = [i.params[0] for i in mission.items if i.command == Command.DO_SET_CAM_TRIGG_DIST and i.params[0] > 0]
    speed = planned_speed_mps(mission)
    return min(distances) / speed if distances and speed else None


def fenced(mission: Mission) -> bool:
    """Whether the plan has a fence of its own."""
    return bool(mission.fence or mission.fence_circles)


def follows_terrain(mission: Mission) -> bool:
    """Whether heights are left to the vehicle's own terrain data."""
    return any(i.frame == Frame.GLOBAL_TERRAIN_ALT for i in mission.items)


def unknown(name: str, text: str) -> Check:
    """Return a line that says that something is not known."""
    return Check(name, Status.UNKNOWN, text)


def passed(name: str, text: str) -> Check:
    """Return a line that passes."""
    return Check(name, Status.PASS, text)


def failed(name: str, text: str, *changes: Change, remedy: str | None = None) -> Check:
    """Return a line that fails; what to set is its remedy when none is given."""
    sets = ", ".join(f"{c.name} to {c.new:g}" for c in changes)
    return Check(name, Status.FAIL, text, remedy or (f"Set {sets}." if sets else None), changes=changes)


def hears_us(question: Question, name: str, ours: str | None, timeout: str | None) -> Check | None:
    """Return why the vehicle would not miss us: it listens to another ground station, or waits too long."""
    if ours is not None and question.held[ours] != GCS_SYSTEM:
        change = question.change(ours, GCS_SYSTEM, "so that it is we whom the vehicle misses")
        text = f"the vehicle misses the ground station {question.held[ours]:.0f}, and we are {GCS_SYSTEM}"
        return failed(name, text, change)
    if timeout is not None and question.held[timeout] > _PATIENCE_S:
        change = question.change(timeout, 5.0, "so that it acts in time")
        return failed(name, f"the vehicle waits {question.held[timeout]:.0f} s before it misses us", change)
    return None


def ceiling_above(question: Question, name: str, own: str, ceiling: float) -> Check | None:
    """Return why a return height is too high for the vehicle's own ceiling, where the mission itself is not."""
    if ceiling >= question.extent.highest_m and question.held[own] * _metres(own) > ceiling:
        text = (
            f"it would come back at {question.held[own] * _metres(own):.0f} m, above its own ceiling of {ceiling:.0f} m"
        )
        return failed(name, text, remedy=f"Lower {own}, or raise the ceiling.")
    return None


def comes_back_high_enough(question: Question, own: str | None, *, keeps_height: bool) -> Check:
    """Check a return height: `keeps_height` where the vehicle never comes down to it."""
    name, need_m = "return-height", return_height_m(question)
    if own is None:
        return unknown(name, "how high the vehicle comes back is not known")
    own_m = question.held[own] * _metres(own)
    flown_m = question.extent.lowest_m if keeps_height or own_m < 0 else own_m
    lowest_m = max(own_m, flown_m) if keeps_height else flown_m
    if need_m is None:
        need_m = question.extent.highest_m if not keeps_height else -math.inf
    if lowest_m >= need_m - _RETURNS_HIGHER_M:
        return passed(name, f"it comes back at {lowest_m:.0f} m" + (" or higher" if keeps_height else ""))
    new = math.ceil(need_m) / _metres(own)
    change = question.change(own, new, "so that it clears the ground on its way home")
    return failed(name, f"it may come back at {lowest_m:.0f} m above home, and {need_m:.0f} m is needed", change)


def low_battery_mah(question: Question, capacity: str | None) -> float | None:
    """Return the charge to be left when the vehicle has to come back, None when its battery is not known."""
    if capacity is None or question.held[capacity] <= 0:
        return None
    return round(_LEFT_SHARE * question.held[capacity])


def _metres(name: str) -> float:
    return 0.01 if name in ("RTL_ALT", "ALT_HOLD_RTL") else 1.0
