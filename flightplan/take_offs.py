"""When each of several drones takes off, so that no two come too near: set, and looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from flightplan.errors import PlanError
from flightplan.fleet import Fleet, Shares, keep_apart
from flightplan.separation import Separation, closest, forbidden_offsets
from flightplan.sorties import Flight
from flightplan.timeline import Timeline


def set_take_offs(
    flights: Sequence[Flight], timelines: Sequence[Timeline], shares: Shares, fleet: Fleet
) -> tuple[Shares, Separation]:
    """Return take-offs at which no two drones come too near, and how near they come then.

    Flights are shared out already; the separation names them by their numbers from 0. Raises PlanError when no times
    are found, or when a second look at each second finds two nearer than asked.
    """
    asked = Separation(fleet.horizontal_m, fleet.layer_m, fleet.margin_s)
    forbidden = {
        (i, j): forbidden_offsets(timelines[i], timelines[j], asked)
        for i, j in combinations(range(len(flights)), 2)
        if shares.drone[i] != shares.drone[j]
    }
    durations = [max(t.duration_s, f.duration_s) for t, f in zip(timelines, flights, strict=True)]
    timed = replace(keep_apart(flights, shares.drone, durations, forbidden), least_s=shares.least_s)
    kept = closest([(str(i), timed.drone[i], timed.start_s[i], t) for i, t in enumerate(timelines)], asked)
    if kept.closest_m is not None and kept.closest_m < fleet.horizontal_m:
        raise PlanError(
            f"two drones would come within {kept.closest_m:.0f} m of each other; asked for {fleet.horizontal_m:g} m",
            hint="This is a fault of overfly: please report it with the area",
        )
    return timed, kept
