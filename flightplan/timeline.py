"""When an aircraft is where: a mission as points in space and time, from its own items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.drones import MULTIROTOR, Drone
from flightplan.energy import Wind, fly_legs
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Frame, Mission, MissionItem

STEP_M = 10.0
SPOOL_S = 5.0
# What ArduCopter does at the end of a flight, as recorded: it waits over its home, then sinks slowly at the last.
LOITER_S, LAST_METRES, LAST_MPS = 5.0, 10.0, 0.5
_WING_LANDS_S = 10.0
_SLOWEST_MPS = 0.5
_LEVEL_SPEED = (0.0, 1.0)
_NO_WAY_M = 0.01


@dataclass(frozen=True)
class Timeline:
    """Where an aircraft is predicted to be.

    `times_s` (N,) are seconds after its motors start, rising; `points` (N, 3) east and north in the frame and metres
    above mean sea level, or above home where the mission does not know how high its home lies. Predicted ones have
    neighbours at most STEP_M apart.
    """

    times_s: Floats
    points: Floats

    @property
    def duration_s(self) -> float:
        """From motors on to motors off."""
        return float(self.times_s[-1])

    def at(self, times_s: npt.ArrayLike) -> Floats:
        """Return the places at times, (..., 3); NaN before the motors start and after they stop."""
        times = np.asarray(times_s, dtype=np.float64)
        found = np.stack([np.interp(times, self.times_s, axis) for axis in self.points.T], axis=-1)
        found[(times < 0) | (times > self.duration_s)] = np.nan
        return found


def predict(
    mission: Mission,
    frame: LocalFrame,
    drone: Drone,
    return_height_m: float | None = None,
    *,
    wind: Wind | None = None,
    ground_m: float | None = None,
) -> Timeline:
    """Return a mission's timeline: legs as `fly_legs` has them in the wind, stops, and the landing as recorded.

    A return to launch first climbs to `return_height_m` above home, where it is lower. `ground_m` is how high home lies
    where the mission does not say, 0 without. Raises PlanError for a leg that cannot be flown against the wind.
    """
    if mission.home_altitude_msl_m is not None:
        ground_m = mission.home_altitude_msl_m
    return _Prediction(mission, frame, drone, wind, ground_m or 0.0).made(return_height_m or 0.0)


class _Prediction:
    """A timeline in the making: where and when the aircraft has come to."""

    def __init__(self, mission: Mission, frame: LocalFrame, drone: Drone, wind: Wind | None, ground_m: float) -> None:
        self._mission, self._frame, self._drone, self._wind, self._ground_m = mission, frame, drone, wind, ground_m
        self._home = np.array([*frame.to_local([_home(mission)])[0], ground_m])
        self._now_s, self._here = 0.0, self._home
        self._times, self._points = [np.zeros(1)], [self._home[None]]

    def made(self, return_height_m: float) -> Timeline:
        speed_mps = self._mission.cruise_speed_mps or self._drone.cruise_speed_mps
        self._wait(SPOOL_S)
        for item in self._mission.items:
            if item.command == Command.DO_CHANGE_SPEED and item.params[0] in _LEVEL_SPEED and item.params[1] > 0:
                speed_mps = max(item.params[1], _SLOWEST_MPS)
            elif item.command == Command.NAV_TAKEOFF:
                self._rise(self._ground_m + item.altitude_m)
            elif item.command == Command.NAV_RETURN_TO_LAUNCH:
                self._rise(max(float(self._here[2]), self._ground_m + return_height_m))
                self._fly(np.array([*self._home[:2], self._here[2]]), speed_mps)
                self._wait(LOITER_S)
                self._land()
            elif item.command == Command.NAV_LAND:
                there = self._place(item)
                # A wing glides to its touchdown, a multirotor sinks over it.
                over_m = self._ground_m if self._drone.kind != MULTIROTOR else float(self._here[2])
                self._fly(np.array([*there[:2], over_m]), speed_mps)
                self._land()
            elif item.longitude_deg is not None:
                self._fly(self._place(item), speed_mps)
                # Its first parameter is how long to stay there; what other items have there is not.
                if item.command in (Command.NAV_WAYPOINT, Command.NAV_LOITER_TIME):
                    self._wait(item.params[0])
        return Timeline(np.concatenate(self._times), np.concatenate(self._points))

    def _place(self, item: MissionItem) -> Floats:
        if item.longitude_deg is None or item.latitude_deg is None:
            return self._here
        east, north = self._frame.to_local([(item.longitude_deg, item.latitude_deg)])[0]
        absolute = item.frame == Frame.GLOBAL
        return np.array([east, north, item.altitude_m if absolute else self._ground_m + item.altitude_m])

    def _fly(self, there: Floats, speed_mps: float) -> None:
        way = there - self._here
        level_m = float(np.hypot(*way[:2]))
        if level_m < _NO_WAY_M:
            self._rise(float(there[2]))
            return
        costs = fly_legs(self._drone, way[None, :2], speed_mps, self._wind)
        seconds = max(float(costs.seconds[0]), self._climb_s(float(way[2])))
        self._go(there, seconds, _time_shares(way, level_m, float(costs.ground_mps[0]), self._drone))

    def _rise(self, height_m: float) -> None:
        up_m = height_m - float(self._here[2])
        there = np.array([*self._here[:2], height_m])
        self._go(there, self._climb_s(up_m), _shares(abs(up_m)))

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._go(self._here, seconds, np.ones(1))

    def _land(self) -> None:
        if self._drone.kind != MULTIROTOR:
            self._rise(self._ground_m)
            self._wait(_WING_LANDS_S)
            return
        low_m = min(float(self._here[2]), self._ground_m + LAST_METRES)
        self._rise(low_m)
        down = np.array([*self._here[:2], self._ground_m])
        self._go(down, (low_m - self._ground_m) / LAST_MPS, _shares(low_m - self._ground_m))

    def _climb_s(self, up_m: float) -> float:
        return up_m / self._drone.climb_mps if up_m > 0 else -up_m / self._drone.descent_mps

    def _go(self, there: Floats, seconds: float, time_shares: Floats) -> None:
        """Add evenly spaced points up to a place, each at its share of the time."""
        way_shares = np.arange(1, len(time_shares) + 1) / len(time_shares)
        self._times.append(self._now_s + time_shares * seconds)
        self._points.append(self._here + way_shares[:, None] * (there - self._here))
        self._now_s, self._here = self._now_s + seconds, there


def _home(mission: Mission) -> tuple[float, float]:
    if mission.home is not None:
        return mission.home
    placed = ((i.longitude_deg, i.latitude_deg) for i in mission.items)
    return next(((x, y) for x, y in placed if x is not None and y is not None), (0.0, 0.0))


def _shares(length_m: float) -> Floats:
    count = max(int(np.ceil(length_m / STEP_M)), 1)
    return np.arange(1, count + 1) / count


def _time_shares(way: Floats, level_m: float, ground_mps: float, drone: Drone) -> Floats:
    """Return which share of a leg's time is gone at evenly spaced points: a multirotor speeds up and slows down."""
    shares = _shares(float(np.linalg.norm(way)))
    if drone.kind != MULTIROTOR:
        return shares
    faster = drone.acceleration_mps2
    top_mps = min(ground_mps, float(np.sqrt(level_m * faster)))
    ramp_m, all_s = top_mps**2 / faster / 2, level_m / top_mps + top_mps / faster
    gone_m, left_m = shares * level_m, (1 - shares) * level_m
    gone_s = np.where(
        gone_m < ramp_m,
        np.sqrt(2 * gone_m / faster),
        np.where(
            left_m < ramp_m,
            all_s - np.sqrt(2 * np.maximum(left_m, 0.0) / faster),
            top_mps / faster + (gone_m - ramp_m) / top_mps,
        ),
    )
    return np.asarray(gone_s / all_s)
