"""Camera models: ground sampling distance, footprint, and rays of pixels.

Conventions, used by every room. The centre of the top-left pixel is (0, 0); x runs right, y down. Attitude is that
of the optical axis in DJI's gimbal order: the camera looks along north at the horizon when all angles are 0; yaw turns
it clockwise seen from above, pitch −90° looks straight down, roll turns it about its own axis:
R = Rz(yaw) · Ry(pitch) · Rx(roll) from the camera's (forward, right, down) to (north, east, down).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Camera:
    """A frame camera with a central projection and Brown's distortion.

    `distortion` is (k1, k2, p1, p2, k3) in OpenCV's order; `principal_point_px` is measured from the centre of the
    top-left pixel and is the image's middle when None.
    """

    name: str
    image_width_px: int
    image_height_px: int
    focal_length_px: float
    sensor_width_mm: float | None = None
    sensor_height_mm: float | None = None
    focal_length_mm: float | None = None
    principal_point_px: tuple[float, float] | None = None
    distortion: tuple[float, float, float, float, float] | None = None
    min_trigger_interval_s: float | None = None
    source: str | None = None
