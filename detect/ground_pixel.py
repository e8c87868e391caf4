"""How much ground a pixel of some pictures shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Geod
from rasterio.errors import RasterioError

from detect.captures import read_capture
from detect.images import TIFF_MAGIC
from flightplan.errors import CaptureError

_GEOD = Geod(ellps="WGS84")
_ASKED = 50


def median_gsd_cm(paths: Iterable[Path]) -> tuple[float | None, str]:
    """Centimetres of ground in a pixel, the median of up to 50 of the pictures, and where it comes from.

    Of an orthomosaic it is its own; of a picture that of its camera at its height above take-off, looking straight
    down. None, with the reason, where no picture says.
    """
    listed = sorted(paths)
    asked = listed[:: max(1, len(listed) // _ASKED)][:_ASKED]
    found = [value for value in map(_gsd_cm, asked) if value is not None]
    if not found:
        return None, "the pictures do not say (no height, camera or coordinates in them)"
    return float(np.median(found)), f"the median of {len(found)} pictures that say"


def _gsd_cm(path: Path) -> float | None:
    try:
        with path.open("rb") as stream:
            tiff = stream.read(4) in TIFF_MAGIC
        if tiff:
            return _of_raster(path)
        capture = read_capture(path)
    except (CaptureError, RasterioError, OSError):
        # What is wrong with a picture is said where its pixels are read.
        return None
    height_m = capture.altitude_takeoff_m
    return None if capture.camera is None or not height_m or height_m <= 0 else capture.camera.gsd_cm(height_m)


def _of_raster(path: Path) -> float | None:
    with rasterio.open(path) as raster:
        if raster.crs is None or raster.transform.is_identity:
            return None
        x, y = raster.transform * (raster.width / 2, raster.height / 2)
        across, up = raster.transform * (raster.width / 2 + 1, raster.height / 2)
        if raster.crs.is_geographic:
            metres = abs(_GEOD.inv(x, y, across, up)[2])
        else:
            metres = float(np.hypot(across - x, up - y)) * float(raster.crs.linear_units_factor[1])
    return metres * 100.0 or None
