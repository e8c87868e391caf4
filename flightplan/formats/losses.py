"""What a format drops of a mission, in words: nothing is lost unsaid."""

from __future__ import annotations

from itertools import takewhile

from flightplan.errors import MissionFormatError
from flightplan.formats.waypoint_flight import TILTS, Act, as_waypoints, command_name, what_waypoints_lose
from flightplan.mission import Command, Mission

_KEEP_ALL = frozenset({".plan", ".kml", ".geojson"})


def lost_in(mission: Mission, suffix: str) -> tuple[str, ...]:
    """Return what a file of that suffix does not carry of this mission, a phrase each."""
    suffix = suffix.lower()
    if suffix in _KEEP_ALL:
        return ()
    lost = []
    if mission.fence or mission.fence_circles:
        lost.append("the fence")
    if mission.rally:
        lost.append("the rally points")
    if any(item.transect for item in mission.items):
        lost.append("which items fly which transect")
    if mission.autopilot_type is not None or mission.vehicle_type is not None:
        lost.append("which autopilot and kind of vehicle it was made for")
    if suffix == ".waypoints":
        if mission.cruise_speed_mps is not None:
            lost.append("the cruise speed (items that change the speed are kept)")
        if mission.home_altitude_msl_m == 0.0:
            lost.append("that home lies at 0 m, which stands for unknown")
        return tuple(lost)
    if mission.home is not None:
        lost.append("home")
    lost += what_waypoints_lose(mission)
    lost += _dji(mission) if suffix == ".kmz" else _litchi(mission)
    return tuple(lost)


def _dji(mission: Mission) -> list[str]:
    lost = []
    if not any(item.command == Command.NAV_TAKEOFF for item in mission.items):
        lost.append("that no take-off height is set (20 m is written)")
    before = takewhile(lambda item: item.command != Command.NAV_WAYPOINT, mission.items)
    if any(item.command in TILTS for item in before):
        lost.append("that the gimbal is pointed before the first waypoint (it is on arrival there)")
    if mission.cruise_speed_mps is None:
        lost.append("that no cruise speed is set (the first speed is written, or 10 m/s)")
    return lost


def _litchi(mission: Mission) -> list[str]:
    lost = [
        f"command {command_name(command)}"
        for command in (Command.NAV_TAKEOFF, Command.NAV_RETURN_TO_LAUNCH, Command.NAV_LAND)
        if any(item.command == command for item in mission.items)
    ]
    try:
        flight = as_waypoints(mission)
    except MissionFormatError:
        # It cannot be written at all, and writing it says why.
        return lost
    if flight.waypoints[0].speed_mps != flight.first_speed_mps:
        lost.append("the speed on the way to the first waypoint")
    if flight.cruise_speed_mps is not None:
        lost.append("the cruise speed (each waypoint's speed is kept)")
    steps = [step for waypoint in flight.waypoints for step in waypoint.steps]
    if any(step.act == Act.TILT and step.value != round(step.value) for step in steps):
        lost.append("fractions of a degree of the gimbal")
    if any(step.act == Act.STAY and round(step.value * 1000) / 1000 != step.value for step in steps):
        lost.append("fractions of a millisecond of a stay")
    return lost
