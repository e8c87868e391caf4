"""The animals of a virtual survey: herds in clusters, denser in some strata than in others, drawn from a seed.

Herds are a Thomas process of clusters (Thomas 1949), thinned to the density of the stratum where each comes to lie,
and a herd is a sunflower of animals. The process goes on past the border: frames at the ends of lines see animals that
must not be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from flightplan.areas import StudyArea
from flightplan.errors import AreaError
from flightplan.frames import Floats
from sim.animals import OUTSIDE, Animals, Walks, around
from sim.land import Land
from sim.virtual.recipe import Inhabitants, WorldRecipe
from sim.world import World, build_land

MARGIN_M = 250.0
EXCLUSION_BERTH_M = 60.0
MOST_HERDS = 200_000
_CLUSTER_REACH = 3.0


@dataclass(frozen=True)
class Ground:
    """An area as animals see it, in the frame's metres, worked out once for all worlds over it.

    `strata` are less the exclusions; `surroundings` is where animals live, `forbidden` where none ever are.
    """

    area: StudyArea
    names: tuple[str, ...]
    strata: tuple[BaseGeometry, ...]
    surroundings: BaseGeometry
    forbidden: BaseGeometry
    borders: BaseGeometry
    _weights: Floats = field(repr=False)

    @classmethod
    def of(cls, area: StudyArea) -> Ground:
        """Work an area out."""
        strata = tuple(area.local_strata)
        whole = shapely.union_all(list(strata))
        surroundings = shapely.buffer(whole, MARGIN_M)
        forbidden = shapely.buffer(area.local_exclusions, EXCLUSION_BERTH_M)
        borders = shapely.union_all([shapely.boundary(polygon) for polygon in strata])
        for geometry in (*strata, surroundings, forbidden, borders):
            shapely.prepare(geometry)
        weights = np.array([polygon.area for polygon in strata])
        return cls(area, tuple(s.name for s in area.strata), strata, surroundings, forbidden, borders, weights)

    def stratum_of(self, points_m: Floats) -> npt.NDArray[np.int64]:
        """The row of the stratum (N,) that each point (N, 2) lies in, or OUTSIDE."""
        found = np.full(len(points_m), OUTSIDE, dtype=np.int64)
        for row, polygon in enumerate(self.strata):
            found[shapely.contains_xy(polygon, points_m[:, 0], points_m[:, 1])] = row
        return found

    def by_stratum(self, values: Sequence[float], stratum: npt.NDArray[np.int64]) -> Floats:
        """A value by stratum for each row of `stratum` (N,); outside it is the mean over the area."""
        mean = float(np.average(values, weights=self._weights))
        return np.array([*values, mean], dtype=np.float64)[stratum]


def populate(ground: Ground, recipe: WorldRecipe, seed: int, *, sun: tuple[float, float] = (95.0, 50.0)) -> World:
    """Draw one world: the same for the same area, recipe and seed.

    Raises AreaError for more herds than one world holds.
    """
    land = build_land(ground.strata, ground.names, seed)
    groups = [
        _group(ground, land, kind, number, np.random.default_rng([seed, 100 + number]))
        for number, kind in enumerate(recipe.species)
    ]
    species = tuple(kind.species() for kind in recipe.species)
    return World(ground.area, seed, species, land, Animals.joined(groups), sun[0], sun[1])


def herd_places(ground: Ground, kind: Inhabitants, land: Land | None, rng: np.random.Generator) -> Floats:
    """Draw where the herds of one species are, (H, 2); without a `land` cover is not asked."""
    densities = [kind.density_in(name) for name in ground.names]
    highest = max(densities) / kind.herd_mean
    preference = max(kind.cover_preference, 2 - kind.cover_preference) if land is not None else 1.0
    room = _CLUSTER_REACH * kind.cluster_radius_m if kind.cluster_herds > 1 else 0.0
    west, south, east, north = ground.surroundings.bounds
    low, high = np.array([west - room, south - room]), np.array([east + room, north + room])
    expected = highest * preference / 1e6 * float(np.prod(high - low))
    if expected > MOST_HERDS:
        raise AreaError(
            f"the area and its surroundings would hold more than {MOST_HERDS} herds of {kind.name}",
            hint="Simulate a part of it, or larger herds",
        )
    if kind.cluster_herds > 1:
        parents = rng.uniform(low, high, (rng.poisson(expected / kind.cluster_herds), 2))
        places = np.repeat(parents, rng.poisson(kind.cluster_herds, len(parents)), axis=0)
        places = places + rng.normal(0.0, kind.cluster_radius_m, places.shape)
    else:
        places = rng.uniform(low, high, (rng.poisson(expected), 2))
    # Drawn for all of them, so that what one herd does hangs on no other.
    luck = rng.random(len(places)) * highest * preference
    wanted = ground.by_stratum(densities, ground.stratum_of(places)) / kind.herd_mean
    if land is not None and kind.cover_preference != 1.0:
        cover = np.clip(land.cover_at(places) / 0.55, 0.0, 1.0) if len(places) else np.empty(0)
        wanted = wanted * ((2 - kind.cover_preference) + 2 * (kind.cover_preference - 1) * cover)
    kept = luck < wanted
    x, y = places.T
    kept &= shapely.contains_xy(ground.surroundings, x, y) & ~shapely.contains_xy(ground.forbidden, x, y)
    return np.asarray(places[kept], dtype=np.float64)


def members(kind: Inhabitants, herds: Floats, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], Floats]:
    """Draw the animals of herds at places (H, 2): the herd (N,) of each and where it stands (N, 2)."""
    sizes = kind.species().herd_sizes(len(herds), rng)
    return around(herds, sizes, kind.herd_spacing_m, rng)


def _group(ground: Ground, land: Land, kind: Inhabitants, number: int, rng: np.random.Generator) -> Animals:
    places = herd_places(ground, kind, land, rng)
    herd, home = members(kind, places, rng)
    species = kind.species()
    walks = Walks.drawn(species, np.bincount(herd, minlength=len(places)), rng)
    stays = walks.moves.copy()
    stays[stays] = _stays(ground, places[stays], walks.reach_m[stays])
    if len(home):
        home = land.clear_of_trees(home, np.full(len(home), 0.3 * species.width_m))
    stratum = ground.stratum_of(home)
    drawn = Animals.drawn(number, species, herd, home, stratum, replace(walks, moves=stays), rng)
    return drawn.outside_of(ground.area.local_exclusions)


def _stays(ground: Ground, places: Floats, reach_m: Floats) -> npt.NDArray[np.bool_]:
    """Say which herds can walk to and fro without crossing a stratum's border or nearing an exclusion."""
    points = shapely.points(places)
    clear = shapely.distance(points, ground.borders) > reach_m + 10.0
    if not shapely.is_empty(ground.forbidden):
        clear &= shapely.distance(points, ground.forbidden) > reach_m + 10.0
    return np.asarray(clear, dtype=np.bool_)
