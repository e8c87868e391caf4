"""What a mission for a fixed wing says of its landing, and of how straight it leaves its lines."""

from __future__ import annotations

import pyproj

from flightplan.mission import Command, Mission
from flightplan.vehicle.checks import Check
from flightplan.vehicle.needs import Question, failed, passed, unknown

_GEOD = pyproj.Geod(ellps="WGS84")
_STRAIGHT_DEG, _ROUNDING_M = 0.5, 1.0


def lands(mission: Mission) -> bool:
    """Whether a mission has a landing with an approach."""
    commands = [i.command for i in mission.items]
    return Command.DO_LAND_START in commands and Command.NAV_LAND in commands


def run_out_m(mission: Mission) -> float | None:
    """Return the shortest straight way on beyond a photographed line, None for a mission without lines.

    A way beyond is straight as far as the courses from the line's end to its waypoints are those of the line.
    """
    placed = [i for i in mission.items if i.longitude_deg is not None and i.latitude_deg is not None]
    found: list[float] = []
    for n, item in enumerate(placed[:-1]):
        if item.transect is None or placed[n + 1].transect == item.transect or n == 0:
            continue
        here = item.longitude_deg, item.latitude_deg
        back_deg = _GEOD.inv(*here, placed[n - 1].longitude_deg, placed[n - 1].latitude_deg)[0]
        beyond_m = 0.0
        for later in placed[n + 1 :]:
            course_deg, _, away_m = _GEOD.inv(*here, later.longitude_deg, later.latitude_deg)
            off_deg = abs((course_deg - back_deg - 180.0 + 180.0) % 360.0 - 180.0)
            if off_deg > _STRAIGHT_DEG or away_m <= beyond_m:
                break
            beyond_m = float(away_m)
        found.append(beyond_m)
    return min(found, default=None)


def turns_late_enough(question: Question, name: str) -> Check:
    """Check that the distance from a waypoint at which it may turn lies within the straight way beyond each line."""
    planned_m = run_out_m(question.mission)
    if planned_m is None or name not in question.held:
        return unknown("turns", "how early the vehicle turns, or how long the lines go on, is not known")
    own_m = question.held[name]
    if own_m <= planned_m + _ROUNDING_M:
        return passed("turns", f"it turns within {own_m:.0f} m of a waypoint, and lines go on for {planned_m:.0f} m")
    text = (
        f"it may turn {own_m:.0f} m before a waypoint, and lines go on straight for {planned_m:.0f} m: frames are lost"
    )
    if planned_m < _ROUNDING_M:  # not made for it: what it loses is what its maker let it lose
        return unknown("turns", f"{text}; plan with --turnaround {own_m:.0f} to keep them")
    change = question.change(name, float(round(planned_m)), "so that it does not turn before a line ends")
    return failed("turns", text, change)
