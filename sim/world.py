"""The simulated world: land, herds on it, and where each animal is at any time and whatever flies above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter
from shapely.geometry.base import BaseGeometry

from flightplan.areas import StudyArea
from flightplan.errors import AreaError
from flightplan.frames import Floats
from sim.animals import OUTSIDE, Animals, Walks, around
from sim.land import Land
from sim.noise import hash_unit
from sim.relief import Relief
from sim.species import SPECIES, Species

_MARGIN_M = 250.0
_EXCLUSION_BERTH_M = 60.0
_MAX_COVER_CELLS = 1_000_000
_MAX_HERDS = 200_000


@dataclass(frozen=True)
class Positions:
    """Where the animals are at one time.

    `local_m` is (N, 2), metres east and north in the area's frame; `heading_deg` (N,) is clockwise from north.
    `under_water` (N,) are those that cannot be seen for that reason.
    """

    local_m: Floats
    heading_deg: Floats
    under_water: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """A study area with land and animals, the same for the same area and seed.

    `sun_azimuth_deg` is where the sun stands, clockwise from north. Herds are a Thomas process (Thomas 1949): parents
    are Poisson with a density that depends on woodland cover, members lie around them. The process goes on
    past the boundary, so frames at the ends of lines see animals that must not be counted. No animal is ever in an
    exclusion, and none crosses a stratum's border unless a drone scares it: `truth` is of where they live. `relief` is
    None where the ground is flat.
    """

    area: StudyArea
    seed: int
    species: tuple[Species, ...]
    land: Land
    animals: Animals
    sun_azimuth_deg: float
    sun_elevation_deg: float
    relief: Relief | None = None

    @classmethod
    def build(
        cls,
        area: StudyArea,
        seed: int,
        *,
        species: Sequence[Species] = SPECIES,
        density: float = 1.0,
        bait: float = 1.0,
        sun: tuple[float, float] | None = None,
    ) -> World:
        """Make the world of one seed.

        `density` multiplies the number of herds, `bait` that of rocks, logs and termite mounds; `sun` is (azimuth,
        elevation) in degrees, drawn from the seed when None. Raises AreaError for an area too large for one world.
        """
        strata: list[BaseGeometry] = [area.frame.localise(stratum.polygon) for stratum in area.strata]
        exclusions = area.frame.localise(shapely.union_all(list(area.exclusions)))
        land = build_land(strata, [stratum.name for stratum in area.strata], seed, bait)
        herds = [
            _herds(kind, number, strata, exclusions, land, density, np.random.default_rng([seed, 100 + number]))
            for number, kind in enumerate(species)
        ]
        if sun is None:
            rng = np.random.default_rng([seed, 7])
            sun = (float(rng.uniform(40.0, 140.0)), float(rng.uniform(35.0, 62.0)))
        return cls(area, seed, tuple(species), land, Animals.joined(herds), sun[0], sun[1])

    def positions(
        self,
        time_s: float | Floats,
        rows: npt.NDArray[np.int64] | None = None,
        drone: tuple[float, float, float] | None = None,
    ) -> Positions:
        """Where the animals (those in `rows`, else all) are, `time_s` seconds after 1970-01-01 UTC.

        One time for all, or one for each row. `drone` is what they see above them: metres east, north and over ground.
        """
        chosen = np.arange(len(self.animals)) if rows is None else rows
        animals = self.animals
        speed, span = animals.speed_mps[chosen], animals.range_m[chosen]
        heading_deg, local = animals.heading_deg[chosen], animals.home_m[chosen].copy()
        walks = speed > 0
        # Walking is to and fro, so it is periodic and never leaves the herd's own ground.
        walked_s = self._walked_s(chosen, time_s)
        along = np.mod((animals.phase_s[chosen] + walked_s) * speed, np.where(walks, 2 * span, 1.0))
        back = walks & (along > span)
        offset = np.where(back, 2 * span - along, along)[walks] - span[walks] / 2
        heading = np.radians(heading_deg[walks])
        local[walks] += offset[:, None] * np.column_stack([np.sin(heading), np.cos(heading)])
        if walks.any():
            widths = np.array([kind.width_m for kind in self.species])[animals.species[chosen][walks]]
            local[walks] = self.land.clear_of_trees(local[walks], 0.3 * widths)
        under_water = self._do_what_they_do(chosen, time_s, drone, local)
        return Positions(local, np.mod(heading_deg + np.where(back, 180.0, 0.0), 360.0), under_water)

    def _walked_s(self, rows: npt.NDArray[np.int64], time_s: float | Floats) -> float | Floats:
        """The seconds that each animal has walked by then; the time itself where nobody ever rests."""
        if all(kind.behaviour.active_hours is None for kind in self.species):
            return time_s
        walked = np.broadcast_to(np.asarray(time_s, dtype=np.float64), (len(rows),)).copy()
        for number, kind in enumerate(self.species):
            own = self.animals.species[rows] == number
            walked[own] = kind.behaviour.walked_s(walked[own], self.area.frame.longitude_deg)
        return walked

    def _do_what_they_do(
        self,
        rows: npt.NDArray[np.int64],
        time_s: float | Floats,
        drone: tuple[float, float, float] | None,
        local: Floats,
    ) -> npt.NDArray[np.bool_]:
        """Move animals into the shade and away from a drone, in place; return which are under water."""
        under_water = np.zeros(len(rows), dtype=np.bool_)
        for number, kind in enumerate(self.species):
            if kind.behaviour.is_plain:
                continue
            own = np.flatnonzero(self.animals.species[rows] == number)
            when = np.broadcast_to(np.asarray(time_s, dtype=np.float64), (len(rows),))[own]
            luck = hash_unit(rows[own], rows[own], self.seed + 9173).astype(np.float64)
            shaded = own[kind.behaviour.in_shade(when, self.area.frame.longitude_deg, luck)]
            local[shaded] = self.land.into_shade(local[shaded])
            under_water[own] = kind.behaviour.is_under_water(when, luck)
            if drone is not None:
                local[own] += kind.behaviour.away(local[own], drone)
        return under_water

    def truth(self) -> dict[str, dict[str, int]]:
        """How many animals there are: species, then stratum, then number."""
        animals = self.animals
        return {
            kind.name: {
                stratum.name: int(((animals.species == i) & (animals.stratum == j)).sum())
                for j, stratum in enumerate(self.area.strata)
            }
            for i, kind in enumerate(self.species)
        }


def build_land(strata: Sequence[BaseGeometry], names: Sequence[str], seed: int, bait: float = 1.0) -> Land:
    """Make the land of one seed under strata in the area's metres.

    Cover follows the names of the strata where they say it, else chance; borders are a blur, not a line.
    """
    west, south, east, north = shapely.total_bounds(np.array(strata, dtype=object))
    width, height = east - west + 2 * _MARGIN_M, north - south + 2 * _MARGIN_M
    cell = max(20.0, float(np.sqrt(width * height / _MAX_COVER_CELLS)))
    columns, rows = int(width / cell) + 2, int(height / cell) + 2
    corner = (float(west - _MARGIN_M), float(south - _MARGIN_M))
    x, y = np.meshgrid(corner[0] + cell * np.arange(columns), corner[1] + cell * np.arange(rows))
    rng = np.random.default_rng([seed, 3])
    level = [_woodiness(name, rng) for name in names]
    cover = np.full((rows, columns), float(np.mean(level)))
    for polygon, woody in zip(strata, level, strict=True):
        cover[shapely.contains_xy(polygon, x, y)] = woody
    mottle = gaussian_filter(rng.standard_normal((rows, columns)), 5.0, mode="wrap")
    mottle /= max(float(mottle.std()), 1e-9)
    blurred = gaussian_filter(cover, 3.0, mode="nearest") * (1.0 + 0.45 * mottle)
    return Land(seed, np.clip(blurred, 0.0, 1.0).astype(np.float32), corner, cell, bait)


def _woodiness(name: str, rng: np.random.Generator) -> float:
    drawn = float(rng.uniform(0.1, 0.6))
    if any(word in name.lower() for word in ("wood", "forest", "bush")):
        return 0.55
    if any(word in name.lower() for word in ("flood", "plain", "grass", "open")):
        return 0.12
    return drawn


def _herds(
    kind: Species,
    number: int,
    strata: list[BaseGeometry],
    exclusions: BaseGeometry,
    land: Land,
    density: float,
    rng: np.random.Generator,
) -> Animals:
    surroundings = shapely.buffer(shapely.union_all(strata), _MARGIN_M)
    shapely.prepare(surroundings)
    forbidden = shapely.buffer(exclusions, _EXCLUSION_BERTH_M)
    shapely.prepare(forbidden)
    west, south, east, north = surroundings.bounds
    highest = kind.herds_per_km2 * density * max(kind.cover_preference, 2 - kind.cover_preference) / 1e6
    expected = highest * (east - west) * (north - south)
    if expected > _MAX_HERDS:
        raise AreaError(
            f"the area would hold more than {_MAX_HERDS} herds of {kind.name}",
            hint="Simulate a part of it",
        )
    parents = rng.uniform((west, south), (east, north), (rng.poisson(expected), 2))
    cover = np.clip(land.cover_at(parents) / 0.55, 0.0, 1.0)
    preferred = (2 - kind.cover_preference) + 2 * (kind.cover_preference - 1) * cover
    kept = rng.random(len(parents)) * max(kind.cover_preference, 2 - kind.cover_preference) < preferred
    kept &= shapely.contains_xy(surroundings, parents) & ~shapely.contains_xy(forbidden, parents)
    parents = parents[kept]
    sizes = kind.herd_sizes(len(parents), rng)
    walks = Walks.drawn(kind, sizes, rng)
    walks = replace(walks, moves=walks.moves & _stays(parents, walks.reach_m, strata, forbidden))
    herd, home = around(parents, sizes, kind.spacing_m, rng)
    if len(home):
        home = land.clear_of_trees(home, np.full(len(home), 0.3 * kind.width_m))
    stratum = np.full(len(home), OUTSIDE, dtype=np.int64)
    for row, polygon in enumerate(strata):
        stratum[shapely.contains_xy(polygon, home)] = row
    return Animals.drawn(number, kind, herd, home, stratum, walks, rng).outside_of(exclusions)


def _stays(
    parents: Floats, reach_m: Floats, strata: list[BaseGeometry], forbidden: BaseGeometry
) -> npt.NDArray[np.bool_]:
    """Say which herds can walk to and fro without crossing a stratum's border or nearing an exclusion."""
    roam = shapely.buffer(shapely.points(parents), reach_m + 10.0)
    lines = [shapely.boundary(polygon) for polygon in strata]
    crosses = shapely.intersects(roam, shapely.union_all(lines)) | shapely.intersects(roam, forbidden)
    return np.asarray(~crosses, dtype=np.bool_)
