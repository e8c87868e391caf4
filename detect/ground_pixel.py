"""How much ground a pixel of some pictures shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from detect.captures import read_capture
from detect.images import open_raster
from detect.resampling import known_gsd_cm
from flightplan.errors import CaptureError

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
        return None, "the pictures do not say: no height, camera or coordinates in them"
    return float(np.median(found)), f"the median of {len(found)} pictures that say"


def _gsd_cm(path: Path) -> float | None:
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            with open_raster(path) as raster:
                return known_gsd_cm(raster, path, None)
        capture = read_capture(path)
    except (CaptureError, OSError):
        # What is wrong with a picture is said where its pixels are read.
        return None
    height_m = capture.altitude_takeoff_m
    return capture.camera.gsd_cm(height_m) if capture.camera and height_m and height_m > 0.0 else None
