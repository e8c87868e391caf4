"""Where rays meet the ground: on level ground by solving for it, on an elevation model by marching along the ray."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from flightplan.ellipsoid import horizon_axes, level_crossing_m, shared, to_geodetic
from flightplan.frames import Floats
from flightplan.terrain import Terrain

_LONGEST_M = 30_000.0
_STEP_CELLS = 0.1
_CLOSE_M = 1e-5
_MAX_STEPS = 20_000


class Placement(IntEnum):
    """What became of a pixel."""

    GROUND = 0
    NO_RAY = 1
    SKY = 2
    VOID = 3
    CAMERA_BELOW_GROUND = 4

    @property
    def reason(self) -> str:
        """The same as words for a person."""
        return {
            Placement.GROUND: "on the ground",
            Placement.NO_RAY: "the lens model has no direction for this pixel",
            Placement.SKY: "looks above the horizon, or meets no ground within 30 km",
            Placement.VOID: "the elevation model is void where it looks, or ends before",
            Placement.CAMERA_BELOW_GROUND: "the camera would be below the ground: its height or the ground's is wrong",
        }[self]


def cast(origin: Floats, direction: Floats, terrain: Terrain) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Distances in metres (N,) along rays to the ground, and a `Placement` for each.

    `origin` and unit `direction` are geocentric (N, 3); terrain heights count as ellipsoidal. Distances are NaN where
    the placement is not GROUND. Earth curvature is included.
    """
    status = np.full(len(origin), Placement.GROUND, dtype=np.int8)
    lonlat, height = to_geodetic(shared(origin))
    below = np.broadcast_to(height < terrain.heights_m(lonlat), status.shape)
    height = np.broadcast_to(height, status.shape)
    lowest, highest = terrain.range_m
    if terrain.is_flat:
        distance = level_crossing_m(origin, direction, lowest)
        distance[below | ~(distance <= _LONGEST_M)] = np.nan
        missed = np.flatnonzero(np.isnan(distance))
        status[missed] = np.where(below[missed], Placement.CAMERA_BELOW_GROUND, Placement.SKY)
        status[missed[~np.isfinite(direction[missed]).all(axis=1)]] = Placement.NO_RAY
        return distance, status
    status[below] = Placement.CAMERA_BELOW_GROUND
    status[~np.isfinite(direction).all(axis=1)] = Placement.NO_RAY
    distance = np.full(len(origin), np.nan)
    rows = np.flatnonzero(status == Placement.GROUND)
    above = height[rows] > highest
    start = np.zeros(len(rows))
    start[above] = level_crossing_m(origin[rows][above], direction[rows][above], highest)
    reached = np.isfinite(start) & (start < _LONGEST_M)
    status[rows[~reached]] = Placement.SKY
    rows, start = rows[reached], start[reached]
    distance[rows], status[rows] = _march(origin[rows], direction[rows], start, terrain)
    return distance, status


def _march(origin: Floats, direction: Floats, start: Floats, terrain: Terrain) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Step along each ray, never farther than the steepest slope allows, to the first point at or below the ground."""
    status = np.full(len(origin), Placement.GROUND, dtype=np.int8)
    hit = np.full(len(origin), np.nan)
    lonlat, _ = to_geodetic(origin)
    fall = np.einsum("ni,ni->n", horizon_axes(lonlat)[:, :, 2], direction)
    run = np.sqrt(np.maximum(0.0, 1 - fall * fall))
    # The horizon turns by half a degree within 30 km: the bounds on fall and run are that much wider.
    closing = np.maximum(fall, 0) + 0.005 + terrain.steepest * (run + 0.005)
    least = _STEP_CELLS * terrain.cell_m / np.maximum(run, 0.1)
    near, far = start.copy(), start.copy()
    gap_near = np.full(len(origin), np.inf)
    gap_far = np.full(len(origin), np.nan)
    active = np.arange(len(origin))
    for _ in range(_MAX_STEPS):
        gap, height = _gap(origin[active], direction[active], far[active], terrain)
        gap_far[active] = gap
        void = np.isnan(gap)
        climbing = (fall[active] < 0.005) & (height > terrain.range_m[1])
        gone = (far[active] > _LONGEST_M) | climbing
        status[active[void]] = Placement.VOID
        status[active[gone & ~void]] = Placement.SKY
        going = (gap > 0) & ~gone
        active, gap = active[going], gap[going]
        if len(active) == 0:
            break
        near[active], gap_near[active] = far[active], gap
        far[active] += np.maximum(gap / closing[active], least[active])
    else:
        status[active] = Placement.SKY
    found = np.flatnonzero(status == Placement.GROUND)
    hit[found] = _refine(
        origin[found], direction[found], near[found], far[found], gap_near[found], gap_far[found], terrain
    )
    lost = np.isnan(hit) & (status == Placement.GROUND)
    status[lost] = Placement.VOID
    return hit, status


def _refine(
    origin: Floats, direction: Floats, near: Floats, far: Floats, gap_near: Floats, gap_far: Floats, terrain: Terrain
) -> Floats:
    """Find the crossing between a point above and one at or below the ground (false position, Illinois variant)."""
    low, high, gap_low, gap_high = near.copy(), far.copy(), gap_near.copy(), gap_far.copy()
    root = high.copy()
    active = np.flatnonzero((gap_high < -_CLOSE_M) & (high > low))
    side = np.zeros(len(origin), dtype=np.int8)
    for _ in range(60):
        if len(active) == 0:
            break
        a, b, ga, gb = low[active], high[active], gap_low[active], gap_high[active]
        middle = (a * gb - b * ga) / (gb - ga)
        gap, _ = _gap(origin[active], direction[active], middle, terrain)
        root[active] = np.where(np.isnan(gap), np.nan, middle)
        below = gap <= 0
        high[active] = np.where(below, middle, b)
        low[active] = np.where(below, a, middle)
        gap_high[active] = np.where(below, gap, np.where(side[active] == -1, gb / 2, gb))
        gap_low[active] = np.where(below, np.where(side[active] == 1, ga / 2, ga), gap)
        side[active] = np.where(below, 1, -1)
        active = active[np.abs(gap) > _CLOSE_M]
    return root


def _gap(origin: Floats, direction: Floats, distance: Floats, terrain: Terrain) -> tuple[Floats, Floats]:
    lonlat, height = to_geodetic(origin + distance[:, None] * direction)
    return height - terrain.heights_m(lonlat), height
