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
    x, y, z = points.T
    distance = np.hypot(x, y)
    sine, cosine = _direction(z * SEMI_MAJOR_M, distance * SEMI_MINOR_M)
    rise = z + _EP2 * SEMI_MINOR_M * sine**3
    run = distance - _E2 * SEMI_MAJOR_M * cosine**3
    sine, cosine = _direction(rise, run)
    height = distance * cosine + z * sine - SEMI_MAJOR_M * np.sqrt(1 - _E2 * sine * sine)
    return np.column_stack([np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(rise, run))]), height


def _direction(rise: Floats, run: Floats) -> tuple[Floats, Floats]:
    length = np.hypot(rise, run)
    return rise / length, run / length


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

    NaN where a ray never does, or starts below it. Starts from the ellipsoid with both axes that much longer and
    corrects for its not being the surface of that height.
    """
    level = np.broadcast_to(np.asarray(height_m, dtype=np.float64), (len(origin),))
    axes = np.column_stack([SEMI_MAJOR_M + level, SEMI_MAJOR_M + level, SEMI_MINOR_M + level])
    start, way = origin / axes, direction / axes
    a, b, c = (way * way).sum(1), (start * way).sum(1), (start * start).sum(1) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(b * b - a * c)
        distance = np.where((b < 0) & (c > -1e-12), np.maximum(c, 0) / (root - b), np.nan)
    for _ in range(2):
        lonlat, height = to_geodetic(origin + distance[:, None] * direction)
        rate = -np.einsum("ni,ni->n", horizon_axes(lonlat)[:, :, 2], direction)
        with np.errstate(invalid="ignore", divide="ignore"):
            distance = distance - (height - level) / rate
    return np.asarray(np.where(distance >= -1e-6, distance, np.nan))
