"""Several drones in one air: whether two flights could meet, and whether two vehicles are about to.

A prediction knows neither wind nor delays; so each place on a way is taken not at a moment but for a while, the longer
the further it lies ahead. Two flights are clear of each other when no two near places are taken at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.plan import Sortie
from flightplan.separation import Separation
from flightplan.timeline import STEP_M, Timeline

# Lower than this over its home a vehicle stands, or is about to.
_ON_THE_GROUND_M = 3.0
_NO_TIME_S = 1e-3  # seconds since 1970 are known no better
# How far ahead vehicles are watched, as they fly now.
_HORIZON_S = 12.0


@dataclass(frozen=True)
class Meeting:
    """Where and when two flights could come too close: local metres, seconds of the common time."""

    east_m: float
    north_m: float
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Encounter:
    """Two vehicles flying on as they do: how close they come, and in how many seconds."""

    horizontal_m: float
    vertical_m: float
    in_s: float


def meeting(
    a: Timeline, a_start_s: float, b: Timeline, b_start_s: float, rules: Separation, *, now_s: float = -np.inf
) -> Meeting | None:
    """Return the first chance of two flights to come too close when started at these times, None when there is none.

    What could only have been before `now_s` is left out.
    """
    near = _near(a, b, rules)
    a_from, a_to = (w[near[:, 0]] + a_start_s for w in rules.window(a.times_s))
    b_from, b_to = (w[near[:, 1]] + b_start_s for w in rules.window(b.times_s))
    first_s, last_s = np.maximum(np.maximum(a_from, b_from), now_s), np.minimum(a_to, b_to)
    met = np.flatnonzero(last_s - first_s > _NO_TIME_S)
    if not len(met):
        return None
    n = met[np.argmin(first_s[met])]
    east_m, north_m, _ = a.points[near[n, 0]]
    return Meeting(float(east_m), float(north_m), float(first_s[n]), float(last_s[n]))


def clear_from(
    waiting: Timeline, earliest_s: float, flying: Sequence[tuple[Timeline, float]], rules: Separation
) -> float:
    """Return the first time, not before `earliest_s`, at which a flight may start without meeting any of the others.

    Each of those is a timeline and when it started or will.
    """
    from_s, to_s = [np.empty(0)], [np.empty(0)]
    for other, start_s in flying:
        near = _near(other, waiting, rules)
        other_from, other_to = (w[near[:, 0]] + start_s for w in rules.window(other.times_s))
        mine_from, mine_to = (w[near[:, 1]] for w in rules.window(waiting.times_s))
        # At a start between these two, both would be there.
        from_s.append(other_from - mine_to)
        to_s.append(other_to - mine_from)
    begin, end = np.concatenate(from_s), np.concatenate(to_s)
    order = np.argsort(begin)
    reach = np.maximum.accumulate(end[order])
    free_s = earliest_s
    for k in np.flatnonzero(reach > earliest_s):
        if begin[order[k]] >= free_s:
            break
        free_s = max(free_s, float(reach[k]))
    return free_s


def take_off_times(
    queues: Sequence[Sequence[Timeline]],
    rules: Separation,
    *,
    not_before_s: Sequence[Sequence[float]] | None = None,
    between_s: float = 0.0,
) -> list[list[float]]:
    """Return when each flight of each vehicle may start, in seconds from the first, so that none could meet.

    Vehicles take turns in their order; a vehicle's next flight waits until its last one must be over and `between_s`
    more, and every flight until it is clear of those already given a time.
    """
    starts: list[list[float]] = [[] for _ in queues]
    given: list[tuple[Timeline, float]] = []
    for turn in range(max(map(len, queues), default=0)):
        for number, queue in enumerate(queues):
            if turn >= len(queue):
                continue
            earliest_s = 0.0 if not_before_s is None else not_before_s[number][turn]
            if turn:
                over_s = rules.window(queue[turn - 1].times_s[-1:])[1]
                earliest_s = max(earliest_s, starts[number][-1] + float(over_s[0]) + between_s)
            start_s = clear_from(queue[turn], earliest_s, given, rules)
            starts[number].append(start_s)
            given.append((queue[turn], start_s))
    return starts


def share_out(sorties: Sequence[Sortie], vehicles: int) -> list[list[Sortie]]:
    """Return the sorties of each of so many vehicles: as the plan says, else neighbouring ones to one vehicle.

    A plan for one drone is cut into as many runs of sorties as there are vehicles, in its order, so that the longest
    run takes as short as it can; so vehicles work in different parts of the area.
    """
    if vehicles < 1:
        raise PlanError("there is no vehicle to fly with")
    planned = sorted({s.drone for s in sorties})
    if len(planned) > 1:
        place = {drone: n % vehicles for n, drone in enumerate(planned)}
        return [[s for s in sorties if place[s.drone] == n] for n in range(vehicles)]
    durations = np.array([s.duration_s or 1.0 for s in sorties])
    # A second more than all of them: sums in another order round otherwise.
    low, high = float(durations.max(initial=0.0)), float(durations.sum()) + 1.0
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_runs(durations, middle)) <= vehicles else (middle, high)
    runs = _runs(durations, high)
    return [[sorties[i] for i in (runs[n] if n < len(runs) else [])] for n in range(vehicles)]


def encounter(a: Floats, a_velocity: Floats, b: Floats, b_velocity: Floats, rules: Separation) -> Encounter | None:
    """Return how two vehicles that fly on as they do come too close within the horizon; None when they do not.

    Positions (3,) in local metres, up last, velocities in metres a second. They are too close while they are so both
    on the ground and in height.
    """
    apart, closing = b - a, b_velocity - a_velocity
    when = np.linspace(0.0, _HORIZON_S, int(_HORIZON_S * 2) + 1)
    ahead = apart + when[:, None] * closing
    level_m, height_m = np.hypot(ahead[:, 0], ahead[:, 1]), np.abs(ahead[:, 2])
    close = np.flatnonzero((level_m < rules.horizontal_m) & rules.too_level(height_m))
    if not len(close):
        return None
    nearest = close[np.argmin(level_m[close])]
    return Encounter(float(level_m[nearest]), float(height_m[nearest]), float(when[close[0]]))


def _near(a: Timeline, b: Timeline, rules: Separation) -> np.ndarray:
    """Return the pairs of places too close to each other, (K, 2), without those where one of the two stands."""
    reach_m = rules.horizontal_m + STEP_M
    flown_a, flown_b = _flown(a), _flown(b)
    if not len(flown_a) or not len(flown_b):
        return np.empty((0, 2), dtype=np.int64)
    tree = cKDTree(b.points[flown_b, :2])
    found = tree.query_ball_point(a.points[flown_a, :2], reach_m)
    counts = np.array([len(f) for f in found])
    if not counts.any():
        return np.empty((0, 2), dtype=np.int64)
    pairs = np.column_stack(
        [np.repeat(flown_a, counts), flown_b[np.concatenate([f for f in found if f]).astype(np.int64)]]
    )
    height_m = np.abs(a.points[pairs[:, 0], 2] - b.points[pairs[:, 1], 2])
    return np.asarray(pairs[rules.too_level(height_m)])


def _flown(timeline: Timeline) -> np.ndarray:
    return np.flatnonzero(timeline.points[:, 2] > timeline.points[0, 2] + _ON_THE_GROUND_M)


def _runs(durations: Floats, most_s: float) -> list[list[int]]:
    runs: list[list[int]] = []
    taken_s = np.inf
    for i, seconds in enumerate(durations):
        if taken_s + seconds > most_s:
            runs.append([])
            taken_s = 0.0
        runs[-1].append(i)
        taken_s += float(seconds)
    return runs
