"""Where an aircraft is when, as its mission says; and how near two aircraft come to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from flightplan.drones import MULTIROTOR, Drone
from flightplan.energy import Wind, fly_legs
from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Mission

STEP_S = 2.0
_LANDING_S = 10.0


@dataclass(frozen=True)
class Timeline:
    """One flight: times (K,) in seconds after take-off, and places (K, 3), metres east, north and up."""

    seconds: Floats
    places: Floats

    @property
    def duration_s(self) -> float:
        """From take-off to landing."""
        return float(self.seconds[-1])

    def at(self, seconds: Floats) -> Floats:
        """Return the places at times, (N, 3); NaN before take-off and after landing."""
        inside = (seconds >= 0) & (seconds <= self.duration_s)
        found = np.column_stack([np.interp(seconds, self.seconds, self.places[:, k]) for k in range(3)])
        found[~inside] = np.nan
        return found


@dataclass(frozen=True)
class Separation:
    """How near aircraft that fly at the same time come, by the timelines of their missions.

    Asked for: `horizontal_m` wherever they are less than `vertical_m` apart in height, though each may be `margin_s`
    earlier or later than the other than planned. `closest_m` is the least distance, over the ground, of two that are
    less than `vertical_m` apart in height, None when none ever are; `sorties` are those two.
    """

    horizontal_m: float
    vertical_m: float
    margin_s: float
    closest_m: float | None = None
    sorties: tuple[str, str] | None = None


def mission_timeline(
    mission: Mission, frame: LocalFrame, drone: Drone, wind: Wind | None = None, ground_m: float = 0.0
) -> Timeline:
    """Return when a mission's aircraft is where: climb, legs at the speeds that the mission says, descent over home.

    `ground_m` is how high home lies above the level that heights are to be measured from. A multirotor starts and stops
    at each waypoint, as `Drone.leg_seconds` says.
    """
    assert mission.home is not None
    home = frame.to_local([mission.home])[0]
    speed_mps = drone.cruise_speed_mps
    stops, speeds, holds_s = [np.array([*home, 0.0])], [], []
    for item in mission.items:
        if item.command == Command.DO_CHANGE_SPEED:
            speed_mps = item.params[1]
        elif item.longitude_deg is not None and item.latitude_deg is not None:
            place = frame.to_local([(item.longitude_deg, item.latitude_deg)])[0]
            stops.append(np.array([*place, item.altitude_m]))
            speeds.append(speed_mps)
            # A waypoint's first parameter is how long to stay there; a take-off's is its pitch.
            holds_s.append(item.params[0] if item.command == Command.NAV_WAYPOINT else 0.0)
    points = np.stack(stops)
    times, places = [np.zeros(1)], [points[:1]]
    vectors, asked_mps = np.diff(points[:, :2], axis=0), np.array(speeds)
    leg_s, leg_mps = np.zeros(len(vectors)), np.zeros(len(vectors))
    for speed in np.unique(asked_mps):
        costs = fly_legs(drone, vectors[asked_mps == speed], float(speed), wind)
        leg_s[asked_mps == speed], leg_mps[asked_mps == speed] = costs.seconds, costs.ground_mps
    now = 0.0
    legs = zip(pairwise(points), leg_s.tolist(), leg_mps.tolist(), holds_s, strict=True)
    for (a, b), seconds, ground_mps, hold_s in legs:
        level_m, rise_m = float(np.hypot(*(b - a)[:2])), float(b[2] - a[2])
        if level_m < 0.01:
            seconds = abs(rise_m) / (drone.climb_mps if rise_m > 0 else drone.descent_mps)
            share = np.linspace(0, 1, 2)
            spent = share * seconds
        else:
            spent, share = _along(level_m, seconds, ground_mps, drone)
        times.append(now + spent[1:])
        places.append(a + share[1:, None] * (b - a))
        now += seconds
        if hold_s > 0:
            now += hold_s
            times.append(np.array([now]))
            places.append(b[None])
    over_home_m = float(points[-1][2])
    times.append(np.array([now + over_home_m / drone.descent_mps, now + over_home_m / drone.descent_mps + _LANDING_S]))
    places.append(np.array([[*points[-1][:2], 0.0]] * 2))
    return Timeline(np.concatenate(times), np.concatenate(places) + np.array([0.0, 0.0, ground_m]))


def forbidden_offsets(
    one: Timeline, other: Timeline, *, horizontal_m: float, vertical_m: float, margin_s: float
) -> list[tuple[int, int]]:
    """Return which starts of the other, in whole seconds after the one's, bring the two too near, as (first, last).

    Both are looked at every 2 s, and the distance asked for is larger by what they fly in between.
    """
    # The last look is at the landing, whenever that is: which costs a step of slack.
    a, b = (t.at(np.minimum(np.arange(0.0, t.duration_s + STEP_S, STEP_S), t.duration_s)) for t in (one, other))
    moved_m = sum(float(np.hypot(*np.diff(p[:, :2], axis=0).T).max()) for p in (a, b)) / 2
    risen_m = sum(float(np.abs(np.diff(p[:, 2])).max()) for p in (a, b)) / 2
    near = np.zeros(len(a) + len(b), dtype=bool)
    # Only where one is over the other's surroundings can they meet.
    in_a, in_b = _around(a, b, horizontal_m + moved_m), _around(b, a, horizontal_m + moved_m)
    for start in range(0, len(in_a), 500):
        some = in_a[start : start + 500]
        level = np.hypot(a[some, None, 0] - b[None, in_b, 0], a[some, None, 1] - b[None, in_b, 1])
        apart = np.abs(a[some, None, 2] - b[None, in_b, 2])
        i, j = np.nonzero((level < horizontal_m + moved_m) & _level_with(apart, vertical_m, risen_m))
        near[np.unique(some[i] - in_b[j] + len(b))] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(np.int8), [0]])))
    slack = 2 * STEP_S + margin_s
    found: list[tuple[int, int]] = []
    for first, past in zip(edges[::2], edges[1::2], strict=True):
        low = int(np.floor((first - len(b)) * STEP_S - slack))
        high = int(np.ceil((past - 1 - len(b)) * STEP_S + slack))
        if found and low <= found[-1][1] + 1:
            low = found.pop()[0]
        found.append((low, high))
    return found


def closest(
    flights: Sequence[tuple[str, int, float, Timeline]], asked: Separation, *, step_s: float = 1.0
) -> Separation:
    """Return how near flights (name, drone, start, timeline) of different drones come to each other.

    Each pair is looked at every second of their common time as planned, and with one of them earlier or later by
    half the margin and by all of it.
    """
    worst: tuple[float, tuple[str, str]] | None = None
    shifts = asked.margin_s * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    for (name, drone, start, one), (name2, drone2, start2, other) in combinations(flights, 2):
        if drone == drone2:
            continue
        for shift in shifts:
            first, last = max(start, start2 + shift), min(start + one.duration_s, start2 + shift + other.duration_s)
            if last <= first:
                continue
            now = np.arange(first, last, step_s)
            a, b = one.at(now - start), other.at(now - start2 - shift)
            level = np.hypot(a[:, 0] - b[:, 0], a[:, 1] - b[:, 1])[
                _level_with(np.abs(a[:, 2] - b[:, 2]), asked.vertical_m)
            ]
            if len(level) and (worst is None or float(np.nanmin(level)) < worst[0]):
                worst = float(np.nanmin(level)), (name, name2)
    if worst is None:
        return asked
    return Separation(asked.horizontal_m, asked.vertical_m, asked.margin_s, worst[0], worst[1])


def _around(points: Floats, others: Floats, reach_m: float) -> npt.NDArray[np.intp]:
    """Return which points lie within reach of the others' bounding box."""
    low, high = others[:, :2].min(axis=0) - reach_m, others[:, :2].max(axis=0) + reach_m
    return np.flatnonzero(((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1))


def _level_with(apart_m: Floats, vertical_m: float, slack_m: float = 0.0) -> npt.NDArray[np.bool_]:
    """Whether two are too little apart in height; without a vertical distance to keep, always."""
    if vertical_m <= 0:
        return np.isfinite(apart_m)
    return np.asarray(apart_m < vertical_m - 0.5 + slack_m)


def _along(length_m: float, seconds: float, ground_mps: float, drone: Drone) -> tuple[Floats, Floats]:
    """Return times and shares of the way along a leg, every 2 s or finer, speeding up and slowing down at its ends."""
    number = max(2, int(np.ceil(seconds / STEP_S)) + 1)
    spent = np.linspace(0, seconds, number)
    if drone.kind != MULTIROTOR:
        return spent, spent / seconds
    faster = drone.acceleration_mps2
    top_mps = min(ground_mps, float(np.sqrt(length_m * faster)))
    ramp_s = top_mps / faster
    left = seconds - spent
    gone = np.where(
        spent < ramp_s,
        faster * spent**2 / 2,
        np.where(left < ramp_s, length_m - faster * left**2 / 2, top_mps * (spent - ramp_s / 2)),
    )
    return spent, np.clip(gone / length_m, 0.0, 1.0)
