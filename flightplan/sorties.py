"""From transects to flights: the order of the lines, and where a battery ends.

Pieces of line ("runs") are put in an order of flying, joined by legal ways, and cut at line ends wherever the energy of
the next run and of the way home would not fit the battery any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.design import StratumDesign
from flightplan.drones import Drone
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.paths import Airspace

MAX_ITEMS = 640
"""ArduCopter 4.7 says "Only 650 items are supported" to a longer mission."""


@dataclass(frozen=True)
class Run:
    """A piece of a transect flown in one go: local (start, end), (2, 2), metres east and north."""

    transect: str
    ends: Floats

    @property
    def length_m(self) -> float:
        """Its length."""
        return float(np.hypot(*(self.ends[1] - self.ends[0])))

    def reversed(self) -> Run:
        """The same piece flown the other way."""
        return Run(self.transect, self.ends[::-1])


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
        moved = np.concatenate([[True], np.any(np.diff(joined, axis=0) != 0, axis=1)])
        return np.asarray(joined[moved])

    @property
    def length_m(self) -> float:
        """The length of the whole path."""
        return float(np.hypot(*np.diff(self.path, axis=0).T).sum())


def order_runs(area: StudyArea, strata: Sequence[StratumDesign], airspace: Airspace) -> list[list[Run]]:
    """Put the runs in the order of flying: a list for each part of the air, which no legal way joins.

    Lines follow each other along the baseline and are flown to and fro; the next stratum is entered at whichever of its
    four corners lies nearest.
    """
    groups: dict[int, list[list[list[Run]]]] = {}
    for design in strata:
        by_part: dict[int, list[list[Run]]] = {}
        for transect in design.transects:
            ends = area.frame.to_local(np.asarray(transect.segments).reshape(-1, 2)).reshape(-1, 2, 2)
            parts = airspace.part_of(ends[:, 0])
            for part in np.unique(parts):
                runs = [Run(transect.identifier, e) for e in ends[parts == part]]
                by_part.setdefault(int(part), []).append(runs)
        for part, lines in by_part.items():
            groups.setdefault(part, []).append(lines)
    ordered = []
    for part in sorted(groups):
        flown: list[Run] = []
        for lines in groups[part]:
            flown += _to_and_fro(lines, flown[-1].ends[1] if flown else None)
        ordered.append(flown)
    return ordered


def cut_sorties(
    area: StudyArea,
    runs: Sequence[Run],
    airspace: Airspace,
    drone: Drone,
    *,
    speed_mps: float,
    altitude_agl_m: float,
    wind_share: float,
    fixed_homes: Sequence[Floats] = (),
) -> list[Flight]:
    """Cut an order of runs into flights that each fit a battery, home and back included.

    `fixed_homes` are launch sites; without any, a flight starts at the point of the area's boundary that costs it
    least. A run too long for one battery is flown in equal pieces. Raises PlanError when even a short piece cannot be
    reached.
    """
    cost = _Cost(area, airspace, drone, speed_mps, altitude_agl_m, wind_share, tuple(fixed_homes))
    waiting = list(reversed(runs))
    flights: list[Flight] = []
    taken: list[Run] = []
    flight: Flight | None = None
    while waiting:
        run = waiting.pop()
        longer = cost.flight([*taken, run])
        if longer.energy_wh <= drone.budget_wh and _items(longer) <= MAX_ITEMS:
            taken, flight = [*taken, run], longer
            continue
        if flight is not None:
            flights.append(flight)
            taken, flight = [], None
            waiting.append(run)
            continue
        waiting += reversed(_halves(run, cost, drone, area))
    if flight is not None:
        flights.append(flight)
    return flights


def _halves(run: Run, cost: _Cost, drone: Drone, area: StudyArea) -> list[Run]:
    if run.length_m < 200.0:
        way_wh = cost.flight([run]).energy_wh
        raise PlanError(
            f"{drone.name} cannot reach transect {run.transect} and come home: that takes {way_wh:.0f} Wh of the"
            f" {drone.budget_wh:.0f} Wh that one battery has to spend",
            where=area.name,
            hint="Add a launch site nearer to it, or fly a drone with more endurance",
        )
    middle = run.ends.mean(axis=0)
    return [Run(run.transect, np.stack([run.ends[0], middle])), Run(run.transect, np.stack([middle, run.ends[1]]))]


@dataclass
class _Cost:
    area: StudyArea
    airspace: Airspace
    drone: Drone
    speed_mps: float
    altitude_agl_m: float
    wind_share: float
    fixed_homes: tuple[Floats, ...]

    def flight(self, runs: Sequence[Run]) -> Flight:
        """Return the cheapest flight over the runs in their order."""
        between = [self.airspace.route(a.ends[1], b.ends[0]) for a, b in pairwise(runs)]
        flights = [self._from(home, runs, between) for home in self._homes(runs)]
        return min(flights, key=lambda f: f.energy_wh)

    def _from(self, home: Floats, runs: Sequence[Run], between: list[Floats]) -> Flight:
        ways = (self.airspace.route(home, runs[0].ends[0]), *between, self.airspace.route(runs[-1].ends[1], home))
        flight = Flight(home, tuple(runs), ways, 0.0, 0.0)
        legs = np.hypot(*np.diff(flight.path, axis=0).T)
        level_s = float(self.drone.leg_seconds(legs, self.speed_mps).sum())
        vertical_s, vertical_wh = self.drone.vertical(self.altitude_agl_m)
        energy_wh = (float(self.drone.leg_wh(level_s)) + vertical_wh) * (1 + self.wind_share)
        return Flight(home, tuple(runs), ways, level_s + vertical_s, energy_wh)

    def _homes(self, runs: Sequence[Run]) -> Iterable[Floats]:
        part = self.airspace.part_of(runs[0].ends[0])[0]
        if self.fixed_homes:
            reachable = [h for h in self.fixed_homes if self.airspace.part_of(h)[0] == part]
            if not reachable:
                raise PlanError(
                    f"no launch site has a legal way to transect {runs[0].transect}",
                    where=self.area.name,
                    hint="Add one in that part of the area",
                )
            return reachable
        near = [runs[0].ends[0], runs[-1].ends[1], (runs[0].ends[0] + runs[-1].ends[1]) / 2]
        rims = [shapely.shortest_line(self._rim, shapely.Point(p)).coords[0] for p in near]
        homes = [self.airspace.nearest(p) for p in rims]
        return [h for h in homes if self.airspace.part_of(h)[0] == part] or [runs[0].ends[0]]

    @cached_property
    def _rim(self) -> shapely.MultiLineString:
        land = shapely.union_all([self.area.localise(s.polygon) for s in self.area.strata])
        rim = shapely.MultiLineString([p.exterior for p in shapely.get_parts(land)])
        shapely.prepare(rim)
        return rim


def _items(flight: Flight) -> int:
    """The mission items that a flight needs, on the safe side."""
    return sum(len(way) for way in flight.ways) + 4 * len(flight.runs) + 4


def _to_and_fro(lines: Sequence[Sequence[Run]], after: Floats | None) -> list[Run]:
    """Fly lines in turn, each the way its nearer end suggests; start at the corner nearest to `after`."""
    sequences = [lines, lines[::-1]]
    if after is not None:
        sequences.sort(key=lambda s: min(np.hypot(*(e - after)) for e in (s[0][0].ends[0], s[0][-1].ends[1])))
    flown: list[Run] = []
    here = after
    for line in sequences[0]:
        backwards = [r.reversed() for r in reversed(line)]
        turn = here is not None and np.hypot(*(backwards[0].ends[0] - here)) < np.hypot(*(line[0].ends[0] - here))
        flown += backwards if turn else line
        here = flown[-1].ends[1]
    return flown
