"""Camera models: ground sampling distance, footprint, and rays of pixels.

Conventions, used by every room. The centre of the top-left pixel is (0, 0); x runs right, y down. Attitude is that
of the optical axis in DJI's gimbal order: the camera looks along north at the horizon when all angles are 0; yaw turns
it clockwise seen from above, pitch −90° looks straight down, roll turns it about its own axis:
R = Rz(yaw) · Ry(pitch) · Rx(roll) from the camera's (forward, right, down) to (north, east, down).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flightplan.distortion import Undistortion, distorted, first_fold
from flightplan.errors import CameraError
from flightplan.frames import Floats

_MAX_SIDE_PX = 1_000_000
_ASPECT_TOLERANCE = 0.01
_BLOCK = 8192


@dataclass(frozen=True)
class Camera:
    """A frame camera with a central projection and Brown's distortion.

    `distortion` is (k1, k2, p1, p2, k3) in OpenCV's order; `principal_point_px` is measured from the centre of the
    top-left pixel and is the image's middle when None. `focal_length_px` is the one across the image (x);
    `focal_length_y_px` is the one down it, the same when None. `maker` and `models` are what the camera writes into
    the EXIF of its pictures. `exposure_s` is how long it sees for one picture, where that is fixed (a microbolometer's
    time constant); `image_mb` what all files of one picture take on the card. Raises CameraError when the figures do
    not hold together.
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
    focal_length_y_px: float | None = None
    maker: str | None = None
    models: tuple[str, ...] = ()
    exposure_s: float | None = None
    image_mb: float | None = None

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def from_sensor(
        cls,
        name: str,
        *,
        image_width_px: int,
        image_height_px: int,
        sensor_width_mm: float,
        sensor_height_mm: float,
        focal_length_mm: float,
        min_trigger_interval_s: float | None = None,
        source: str | None = None,
        maker: str | None = None,
        models: tuple[str, ...] = (),
        exposure_s: float | None = None,
        image_mb: float | None = None,
    ) -> Camera:
        """Return the camera of a data sheet: its pixels, sensor and real (not 35 mm equivalent) focal length."""
        for what, value in (
            ("image_width_px", image_width_px),
            ("image_height_px", image_height_px),
            ("sensor_width_mm", sensor_width_mm),
            ("sensor_height_mm", sensor_height_mm),
            ("focal_length_mm", focal_length_mm),
        ):
            _require_positive(name, what, value)
        return cls(
            name=name,
            image_width_px=image_width_px,
            image_height_px=image_height_px,
            focal_length_px=focal_length_mm * image_width_px / sensor_width_mm,
            focal_length_y_px=focal_length_mm * image_height_px / sensor_height_mm,
            sensor_width_mm=sensor_width_mm,
            sensor_height_mm=sensor_height_mm,
            focal_length_mm=focal_length_mm,
            min_trigger_interval_s=min_trigger_interval_s,
            source=source,
            maker=maker,
            models=models,
            exposure_s=exposure_s,
            image_mb=image_mb,
        )

    def gsd_cm(self, altitude_agl_m: float) -> float:
        """Ground sampling distance across the image, straight down over flat ground, in centimetres per pixel."""
        _require_positive(self.name, "altitude_agl_m", altitude_agl_m)
        return 100.0 * altitude_agl_m / self.focal_length_px

    def altitude_for_gsd_m(self, gsd_cm: float) -> float:
        """Height above ground in metres at which a pixel is `gsd_cm` across."""
        _require_positive(self.name, "gsd_cm", gsd_cm)
        return gsd_cm * self.focal_length_px / 100.0

    def footprint_m(self, altitude_agl_m: float) -> tuple[float, float]:
        """Size on flat ground of a picture taken straight down, in metres: image width first, then image height."""
        _require_positive(self.name, "altitude_agl_m", altitude_agl_m)
        return (
            self.image_width_px * altitude_agl_m / self.focal_length_px,
            float(self.image_height_px * altitude_agl_m / self._focal_px[1]),
        )

    @property
    def storage_mb(self) -> float:
        """What a picture takes on the card: as stated, else 0.45 bytes a pixel, about what survey cameras' JPEGs take.

        A Mavic 3E writes 8 to 10 MB for its 20 megapixels, a Phantom 4 Pro 7 to 9: our estimate.
        """
        return self.image_mb or 0.45e-6 * self.image_width_px * self.image_height_px

    def rays(self, pixels: npt.ArrayLike) -> Floats:
        """Directions of pixels: (N, 2) to unit vectors (N, 3) in the camera's (forward, right, down).

        The distortion is inverted to convergence. A pixel that the distortion model cannot have made is a row of NaN.
        """
        points = np.atleast_2d(np.asarray(pixels, dtype=np.float64))
        # A row for each coordinate: what goes on in one is then side by side in memory.
        vectors = np.empty((3, len(points)))
        for first in range(0, len(points), _BLOCK):
            block = slice(first, first + _BLOCK)
            x, y = ((points[block] - self._principal_px) / self._focal_px).T
            if self.distortion is not None:
                x, y = self._lens.undistorted(x, y)
            forward = 1 / np.sqrt(1 + x * x + y * y)
            vectors[0, block] = forward
            np.multiply(x, forward, out=vectors[1, block])
            np.multiply(y, forward, out=vectors[2, block])
        return vectors.T

    def project(self, vectors: npt.ArrayLike) -> Floats:
        """Pixels of directions: (N, 3) in the camera's (forward, right, down), of any length, to (N, 2).

        What lies behind the camera, or farther off axis than the distortion model holds, is a row of NaN. Pixels
        outside the image are returned as they are.
        """
        directions = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        ahead = directions[:, 0] > 0
        depth = np.where(ahead, directions[:, 0], np.nan)
        flat = directions[:, 1:] / depth[:, None]
        if self.distortion is not None:
            flat = np.where((np.hypot(flat[:, 0], flat[:, 1]) <= self._valid_radius)[:, None], flat, np.nan)
            flat = distorted(flat, self.distortion)
        return np.asarray(flat * self._focal_px + self._principal_px)

    def resized(self, image_width_px: int, image_height_px: int) -> Camera:
        """Return the camera of the same pictures scaled to another size.

        Raises CameraError when the shape differs: such a picture was cropped, see `cropped`.
        """
        if (image_width_px, image_height_px) == (self.image_width_px, self.image_height_px):
            return self
        _require_positive(self.name, "image_width_px", image_width_px)
        _require_positive(self.name, "image_height_px", image_height_px)
        scale = np.array([image_width_px / self.image_width_px, image_height_px / self.image_height_px])
        if abs(scale[0] / scale[1] - 1) > _ASPECT_TOLERANCE:
            raise CameraError(
                f"a picture of {image_width_px} × {image_height_px} px is not a scaled one of "
                f"{self.image_width_px} × {self.image_height_px} px",
                where=self.name,
                hint="It was cropped, or belongs to another camera",
            )
        principal = (self._principal_px + 0.5) * scale - 0.5
        return replace(
            self,
            image_width_px=image_width_px,
            image_height_px=image_height_px,
            focal_length_px=float(self._focal_px[0] * scale[0]),
            focal_length_y_px=float(self._focal_px[1] * scale[1]),
            principal_point_px=(float(principal[0]), float(principal[1])),
        )

    def cropped(self, left_px: float, top_px: float, image_width_px: int, image_height_px: int) -> Camera:
        """Return the camera of a window of its pictures, given by its left and top edge and its size."""
        cx, cy = self._principal_px
        return replace(
            self,
            image_width_px=image_width_px,
            image_height_px=image_height_px,
            principal_point_px=(float(cx - left_px), float(cy - top_px)),
            sensor_width_mm=_scaled(self.sensor_width_mm, image_width_px / self.image_width_px),
            sensor_height_mm=_scaled(self.sensor_height_mm, image_height_px / self.image_height_px),
        )

    def portrait(self) -> Camera:
        """Return the camera turned in its mount, a quarter to the left seen from behind: long side along the flight."""
        if self.distortion is None:
            distortion = None
        else:
            k1, k2, p1, p2, k3 = self.distortion
            distortion = (k1, k2, p2, -p1, k3)
        cx, cy = self._principal_px
        return replace(
            self,
            image_width_px=self.image_height_px,
            image_height_px=self.image_width_px,
            focal_length_px=float(self._focal_px[1]),
            focal_length_y_px=float(self._focal_px[0]),
            principal_point_px=(float(self.image_height_px - 1 - cy), float(cx)),
            sensor_width_mm=self.sensor_height_mm,
            sensor_height_mm=self.sensor_width_mm,
            distortion=distortion,
        )

    @cached_property
    def _focal_px(self) -> Floats:
        return np.array([self.focal_length_px, self.focal_length_y_px or self.focal_length_px])

    @cached_property
    def _principal_px(self) -> Floats:
        middle = ((self.image_width_px - 1) / 2, (self.image_height_px - 1) / 2)
        return np.array(self.principal_point_px or middle, dtype=np.float64)

    @cached_property
    def _valid_radius(self) -> float:
        return math.inf if self.distortion is None else first_fold(self.distortion)

    @cached_property
    def _lens(self) -> Undistortion:
        assert self.distortion is not None
        corners = np.array([[x, y] for x in (-0.5, self.image_width_px) for y in (-0.5, self.image_height_px)])
        farthest = float(np.hypot(*((corners - self._principal_px) / self._focal_px).T).max())
        return Undistortion.of(self.distortion, farthest)


def rotation(yaw_deg: npt.ArrayLike, pitch_deg: npt.ArrayLike, roll_deg: npt.ArrayLike) -> Floats:
    """Rotation matrices (..., 3, 3) from the camera's (forward, right, down) to (north, east, down).

    Angles broadcast against each other; see the module's conventions.
    """
    yaw, pitch, roll = np.broadcast_arrays(
        *(np.radians(np.asarray(a, dtype=np.float64)) for a in (yaw_deg, pitch_deg, roll_deg))
    )
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _check(camera: Camera) -> None:
    if not camera.name:
        raise CameraError("a camera needs a name")
    for what, side in (("image_width_px", camera.image_width_px), ("image_height_px", camera.image_height_px)):
        if isinstance(side, bool) or not isinstance(side, int | np.integer) or not 1 <= side <= _MAX_SIDE_PX:
            raise CameraError(
                f"{what} must be a whole number from 1 to {_MAX_SIDE_PX}, not {side!r}", where=camera.name
            )
    _require_positive(camera.name, "focal_length_px", camera.focal_length_px)
    for what, value in (
        ("focal_length_y_px", camera.focal_length_y_px),
        ("sensor_width_mm", camera.sensor_width_mm),
        ("sensor_height_mm", camera.sensor_height_mm),
        ("focal_length_mm", camera.focal_length_mm),
        ("min_trigger_interval_s", camera.min_trigger_interval_s),
        ("exposure_s", camera.exposure_s),
        ("image_mb", camera.image_mb),
    ):
        if value is not None:
            _require_positive(camera.name, what, value)
    ratio = (camera.focal_length_y_px or camera.focal_length_px) / camera.focal_length_px
    if not 0.8 < ratio < 1.25:
        raise CameraError(
            f"its pixels would be {ratio:.2f} times as wide as high",
            where=camera.name,
            hint="Check image size against sensor size",
        )
    for what, values, count in (
        ("distortion", camera.distortion, 5),
        ("principal_point_px", camera.principal_point_px, 2),
    ):
        if values is not None and (len(values) != count or not np.isfinite(np.asarray(values, dtype=float)).all()):
            raise CameraError(f"{what} must be {count} finite numbers, not {values!r}", where=camera.name)


def _require_positive(name: str, what: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise CameraError(f"{what} must be a number above 0, not {value!r}", where=name)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
