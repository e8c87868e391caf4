"""A mission's height above the ground, reckoned from where the vehicle stands now instead of where the plan began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyproj

from flightplan.frames import Floats
from flightplan.mission import Command, Frame, Mission, MissionItem
from flightplan.terrain import Terrain

_GEOD = pyproj.Geod(ellps="WGS84")
_MOST_SAMPLES = 20_000
_NOT_FLOWN_TO = frozenset({Command.NAV_TAKEOFF, Command.NAV_LAND, Command.NAV_RETURN_TO_LAUNCH})


@dataclass(frozen=True)
class GroundClearance:
    """Least height above ground of a mission, in metres, and the place of it, (longitude, latitude).

    `shift_m` is how much higher than at the plan's home the vehicle stands, None without a planned home;
    `unknown_share` is the part of the path over voids or off the elevation model.
    """

    least_m: float
    place: tuple[float, float]
    shift_m: float | None
    unknown_share: float


def ground_clearance(
    mission: Mission, terrain: Terrain, here: tuple[float, float], here_msl_m: float | None = None
) -> GroundClearance | None:
    """Measure straight ways between positions against the ground, each not longer than half a cell or 10 m.

    Heights above home count from the ground at `here` (longitude, latitude) in the same model. `here_msl_m` is the
    vehicle's own height, for items in absolute heights; the model's ground stands in for it. Heights above terrain
    are clear by definition. None when the model does not know the ground at `here`, or nothing is flown.
    """
    ground_m = float(terrain.heights_m([here])[0])
    placed = [
        i for i in mission.items if i.longitude_deg is not None and i.latitude_deg is not None and _is_flown_to(i)
    ]
    if not placed or not np.isfinite(ground_m):
        return None
    lonlat = np.array([(i.longitude_deg, i.latitude_deg) for i in placed], dtype=np.float64)
    offset_m = 0.0 if here_msl_m is None else ground_m - here_msl_m
    under_m = terrain.heights_m(lonlat)
    heights_m = np.array([_height(i, ground_m, offset_m, float(m)) for i, m in zip(placed, under_m, strict=True)])
    points, above_m = _sampled(lonlat, heights_m, min(10.0, terrain.cell_m / 2))
    clear_m = above_m - terrain.heights_m(points)
    known = np.isfinite(clear_m)
    if not known.any():
        return None
    least = int(np.nanargmin(clear_m))
    shift_m = None
    if mission.home is not None:
        shift = ground_m - float(terrain.heights_m([mission.home])[0])
        shift_m = shift if np.isfinite(shift) else None
    place = (float(points[least, 0]), float(points[least, 1]))
    return GroundClearance(float(clear_m[least]), place, shift_m, float(1 - known.mean()))


def _is_flown_to(item: MissionItem) -> bool:
    return item.command not in _NOT_FLOWN_TO and item.command < 100


def _height(item: MissionItem, ground_m: float, offset_m: float, under_m: float) -> float:
    """Return an item's height in the model's datum; `under_m` is the ground under it."""
    if item.frame == Frame.GLOBAL_TERRAIN_ALT:
        return under_m + item.altitude_m
    return item.altitude_m + (offset_m if item.frame == Frame.GLOBAL else ground_m)


def _sampled(lonlat: Floats, heights_m: Floats, step_m: float) -> tuple[Floats, Floats]:
    """Return points along the path and the heights flown there."""
    if len(lonlat) == 1:
        return lonlat, heights_m
    _, _, apart = _GEOD.inv(lonlat[:-1, 0], lonlat[:-1, 1], lonlat[1:, 0], lonlat[1:, 1])
    at = np.concatenate([[0.0], np.cumsum(apart)])
    count = int(min(max(np.ceil(at[-1] / max(step_m, 0.1)), 1), _MOST_SAMPLES))
    along = np.union1d(np.linspace(0.0, at[-1], count + 1), at)
    lon, lat = np.interp(along, at, lonlat[:, 0]), np.interp(along, at, lonlat[:, 1])
    return np.column_stack([lon, lat]), np.interp(along, at, heights_m)
