"""When a vehicle will be where: a mission as points in space and time, from its own items."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flightplan.drones import Drone
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Frame, Mission, MissionItem

STEP_M = 10.0
SPOOL_S = 5.0
# What ArduCopter does at the end of a flight, as recorded: it waits over its home, then sinks slowly at the last.
LOITER_S, LAST_METRES, LAST_MPS = 5.0, 10.0, 0.5
_SLOWEST_MPS = 0.5
_LEVEL_SPEED = (0.0, 1.0)


@dataclass(frozen=True)
class Timeline:
    """Where a vehicle is predicted to be, in still air.

    `times_s` (N,) are seconds after its motors start, rising; `points` (N, 3) east and north in the frame and metres
    above mean sea level, or above home where the mission does not know how high its home lies; neighbours are at most
    STEP_M apart on the ground. `items` (N,) are the places in the mission, from 0, of the item flown to.
    """

    times_s: Floats
    points: Floats
    items: Floats

    @property
    def duration_s(self) -> float:
        """From motors on to motors off."""
        return float(self.times_s[-1])

    def at(self, time_s: float) -> Floats:
        """Return the predicted place at a time, (3,)."""
        return np.array([np.interp(time_s, self.times_s, axis) for axis in self.points.T])


def predict(mission: Mission, frame: LocalFrame, drone: Drone, return_height_m: float | None = None) -> Timeline:
    """Return a mission's timeline: legs from standstill to standstill, as `Drone.leg_seconds` has them.

    A return to launch first climbs to `return_height_m` above home, where it is lower.
    """
    ground_m = mission.home_altitude_msl_m or 0.0
    speed_mps = mission.cruise_speed_mps or drone.cruise_speed_mps
    home = _home(mission)
    start = np.array([*frame.to_local([home])[0], ground_m])
    stops: list[tuple[float, Floats, int]] = [(0.0, start, 0), (SPOOL_S, start, 0)]
    for number, item in enumerate(mission.items):
        now_s, here, _ = stops[-1]
        if item.command == Command.DO_CHANGE_SPEED and item.params[0] in _LEVEL_SPEED and item.params[1] > 0:
            speed_mps = max(item.params[1], _SLOWEST_MPS)
        elif item.command == Command.NAV_TAKEOFF:
            there = np.array([here[0], here[1], ground_m + item.altitude_m])
            stops.append((now_s + _climb_s(here, there, drone), there, number))
        elif item.command == Command.NAV_RETURN_TO_LAUNCH:
            up = np.array([here[0], here[1], max(here[2], ground_m + (return_height_m or 0.0))])
            now_s += _climb_s(here, up, drone)
            stops.append((now_s, up, number))
            here, over = up, np.array([start[0], start[1], up[2]])
            now_s += _leg_s(here, over, speed_mps, drone)
            stops.append((now_s, over, number))
            stops += _landing(now_s + LOITER_S, over, ground_m, drone, number)
        elif item.command == Command.NAV_LAND:
            over = _place(item, frame, ground_m, here)
            over[2] = here[2]
            now_s += _leg_s(here, over, speed_mps, drone)
            stops.append((now_s, over, number))
            stops += _landing(now_s, over, ground_m, drone, number)
        elif item.longitude_deg is not None:
            there = _place(item, frame, ground_m, here)
            held_s = item.params[0] if item.command == Command.NAV_LOITER_TIME else 0.0
            stops.append((now_s + max(_leg_s(here, there, speed_mps, drone), 0.01), there, number))
            if held_s > 0:
                stops.append((stops[-1][0] + held_s, there, number))
    return _sampled(stops)


def _home(mission: Mission) -> tuple[float, float]:
    if mission.home is not None:
        return mission.home
    placed = ((i.longitude_deg, i.latitude_deg) for i in mission.items)
    return next(((x, y) for x, y in placed if x is not None and y is not None), (0.0, 0.0))


def _place(item: MissionItem, frame: LocalFrame, ground_m: float, here: Floats) -> Floats:
    if item.longitude_deg is None or item.latitude_deg is None:
        return here.copy()
    east, north = frame.to_local([(item.longitude_deg, item.latitude_deg)])[0]
    absolute = item.frame == Frame.GLOBAL
    return np.array([east, north, item.altitude_m if absolute else ground_m + item.altitude_m])


def _leg_s(here: Floats, there: Floats, speed_mps: float, drone: Drone) -> float:
    level_s = float(drone.leg_seconds(np.hypot(*(there - here)[:2]), speed_mps))
    return max(level_s, _climb_s(here, there, drone))


def _climb_s(here: Floats, there: Floats, drone: Drone) -> float:
    up_m = float(there[2] - here[2])
    return up_m / drone.climb_mps if up_m > 0 else -up_m / drone.descent_mps


def _landing(now_s: float, over: Floats, ground_m: float, drone: Drone, number: int) -> list[tuple[float, Floats, int]]:
    low = over.copy()
    low[2] = min(over[2], ground_m + LAST_METRES)
    down = over.copy()
    down[2] = ground_m
    low_s = now_s + _climb_s(over, low, drone)
    return [(now_s, over, number), (low_s, low, number), (low_s + (low[2] - ground_m) / LAST_MPS, down, number)]


def _sampled(stops: list[tuple[float, Floats, int]]) -> Timeline:
    """Put points between stops, none more than STEP_M from the next."""
    times, points, items = [stops[0][0]], [stops[0][1]], [stops[0][2]]
    for (a_s, a, _), (b_s, b, number) in pairwise(stops):
        count = max(int(np.ceil(float(np.linalg.norm(b - a)) / STEP_M)), 1)
        shares = np.arange(1, count + 1) / count
        times.extend((a_s + shares * (b_s - a_s)).tolist())
        points.extend(a + shares[:, None] * (b - a))
        items.extend([number] * count)
    return Timeline(np.array(times), np.array(points), np.array(items, dtype=np.float64))
