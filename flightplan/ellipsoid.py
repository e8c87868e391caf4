"""The WGS 84 ellipsoid: geodetic and geocentric coordinates, and the axes of the horizon."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats

SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)
_E2 = FLATTENING * (2 - FLATTENING)
_EP2 = _E2 / (1 - _E2)

_BLOCK = 8192
_ON_AXIS_M = 1e-9


def to_geocentric(lonlat: npt.ArrayLike, height_m: npt.ArrayLike) -> Floats:
    """Degrees (N, 2), longitude first, and ellipsoidal heights (N,) to geocentric metres (N, 3)."""
    degrees = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    longitude, latitude = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
    height = np.asarray(height_m, dtype=np.float64)
    sine, cosine = np.sin(latitude), np.cos(latitude)
    normal = SEMI_MAJOR_M / np.sqrt(1 - _E2 * sine * sine)
    return np.column_stack(
        [
            (normal + height) * cosine * np.cos(longitude),
            (normal + height) * cosine * np.sin(longitude),
            (normal * (1 - _E2) + height) * sine,
        ]
    )


def to_geodetic(geocentric: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Geocentric metres (N, 3) to degrees (N, 2), longitude first, and ellipsoidal heights (N,).

    Bowring (1976), one step; below 10 km of height the error is under a micrometre.
    """
    points = np.atleast_2d(np.asarray(geocentric, dtype=np.float64))
    lonlat, height = np.empty((len(points), 2)), np.empty(len(points))
    for block in blocks(len(points)):
        # Side by side: NumPy's functions round differently on strides, and no point may depend on the others.
        x, y, z = np.ascontiguousarray(points[block].T)
        distance, rise, run, sine, cosine = _normal(x, y, z)
        lonlat[block, 0] = np.degrees(np.arctan2(y, x))
        lonlat[block, 1] = np.degrees(np.arctan2(rise, run))
        height[block] = _height(z, distance, sine, cosine)
    return lonlat, height


def blocks(count: int) -> list[slice]:
    """Return the slices of so many rows, each of as many as stay in a processor's cache with their results."""
    return [slice(first, first + _BLOCK) for first in range(0, count, _BLOCK)]


def shared(rows: Floats) -> Floats:
    """Return the one row of an array (N, ...) that was broadcast from it, else the array, for work done once."""
    return rows[:1] if len(rows) > 1 and rows.strides[0] == 0 else rows


def _normal(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the distance from the axis; the normal's rise and run, and the same as sine and cosine of latitude."""
    # Not np.hypot, which takes ten times as long: nothing here is near an overflow.
    distance = np.sqrt(x * x + y * y)
    sine, cosine = _direction(z * SEMI_MAJOR_M, distance * SEMI_MINOR_M)
    rise = z + _EP2 * SEMI_MINOR_M * (sine * sine * sine)
    run = distance - _E2 * SEMI_MAJOR_M * (cosine * cosine * cosine)
    return distance, rise, run, *_direction(rise, run)


def _height(z: Floats, distance: Floats, sine: Floats, cosine: Floats) -> Floats:
    return np.asarray(distance * cosine + z * sine - SEMI_MAJOR_M * np.sqrt(1 - _E2 * sine * sine))


def _direction(rise: Floats, run: Floats) -> tuple[Floats, Floats]:
    inverse = 1 / np.sqrt(rise * rise + run * run)
    return rise * inverse, run * inverse


def horizon_axes(lonlat: npt.ArrayLike) -> Floats:
    """Geocentric unit vectors north, east and down as the columns of (N, 3, 3), at degrees (N, 2)."""
    degrees = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    longitude, latitude = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
    so, co, sa, ca = np.sin(longitude), np.cos(longitude), np.sin(latitude), np.cos(latitude)
    north = np.column_stack([-sa * co, -sa * so, ca])
    east = np.column_stack([-so, co, np.zeros_like(so)])
    down = np.column_stack([-ca * co, -ca * so, -sa])
    return np.stack([north, east, down], axis=2)


def level_crossing_m(origin: Floats, direction: Floats, height_m: npt.ArrayLike) -> Floats:
    """Distance along rays to where they first come down to an ellipsoidal height: (N, 3), (N, 3) to (N,).

    NaN where a ray never does, or starts below it. Solves for the ellipsoid with both axes that much longer, scaled to
    have the height below the origin: at height 0 this is the answer, elsewhere it is within millimetres of that for
    tens of kilometres, and a step of Newton's method leaves rounding.
    """
    level = np.broadcast_to(np.asarray(height_m, dtype=np.float64), (len(origin),))
    distance = np.empty(len(origin))
    for block in blocks(len(origin)):
        distance[block] = _level_crossing_m(shared(origin[block]), direction[block], shared(level[block]))
    return distance


def _level_crossing_m(origin: Floats, direction: Floats, level: Floats) -> Floats:
    """Do the same for rays (N, 3) of one origin and level (1, ...) or as many."""
    (ox, oy, oz), (dx, dy, dz) = origin.T, direction.T
    distance, _, _, sine, cosine = _normal(ox, oy, oz)
    above = _height(oz, distance, sine, cosine) - level
    inward = 1 - above * cosine / np.maximum(distance, _ON_AXIS_M)
    # The point below the origin, at the height looked for, is on the surface.
    across, up = 1 / (SEMI_MAJOR_M + level) ** 2, 1 / (SEMI_MINOR_M + level) ** 2
    surface = (ox * ox + oy * oy) * (inward * inward * across) + (oz - above * sine) ** 2 * up
    a = (dx * dx + dy * dy) * across + dz * dz * up
    b = dx * (ox * across) + dy * (oy * across) + dz * (oz * up)
    c = (ox * ox + oy * oy) * across + oz * oz * up - surface
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(b * b - a * c)
        found = np.where((b < 0) & (c > -1e-12), np.maximum(c, 0) / (root - b), np.nan)
        if not level.any():
            return np.asarray(found)
        x, y, z = ox + found * dx, oy + found * dy, oz + found * dz
        distance, _, _, sine, cosine = _normal(x, y, z)
        rate = (x * dx + y * dy) * (cosine / np.maximum(distance, _ON_AXIS_M)) + sine * dz
        found = found - (_height(z, distance, sine, cosine) - level) / rate
    return np.asarray(np.where(found >= -1e-6, found, np.nan))
