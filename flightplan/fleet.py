"""Several drones at once: which flies what, and when, so that all is done soonest and none comes near another.

The sharing is solved with OR-Tools' CP-SAT (`pip install "overfly[fleet]"`), in two steps: flights are shared out so
that the last landing is soonest; then, with every flight's heights known, take-offs are set so that no two aircraft
come nearer than asked at any time. Both give the same answer each time: one thread, a fixed seed, and a limit on work
instead of on time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from flightplan.errors import PlanError
from flightplan.frames import Floats

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

    from flightplan.sorties import Flight

SWAP_S = 180.0
"""Between landing and the next take-off with another battery: our assumption."""
MOVE_S, MOVE_MPS = 300.0, 5.0
"""Packing up, and moving to another launch site, straight, by car on tracks: our assumption."""

_SAME_PLACE_M = 100.0
_WORK = 2.0
"""Of CP-SAT's deterministic time, for each of the two steps: about that many seconds of a laptop's."""


@dataclass(frozen=True)
class Fleet:
    """How several drones are kept apart.

    Each flies its ways out and home `layer_m` above those of the one before it, the first as much above the lines;
    0 keeps them apart by time only. Where two are less than a layer apart in height they stay `horizontal_m` apart over
    the ground, though one may be `margin_s` earlier or later than the other than planned.
    """

    drones: int = 1
    layer_m: float = 20.0
    horizontal_m: float = 100.0
    margin_s: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.drones <= 20:
            raise PlanError(f"{self.drones} drones are not a number of them", hint="1 to 20")
        for what, value in (("layer", self.layer_m), ("separation", self.horizontal_m), ("margin", self.margin_s)):
            if not (value >= 0 and np.isfinite(value)):
                raise PlanError(f"a {what} of {value:g} is not one")

    def offset_m(self, drone: int) -> float:
        """How much higher than the lines a drone (counted from 1) flies its ways out and home."""
        return 0.0 if self.drones == 1 else self.layer_m * drone


@dataclass(frozen=True)
class Shares:
    """Which drone (from 1) flies each flight and when, in seconds after the first take-off.

    `least_s` is a makespan that no sharing of these flights can beat.
    """

    drone: tuple[int, ...]
    start_s: tuple[float, ...]
    makespan_s: float
    least_s: float


def one_after_another(flights: Sequence[Flight]) -> Shares:
    """Return the shares of one drone: its flights in turn, with battery changes and moves between them."""
    now, starts = 0.0, []
    for i, flight in enumerate(flights):
        if i:
            now += flights[i - 1].duration_s + _pause_s(flights[i - 1], flight)
        starts.append(round(now, 1))
    end = now + flights[-1].duration_s if flights else 0.0
    return Shares((1,) * len(flights), tuple(starts), end, end)


def share_out(flights: Sequence[Flight], fleet: Fleet) -> Shares:
    """Share flights out over the drones so that the last landing is soonest, without regard to their distances.

    Raises PlanError when OR-Tools is missing.
    """
    if fleet.drones == 1:
        return one_after_another(flights)
    cp = _cp_sat()
    model = cp.CpModel()
    count, drones = len(flights), range(min(fleet.drones, len(flights)))
    duration = [int(np.ceil(f.duration_s)) for f in flights]
    horizon = _horizon(flights)
    starts = [model.new_int_var(0, horizon, f"start{i}") for i in range(count)]
    flown_by = [[model.new_bool_var(f"flight{i}by{d}") for d in drones] for i in range(count)]
    last = model.new_int_var(0, horizon, "last")
    for i in range(count):
        model.add_exactly_one(flown_by[i])
        model.add(last >= starts[i] + duration[i])
        # Drones are alike: the first flight is the first drone's, and drone d is not used before drone d - 1 is.
        for d in drones[1:]:
            model.add_bool_or([flown_by[k][d - 1] for k in range(i)]).only_enforce_if(flown_by[i][d])
    for i, j in combinations(range(count), 2):
        pauses = int(np.ceil(_pause_s(flights[i], flights[j]))), int(np.ceil(_pause_s(flights[j], flights[i])))
        before = model.new_bool_var(f"{i}before{j}")
        for d in drones:
            both = [flown_by[i][d], flown_by[j][d]]
            model.add(starts[j] >= starts[i] + duration[i] + pauses[0]).only_enforce_if([*both, before])
            model.add(starts[i] >= starts[j] + duration[j] + pauses[1]).only_enforce_if([*both, before.negated()])
    swap = int(SWAP_S)
    for d in drones:
        # A drone's flights and the changes between them fit before the last landing.
        model.add(sum((duration[i] + swap) * flown_by[i][d] for i in range(count)) <= last + swap)
    model.minimize(last)
    _hint(model, flights, flown_by, starts, len(drones))
    solver = _solved(cp, model)
    owner = [next(d for d in drones if solver.boolean_value(flown_by[i][d])) + 1 for i in range(count)]
    found = tuple(float(solver.value(s)) for s in starts)
    return Shares(tuple(owner), found, float(solver.value(last)), float(solver.best_objective_bound))


def keep_apart(
    flights: Sequence[Flight],
    drone: Sequence[int],
    durations_s: Sequence[float],
    forbidden: Mapping[tuple[int, int], Sequence[tuple[int, int]]],
) -> Shares:
    """Set the take-offs of flights that are shared out already, so that the last landing is soonest.

    `forbidden` has, for pairs (i, j) of flights of different drones, the starts of j in seconds after i's that would
    bring them too near.
    """
    cp = _cp_sat()
    model = cp.CpModel()
    duration = [int(np.ceil(d)) for d in durations_s]
    horizon = _horizon(flights) + sum(last - first + 2 for spans in forbidden.values() for first, last in spans)
    starts = [model.new_int_var(0, horizon, f"start{i}") for i in range(len(flights))]
    last = model.new_int_var(0, horizon + max(duration), "last")
    for i in range(len(flights)):
        model.add(last >= starts[i] + duration[i])
    for i, j in combinations(range(len(flights)), 2):
        if drone[i] == drone[j]:
            pauses = int(np.ceil(_pause_s(flights[i], flights[j]))), int(np.ceil(_pause_s(flights[j], flights[i])))
            before = model.new_bool_var(f"{i}before{j}")
            model.add(starts[j] >= starts[i] + duration[i] + pauses[0]).only_enforce_if(before)
            model.add(starts[i] >= starts[j] + duration[j] + pauses[1]).only_enforce_if(before.negated())
        elif forbidden.get((i, j)):
            free = cp.Domain.from_intervals([[a, b] for a, b in forbidden[i, j]]).complement()
            free = free.intersection_with(cp.Domain(-horizon, horizon))
            model.add_linear_expression_in_domain(starts[j] - starts[i], free)
    model.minimize(last)
    solver = _solved(cp, model)
    found = np.array([solver.value(s) for s in starts], dtype=np.float64)
    # The first take-off is at 0.
    found -= found.min()
    end = float((found + np.array(durations_s)).max())
    return Shares(tuple(drone), tuple(found.tolist()), end, float(solver.best_objective_bound))


def estimated_makespan_s(flights: Sequence[Flight], drones: int) -> float:
    """Return the makespan of giving the longest flight left to whichever drone is free first, without moves."""
    free = np.zeros(drones)
    for seconds in sorted((f.duration_s for f in flights), reverse=True):
        free[np.argmin(free)] += seconds + SWAP_S
    return float(free.max() - SWAP_S)


def _pause_s(before: Flight, after: Flight) -> float:
    """Return the time between a drone's landing from one flight and its take-off for another."""
    apart_m = float(np.hypot(*(after.home - before.home)))
    return SWAP_S if apart_m <= _SAME_PLACE_M else max(SWAP_S, MOVE_S + apart_m / MOVE_MPS)


def _horizon(flights: Sequence[Flight]) -> int:
    homes: Floats = np.stack([f.home for f in flights])
    widest_m = float(np.hypot(*np.ptp(homes, axis=0)))
    return int(sum(f.duration_s + SWAP_S + MOVE_S + widest_m / MOVE_MPS + 2 for f in flights)) + 1


def _hint(
    model: cp_model.CpModel, flights: Sequence[Flight], flown_by: list[list[Any]], starts: list[Any], drones: int
) -> None:
    """Start the search from the longest flights first, each to whichever drone is free first."""
    free = np.zeros(drones)
    order = sorted(range(len(flights)), key=lambda i: (-flights[i].duration_s, i))
    for i in order:
        chosen = int(np.argmin(free))
        for d in range(drones):
            model.add_hint(flown_by[i][d], d == chosen)
        model.add_hint(starts[i], int(np.ceil(free[chosen])))
        free[chosen] += flights[i].duration_s + SWAP_S


def _solved(cp: Any, model: cp_model.CpModel) -> cp_model.CpSolver:
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = _WORK
    status = solver.solve(model)
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        raise PlanError(
            "no times were found at which the drones stay apart",
            hint="Ask for fewer drones, a smaller --separation, or launch sites further apart",
        )
    return solver  # type: ignore[no-any-return]


def _cp_sat() -> Any:
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise PlanError(
            "sharing flights out over several drones needs OR-Tools, which is not installed",
            hint='Install it with `pip install "overfly[fleet]"`, or plan for one drone',
        ) from error
    return cp_model
