"""QGC WPL 110, the text format of Mission Planner, MAVProxy and APM Planner; fences and rally points in the same form.

Twelve columns between tabs: number, current, frame, command, parameters 1 to 7, autocontinue. Line 0 is home, when it
is a waypoint in the global frame (mavlink.io/en/file_formats, "Plain-Text File Format"). A mission file holds items
and home only; a fence and rally points have a file of their own each. Speed and transects are not carried.
"""

from __future__ import annotations

from flightplan.formats.checks import (
    MAX_ITEMS,
    altitude,
    fence_circle,
    fence_polygon,
    latitude,
    longitude,
    mission_item,
    number,
    plain,
    rally_point,
    refuse,
    seven_params,
    whole,
)
from flightplan.mission import Command, FenceCircle, FencePolygon, Frame, Mission, MissionItem, RallyPoint

HEADER = "QGC WPL 110"
_POLYGON_IN, _POLYGON_OUT, _CIRCLE_IN, _CIRCLE_OUT, _RETURN_POINT, _RALLY = 5001, 5002, 5003, 5004, 5000, 5100
_DO_JUMP = 177
_Row = tuple[int, int, int, list[str], str]


def read_wpl(text: str, where: str) -> Mission:
    """Read a mission, a fence, or rally points. Raises MissionFormatError naming the line."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != HEADER:
        refuse(f"the first line is not '{HEADER}'", f"{where}, line 1")
    rows = [_row(line, f"{where}, line {n}") for n, line in enumerate(lines[1:], start=2) if _has_content(line)]
    if not rows:
        refuse("no items", where)
    _countable(len(rows), where)
    for expected, (index, _, _, _, place) in enumerate(rows):
        if index != expected:
            refuse(f"item {index} where item {expected} should be", place)
    home, home_altitude = None, None
    if rows[0][1] == Frame.GLOBAL and rows[0][2] == Command.NAV_WAYPOINT:
        home, home_altitude = _home(rows[0])
        rows, shift = rows[1:], 0
    else:
        shift = 1
    items = [_item(row, shift) for row in rows if not 5000 <= row[2] <= _RALLY]
    fence, circles, rally = _fence([row for row in rows if 5000 <= row[2] <= _RALLY])
    return Mission(tuple(items), home, home_altitude, fence, rally, None, circles)


def write_wpl(mission: Mission) -> str:
    """Return home and items. An unknown home is written as 0, 0."""
    longitude_deg, latitude_deg = mission.home or (0.0, 0.0)
    home = [0.0, 0.0, 0.0, 0.0, latitude_deg, longitude_deg, mission.home_altitude_msl_m or 0.0]
    rows = [_line(0, Frame.GLOBAL, Command.NAV_WAYPOINT, home, current=True)]
    rows += [
        _line(n, item.frame, item.command, seven_params(item), autocontinue=item.autocontinue)
        for n, item in enumerate(mission.items, start=1)
    ]
    return _text(rows)


def write_wpl_fence(mission: Mission) -> str:
    """Return the fence in the same form: each polygon's corners with their number, circles with their radius."""
    corners: list[tuple[int, float, float, float]] = []
    for polygon in mission.fence:
        command = _POLYGON_IN if polygon.inclusion else _POLYGON_OUT
        corners += [(command, float(len(polygon.ring)), lat, lon) for lon, lat in polygon.ring]
    for circle in mission.fence_circles:
        command = _CIRCLE_IN if circle.inclusion else _CIRCLE_OUT
        corners.append((command, circle.radius_m, circle.latitude_deg, circle.longitude_deg))
    return _text(
        [
            _line(n, Frame.GLOBAL, command, [size, 0.0, 0.0, 0.0, lat, lon, 0.0])
            for n, (command, size, lat, lon) in enumerate(corners)
        ]
    )


def write_wpl_rally(mission: Mission) -> str:
    """Return the rally points in the same form."""
    return _text(
        [
            _line(
                n,
                Frame.GLOBAL_RELATIVE_ALT,
                _RALLY,
                [0.0, 0.0, 0.0, 0.0, point.latitude_deg, point.longitude_deg, point.altitude_home_m],
            )
            for n, point in enumerate(mission.rally)
        ]
    )


def read_old_fence(text: str, where: str) -> Mission:
    """Read a fence of ArduPilot before 4.0: a return point, then the corners of one polygon, latitude first."""
    points: list[tuple[str, str]] = []
    for n, line in enumerate(text.splitlines(), start=1):
        if _has_content(line):
            parts = line.split()
            if len(parts) != 2:
                refuse(f"{len(parts)} values instead of latitude and longitude", f"{where}, line {n}")
            points.append((parts[1], parts[0]))
    _countable(len(points), where)
    return Mission(items=(), fence=(fence_polygon(list(points[1:]), True, where),))


def read_old_rally(text: str, where: str) -> Mission:
    """Read rally points of ArduPilot before 4.0: RALLY, latitude, longitude, height, break height, direction, flags."""
    points = []
    for n, line in enumerate(text.splitlines(), start=1):
        if _has_content(line):
            parts, place = line.split(), f"{where}, line {n}"
            if parts[0] != "RALLY" or len(parts) != 7:
                refuse("not a line of seven values that begins with RALLY", place)
            points.append(rally_point(parts[2], parts[1], parts[3], place))
    _countable(len(points), where)
    return Mission(items=(), rally=tuple(points))


def _row(line: str, where: str) -> _Row:
    parts = line.split()
    if len(parts) != 12:
        refuse(f"{len(parts)} values instead of 12", where)
    whole(parts[1], "current", where, 0, 1)
    index, frame = whole(parts[0], "the item's number", where), whole(parts[2], "the frame", where, 0, 255)
    return index, frame, whole(parts[3], "the command", where), parts[4:], where


def _home(row: _Row) -> tuple[tuple[float, float] | None, float | None]:
    *_, values, where = row
    lat, lon = latitude(values[4], where), longitude(values[5], where)
    height = altitude(values[6], where)
    return ((lon, lat) if (lat, lon) != (0.0, 0.0) else None), (height or None)


def _item(row: _Row, shift: int) -> MissionItem:
    _, frame, command, values, where = row
    params: list[str | float] = list(values[:7])
    if command == _DO_JUMP and shift:
        # Items are numbered from home; in a file without it they come one earlier.
        params[0] = number(values[0], "parameter 1", where) + shift
    return mission_item(command, frame, params, where, autocontinue=bool(whole(values[7], "autocontinue", where, 0, 1)))


def _fence(
    rows: list[_Row],
) -> tuple[tuple[FencePolygon, ...], tuple[FenceCircle, ...], tuple[RallyPoint, ...]]:
    polygons: list[FencePolygon] = []
    circles: list[FenceCircle] = []
    rally: list[RallyPoint] = []
    at = 0
    while at < len(rows):
        _, _, command, values, where = rows[at]
        size, lat, lon, height = values[0], values[4], values[5], values[6]
        if command in (_POLYGON_IN, _POLYGON_OUT):
            count = whole(size, "the number of corners", where, 3)
            corners = rows[at : at + count]
            if len(corners) < count or any(row[2] != command or row[3][0] != size for row in corners):
                refuse(f"a fence polygon of {count} corners that are not all there", where)
            points = [(row[3][5], row[3][4]) for row in corners]
            polygons.append(fence_polygon(list(points), command == _POLYGON_IN, where))
            at += count
            continue
        if command in (_CIRCLE_IN, _CIRCLE_OUT):
            circles.append(fence_circle(lon, lat, size, command == _CIRCLE_IN, where))
        elif command == _RALLY:
            rally.append(rally_point(lon, lat, height, where))
        elif command != _RETURN_POINT:
            refuse(f"command {command} is no fence or rally point known here", where)
        at += 1
    return tuple(polygons), tuple(circles), tuple(rally)


def _line(
    index: int, frame: int, command: int, params: list[float], *, current: bool = False, autocontinue: bool = True
) -> str:
    columns = [str(index), str(int(current)), str(int(frame)), str(int(command))]
    return "\t".join([*columns, *(plain(value) for value in params), str(int(autocontinue))])


def _text(rows: list[str]) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def _countable(count: int, where: str) -> None:
    if count > MAX_ITEMS:
        refuse(f"{count} items, more than MAVLink can count", where)


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
