"""A mission as DJI and Litchi know one: waypoints, what is done at each, and how the way onwards is flown.

MAVLink's commands between two waypoints are carried out at the first of them. What these stations cannot say is named,
never passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flightplan.formats.checks import command_item, refuse
from flightplan.mission import Command, Frame, Mission, MissionItem

TILTS = frozenset({Command.DO_MOUNT_CONTROL, Command.DO_GIMBAL_MANAGER_PITCHYAW})
STRAIGHT_DOWN_DEG = -90.0
MOUNT_BY_MAVLINK = 2.0
"""MAV_MOUNT_MODE_MAVLINK_TARGETING, parameter 7 of DO_MOUNT_CONTROL."""

_PICTURES = (Command.DO_SET_CAM_TRIGG_DIST, Command.IMAGE_START_CAPTURE, Command.DO_DIGICAM_CONTROL)
_AIRSPEED, _GROUND_SPEED = 0.0, 1.0


class Act(StrEnum):
    """What can be done at a waypoint."""

    STAY = "stay"
    TILT = "tilt"
    PICTURE = "picture"


@dataclass(frozen=True)
class Step:
    """One thing done at a waypoint: seconds of a stay, degrees of a tilt, 0 for a picture."""

    act: Act
    value: float = 0.0


@dataclass(frozen=True)
class Waypoint:
    """A place, what is done there in order, and the way from it to the next.

    `speed_mps` is None where nobody said it. `interval_m` is the distance between pictures, 0 without. `pitch_deg` is
    that of the gimbal on arrival, None where it is as it was.
    """

    longitude_deg: float
    latitude_deg: float
    height_m: float
    steps: tuple[Step, ...] = ()
    speed_mps: float | None = None
    interval_m: float = 0.0
    pitch_deg: float | None = None


@dataclass(frozen=True)
class WaypointFlight:
    """Waypoints with their heights all in one frame, and what comes before and after them.

    `first_speed_mps` is flown on the way to the first waypoint. `finish` is a NAV_RETURN_TO_LAUNCH or NAV_LAND, or None
    to stay in the air. `lost` names what the mission also said.
    """

    waypoints: tuple[Waypoint, ...]
    frame: int
    takeoff_m: float | None = None
    finish: int | None = None
    cruise_speed_mps: float | None = None
    first_speed_mps: float | None = None
    lost: tuple[str, ...] = ()


def as_waypoints(mission: Mission) -> WaypointFlight:
    """Return a mission's waypoints. A survey whose gimbal nobody points is photographed straight down.

    Raises MissionFormatError without waypoints, or with heights that are not all above take-off or all above ground.
    """
    reading = _Reading(mission)
    if not reading.waypoints:
        refuse("a mission without waypoints", "the mission")
    if len(reading.frames) > 1 or not reading.frames <= {Frame.GLOBAL_RELATIVE_ALT, Frame.GLOBAL_TERRAIN_ALT}:
        refuse(
            "heights must be all above take-off or all above ground here, not above sea level or mixed", "the mission"
        )
    return reading.flight()


def what_waypoints_lose(mission: Mission) -> tuple[str, ...]:
    """Return what a mission says beyond its waypoints, a phrase each."""
    return tuple(_Reading(mission).lost)


def as_mission(flight: WaypointFlight) -> Mission:
    """Return the mission of these waypoints, with as few commands as say the same."""
    return Mission(tuple(_items(flight)), cruise_speed_mps=flight.cruise_speed_mps)


def command_name(command: int) -> str:
    """Return a command's number, and its name where it has one here."""
    return f"{command} ({Command(command).name})" if command in set(Command) else str(command)


# From a mission -------------------------------------------------------------------------------------------------------


@dataclass
class _Reading:
    """The waypoints of a mission, and what does not fit them."""

    mission: Mission
    waypoints: list[Waypoint] = field(default_factory=list)
    frames: set[int] = field(default_factory=set)
    takeoff_m: float | None = None
    finish: int | None = None
    # In the order they are found, each once.
    lost: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._speed = self.mission.cruise_speed_mps
        self._first_speed = self._speed
        self._interval_m = 0.0
        self._switched: dict[int, list[float]] = {}
        commands = {item.command for item in self.mission.items}
        unpointed = bool(commands & set(_PICTURES)) and not commands & TILTS
        self._pitch_deg = STRAIGHT_DOWN_DEG if unpointed else None
        for n, item in enumerate(self.mission.items):
            if not item.autocontinue:
                self._lose("that the vehicle waits after an item")
            self._take(item)
            if self.finish is not None:
                if n + 1 < len(self.mission.items):
                    self._lose("what comes after the return or the landing")
                break
        if self.waypoints:
            last = self.waypoints[-1]
            if last.interval_m:
                self._lose("pictures after the last waypoint")
            before = self.waypoints[-2].speed_mps if len(self.waypoints) > 1 else self._first_speed
            if last.speed_mps != before:
                self._lose("the speed of the way home")
            self.waypoints[-1] = replace(last, interval_m=0.0, speed_mps=before)

    def flight(self) -> WaypointFlight:
        """Return what was read."""
        return WaypointFlight(
            waypoints=tuple(self.waypoints),
            frame=next(iter(self.frames)),
            takeoff_m=self.takeoff_m,
            finish=self.finish,
            cruise_speed_mps=self.mission.cruise_speed_mps,
            first_speed_mps=self._first_speed,
            lost=tuple(self.lost),
        )

    def _lose(self, phrase: str) -> None:
        self.lost[phrase] = None

    def _take(self, item: MissionItem) -> None:
        match item.command:
            case Command.NAV_WAYPOINT | Command.NAV_LOITER_TIME:
                self._waypoint(item)
            case Command.NAV_TAKEOFF:
                self._takeoff(item)
            case Command.NAV_RETURN_TO_LAUNCH | Command.NAV_LAND:
                self._end(item)
            case Command.NAV_DELAY if item.params[0] > 0 and self.waypoints:
                self._step(Step(Act.STAY, item.params[0]))
            case Command.DO_CHANGE_SPEED:
                self._change_speed(item)
            case Command.DO_MOUNT_CONTROL | Command.DO_GIMBAL_MANAGER_PITCHYAW:
                self._tilt(item)
            case Command.DO_SET_CAM_TRIGG_DIST:
                self._trigger(item)
            case Command.IMAGE_START_CAPTURE | Command.DO_DIGICAM_CONTROL:
                self._picture(item)
            case _:
                self._lose(f"command {command_name(item.command)}")

    def _waypoint(self, item: MissionItem) -> None:
        if item.longitude_deg is None or item.latitude_deg is None:
            self._lose("waypoints that are wherever the vehicle is")
            return
        stay_s, near_m, pass_m, yaw_deg = item.params
        if item.command == Command.NAV_LOITER_TIME:
            self._lose("that a stay is a loiter (command 19 becomes a waypoint with a stay)")
        elif any(value != 0 and not math.isnan(value) for value in (near_m, pass_m)):
            self._lose("how near a waypoint is to be passed (parameters 2 and 3)")
        if yaw_deg != 0 and not math.isnan(yaw_deg):
            self._lose("headings at waypoints (parameter 4)")
        if not self.waypoints:
            self._first_speed = self._speed
            if self._interval_m:
                self._lose("pictures on the way to the first waypoint")
        self.frames.add(item.frame)
        self.waypoints.append(
            Waypoint(
                longitude_deg=item.longitude_deg,
                latitude_deg=item.latitude_deg,
                height_m=item.altitude_m,
                steps=(Step(Act.STAY, stay_s),) if stay_s > 0 else (),
                speed_mps=self._speed,
                interval_m=self._interval_m,
                pitch_deg=self._pitch_deg,
            )
        )

    def _takeoff(self, item: MissionItem) -> None:
        if self.waypoints or self.takeoff_m is not None:
            self._lose("a take-off in mid-flight")
        elif item.frame != Frame.GLOBAL_RELATIVE_ALT:
            self._lose("the take-off height, which is not above home")
        else:
            self.takeoff_m = item.altitude_m
        if item.params[0] != 0 and not math.isnan(item.params[0]):
            self._lose("the pitch at take-off")

    def _end(self, item: MissionItem) -> None:
        self.finish = int(item.command)
        if item.longitude_deg is None or not self.waypoints:
            return
        last = self.waypoints[-1]
        if (item.longitude_deg, item.latitude_deg) != (last.longitude_deg, last.latitude_deg):
            self._lose("that it lands elsewhere than at the last waypoint")

    def _change_speed(self, item: MissionItem) -> None:
        kind, wanted_mps = item.params[0], item.params[1]
        if kind not in (_AIRSPEED, _GROUND_SPEED) or not wanted_mps > 0:
            self._lose("a change of climb, descent or throttle (command 178)")
            return
        if kind == _AIRSPEED:
            self._lose("that speeds are through the air")
        if item.params[2] > 0:
            self._lose("the throttle")
        self._speed = wanted_mps
        if self.waypoints:
            self.waypoints[-1] = replace(self.waypoints[-1], speed_mps=wanted_mps)

    def _tilt(self, item: MissionItem) -> None:
        pitch_deg, *others = item.params
        if not math.isfinite(pitch_deg):
            self._lose(f"a gimbal command without a pitch ({int(item.command)})")
            return
        if any(value != 0 and not math.isnan(value) for value in others):
            self._lose("the gimbal's roll, yaw or rate")
        if item.command == Command.DO_MOUNT_CONTROL and item.altitude_m not in (0.0, MOUNT_BY_MAVLINK):
            self._lose("the gimbal's mode")
        if self.waypoints:
            self._step(Step(Act.TILT, pitch_deg))
        self._pitch_deg = pitch_deg

    def _trigger(self, item: MissionItem) -> None:
        distance_m, shutter_ms, at_once, _ = item.params
        if not distance_m >= 0:
            self._lose("a trigger without a distance (command 206)")
            return
        if shutter_ms != 0 and not math.isnan(shutter_ms):
            self._lose("the shutter time")
        if distance_m and at_once != 1:
            self._lose("that the first picture waits for the first distance")
        switched = self._switched.setdefault(len(self.waypoints), [self._interval_m])
        if switched[-1] > 0 and len(switched) > 1:
            self._lose("a picture taken by switching the trigger on and off at one place")
        elif switched[0] > 0 and distance_m == switched[0]:
            self._lose("that the distance to the next picture is counted anew at a waypoint")
        switched.append(distance_m)
        self._interval_m = distance_m
        if self.waypoints:
            self.waypoints[-1] = replace(self.waypoints[-1], interval_m=distance_m)

    def _picture(self, item: MissionItem) -> None:
        if item.command == Command.DO_DIGICAM_CONTROL:
            if item.params_5_6[0] != 1 or any(value not in (0, 1) for value in item.params[:3]):
                self._lose("zoom or focus of the camera (command 203)")
                if item.params_5_6[0] != 1:
                    return
        else:
            camera, _, count, _ = item.params
            if count != 1:
                self._lose("pictures by time (command 2000)")
                return
            if camera != 0:
                self._lose("which camera")
        if self.waypoints:
            self._step(Step(Act.PICTURE))
        else:
            self._lose("pictures before the first waypoint")

    def _step(self, step: Step) -> None:
        last = self.waypoints[-1]
        self.waypoints[-1] = replace(last, steps=(*last.steps, step))


# To a mission ---------------------------------------------------------------------------------------------------------


def _items(flight: WaypointFlight) -> Iterator[MissionItem]:
    if flight.takeoff_m is not None:
        yield MissionItem(Command.NAV_TAKEOFF, altitude_m=flight.takeoff_m)
    speed_mps, pitch_deg, interval_m = flight.cruise_speed_mps, None, 0.0
    for n, waypoint in enumerate(flight.waypoints):
        if n == 0 and flight.first_speed_mps is not None and flight.first_speed_mps != speed_mps:
            yield _speed(flight.first_speed_mps)
            speed_mps = flight.first_speed_mps
        if waypoint.pitch_deg is not None and waypoint.pitch_deg != pitch_deg:
            yield _tilt(waypoint.pitch_deg)
            pitch_deg = waypoint.pitch_deg
        stay_s, steps = _first_stay(waypoint.steps)
        yield MissionItem(
            Command.NAV_WAYPOINT,
            flight.frame,
            (stay_s, 0.0, 0.0, 0.0),
            waypoint.longitude_deg,
            waypoint.latitude_deg,
            waypoint.height_m,
        )
        for step in steps:
            yield _done(step)
            pitch_deg = step.value if step.act == Act.TILT else pitch_deg
        if waypoint.speed_mps is not None and waypoint.speed_mps != speed_mps:
            yield _speed(waypoint.speed_mps)
            speed_mps = waypoint.speed_mps
        if waypoint.interval_m != interval_m:
            at_once = 1.0 if waypoint.interval_m else 0.0
            yield command_item(Command.DO_SET_CAM_TRIGG_DIST, (waypoint.interval_m, 0.0, at_once, 0.0))
            interval_m = waypoint.interval_m
    if flight.finish is not None:
        frame = Frame.MISSION if flight.finish == Command.NAV_RETURN_TO_LAUNCH else Frame.GLOBAL_RELATIVE_ALT
        yield MissionItem(flight.finish, frame)


def _first_stay(steps: Sequence[Step]) -> tuple[float, Sequence[Step]]:
    """Return the stay that a waypoint itself can say, and what is left."""
    return (steps[0].value, steps[1:]) if steps and steps[0].act == Act.STAY else (0.0, steps)


def _done(step: Step) -> MissionItem:
    if step.act == Act.TILT:
        return _tilt(step.value)
    if step.act == Act.STAY:
        return command_item(Command.NAV_DELAY, (step.value, -1.0, -1.0, -1.0))
    return command_item(Command.IMAGE_START_CAPTURE, (0.0, 0.0, 1.0, 0.0))


def _speed(speed_mps: float) -> MissionItem:
    return command_item(Command.DO_CHANGE_SPEED, (_GROUND_SPEED, speed_mps, -1.0, 0.0))


def _tilt(pitch_deg: float) -> MissionItem:
    return command_item(Command.DO_MOUNT_CONTROL, (pitch_deg, 0.0, 0.0, 0.0), MOUNT_BY_MAVLINK)
