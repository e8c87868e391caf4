"""The ways of a fixed wing that lands: home by an approach that the air, the ground and the wind let be flown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, pi

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.dubins import LEFT, RIGHT, dubins_paths
from flightplan.energy import Wind
from flightplan.frames import Floats
from flightplan.keep_clear import DEFAULT_OBSTACLE_BUFFER_M
from flightplan.landing import GLIDE_SLOPE, HEIGHTS_M, Approach, Landing
from flightplan.ordering import Run
from flightplan.paths import Airspace
from flightplan.terrain import Terrain
from flightplan.ways import TurningWays

_STEP_DEG, _MOST_OFF_WIND_DEG = 15.0, 60.0


@dataclass(frozen=True)
class LandingWays(TurningWays):
    """Ways of a fixed wing that lands: those home lead to an approach where the allowed air has room for one.

    Touchdown is `asked_at` (local x, y and the heading), or home. `level_m` is the height flown before, `sink_ratio`
    how far it comes down on a metre of way; `wind_from_deg` is None when the plan knows no wind. An approach is not
    flown unless `accepts` says so of it and home, as terrain and obstacles let it.
    """

    level_m: float = 0.0
    sink_ratio: float = GLIDE_SLOPE
    wind_from_deg: float | None = None
    asked_at: tuple[float, float, float] | None = None
    accepts: Callable[[Approach, Floats], Approach | None] = lambda approach, _: approach
    _approaches: dict[bytes, Approach | None] = field(default_factory=dict, repr=False, compare=False)
    _led: dict[bytes, tuple[Floats, Approach]] = field(default_factory=dict, repr=False, compare=False)
    _home: dict[bytes, Floats] = field(default_factory=dict, repr=False, compare=False)

    def back(self, run: Run, home: Floats) -> Floats:
        """Return the way from a run's end to the touchdown, or to home where there is no approach, (N, 2)."""
        key = run.ends.tobytes() + home.tobytes()
        if key not in self._home:
            self._home[key] = self._way_home(run, home)
        return self._home[key]

    def parted(self, way: Floats) -> tuple[Floats, Approach | None]:
        """Return the part of a way home before the approach, and the approach; all of it and None without one."""
        return self._led.get(way.tobytes(), (way, None))

    def _way_home(self, run: Run, home: Floats) -> Floats:
        approach = self._approach(home)
        if approach is None:
            return super().back(run, home)
        start, end = self._exit(run), approach.entry
        path = self._first_legal(dubins_paths(start, end, self._room.radius_m)) or self._rolled(start, end)
        if path is None:
            return super().back(run, home)
        before = self._drawn(path, run.ends[1:], run.ends[:0])
        way = np.concatenate([before, approach.track])
        self._flown[way.tobytes()] = np.concatenate([self.as_flown(before), approach.track])
        self._led[way.tobytes()] = before, approach
        return way

    def _approach(self, home: Floats) -> Approach | None:
        """Return the best approach to a home: into the wind first, then the highest, then where there is most room."""
        key = home.tobytes()
        if key not in self._approaches:
            found = [a for a in self._candidates(home) if self._is_legal(a)]
            found.sort(key=lambda a: (self._off_wind(a), -a.height_m, -self._room_m(a), a.heading_deg, a.side))
            accepted = (self.accepts(a, home) for a in found)
            self._approaches[key] = next((a for a in accepted if a is not None), None)
        return self._approaches[key]

    def _candidates(self, home: Floats) -> list[Approach]:
        touchdown, headings = home, np.arange(0.0, 360.0, _STEP_DEG)
        if self.asked_at is not None:
            touchdown, headings = np.array(self.asked_at[:2]), np.array([self.asked_at[2]])
        elif self.wind_from_deg is not None:
            off = np.arange(-_MOST_OFF_WIND_DEG, _MOST_OFF_WIND_DEG + 1, _STEP_DEG)
            headings = (self.wind_from_deg + off) % 360
        round_m = 2 * pi * self._room.radius_m
        found = []
        for height_m in (h for h in HEIGHTS_M if h <= max(self.level_m, HEIGHTS_M[-1])):
            down = max(0.0, self.level_m - height_m) / max(self.sink_ratio * round_m, 1e-6)
            first = Approach(
                touchdown, 0.0, height_m, LEFT, self._room.radius_m, self.run_in_m, turns=1 + ceil(down - 1e-9)
            )
            found += [replace(first, heading_deg=float(h), side=s) for h in headings for s in (LEFT, RIGHT)]
        return found

    def _is_legal(self, approach: Approach) -> bool:
        legal = approach.side in self._room.sides(approach.entry)
        return legal and bool(shapely.covers(self.airspace.flyable, approach.ground_track))

    def _off_wind(self, approach: Approach) -> float:
        if self.wind_from_deg is None or self.asked_at is not None:
            return 0.0
        return round(abs((approach.heading_deg - self.wind_from_deg + 180) % 360 - 180), 3)

    def _room_m(self, approach: Approach) -> float:
        """Return how far from the edge of the air an approach keeps, to the metre."""
        return float(round(shapely.distance(shapely.boundary(self.airspace.flyable), approach.ground_track)))


def landing_ways(
    area: StudyArea,
    airspace: Airspace,
    run_in_m: float,
    *,
    level_m: float,
    sink_ratio: float = GLIDE_SLOPE,
    wind: Wind | None = None,
    asked: Landing | None = None,
    terrain: Terrain | None = None,
) -> LandingWays:
    """Return the ways of a fixed wing that lands where the air, the ground and what stands on it let it.

    An approach comes below the height of the lines, so it is kept from every obstacle, however low. With `terrain` no
    ground reaches half way up to it; without, the ground is taken as level.
    """
    around = [shapely.buffer(area.localise(shapely.make_valid(o.geometry)), DEFAULT_OBSTACLE_BUFFER_M)
              for o in area.obstacles]  # fmt: skip
    obstacles = shapely.union_all(around)

    def ground_m(points: Floats) -> Floats:
        assert terrain is not None
        return np.asarray(terrain.heights_m(area.frame.to_lonlat(points)))

    def accepts(approach: Approach, home: Floats) -> Approach | None:
        if obstacles.intersects(approach.ground_track):
            return None
        if terrain is None:
            return approach
        home_m, touchdown_m = ground_m(np.stack([home, approach.touchdown]))
        if not np.isfinite(touchdown_m - home_m):
            return None
        raised = replace(approach, touchdown_home_m=float(touchdown_m - home_m))
        return raised if raised.is_clear(lambda points: ground_m(points) - home_m) else None

    asked_at = None
    if asked is not None:
        x, y = area.frame.to_local([(asked.longitude_deg, asked.latitude_deg)])[0]
        asked_at = float(x), float(y), asked.heading_deg % 360
    return LandingWays(
        airspace,
        run_in_m,
        level_m=level_m,
        sink_ratio=sink_ratio,
        wind_from_deg=None if wind is None or wind.speed_mps <= 0 else wind.from_deg,
        asked_at=asked_at,
        accepts=accepts,
    )
