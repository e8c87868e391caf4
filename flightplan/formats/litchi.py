"""Litchi's mission CSV (flylitchi.com/hub, "CSV import and export"): waypoints with speed, gimbal and camera.

Each row flies to a point; the photo interval of a row is that of the way from it to the next. Litchi takes off and
returns by itself: take-off and return are not carried, nor are fence, rally points, home and transects.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

from flightplan.formats.checks import (
    IMAGE_START_CAPTURE,
    altitude,
    command_item,
    latitude,
    longitude,
    number,
    plain,
    refuse,
    speed,
    whole,
)
from flightplan.mission import Command, Frame, Mission, MissionItem

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
_INTERPOLATE = 2
_UNSET = "-1"
_MOUNT_MAVLINK_TARGETING = 2.0


def is_litchi(first_line: str) -> bool:
    """Whether a CSV's header is Litchi's."""
    names = {name.strip().casefold() for name in first_line.split(",")}
    return set(_NEEDED) <= names


def read_litchi(text: str, where: str) -> Mission:
    """Read a mission. Raises MissionFormatError naming the line."""
    try:
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        rows = [{(k or "").strip().casefold(): v for k, v in row.items()} for row in reader]
    except csv.Error as error:
        refuse(f"not CSV: {error}", where)
    items: list[MissionItem] = []
    flown = _Flown()
    for line, row in enumerate(rows, start=2):
        items += flown.items(row, f"{where}, line {line}")
    if not items:
        refuse("no waypoints", where)
    if flown.distance_m:
        items.append(command_item(Command.DO_SET_CAM_TRIGG_DIST, (0.0, 0.0, 0.0, 0.0)))
    return Mission(tuple(items))


def write_litchi(mission: Mission) -> str:
    """Return the waypoints. Raises MissionFormatError without any, or with heights above sea level."""
    rows = _rows(mission)
    if not rows:
        refuse("a mission without waypoints cannot be written for Litchi", "the mission")
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class _Flown:
    """What stays as it was set until another row sets it."""

    def __init__(self) -> None:
        self.speed_mps: float | None = None
        self.pitch_deg: float | None = None
        self.distance_m = 0.0

    def items(self, row: Mapping[str, str | None], where: str) -> list[MissionItem]:
        """Return the items of one row: what changes before the waypoint, the waypoint, what is done at it."""
        lon, lat = longitude(_text(row, "longitude"), where), latitude(_text(row, "latitude"), where)
        height = altitude(_text(row, "altitude(m)"), where)
        mode = whole(_text(row, "altitudemode") or "0", "altitudemode", where, 0, 1)
        frame = Frame.GLOBAL_TERRAIN_ALT if mode == _ABOVE_GROUND else Frame.GLOBAL_RELATIVE_ALT
        stay_s, photo, tilt_deg = _actions(row, where)
        found: list[MissionItem] = []
        wanted = speed(_text(row, "speed(m/s)") or "0", "speed(m/s)", where)
        if wanted is not None and wanted != self.speed_mps:
            found.append(command_item(Command.DO_CHANGE_SPEED, (1.0, wanted, -1.0, 0.0)))
            self.speed_mps = wanted
        if whole(_text(row, "gimbalmode") or "0", "gimbalmode", where, 0, 2) == _INTERPOLATE:
            tilt_deg = number(_text(row, "gimbalpitchangle") or "0", "gimbalpitchangle", where, -120.0, 120.0)
        if tilt_deg is not None and tilt_deg != self.pitch_deg:
            params = (tilt_deg, 0.0, 0.0, 0.0)
            found.append(command_item(Command.DO_MOUNT_CONTROL, params, _MOUNT_MAVLINK_TARGETING))
            self.pitch_deg = tilt_deg
        waypoint = MissionItem(Command.NAV_WAYPOINT, frame, (stay_s, 0.0, 0.0, 0.0), lon, lat, height)
        found.append(waypoint)
        if photo:
            found.append(command_item(IMAGE_START_CAPTURE, (0.0, 0.0, 1.0, 0.0)))
        return found + self._interval(row, where)

    def _interval(self, row: Mapping[str, str | None], where: str) -> list[MissionItem]:
        if number(_text(row, "photo_timeinterval") or _UNSET, "photo_timeinterval", where) > 0:
            refuse("pictures by time interval have no place in a mission here", where, "Use a distance interval")
        distance_m = max(
            0.0, number(_text(row, "photo_distinterval") or _UNSET, "photo_distinterval", where, -1.0, 1e5)
        )
        if distance_m == self.distance_m:
            return []
        self.distance_m = distance_m
        return [command_item(Command.DO_SET_CAM_TRIGG_DIST, (distance_m, 0.0, 1.0 if distance_m else 0.0, 0.0))]


def _actions(row: Mapping[str, str | None], where: str) -> tuple[float, bool, float | None]:
    stay_s, photo, tilt_deg = 0.0, False, None
    for n in range(1, _ACTIONS + 1):
        kind = whole(_text(row, f"actiontype{n}") or _UNSET, f"actiontype{n}", where, -1, 100)
        value = number(_text(row, f"actionparam{n}") or "0", f"actionparam{n}", where)
        if kind == _STAY:
            stay_s += value / 1000.0
        elif kind == _PHOTO:
            photo = True
        elif kind == _TILT:
            tilt_deg = value
        elif kind != -1:
            refuse(f"action {kind} (video or heading) has no place in a survey mission", where)
    return stay_s, photo, tilt_deg


def _rows(mission: Mission) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    speed_mps, pitch_deg, distance_m = mission.cruise_speed_mps or 0.0, _pitch_of(mission), 0.0
    for item in mission.items:
        if item.command == Command.DO_CHANGE_SPEED:
            speed_mps = item.params[1]
        elif item.command == Command.DO_MOUNT_CONTROL:
            pitch_deg = item.params[0]
        elif item.command == Command.DO_SET_CAM_TRIGG_DIST:
            distance_m = item.params[0]
            if rows:
                rows[-1]["photo_distinterval"] = plain(distance_m) if distance_m else _UNSET
        elif item.command == IMAGE_START_CAPTURE and rows:
            rows[-1].update(actiontype1=str(_PHOTO), actionparam1="0")
        elif item.command == Command.NAV_WAYPOINT and item.longitude_deg is not None and item.latitude_deg is not None:
            rows.append(_row(item, speed_mps, pitch_deg, distance_m))
    return rows


def _row(item: MissionItem, speed_mps: float, pitch_deg: float | None, distance_m: float) -> dict[str, str]:
    if item.frame not in (Frame.GLOBAL_RELATIVE_ALT, Frame.GLOBAL_TERRAIN_ALT):
        refuse("Litchi knows heights above take-off and above ground only, not above sea level", "the mission")
    row = dict.fromkeys(_COLUMNS, "0")
    row |= {f"actiontype{n}": _UNSET for n in range(1, _ACTIONS + 1)}
    terrain = item.frame == Frame.GLOBAL_TERRAIN_ALT
    row |= {
        "latitude": plain(item.latitude_deg or 0.0),
        "longitude": plain(item.longitude_deg or 0.0),
        "altitude(m)": plain(item.altitude_m),
        "altitudemode": str(_ABOVE_GROUND if terrain else _ABOVE_TAKEOFF),
        "speed(m/s)": plain(speed_mps),
        "gimbalmode": "0" if pitch_deg is None else str(_INTERPOLATE),
        "gimbalpitchangle": plain(pitch_deg or 0.0),
        "photo_timeinterval": _UNSET,
        "photo_distinterval": plain(distance_m) if distance_m else _UNSET,
    }
    stay_s = item.params[0]
    if stay_s > 0 and not math.isnan(stay_s):
        row |= {"actiontype2": str(_STAY), "actionparam2": plain(stay_s * 1000.0)}
    return row


def _pitch_of(mission: Mission) -> float | None:
    """Straight down from the start where a mission takes pictures and leaves the gimbal alone."""
    commands = {item.command for item in mission.items}
    takes_pictures = commands & {Command.DO_SET_CAM_TRIGG_DIST, IMAGE_START_CAPTURE}
    return -90.0 if takes_pictures and Command.DO_MOUNT_CONTROL not in commands else None


def _text(row: Mapping[str, str | None], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""
