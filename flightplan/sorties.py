"""Where a battery ends: an order of lines cut into flights.

Pieces of line ("runs", put in order by `flightplan.ordering`) are joined by legal ways, and cut at line ends wherever
the energy of the next run and of the way home would not fit the battery any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import groupby, pairwise
from math import hypot

import numpy as np

from flightplan.areas import StudyArea
from flightplan.drones import Drone
from flightplan.energy import Wind, fly_legs
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.homes import Homes
from flightplan.hovering import Hover
from flightplan.operations import Limits
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.ways import Ways

MAX_ITEMS = 640
"""ArduCopter 4.7 says "Only 650 items are supported" to a longer mission."""

_SHORTEST_PIECE_M = 100.0
_A_HAIR_LESS = 1 - 1e-9


@dataclass(frozen=True)
class Flight:
    """One battery's flight: from home over its runs and back, with the legal ways between them.

    `ways` has one path (N, 2) more than there are runs: from home to the first run, between runs, and home.
    """

    home: Floats
    runs: tuple[Run, ...]
    ways: tuple[Floats, ...]
    duration_s: float
    energy_wh: float

    @cached_property
    def path(self) -> Floats:
        """Every point that the aircraft passes, home at both ends, (N, 2)."""
        points = [self.ways[0]]
        for run, way in zip(self.runs, self.ways[1:], strict=True):
            points += [run.ends, way]
        joined = np.concatenate(points)
        moved = np.ones(len(joined), dtype=bool)
        np.any(joined[1:] != joined[:-1], axis=1, out=moved[1:])
        return np.asarray(joined[moved])

    @property
    def length_m(self) -> float:
        """The length of the whole path."""
        return float(np.hypot(*np.diff(self.path, axis=0).T).sum())


def cut_sorties(
    area: StudyArea,
    runs: Sequence[Run],
    airspace: Airspace,
    drone: Drone,
    *,
    speed_mps: float,
    transit_speed_mps: float,
    altitude_agl_m: float,
    wind_share: float,
    fixed_homes: Sequence[Floats] = (),
    ways: Ways | None = None,
    wind: Wind | None = None,
    limits: Limits | None = None,
    hover: Hover | None = None,
    known: dict[bytes, tuple[float, float, int]] | None = None,
) -> list[Flight]:
    """Cut an order of runs into flights that each fit a battery, home and back included.

    `fixed_homes` are launch sites; without any, a flight starts at the point of the area's boundary that costs it
    least. A transect is flown in one flight where a battery can do it: a sampling unit is seen at one time. A run too
    long for a battery is flown in equal pieces. `ways` join the runs, by default those of an aircraft that turns on the
    spot. With a `wind` each leg costs what it costs in it; with `hover` the time and the items of the stops on the runs
    count. `known` remembers what ways cost from one call to the next, of the same aircraft at the same speeds over the
    same area. Raises PlanError when even a short piece cannot be reached.
    """
    ways = ways or Ways(airspace)
    costs = _Costs(
        area,
        airspace,
        ways,
        drone,
        speed_mps,
        transit_speed_mps,
        altitude_agl_m,
        wind_share,
        Homes(area, airspace, tuple(fixed_homes)),
        wind,
        limits or Limits(),
        hover,
        {} if known is None else known,
    )
    costs.look_ahead(runs)
    waiting = [list(group) for _, group in groupby(runs, key=lambda r: r.transect)][::-1]
    flights: list[Flight] = []
    taken = _Taken()
    while waiting:
        line = waiting.pop()
        longer = reduce(costs.with_run, line, taken)
        if costs.fits(longer) and not (taken.runs and costs.takes_too_long(longer)):
            taken = longer
        elif taken.runs:
            flights.append(costs.flight(taken))
            taken = _Taken()
            waiting.append(line)
        else:
            shorter = line if len(line) > 1 else _pieces(line[0], costs)
            waiting += [[run] for run in reversed(shorter)]
    if taken.runs:
        flights.append(costs.flight(taken))
    return flights


@dataclass(frozen=True)
class _Taken:
    """The runs that a flight has taken on so far; `inner_s` is the time on them and between them."""

    runs: tuple[Run, ...] = ()
    inner_s: float = 0.0
    inner_wh: float = 0.0
    home: Floats = field(default_factory=lambda: np.zeros(2))
    duration_s: float = 0.0
    energy_wh: float = 0.0
    items: int = 6
    waypoints: int = 2


@dataclass
class _Costs:
    area: StudyArea
    airspace: Airspace
    ways: Ways
    drone: Drone
    speed_mps: float
    transit_speed_mps: float
    altitude_agl_m: float
    wind_share: float
    homes: Homes
    wind: Wind | None
    limits: Limits
    hover: Hover | None = None
    known: dict[bytes, tuple[float, float, int]] = field(default_factory=dict)
    _alone: dict[tuple[str, bytes], _Taken] = field(default_factory=dict)
    _pieces: dict[tuple[str, bytes, int], list[Run]] = field(default_factory=dict)
    _nearest: dict[bytes, list[tuple[float, int, Floats]]] = field(default_factory=dict)

    def look_ahead(self, runs: Sequence[Run]) -> None:
        """Look at the homes and the straight ways that runs will most likely be flown by, all at once.

        What is found is what would be found one by one; only the time that it takes is less.
        """
        likely = [self.pieces(run, self._least_pieces(run)) for run in runs]
        alone = [piece for pieces in likely for piece in pieces]
        self.homes.look_ahead(alone)
        if self.ways.run_in_m or self.airspace.turning is not None:
            return
        between = [[a[-1].ends[1], b[0].ends[0]] for a, b in pairwise(likely) if len(a) == len(b) == 1]
        homes = [self._nearest_homes((run,))[0][2] for run in alone] if not self.homes.fixed else []
        outer = [[home, end] for run, home in zip(alone, homes, strict=False) for end in run.ends]
        self.airspace.look_straight(between + outer)

    def pieces(self, run: Run, number: int) -> list[Run]:
        """Cut a run into a number of equal pieces."""
        if number == 1:
            return [run]
        key = run.transect, run.ends.tobytes(), number
        if key not in self._pieces:
            stops = run.ends[0] + np.linspace(0, 1, number + 1)[:, None] * (run.ends[1] - run.ends[0])
            self._pieces[key] = [Run(run.transect, stops[i : i + 2]) for i in range(number)]
        return self._pieces[key]

    def _least_pieces(self, run: Run) -> int:
        """Return the least number of equal pieces that each may fit a battery, home and back aside."""
        for number in range(1, int(run.length_m / _SHORTEST_PIECE_M) + 1):
            piece = self.pieces(run, number)[0]
            seconds, wh, _ = self._cost_of_run(piece)
            if not self._is_too_much(seconds + self._least_outer_s(piece, piece), wh):
                return number
        return 1

    def _energy_wh(self, level_s: float, level_wh: float) -> float:
        """Return the energy of a flight with so much time and energy in level flight."""
        if self.wind is None:
            level_wh = self.drone.one_leg_wh(level_s)
        return (level_wh + self._vertical[1]) * (1 + self.wind_share)

    def _is_too_much(self, level_s: float, level_wh: float) -> bool:
        """Whether a flight does not fit a battery whatever else it flies."""
        return self._energy_wh(level_s, level_wh) > self._most_wh

    def _least_outer_s(self, first: Run, last: Run) -> float:
        """Return what the ways out and home take at least, wherever home is: the straight way from end to start."""
        if self.wind is not None or not self._ends_at_home:
            return 0.0
        (x, y), (east, north) = first.ends[0].tolist(), last.ends[1].tolist()
        return _A_HAIR_LESS * self.drone.one_leg_seconds(hypot(east - x, north - y), self.transit_speed_mps)

    @property
    def _ends_at_home(self) -> bool:
        """Whether flights end where they began; one that is led to a landing may end elsewhere."""
        return self.airspace.turning is None

    @cached_property
    def _vertical(self) -> tuple[float, float]:
        return self.drone.vertical(self.altitude_agl_m)

    @cached_property
    def _most_wh(self) -> float:
        return self.drone.budget_wh - self.limits.held_back_wh

    def fits(self, taken: _Taken) -> bool:
        """Whether a flight fits a battery and the autopilot's storage."""
        crowding, holder = self.limits.crowding, self.limits.capacity
        return (
            taken.energy_wh <= self._most_wh
            and (holder.items is None or taken.items * crowding <= holder.items)
            and (holder.waypoints is None or taken.waypoints * crowding <= holder.waypoints)
        )

    def takes_too_long(self, taken: _Taken) -> bool:
        """Whether a flight is longer than is wished for."""
        return self.limits.longest_s is not None and taken.duration_s > self.limits.longest_s

    def with_run(self, taken: _Taken, run: Run) -> _Taken:
        """Add a run to a flight from whichever home is then the cheapest; energy is infinite where none is in reach."""
        if taken.runs:
            return self._with_run(taken, run)
        key = run.transect, run.ends.tobytes()
        if key not in self._alone:
            self._alone[key] = self._with_run(taken, run)
        return self._alone[key]

    def _with_run(self, taken: _Taken, run: Run) -> _Taken:
        seconds, wh, on_run = self._cost_of_run(run)
        inner_s, inner_wh, items = taken.inner_s + seconds, taken.inner_wh + wh, taken.items + 2 * on_run
        waypoints = taken.waypoints + on_run
        runs = (*taken.runs, run)
        # A flight that has no end does not fit either, and ways and homes take most of the time of cutting. Within a
        # distance from home it is left to find out that no home is in reach.
        if self.limits.max_distance_m is None and self._is_too_much(inner_s, inner_wh):
            return _Taken(runs, inner_s, inner_wh, energy_wh=np.inf, items=items, waypoints=waypoints)
        if taken.runs:
            way = self.ways.between(taken.runs[-1], run)
            seconds, wh = self._cost(way, self.speed_mps)
            inner_s, inner_wh, items = inner_s + seconds, inner_wh + wh, items + len(way) - 2
            waypoints += len(way) - 2
        unfit = _Taken(runs, inner_s, inner_wh, energy_wh=np.inf, items=items, waypoints=waypoints)
        hopes = self.limits.max_distance_m is not None
        if not hopes and self._is_too_much(inner_s + self._least_outer_s(runs[0], run), inner_wh):
            return unfit
        best: tuple[float, int, float, int, Floats] | None = None
        nearest = self._nearest_homes(runs)
        least_outer_s = _A_HAIR_LESS * nearest[0][0] if self._ends_at_home else 0.0
        if not hopes and self._is_too_much(inner_s + least_outer_s, inner_wh):
            return unfit
        for least_s, i, home in nearest:
            # Homes come by the time of straight ways: once those alone take longer, no other can be cheaper.
            if best is not None and least_s > best[0]:
                break
            if self._within_reach(home, runs):
                outer_s, outer_wh, further = self._outer(home, runs)
                found = (outer_s, i, outer_wh, further, home)
                best = found if best is None else min(best, found, key=lambda o: o[:2])
        if best is None:
            return unfit
        outer_s, _, outer_wh, further, home = best
        items, waypoints = items + further, waypoints + further
        level_s = inner_s + outer_s
        energy_wh = self._energy_wh(level_s, inner_wh + outer_wh)
        return _Taken(runs, inner_s, inner_wh, home, level_s + self._vertical[0], energy_wh, items, waypoints)

    def flight(self, taken: _Taken) -> Flight:
        """Return the flight over the runs taken."""
        first, last = self.ways.out(taken.home, taken.runs[0]), self.ways.back(taken.runs[-1], taken.home)
        between = [self.ways.between(a, b) for a, b in pairwise(taken.runs)]
        return Flight(taken.home, taken.runs, (first, *between, last), taken.duration_s, taken.energy_wh)

    def _nearest_homes(self, runs: Sequence[Run]) -> list[tuple[float, int, Floats]]:
        """Return (the time of straight ways out and home, number, home), the shortest first; in a wind no time."""
        key = runs[0].ends[0].tobytes() + runs[-1].ends[1].tobytes()
        if key not in self._nearest:
            self._nearest[key] = self._sorted_homes(runs)
        return self._nearest[key]

    def _sorted_homes(self, runs: Sequence[Run]) -> list[tuple[float, int, Floats]]:
        start, end = runs[0].ends[0].tolist(), runs[-1].ends[1].tolist()
        found = []
        for i, home in enumerate(self.homes.of(runs[0], runs[-1])):
            least_s = 0.0
            if self.wind is None:
                x, y = home.tolist()
                for east, north in (start, end):
                    least_s += self.drone.one_leg_seconds(hypot(east - x, north - y), self.transit_speed_mps)
            found.append((least_s, i, home))
        return sorted(found, key=lambda f: f[:2])

    def _outer(self, home: Floats, runs: Sequence[Run]) -> tuple[float, float, int]:
        """Return seconds and watt-hours of the ways out and home, and the waypoints on them."""
        key = home.tobytes() + runs[0].ends[0].tobytes() + runs[-1].ends[1].tobytes()
        key += runs[0].ends[1].tobytes() + runs[-1].ends[0].tobytes()
        if key not in self.known:
            out, back = self.ways.out(home, runs[0]), self.ways.back(runs[-1], home)
            out_s, out_wh = self._cost(out, self.transit_speed_mps)
            back_s, back_wh = self._cost(back, self.transit_speed_mps)
            self.known[key] = out_s + back_s, out_wh + back_wh, len(out) + len(back) - 4
        return self.known[key]

    def _cost_of_run(self, run: Run) -> tuple[float, float, int]:
        """Return seconds, watt-hours and waypoints of a run; a waypoint comes with one item more on average."""
        if self.hover is None:
            return *self._cost(run.ends, self.speed_mps), 2
        stops_m = self.hover.stops_m(run.length_m)
        along = (run.ends[1] - run.ends[0]) / run.length_m
        seconds, wh = self._cost(run.ends[0] + stops_m[:, None] * along, self.speed_mps)
        held_s = len(stops_m) * self.hover.hold_s
        return seconds + held_s, wh + held_s * self.drone.hover_power_w / 3600, len(stops_m) + 1

    def _cost(self, path: Floats, speed_mps: float) -> tuple[float, float]:
        if self.wind is None and len(path) == 2:
            # Most ways and all runs are one leg, and still air leaves nothing to work out for each.
            seconds = self.drone.one_leg_seconds(hypot(*(path[1] - path[0]).tolist()), speed_mps)
            return seconds, self.drone.one_leg_wh(seconds)
        costs = fly_legs(self.drone, np.diff(path, axis=0), speed_mps, self.wind)
        return costs.total_s, costs.total_wh

    def _within_reach(self, home: Floats, runs: Sequence[Run]) -> bool:
        most_m = self.limits.max_distance_m
        if most_m is None:
            return True
        between = [self.ways.between(a, b) for a, b in pairwise(runs)]
        ways = [self.ways.out(home, runs[0]), *between, self.ways.back(runs[-1], home)]
        points = np.concatenate([*ways, *(run.ends for run in runs)])
        return bool(np.hypot(*(points - home).T).max() <= most_m)


def _pieces(run: Run, costs: _Costs) -> list[Run]:
    """Cut a run into the fewest equal pieces that each fit a battery."""
    most = int(run.length_m / _SHORTEST_PIECE_M)
    for number in range(2, most + 1):
        pieces = costs.pieces(run, number)
        if all(costs.fits(costs.with_run(_Taken(), p)) for p in pieces):
            return pieces
    most_m = costs.limits.max_distance_m
    if most_m is not None and not np.isfinite(costs.with_run(_Taken(), run).energy_wh):
        raise PlanError(
            f"transect {run.transect} has places further than {most_m:g} m from any launch site",
            where=costs.area.name,
            hint="Add a launch site nearer to it (--launch), or allow a larger distance (--max-distance)",
        )
    raise PlanError(
        f"{costs.drone.name} cannot reach transect {run.transect} and come home with the"
        f" {costs.drone.budget_wh:.0f} Wh that one battery has to spend",
        where=costs.area.name,
        hint="Add a launch site nearer to it, or fly a drone with more endurance",
    )
