"""The ways that join the lines of a flight: out from home, from line to line, and home."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import acos, atan2, hypot, pi, sqrt

import numpy as np
import shapely

from flightplan.dubins import LEFT, RIGHT, Path, Pose, dubins_paths, path_along_circles
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.turning import TurningRoom

FLOWN_STEP_DEG = 3.0
"""As flown, an arc is drawn with chords this wide: they leave it by 0.03 % of its radius."""

_ITEM_STEP_DEG = 20.0
_DEPARTURES = 8
_SAME_PLACE_M, _BEND_DEG = 1e-3, 20.0


@dataclass(frozen=True)
class Ways:
    """Ways of an aircraft that turns on the spot: the shortest legal path.

    `run_in_m` is flown straight on before and after each line, as far as the air goes.
    """

    airspace: Airspace
    run_in_m: float = 0.0

    def out(self, home: Floats, run: Run) -> Floats:
        """Return the way from home to a run's start, (N, 2), both included."""
        return self._join(home, self._before(run)) if self.run_in_m else self.airspace.route(home, run.ends[0])

    def between(self, before: Run, after: Run) -> Floats:
        """Return the way from one run's end to the next one's start, (N, 2), both included."""
        if meets(before, after):
            return np.stack([before.ends[1], before.ends[1]])
        if not self.run_in_m:
            return self.airspace.route(before.ends[1], after.ends[0])
        way = self._join(self._before(before.reversed())[0], self._before(after))
        return np.concatenate([before.ends[1][None], way])

    def back(self, run: Run, home: Floats) -> Floats:
        """Return the way from a run's end to home, (N, 2), both included."""
        return np.asarray(self.out(home, run.reversed())[::-1])

    def as_flown(self, way: Floats) -> Floats:
        """Return a way that this object made as it is flown: its arcs drawn finely."""
        return way

    def shortened(self, runs: Iterable[Run]) -> int:
        """Return how many of the runs' ends have less than the whole run-in."""
        if not self.run_in_m:
            return 0
        ends = [turned for run in runs for turned in (run, run.reversed())]
        return sum(hypot(*(self._before(r)[0] - r.ends[0])) < self.run_in_m - 0.5 for r in ends)

    def _before(self, run: Run) -> Floats:
        """Return where the run-in begins, and the run's start, (2, 2)."""
        start = run.ends[0]
        wanted = shapely.LineString([start, start - self.run_in_m * _direction(run)])
        # Cut short a hair before the edge of the air, so that the ways around corners see it.
        legal = [p for p in shapely.get_parts(shapely.intersection(wanted, self.airspace.inset)) if p.length > 0]
        here = [np.asarray(p.coords) for p in legal if p.distance(shapely.Point(start)) < 1e-6]
        if not here:
            return np.stack([start, start])
        far = here[0][np.argmax(np.hypot(*(here[0] - start).T))]
        return np.stack([far, start])

    def _join(self, here: Floats, last: Floats) -> Floats:
        return np.concatenate([self.airspace.route(here, last[0]), last[1:]])


@dataclass(frozen=True)
class TurningWays(Ways):
    """Ways of an aircraft that cannot turn on the spot: arcs of its radius and straight pieces, after a run-out.

    Where the shortest path of Dubins is legal it is flown; elsewhere circles are rolled through the turning room, which
    is always legal. Waypoints are 20° of an arc apart.
    """

    _flown: dict[bytes, Floats] = field(default_factory=dict, repr=False, compare=False)
    _known: dict[bytes, Floats] = field(default_factory=dict, repr=False, compare=False)

    def out(self, home: Floats, run: Run) -> Floats:
        """Return the way from home, left in any direction, to a run's start, (N, 2), both included."""
        key = home.tobytes() + run.ends.tobytes()
        if key not in self._known:
            end = self._entry(run)
            path = self._first_legal(p for start in _departures(home, end, self._room.radius_m) for p in start)
            if path is None:
                path = self._rolled_from(home, end)
            if path is None:
                raise self._refusal(run.transect)
            self._known[key] = self._drawn(path, run.ends[:0], run.ends[:1])
        return self._known[key]

    def between(self, before: Run, after: Run) -> Floats:
        """Return the way from one run's end to the next one's start, (N, 2), both included."""
        if meets(before, after):
            return super().between(before, after)
        key = before.ends.tobytes() + after.ends.tobytes()
        if key not in self._known:
            start, end = self._exit(before), self._entry(after)
            paths = dubins_paths(start, end, self._room.radius_m)
            path = self._first_legal(paths)
            if path is None:
                path = self._rolled(start, end)
            if path is None:
                raise self._refusal(after.transect)
            self._known[key] = self._drawn(path, before.ends[1:], after.ends[:1])
        return self._known[key]

    def back(self, run: Run, home: Floats) -> Floats:
        """Return the way from a run's end to home, reached from any direction, (N, 2), both included."""
        way = self.out(home, run.reversed())
        flown = self.as_flown(way)
        back = way[::-1].copy()
        self._flown[back.tobytes()] = flown[::-1]
        return back

    def as_flown(self, way: Floats) -> Floats:
        """Return a way that this object made as it is flown: its arcs drawn finely."""
        return self._flown.get(way.tobytes(), way)

    def shortened(self, runs: Iterable[Run]) -> int:
        """Return 0: lines are cut so that every run-in is whole."""
        return 0

    @property
    def _room(self) -> TurningRoom:
        room = self.airspace.turning
        assert room is not None
        return room

    def _exit(self, run: Run) -> Pose:
        direction = _direction(run)
        lead_m = self._room.lead_m(run.ends[1], direction)
        if lead_m is None:
            raise self._refusal(run.transect)
        x, y = run.ends[1] + lead_m * direction
        return Pose(float(x), float(y), atan2(direction[1], direction[0]))

    def _entry(self, run: Run) -> Pose:
        back = self._exit(run.reversed())
        return Pose(back.x, back.y, back.heading + pi)

    def _first_legal(self, paths: Iterable[Path]) -> Path | None:
        for path in sorted(paths, key=lambda p: p.length):
            if shapely.covers(self.airspace.flyable, shapely.LineString(path.points(FLOWN_STEP_DEG))):
                return path
        return None

    def _rolled(self, start: Pose, end: Pose) -> Path | None:
        """Return a path along circles, by a corner of the room where there is no space to change sides otherwise."""
        radius_m = self._room.radius_m
        both = [(a, b) for a in self._room.sides(start) for b in self._room.sides(end)]
        for by_way in (False, True):
            found = []
            for sides in both:
                first, last = (np.array(p.centre(s, radius_m)) for p, s in zip((start, end), sides, strict=True))
                for stop in self._corners_of_room(first) if by_way else [None]:
                    centres = self._way_of_centres(*(p for p in (first, stop, last) if p is not None))
                    if centres is not None:
                        found.append(path_along_circles(start, end, centres, sides, radius_m))
            paths = [p for p in found if p is not None]
            if paths:
                return min(paths, key=lambda p: p.length)
        return None

    def _corners_of_room(self, centre: Floats) -> list[Floats]:
        """Return the corners furthest out in each direction of the part of the room that holds a place."""
        part = next(p for p in shapely.get_parts(self._room.reach_of_centres) if p.intersects(shapely.Point(centre)))
        points = shapely.get_coordinates(part)
        angles = 2 * pi * np.arange(_DEPARTURES) / _DEPARTURES
        furthest = (points @ np.stack([np.cos(angles), np.sin(angles)])).argmax(axis=0)
        return [points[i] for i in np.unique(furthest)]

    def _rolled_from(self, home: Floats, end: Pose) -> Path | None:
        """Return a path from home along circles, left towards where a straight way would lead, or else any way."""
        first = self.airspace.route(home, end.point)[1] - home
        nearest = np.asarray(shapely.shortest_line(self._room.centres, shapely.Point(home)).coords[0]) - home
        towards, inward = atan2(first[1], first[0]), atan2(nearest[1], nearest[0])
        # A circle through home must be legal: that around the nearest middle of one is, where any is.
        for heading in (
            towards,
            inward - pi / 2,
            inward + pi / 2,
            *(2 * pi * i / _DEPARTURES for i in range(_DEPARTURES)),
        ):
            start = Pose(float(home[0]), float(home[1]), heading)
            path = self._rolled(start, end)
            if path is not None:
                return path
        return None

    def _way_of_centres(self, *stops: Floats) -> Floats | None:
        try:
            way = np.concatenate([self._centre_ways.route(a, b) for a, b in pairwise(stops)])
        except PlanError:
            return None
        moved = np.concatenate([[True], np.hypot(*np.diff(way, axis=0).T) > 1e-6])
        return np.asarray(way[moved])

    @cached_property
    def _centre_ways(self) -> Airspace:
        room = self._room.reach_of_centres
        return Airspace(room, room, 0.0, 0.0)

    def _drawn(self, path: Path, before: Floats, after: Floats) -> Floats:
        """Return a path as waypoints between a run's end and the next one's start, and remember how it is flown."""
        way = np.concatenate([before, path.points(_ITEM_STEP_DEG), after])
        self._flown[way.tobytes()] = np.concatenate([before, path.points(FLOWN_STEP_DEG), after])
        return way

    def _refusal(self, transect: str) -> PlanError:
        return PlanError(
            f"no legal turn with a radius of {self._room.radius_m:.0f} m leads to transect {transect}",
            hint="Ask for a larger allowance, a smaller buffer, less speed, or an aircraft that turns on the spot",
        )


def ways_over(airspace: Airspace, run_in_m: float = 0.0) -> Ways:
    """Return the ways over an area: with turns that need room where the airspace was made for them."""
    return TurningWays(airspace, run_in_m) if airspace.turning is not None else Ways(airspace, run_in_m)


def follows_on(before: Run, after: Run) -> bool:
    """Say whether a run is the same transect going on where the one before it ends."""
    return before.transect == after.transect and meets(before, after)


def meets(before: Run, after: Run) -> bool:
    """Say whether a run begins where the one before it ends, without a turn to speak of."""
    (x, y), (east, north) = before.ends[1].tolist(), after.ends[0].tolist()
    if abs(x - east) > _SAME_PLACE_M or abs(y - north) > _SAME_PLACE_M:
        return False
    return bool(_direction(before) @ _direction(after) > np.cos(np.radians(_BEND_DEG)))


def _direction(run: Run) -> Floats:
    return np.asarray((run.ends[1] - run.ends[0]) / run.length_m)


def _departures(home: Floats, end: Pose, radius: float) -> list[list[Path]]:
    """Return the short paths from a point left in any direction to a pose: straight and one arc, or as Dubins says."""
    found = []
    x, y = float(home[0]), float(home[1])
    for side in (LEFT, RIGHT):
        cx, cy = end.centre(side, radius)
        distance = hypot(cx - x, cy - y)
        if distance <= radius:
            continue
        straight = sqrt(distance**2 - radius**2)
        towards = atan2(cy - y, cx - x) - side * (pi / 2 - acos(radius / distance))
        start = Pose(x, y, towards)
        arc = (side * (end.heading - towards)) % (2 * pi)
        found.append([Path(start, radius, ((0, straight), (side, arc * radius)))])
    headings = (2 * pi * i / _DEPARTURES for i in range(_DEPARTURES))
    return [*found, *(dubins_paths(Pose(x, y, heading), end, radius) for heading in headings)]
