"""What the logs of a sortie's flights say was photographed well, and what is missing along each line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from flightplan.errors import Skip
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command
from flightplan.plan import Sortie, SurveyPlan
from flightplan.vehicle.attach import logged_sortie
from flightplan.vehicle.effort import ALONG_SLACK_M, CROSS_TRACK_M
from flightplan.vehicle.logs import CAPTURES, FlightCapture, read_captures

# Frames this many trigger distances apart have a missed one between them.
_MISSED_ONE, _LATE = 1.5, 1.1


@dataclass(frozen=True)
class FrameLimits:
    """What a frame must keep to, to count as taken well.

    `height_share` is the deviation from the planned height above home as a share of the height above ground;
    `tilt_deg` the airframe's from level (a copter leans 30° into a line, and a gimbal takes that away: lower it for a
    camera that is fixed); `speed_share` the ground speed since the frame before, over the planned one.
    """

    cross_track_m: float = CROSS_TRACK_M
    height_share: float = 0.15
    tilt_deg: float = 40.0
    speed_share: float = 1.5


@dataclass(frozen=True)
class Missing:
    """A stretch without good frames: metres from where the sortie's line `line` (counted from 1) starts.

    `start` and `end` are its ends, (longitude, latitude).
    """

    transect: str
    line: int
    from_m: float
    to_m: float
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Assessment:
    """What flights have left of a sortie: stretches that are missing, frames that count, frames that do not and why.

    `line_m` is the length of the sortie's lines, `missing_m` of the stretches.
    """

    sortie: str
    missing: tuple[Missing, ...]
    good_count: int
    rejected: tuple[Skip, ...]
    line_m: float

    @property
    def missing_m(self) -> float:
        """How many metres of line are missing."""
        return sum(m.to_m - m.from_m for m in self.missing)


def log_folders(out: Path, identifier: str) -> tuple[Path, ...]:
    """Return the log folders of a sortie: its own, those set aside, and those of its resumed flights."""
    names = re.compile(re.escape(identifier) + r"(-resume-\d+)?(\.\d+)?")
    return tuple(sorted(p for p in out.glob("*") if p.is_dir() and names.fullmatch(p.name)))


def assess(plan: SurveyPlan, sortie: Sortie, folders: Iterable[Path], limits: FrameLimits | None = None) -> Assessment:
    """Judge the frames of all of a sortie's flights together, and find what no good frame answers for.

    Neighbouring good frames may be as far apart as the footprint is long, or one and a half trigger distances where
    the plan wants more overlap than that. At a line's end a trigger distance may be left, as the trigger itself leaves.
    """
    limits = limits or FrameLimits()
    frame = plan.area.frame
    lines = tuple(lines_of(sortie, frame))
    along: list[list[float]] = [[] for _ in lines]
    rejected = []
    for folder in folders:
        captures = read_captures(folder) if (folder / CAPTURES).is_file() else ()
        flown = logged_sortie(folder)
        # Above its own home, which another day may have been elsewhere.
        asked = lines if flown is None else tuple(lines_of(flown, frame))
        points = _local(captures, frame)
        before: tuple[int, FlightCapture, Floats] | None = None
        for capture, point in zip(captures, points, strict=True):
            place = _place(capture, point, lines, limits)
            why = capture.reason or "it was not on a line"
            if place is not None:
                same_line = before is not None and before[0] == place[0]
                speed_mps = _speed(before[1], before[2], capture, point) if before is not None and same_line else None
                why = _fault(capture, speed_mps, _height_m(asked, lines[place[0]], place[1]), plan, limits)
                before = place[0], capture, point
            elif capture.on_line:
                why = "it is on no line of this sortie"
            if place is not None and not why:
                along[place[0]].append(place[1])
            else:
                rejected.append(Skip(f"{folder.name} frame {capture.index}", why))
    missing = [
        _missing(lines[n], n, from_m, to_m, frame)
        for n, frames in enumerate(along)
        for from_m, to_m in _stretches(np.sort(frames), lines[n].length_m, plan)
    ]
    return Assessment(
        sortie.identifier, tuple(missing), sum(map(len, along)), tuple(rejected), sum(line.length_m for line in lines)
    )


@dataclass(frozen=True)
class Line:
    """A straight piece of a transect, flown on effort: local points (K, 2), and heights above home."""

    transect: str
    points: Floats
    altitude_home_m: Floats

    @property
    def length_m(self) -> float:
        """From its start to its end."""
        return float(np.hypot(*(self.points[-1] - self.points[0])))

    @property
    def along(self) -> Floats:
        """Its direction, of length 1."""
        return np.asarray((self.points[-1] - self.points[0]) / self.length_m)

    def at(self, along_m: float) -> Floats:
        """Return the place so many metres from its start."""
        return np.asarray(self.points[0] + along_m * self.along)

    def height_at(self, along_m: float) -> float:
        """Return the planned height above home there."""
        distances = (self.points - self.points[0]) @ self.along
        return float(np.interp(along_m, distances, self.altitude_home_m))


def lines_of(sortie: Sortie, frame: LocalFrame) -> Iterator[Line]:
    """Return the lines of a sortie in the order in which they are flown."""
    yield from _triggered_lines(sortie, frame)
    yield from _stopped_lines(sortie, frame)


def _stopped_lines(sortie: Sortie, frame: LocalFrame) -> Iterator[Line]:
    """Return the lines on which the vehicle stops for each picture: what it flies from the first to the last of one."""
    passed: list[tuple[float, float, float]] = []
    transect: str | None = None
    for item in (*sortie.mission.items, None):
        positioned = item is not None and item.longitude_deg is not None and item.latitude_deg is not None
        if transect is not None and (item is None or (positioned and item.transect != transect)):
            line = Line(transect, frame.to_local([p[:2] for p in passed]), np.array([p[2] for p in passed]))
            if line.length_m > 0:
                yield line
            transect = None
        if item is None:
            continue
        if item.command == Command.IMAGE_START_CAPTURE and item.transect is not None:
            transect = item.transect
        elif item.longitude_deg is not None and item.latitude_deg is not None:
            passed = [*passed, (item.longitude_deg, item.latitude_deg, item.altitude_m)] if transect else []
            passed = passed or [(item.longitude_deg, item.latitude_deg, item.altitude_m)]


def _triggered_lines(sortie: Sortie, frame: LocalFrame) -> Iterator[Line]:
    here: tuple[float, float, float] | None = None
    passed: list[tuple[float, float, float]] = []
    armed: str | None = None
    for item in sortie.mission.items:
        if item.command == Command.DO_SET_CAM_TRIGG_DIST:
            if armed is not None and len(passed) > 1:
                line = Line(armed, frame.to_local([p[:2] for p in passed]), np.array([p[2] for p in passed]))
                if line.length_m > 0:
                    yield line
            armed = (item.transect or "") if item.params[0] > 0 else None
            passed = [here] if here is not None else []
        elif item.longitude_deg is not None and item.latitude_deg is not None:
            here = (item.longitude_deg, item.latitude_deg, item.altitude_m)
            passed.append(here)


def _height_m(asked: Sequence[Line], line: Line, along_m: float) -> float:
    """Return the height that a flight's own mission had at a place along a sortie's line; else the sortie's."""
    point = line.at(along_m)
    for own in asked:
        there_m = float((point - own.points[0]) @ own.along)
        beside_m = float(np.hypot(*(point - own.at(there_m))))
        if (
            own.transect == line.transect
            and beside_m < 1.0
            and -ALONG_SLACK_M <= there_m <= own.length_m + ALONG_SLACK_M
        ):
            return own.height_at(there_m)
    return line.height_at(along_m)


def _local(captures: Sequence[FlightCapture], frame: LocalFrame) -> Floats:
    lonlat = [(c.longitude_deg, c.latitude_deg) for c in captures]
    return frame.to_local(np.array(lonlat)) if lonlat else np.empty((0, 2))


def _place(
    capture: FlightCapture, point: Floats, lines: Sequence[Line], limits: FrameLimits
) -> tuple[int, float] | None:
    """Return the line that a frame is on and where along it."""
    for n, line in enumerate(lines):
        if not capture.on_line or line.transect != capture.transect:
            continue
        east, north = line.along
        along_m = float((point - line.points[0]) @ (east, north))
        cross_m = abs(float((point - line.points[0]) @ (north, -east)))
        if -ALONG_SLACK_M <= along_m <= line.length_m + ALONG_SLACK_M and cross_m <= limits.cross_track_m:
            return n, along_m
    return None


def _speed(before: FlightCapture, start: Floats, after: FlightCapture, end: Floats) -> float | None:
    """Return the ground speed between two frames; None where a time is not known."""
    if before.time_utc is None or after.time_utc is None:
        return None
    seconds = (datetime.fromisoformat(after.time_utc) - datetime.fromisoformat(before.time_utc)).total_seconds()
    return float(np.hypot(*(end - start))) / seconds if seconds > 0 else None


def _fault(
    capture: FlightCapture, speed_mps: float | None, planned_m: float, plan: SurveyPlan, limits: FrameLimits
) -> str:
    """Return which limit a frame on a line breaks; nothing when it was taken well."""
    off_m = abs(capture.altitude_home_m - planned_m)
    if not off_m <= limits.height_share * plan.altitude_agl_m:
        return f"its height is {off_m:.0f} m from the planned one"
    level = np.cos(np.radians(capture.roll_deg)) * np.cos(np.radians(capture.pitch_deg))
    tilt_deg = float(np.degrees(np.arccos(level)))
    if not tilt_deg <= limits.tilt_deg:
        return f"the aircraft was tilted by {tilt_deg:.0f}°"
    if speed_mps is not None and speed_mps > limits.speed_share * plan.speed_mps:
        return f"flown at {speed_mps:.1f} m/s, planned were {plan.speed_mps:.1f}"
    return ""


def reach_m(plan: SurveyPlan) -> float:
    """How far to each side along its line a frame answers for."""
    footprint_m = plan.camera.footprint_m(plan.altitude_agl_m)[1]
    trigger_m = plan.trigger_distance_m
    # Triggers fire a little late: without any overlap, frames are a little more than a footprint apart.
    return min(_MISSED_ONE * trigger_m, max(footprint_m, _LATE * trigger_m)) / 2


def _stretches(frames: Floats, length_m: float, plan: SurveyPlan) -> list[tuple[float, float]]:
    """Return what frames at these places along a line leave, as (from, to) in metres."""
    reach = reach_m(plan)
    if not len(frames):
        return [(0.0, length_m)]
    found = []
    if frames[0] > reach:
        found.append((0.0, float(frames[0]) - reach))
    apart = np.flatnonzero(np.diff(frames) > 2 * reach + 1e-6)
    found += [(float(frames[i]) + reach, float(frames[i + 1]) - reach) for i in apart]
    last_m = float(frames[-1])
    if length_m - last_m > plan.trigger_distance_m + ALONG_SLACK_M:
        found.append((last_m + reach, length_m))
    return found


def _missing(line: Line, number: int, from_m: float, to_m: float, frame: LocalFrame) -> Missing:
    (a_lon, a_lat), (b_lon, b_lat) = frame.to_lonlat(np.stack([line.at(from_m), line.at(to_m)])).tolist()
    return Missing(line.transect, number + 1, round(from_m, 2), round(to_m, 2), (a_lon, a_lat), (b_lon, b_lat))
