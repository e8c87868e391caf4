"""The ground under a mission: kept with the plan, so that heights can be checked without the elevation model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.errors import PlanError, TerrainError
from flightplan.frames import Floats
from flightplan.mission import Command, Frame, Mission
from flightplan.terrain import Terrain

DEFAULT_CLEARANCE_M = 30.0
"""Kept above bare ground on a straight way home: trees of a savanna or a boreal forest, and the model's own errors."""

_FINEST_STEP_M, _COARSEST_STEP_M = 5.0, 30.0


@dataclass(frozen=True)
class GroundUnder:
    """The ground under a mission's legs, in metres above its home.

    Three lists of one length: the number of the mission's item that a leg leads to (from 0), how far along that leg (0
    to 1), and how high the ground is there.
    """

    item: tuple[int, ...]
    share: tuple[float, ...]
    ground_home_m: tuple[float, ...]


@dataclass(frozen=True)
class HeightOverGround:
    """The least height above ground of a mission, and the item that the leg leads to where that is."""

    least_agl_m: float
    highest_agl_m: float
    item: int


def ground_under(mission: Mission, area: StudyArea, terrain: Terrain) -> GroundUnder:
    """Sample the ground under a mission, every 5 to 30 m (half a cell) and at each waypoint.

    Raises TerrainError where the model has a void.
    """
    step_m = float(np.clip(terrain.cell_m / 2, _FINEST_STEP_M, _COARSEST_STEP_M))
    places = _places(mission)
    items, shares, points = [], [], []
    local = area.frame.to_local([place for _, place, _ in places])
    for (number, _, _), (a, b) in zip(places[1:], pairwise(local), strict=True):
        length_m = float(np.hypot(*(b - a)))
        if length_m == 0.0:
            continue
        share = np.linspace(0.0, 1.0, int(np.ceil(length_m / step_m)) + 1)
        items.append(np.full(len(share), number))
        shares.append(share)
        points.append(a + share[:, None] * (b - a))
    if not points:
        return GroundUnder((), (), ())
    lonlat = area.frame.to_lonlat(np.concatenate(points))
    home_m, *ground_m = terrain.heights_m(np.vstack([places[0][1], lonlat]))
    above_home_m = np.array(ground_m) - home_m
    if not np.isfinite(above_home_m).all():
        longitude, latitude = lonlat[int(np.argmax(~np.isfinite(above_home_m)))]
        raise TerrainError(
            f"knows no height at longitude {longitude:.5f}, latitude {latitude:.5f}, where the mission flies",
            where=terrain.source or "the elevation model",
        )
    return GroundUnder(
        tuple(np.concatenate(items).tolist()),
        tuple(np.round(np.concatenate(shares), 5).tolist()),
        tuple(np.round(above_home_m, 2).tolist()),
    )


def height_over_ground(mission: Mission, ground: GroundUnder) -> HeightOverGround | None:
    """Return how low and how high above the ground kept with a plan a mission flies; None when nothing was kept.

    Needs no elevation model. Raises PlanError when the mission's items are not those that the ground was sampled for.
    """
    if not ground.item:
        return None
    places = _places(mission)
    before = {number: places[i - 1][2] for i, (number, _, _) in enumerate(places) if i > 0}
    after = {number: height for number, _, height in places}
    if not set(ground.item) <= set(before):
        raise PlanError("the ground kept with the plan belongs to another mission", hint="Plan it again")
    share = np.array(ground.share)
    start = np.array([before[n] for n in ground.item])
    end = np.array([after[n] for n in ground.item])
    above = start + share * (end - start) - np.array(ground.ground_home_m)
    least = int(np.argmin(above))
    return HeightOverGround(float(above[least]), float(above.max()), ground.item[least])


def return_height_m(
    path: Floats, home: Floats, area: StudyArea, terrain: Terrain, *, clearance_m: float, at_least_m: float
) -> tuple[float, float]:
    """Return the height above home, in whole metres, that clears the ground on a straight way home from anywhere.

    A failsafe comes home straight. The ground is the highest of every cell between a local path (N, 2) and home,
    `clearance_m` is added, and the height is `at_least_m`. The second number is the share of cells that are voids.
    """
    # Hulls, since a triangle without area (a leg straight away from home) is a line.
    swept = shapely.convex_hull([shapely.MultiPoint([home, a, b]) for a, b in pairwise(path)])
    region = shapely.union_all(shapely.buffer(swept, min(terrain.cell_m, 100.0), quad_segs=4))
    ground = terrain.range_within(area.frame.delocalise(region))
    home_m = float(terrain.heights_m(area.frame.to_lonlat(home[None]))[0])
    # A hair is taken off before rounding up, so that 110.0000001 m does not become 111.
    height_m = float(np.ceil(max(ground.highest_m - home_m + clearance_m, at_least_m) - 1e-6))
    return height_m, ground.void_share


def _places(mission: Mission) -> list[tuple[int, tuple[float, float], float]]:
    """Return home (numbered −1) and every item with a position: its number, its place, its height above home.

    A landing approach is left out: it comes down to the ground.
    """
    if mission.home is None:
        raise PlanError("the mission has no home to measure heights from")
    places = [(-1, mission.home, 0.0)]
    for number, item in enumerate(mission.items):
        if item.command == Command.DO_LAND_START:
            break
        if item.longitude_deg is None or item.latitude_deg is None:
            continue
        if item.frame != Frame.GLOBAL_RELATIVE_ALT:
            raise PlanError("its height is not above home", where=f"item {number}")
        places.append((number, (item.longitude_deg, item.latitude_deg), item.altitude_m))
    return places
