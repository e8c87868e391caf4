"""Heights to fly over uneven ground: as level above it as a drone can climb and descend, in few waypoints."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.errors import TerrainError
from flightplan.frames import Floats, HeightDatum
from flightplan.terrain import Terrain

_FINEST_STEP_M, _COARSEST_STEP_M = 5.0, 30.0


@dataclass(frozen=True)
class Profile:
    """The heights of a path, by the distance flown along it.

    `distance_m` and `altitude_home_m` are (K,): where the height changes its slope, and how high above home that is;
    between them the vehicle flies straight. `agl_range_m` is the least and the greatest height above ground anywhere
    on the path, `ascent_m` the sum of its climbs. `home_msl_m` is None when the model does not say what its heights are
    measured from.
    """

    distance_m: Floats
    altitude_home_m: Floats
    agl_range_m: tuple[float, float]
    ascent_m: float
    home_msl_m: float | None

    @property
    def is_level(self) -> bool:
        """Whether it is one height from beginning to end."""
        return len(self.distance_m) == 2 and bool(self.altitude_home_m[0] == self.altitude_home_m[1])

    def between(self, start_m: float, end_m: float) -> tuple[Floats, Floats]:
        """Return distances and heights of the changes after `start_m` and before `end_m`, and of `end_m` itself."""
        inside = (self.distance_m > start_m + 0.5) & (self.distance_m < end_m - 0.5)
        distances = np.append(self.distance_m[inside], end_m)
        return distances, np.interp(distances, self.distance_m, self.altitude_home_m)


@dataclass(frozen=True)
class Raised:
    """How much higher than its lines a path is flown: metres at distances along it (K,), straight between them."""

    distance_m: Floats
    extra_m: Floats

    @classmethod
    def transits(
        cls, path: Floats, out_m: float, back_m: float, extra_m: float, *, climb: float, descent: float
    ) -> Raised:
        """Raise the first `out_m` and the last `back_m` of a path, and come down to its lines and up from them.

        The slopes (rise over run) are 0.7 times those given, which leaves some for the terrain. A way too short for
        them is raised less.
        """
        length_m = float(np.hypot(*np.diff(path, axis=0).T).sum())
        down, up = 0.7 * descent, 0.7 * climb
        first, last = min(extra_m, out_m * down), min(extra_m, back_m * up)
        start, end = out_m, length_m - back_m
        distance = np.array([0.0, start - first / down, start, end, end + last / up, length_m])
        extra = np.array([first, first, 0.0, 0.0, last, last])
        kept = np.concatenate([[True], np.diff(distance) > 1e-6])
        # A way of no length is raised by nothing: whichever of two heights stands at one place, it is 0.
        return cls(distance[kept], extra[kept])


def level_profile(path: Floats, altitude_agl_m: float, raised: Raised | None = None) -> Profile:
    """Return the profile over ground taken as level."""
    if raised is None:
        length_m = float(np.hypot(*np.diff(path, axis=0).T).sum())
        same_m = float(altitude_agl_m)
        return Profile(np.array([0.0, length_m]), np.array([same_m, same_m]), (same_m, same_m), 0.0, None)
    heights_m = altitude_agl_m + raised.extra_m
    return Profile(
        raised.distance_m,
        heights_m,
        (float(heights_m.min()), float(heights_m.max())),
        float(np.clip(np.diff(heights_m), 0, None).sum()),
        None,
    )


def follow_terrain(
    path: Floats,
    area: StudyArea,
    terrain: Terrain,
    *,
    altitude_agl_m: float,
    tolerance_m: float,
    steepest_climb: float,
    steepest_descent: float,
    raised: Raised | None = None,
) -> Profile:
    """Return the profile of a local path (N, 2) at a height above ground.

    Slopes (rise over run) stay within the limits given: ahead of a rise the vehicle climbs early and behind it comes
    down late, so it is never lower above ground than asked by more than `tolerance_m`, which the waypoints may cut.
    Where it is `raised` it is that much higher. Raises TerrainError where the model has a void.
    """
    legs = np.hypot(*np.diff(path, axis=0).T)
    corners = np.concatenate([[0.0], np.cumsum(legs)])
    step_m = float(np.clip(terrain.cell_m / 2, _FINEST_STEP_M, _COARSEST_STEP_M))
    if raised is not None:
        # Heights change there as they do at corners.
        turns = np.unique(np.concatenate([corners, np.clip(raised.distance_m, 0.0, corners[-1])]))
    else:
        turns = corners
    at = np.unique(np.concatenate([np.arange(0.0, corners[-1], step_m), turns]))
    where = np.column_stack([np.interp(at, corners, path[:, 0]), np.interp(at, corners, path[:, 1])])
    lonlat = area.frame.to_lonlat(where)
    ground = terrain.heights_m(lonlat)
    if np.isnan(ground).any():
        longitude, latitude = lonlat[np.isnan(ground)][0]
        raise TerrainError(
            f"knows no height at longitude {longitude:.5f}, latitude {latitude:.5f}, where the plan flies",
            where=terrain.source or "the elevation model",
            hint="Fill its voids, or take a model that reaches over the area and its allowance",
        )
    wanted = ground + altitude_agl_m - ground[0]
    if raised is not None:
        wanted = wanted + np.interp(at, raised.distance_m, raised.extra_m)
    held = np.maximum.accumulate(wanted + steepest_descent * at) - steepest_descent * at
    held = np.maximum.accumulate((held - steepest_climb * at)[::-1])[::-1] + steepest_climb * at
    distance, altitude = _thinned(at, held, turns, tolerance_m)
    above = np.interp(at, distance, altitude) - (ground - ground[0])
    return Profile(
        distance,
        altitude,
        (float(above.min()), float(above.max())),
        float(np.clip(np.diff(altitude), 0, None).sum()),
        float(ground[0]) if terrain.datum == HeightDatum.MEAN_SEA_LEVEL else None,
    )


def _thinned(at: Floats, held: Floats, corners: Floats, tolerance_m: float) -> tuple[Floats, Floats]:
    """Keep the corners, and between them as few points as hold the heights within the tolerance (Douglas-Peucker)."""
    ends = np.searchsorted(at, corners)
    kept = [np.array([[at[0], held[0]]])]
    for first, last in pairwise(ends):
        leg = shapely.linestrings(np.column_stack([at[first : last + 1], held[first : last + 1]]))
        # A distance square to a sloping line is a little shorter than the height between them.
        kept.append(shapely.get_coordinates(shapely.simplify(leg, tolerance_m * 0.9))[1:])
    points = np.concatenate(kept)
    return points[:, 0], points[:, 1]
