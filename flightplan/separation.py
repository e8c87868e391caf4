"""How far drones in one air keep apart: what is asked, and whether timelines keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.mission import Mission
from flightplan.timeline import Timeline

STEP_S = 2.0
# Heights that differ by a layer, but for rounding, are a layer apart.
_ROUNDING_M = 0.5
# Between return heights, besides what keeps drones apart: none is held to the centimetre.
_SPARE_M = 2.0


@dataclass(frozen=True)
class Separation:
    """How far drones that fly at the same time keep from each other, and how near they come as planned.

    They are apart when they are `horizontal_m` apart over the ground or `vertical_m` in height, where that is above 0,
    though one of two may be `margin_s` earlier or later than the other than predicted. Where nobody set the take-offs,
    `early_share` and `late_share` of the time predicted come on top: how much a flight may be ahead of it and behind.
    `closest_m` is the least distance, over the ground, of two that are less than `vertical_m` apart in height, None
    when none ever are or nobody looked; `sorties` are those two. Raises PlanError for what is below 0.
    """

    horizontal_m: float
    vertical_m: float
    margin_s: float
    closest_m: float | None = None
    sorties: tuple[str, str] | None = None
    early_share: float = 0.0
    late_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("horizontal_m", "vertical_m", "margin_s", "early_share", "late_share"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise PlanError(f"{name} is {value:g}", where="separation", hint="It is 0 or more")

    def window(self, times_s: Floats) -> tuple[Floats, Floats]:
        """Return from when until when what is predicted for these times may be so; two flights share the margin."""
        pad_s = self.margin_s / 2
        return times_s * (1 - self.early_share) - pad_s, times_s * (1 + self.late_share) + pad_s

    def too_level(self, apart_m: Floats, slack_m: float = 0.0) -> npt.NDArray[np.bool_]:
        """Whether drones are too little apart in height; without a vertical distance to keep, always."""
        if self.vertical_m <= 0:
            return np.isfinite(apart_m)
        return np.asarray(apart_m < self.vertical_m - _ROUNDING_M + slack_m)


UNPLANNED = Separation(50.0, 15.0, 20.0, early_share=0.1, late_share=0.2)
"""What is kept where a plan says nothing: 8 m/s of turbulent wind made a recorded survey 17 % longer."""


def return_height_m(mission: Mission, number: int, vertical_m: float, layer_m: float = 0.0) -> float:
    """Return how high above home a drone of several comes back: above its lines, and each apart from the others.

    `number` counts drones from 1, `layer_m` is how much higher than its lines its ways out and home were planned.
    """
    placed = [i for i in mission.items if i.longitude_deg is not None]
    highest_m = max((i.altitude_m for i in placed), default=0.0)
    if layer_m < number * vertical_m:
        return highest_m + number * (vertical_m + _SPARE_M)
    # A short way home does not reach its layer.
    return max(highest_m, max((i.altitude_m + layer_m for i in placed if i.transect), default=0.0))


def forbidden_offsets(one: Timeline, other: Timeline, asked: Separation) -> list[tuple[int, int]]:
    """Return which starts of the other, in whole seconds after the one's, bring the two too near, as (first, last).

    Both are looked at every 2 s, and the distance asked for is larger by what they fly in between.
    """
    # The last look is at the landing, whenever that is: which costs a step of slack.
    a, b = (t.at(np.minimum(np.arange(0.0, t.duration_s + STEP_S, STEP_S), t.duration_s)) for t in (one, other))
    moved_m = sum(float(np.hypot(*np.diff(p[:, :2], axis=0).T).max()) for p in (a, b)) / 2
    risen_m = sum(float(np.abs(np.diff(p[:, 2])).max()) for p in (a, b)) / 2
    reach_m = asked.horizontal_m + moved_m
    near = np.zeros(len(a) + len(b), dtype=bool)
    # Only where one is over the other's surroundings can they meet.
    in_a, in_b = _around(a, b, reach_m), _around(b, a, reach_m)
    for start in range(0, len(in_a), 500):
        some = in_a[start : start + 500]
        level = np.hypot(a[some, None, 0] - b[None, in_b, 0], a[some, None, 1] - b[None, in_b, 1])
        apart = np.abs(a[some, None, 2] - b[None, in_b, 2])
        i, j = np.nonzero((level < reach_m) & asked.too_level(apart, risen_m))
        near[np.unique(some[i] - in_b[j] + len(b))] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(np.int8), [0]])))
    slack = 2 * STEP_S + asked.margin_s
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
            level = np.hypot(a[:, 0] - b[:, 0], a[:, 1] - b[:, 1])[asked.too_level(np.abs(a[:, 2] - b[:, 2]))]
            if len(level) and (worst is None or float(np.nanmin(level)) < worst[0]):
                worst = float(np.nanmin(level)), (name, name2)
    return asked if worst is None else replace(asked, closest_m=worst[0], sorties=worst[1])


def _around(points: Floats, others: Floats, reach_m: float) -> npt.NDArray[np.intp]:
    """Return which points lie within reach of the others' bounding box."""
    low, high = others[:, :2].min(axis=0) - reach_m, others[:, :2].max(axis=0) + reach_m
    return np.flatnonzero(((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1))
