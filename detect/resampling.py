"""Pictures at the scale a detector was trained at: a coarser or finer pixel than that on the ground is made its own.

An elephant of 46 pixels in training is 92 in a picture taken from half the height, and a network knows one size of
each animal. So tiles are cut from the picture as it would be at the target's ground sampling distance; boxes come back
in the picture's own pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
from PIL import Image

from detect.captures import capture_of
from detect.detections import Detections
from detect.images import Pixels, Raster
from flightplan.errors import CaptureError
from flightplan.frames import Floats

LIKE_ENOUGH = 0.05
"""A scale nearer to 1 than this is left alone: animals of one kind differ more, and pixels stay what they were."""

MAX_ENLARGEMENT = 8.0

_FILTER = Image.Resampling.BILINEAR
# How far the filter reaches, in pixels of the coarser of the two.
_REACH_PX = 2


class Resampled:
    """A raster at another scale, read by windows: `scale` of its pixels across for one of the raster's.

    `factors` are the exact ones along x and y, as sizes are whole numbers. Windows are resampled from what lies around
    them too, so pixels do not depend on how the picture is cut.
    """

    def __init__(self, raster: Raster, scale: float) -> None:
        self.raster = raster
        self.width_px = max(1, round(raster.width_px * scale))
        self.height_px = max(1, round(raster.height_px * scale))
        self.factors = (self.width_px / raster.width_px, self.height_px / raster.height_px)

    def read(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Pixels | None:
        """A window that lies inside, as (height, width, 3); None where the raster holds no data at all."""
        left, right, x0, x1 = _span(x_px, width_px, self.factors[0], self.raster.width_px)
        top, bottom, y0, y1 = _span(y_px, height_px, self.factors[1], self.raster.height_px)
        pixels = self.raster.read(x0, y0, x1 - x0, y1 - y0)
        if pixels is None:
            return None
        # Cut out of a slightly larger whole: Pillow's filters end at the border of the box that they are given.
        margins = [
            min(_REACH_PX, x_px), min(_REACH_PX, y_px),
            min(_REACH_PX, self.width_px - x_px - width_px), min(_REACH_PX, self.height_px - y_px - height_px),
        ]  # fmt: skip
        box = (
            left - margins[0] / self.factors[0] - x0,
            top - margins[1] / self.factors[1] - y0,
            right + margins[2] / self.factors[0] - x0,
            bottom + margins[3] / self.factors[1] - y0,
        )
        size = (width_px + margins[0] + margins[2], height_px + margins[1] + margins[3])
        whole = (max(0.0, box[0]), max(0.0, box[1]), min(x1 - x0, box[2]), min(y1 - y0, box[3]))
        resized = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, _FILTER, box=whole))
        return resized[margins[1] : margins[1] + height_px, margins[0] : margins[0] + width_px]

    def to_lonlat(self, points_px: Floats) -> Floats | None:
        """Longitude and latitude on WGS 84 of (N, 2) points; None where the raster carries no coordinates."""
        return self.raster.to_lonlat(points_px / np.array(self.factors))

    def in_its_pixels(self, found: Detections) -> Detections:
        """What was found here, in the pixels of the raster as it is."""
        return found.resized(1.0 / self.factors[0], 1.0 / self.factors[1])


def at_target(raster: Raster, target_gsd_cm: float | None, gsd_cm: float | None) -> Raster:
    """The raster at a detector's ground sampling distance, or as it is where that, or its own, is not known.

    Raises CaptureError where it would have to be enlarged more than `MAX_ENLARGEMENT` times.
    """
    if target_gsd_cm is None or gsd_cm is None:
        return raster
    scale = gsd_cm / target_gsd_cm
    if scale > MAX_ENLARGEMENT:
        raise CaptureError(
            f"Its pixels are {gsd_cm:.3g} cm on the ground, too coarse for a detector of {target_gsd_cm:.3g} cm",
            hint="Use a detector trained on pictures from that height.",
        )
    return raster if abs(scale - 1.0) < LIKE_ENOUGH else Resampled(raster, scale)


def known_gsd_cm(raster: Raster, path: Path, data: bytes | None) -> float | None:
    """The ground sampling distance in centimetres of a picture or an orthomosaic, None where it cannot be known.

    That of a mosaic follows from its own coordinates, in its middle; that of a picture from its camera and its height
    above the take-off point, straight down over flat ground.
    """
    middle = np.array([raster.width_px, raster.height_px]) / 2.0
    around = raster.to_lonlat(middle + np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]]))
    if around is not None:
        lon, lat = around.T
        _, _, apart_m = pyproj.Geod(ellps="WGS84").inv(lon[[0, 2]], lat[[0, 2]], lon[[1, 3]], lat[[1, 3]])
        gsd_cm = 100.0 * float(np.sqrt(np.prod(apart_m)))
        return gsd_cm if np.isfinite(gsd_cm) and gsd_cm > 0.0 else None
    if data is None:
        return None
    capture = capture_of(path, data)
    if capture.camera is None or capture.altitude_takeoff_m is None or capture.altitude_takeoff_m <= 0.0:
        return None
    return capture.camera.gsd_cm(capture.altitude_takeoff_m)


def _span(start: int, length: int, factor: float, until: int) -> tuple[float, float, int, int]:
    """A window's ends along one axis of the raster: exact, and in whole pixels with room for the filter."""
    low, high = start / factor, (start + length) / factor
    room = 2 * _REACH_PX * max(1.0, 1.0 / factor) + 1.0
    return low, high, max(0, int(low - room)), min(until, int(np.ceil(high + room)))
