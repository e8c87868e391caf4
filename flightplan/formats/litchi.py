"""Litchi's mission CSV (flylitchi.com/hub, "CSV import and export"): waypoints with speed, gimbal and camera.

Each row flies to a point; the photo interval of a row is that of the way from it to the next. Litchi takes off and
returns by itself: take-off and return are not carried, nor are fence, rally points, home and transects.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from flightplan.formats.checks import MAX_ITEMS, altitude, latitude, longitude, number, plain, refuse, speed, whole
from flightplan.formats.waypoint_flight import Act, Step, Waypoint, WaypointFlight, as_mission, as_waypoints
from flightplan.mission import CAPACITIES, Frame, Mission

_ACTIONS = 15
_COLUMNS = (
    *("latitude", "longitude", "altitude(m)", "heading(deg)", "curvesize(m)", "rotationdir"),
    *("gimbalmode", "gimbalpitchangle"),
    *(f"action{part}{n}" for n in range(1, _ACTIONS + 1) for part in ("type", "param")),
    *("altitudemode", "speed(m/s)", "poi_latitude", "poi_longitude", "poi_altitude(m)", "poi_altitudemode"),
    *("photo_timeinterval", "photo_distinterval"),
)
_NEEDED = ("latitude", "longitude", "altitude(m)")
_STAY, _PHOTO, _TILT = 0, 1, 5
_ABOVE_TAKEOFF, _ABOVE_GROUND = 0, 1
_FOCUS, _INTERPOLATE = 1, 2
_BEYOND = {
    "heading(deg)": "headings at waypoints (Litchi's heading mode Custom)",
    "curvesize(m)": "curved turns (Litchi's path mode Curved)",
    "poi_latitude": "points of interest",
    "poi_longitude": "points of interest",
}
_UNSET = "-1"
_FEWEST = 2
_LONGEST_STAY_MS = 32_767
_LOWEST_M, _HIGHEST_M = -200.0, 500.0


def is_litchi(first_line: str) -> bool:
    """Whether a CSV's header is Litchi's."""
    names = {name.strip().casefold() for name in first_line.split(",")}
    return set(_NEEDED) <= names


def read_litchi(text: str, where: str, unread: dict[str, None] | None = None) -> Mission:
    """Read a mission. Raises MissionFormatError naming the line.

    What a mission here has no place for, but flies without, is added to `unread`.
    """
    try:
        table = [(n, cells) for n, cells in enumerate(csv.reader(io.StringIO(text), skipinitialspace=True), 1) if cells]
    except csv.Error as error:
        refuse(f"not CSV: {error}", where)
    names = [name.strip().casefold() for name in table[0][1]] if table else []
    for name, count in Counter(names).items():
        if count > 1:
            refuse(f"column {name!r} is there twice", f"{where}, line 1")
        if name not in _COLUMNS:
            refuse(f"column {name[:40]!r} is none of Litchi's", f"{where}, line 1")
    if len(table) > MAX_ITEMS:
        refuse(f"{len(table) - 1} rows, more than MAVLink can count", where)
    rows = []
    for line, cells in table[1:]:
        if len(cells) != len(names):
            refuse(f"{len(cells)} values where the header has {len(names)}", f"{where}, line {line}")
        rows.append((line, dict(zip(names, cells, strict=True))))
    waypoints: list[Waypoint] = []
    frames: set[int] = set()
    for line, row in rows:
        frame, waypoint = _waypoint(row, f"{where}, line {line}")
        frames.add(frame)
        waypoints.append(waypoint)
        if unread is not None:
            unread.update(_beyond(row, f"{where}, line {line}"))
    if not waypoints:
        refuse("no waypoints", where)
    if len(frames) > 1:
        refuse("heights above take-off and above ground in one mission", where)
    # Row by row the speed from there on; what the last row says of it is flown nowhere.
    last_mps = waypoints[-2].speed_mps if len(waypoints) > 1 else waypoints[-1].speed_mps
    waypoints[-1] = replace(waypoints[-1], speed_mps=last_mps, interval_m=0.0)
    return as_mission(WaypointFlight(tuple(waypoints), frames.pop(), first_speed_mps=waypoints[0].speed_mps))


def _waypoint(row: Mapping[str, str], where: str) -> tuple[Frame, Waypoint]:
    lon, lat = longitude(_text(row, "longitude"), where), latitude(_text(row, "latitude"), where)
    height = altitude(_text(row, "altitude(m)"), where)
    mode = whole(_text(row, "altitudemode", "0"), "altitudemode", where, 0, 1)
    pitch_deg = None
    gimbal = whole(_text(row, "gimbalmode", "0"), "gimbalmode", where, 0, 2)
    if gimbal == _FOCUS:
        refuse("a gimbal aimed at a point of interest has no place in a mission here", where)
    if gimbal == _INTERPOLATE:
        pitch_deg = number(_text(row, "gimbalpitchangle", "0"), "gimbalpitchangle", where, -120.0, 120.0)
    if number(_text(row, "photo_timeinterval", _UNSET), "photo_timeinterval", where) > 0:
        refuse("pictures by time interval have no place in a mission here", where, "Use a distance interval")
    interval_m = number(_text(row, "photo_distinterval", _UNSET), "photo_distinterval", where, -1.0, 1e5)
    waypoint = Waypoint(
        longitude_deg=lon,
        latitude_deg=lat,
        height_m=height,
        steps=_steps(row, where),
        speed_mps=speed(_text(row, "speed(m/s)", "0"), "speed(m/s)", where),
        interval_m=max(0.0, interval_m),
        pitch_deg=pitch_deg,
    )
    return (Frame.GLOBAL_TERRAIN_ALT if mode == _ABOVE_GROUND else Frame.GLOBAL_RELATIVE_ALT), waypoint


def _beyond(row: Mapping[str, str], where: str) -> dict[str, None]:
    """Return what a row also says, that depends on settings which are not in the file."""
    return {phrase: None for name, phrase in _BEYOND.items() if number(_text(row, name, "0"), name, where) != 0}


def _steps(row: Mapping[str, str], where: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for n in range(1, _ACTIONS + 1):
        kind = whole(_text(row, f"actiontype{n}", _UNSET), f"actiontype{n}", where, -1, 100)
        value = number(_text(row, f"actionparam{n}", "0"), f"actionparam{n}", where)
        if kind == _STAY:
            stay_s = number(value, f"actionparam{n}", where, 0.0, 3_600_000.0) / 1000.0
            if steps and steps[-1].act == Act.STAY:
                steps[-1] = Step(Act.STAY, round(steps[-1].value + stay_s, 3))
            elif stay_s:
                steps.append(Step(Act.STAY, stay_s))
        elif kind == _PHOTO:
            steps.append(Step(Act.PICTURE))
        elif kind == _TILT:
            steps.append(Step(Act.TILT, number(value, f"actionparam{n}", where, -120.0, 120.0)))
        elif kind != -1:
            refuse(f"action {kind} (video or heading) has no place in a survey mission", where)
    return tuple(steps)


def write_litchi(mission: Mission) -> str:
    """Return the waypoints.

    Raises MissionFormatError with fewer than two waypoints or more than Litchi sends at once, with heights that it does
    not know, or more to do at a waypoint than it takes.
    """
    flight = as_waypoints(mission)
    most = CAPACITIES["litchi"].waypoints or 0
    if len(flight.waypoints) < _FEWEST:
        refuse(f"{len(flight.waypoints)} waypoints; Litchi flies {_FEWEST} or more", "the mission")
    if len(flight.waypoints) > most:
        refuse(
            f"{len(flight.waypoints)} waypoints; Litchi sends {most} at once, and the next in the air only with signal",
            "the mission",
            "Plan smaller sorties, or with a larger height tolerance",
        )
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    tilted = False
    for n, waypoint in enumerate(flight.waypoints):
        # A tilt at a waypoint is in whole degrees, and the gimbal stays there.
        pitch_deg = round(waypoint.pitch_deg) if tilted and waypoint.pitch_deg is not None else waypoint.pitch_deg
        writer.writerow(_row(replace(waypoint, pitch_deg=pitch_deg), flight.frame, n))
        tilted |= any(step.act == Act.TILT for step in waypoint.steps)
    return out.getvalue()


def _row(waypoint: Waypoint, frame: int, number_of_row: int) -> dict[str, str]:
    place = f"the mission, waypoint {number_of_row}"
    if not _LOWEST_M <= waypoint.height_m <= _HIGHEST_M:
        refuse(f"a height of {waypoint.height_m:g} m; Litchi flies {_LOWEST_M:g} to {_HIGHEST_M:g} m", place)
    actions = [action for step in waypoint.steps for action in _actions_for(step)]
    if len(actions) > _ACTIONS:
        refuse(f"{len(actions)} actions; Litchi takes {_ACTIONS} at a waypoint", place)
    row = dict.fromkeys(_COLUMNS, "0")
    row |= {f"actiontype{n}": _UNSET for n in range(1, _ACTIONS + 1)}
    for n, (kind, param) in enumerate(actions, start=1):
        row |= {f"actiontype{n}": str(kind), f"actionparam{n}": str(param)}
    return row | {
        "latitude": plain(waypoint.latitude_deg),
        "longitude": plain(waypoint.longitude_deg),
        "altitude(m)": plain(waypoint.height_m),
        "altitudemode": str(_ABOVE_GROUND if frame == Frame.GLOBAL_TERRAIN_ALT else _ABOVE_TAKEOFF),
        "speed(m/s)": plain(waypoint.speed_mps or 0.0),
        "gimbalmode": "0" if waypoint.pitch_deg is None else str(_INTERPOLATE),
        "gimbalpitchangle": plain(float(waypoint.pitch_deg or 0.0)),
        "photo_timeinterval": _UNSET,
        "photo_distinterval": plain(waypoint.interval_m) if waypoint.interval_m else _UNSET,
    }


def _actions_for(step: Step) -> list[tuple[int, int]]:
    """Return Litchi's actions for a step: (type, whole parameter), milliseconds or degrees."""
    if step.act == Act.PICTURE:
        return [(_PHOTO, 0)]
    if step.act == Act.TILT:
        return [(_TILT, round(step.value))]
    left_ms, found = round(step.value * 1000.0), []
    while left_ms > 0:
        found.append((_STAY, min(left_ms, _LONGEST_STAY_MS)))
        left_ms -= _LONGEST_STAY_MS
        if len(found) > _ACTIONS:
            break
    return found


def _text(row: Mapping[str, str], name: str, default: str = "") -> str:
    """Return a cell; the default is for a column that older files do not have, not for an empty cell."""
    return row.get(name, default).strip()
