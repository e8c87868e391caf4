"""What a format drops of a mission, in words: nothing is lost unsaid."""

from __future__ import annotations

from flightplan.mission import Command, Mission

_KEEP_ALL = frozenset({".plan", ".kml", ".geojson"})
_DJI = frozenset({16, 20, 21, 22, 178, 205, 206, 2000})
_LITCHI = frozenset({16, 178, 205, 206, 2000})


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
    if suffix == ".waypoints":
        if mission.cruise_speed_mps is not None:
            lost.append("the cruise speed (items that change the speed are kept)")
        if mission.home_altitude_msl_m == 0.0:
            lost.append("that home lies at 0 m, which stands for unknown")
        return tuple(lost)
    if mission.home is not None:
        lost.append("home")
    known = _DJI if suffix == ".kmz" else _LITCHI
    others = sorted({int(item.command) for item in mission.items} - known)
    lost += [f"command {_name(command)}" for command in others]
    if suffix == ".kmz" and not any(item.command == Command.NAV_TAKEOFF for item in mission.items):
        lost.append("that no take-off height is set (20 m is written)")
    if any(not item.autocontinue for item in mission.items):
        lost.append("that the vehicle waits after an item")
    return tuple(lost)


def _name(command: int) -> str:
    return f"{command} ({Command(command).name})" if command in set(Command) else str(command)
