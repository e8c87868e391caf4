"""Cameras, places and hills that tests of georeferencing stand on."""

import numpy as np

from flightplan.camera import Camera
from flightplan.cameras import camera_named
from flightplan.ellipsoid import horizon_axes, to_geocentric
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

DEMO = camera_named("overfly-demo")
PHANTOM = Camera(
    "Phantom 4 RTK",
    5472,
    3648,
    3657.02,
    focal_length_y_px=3650.62,
    principal_point_px=(2731.47, 1846.6),
    distortion=(-0.267098, 0.111977, 0.000924881, 8.82056e-05, -0.0331614),
)
LON, LAT = 34.83, -2.33
CENTRE = [[399.5, 299.5]]
LEVEL = Terrain.flat(0.0)


def metres(lonlat: Floats, lon: float = LON, lat: float = LAT) -> Floats:
    origin = to_geocentric([[lon, lat]], [0.0])
    offset = to_geocentric(lonlat, np.zeros(len(lonlat))) - origin
    return offset @ horizon_axes([[lon, lat]])[0][:, [1, 0]]


def make_hills(rows: int = 81, columns: int = 81, cell_m: float = 10.0, seed: int = 1) -> Terrain:
    rng = np.random.default_rng([seed, 77])
    y, x = np.mgrid[0:rows, 0:columns] * cell_m
    grid = 20 * np.sin(x / 90) * np.cos(y / 70) + rng.normal(0, 0.5, (rows, columns))
    half_w, half_h = columns * cell_m / 2, rows * cell_m / 2
    return Terrain(grid_m=grid, crs=LocalFrame(LON, LAT).crs, transform=(cell_m, 0.0, -half_w, 0.0, -cell_m, half_h))
