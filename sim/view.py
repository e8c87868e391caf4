"""A simulated camera at a pose: points to pixels, pixels to the ground, flat or of hills."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flightplan.camera import Camera, rotation
from flightplan.errors import CameraError
from flightplan.frames import Floats, LocalFrame
from sim.relief import Relief


@dataclass(frozen=True)
class Pose:
    """Where a camera is and where it looks.

    Degrees on WGS 84, metres above the ground below it, angles of `flightplan.camera`.
    """

    longitude_deg: float
    latitude_deg: float
    altitude_agl_m: float
    yaw_deg: float
    pitch_deg: float = -90.0
    roll_deg: float = 0.0


@dataclass(frozen=True)
class View:
    """A camera at a pose over the ground in one local frame, flat at height 0 without `relief`: to pixels and back."""

    camera: Camera
    pose: Pose
    frame: LocalFrame
    relief: Relief | None = None

    def __post_init__(self) -> None:
        if not self.pose.altitude_agl_m > 0:
            raise CameraError("a picture needs a height above ground", where=self.camera.name)

    def project(self, east_north_up_m: Floats) -> Floats:
        """Pixels (N, 2) of points (N, 3) in metres east, north and up, from height 0 of flat ground or the relief's."""
        offset = east_north_up_m - self._position
        north_east_down = np.column_stack([offset[:, 1], offset[:, 0], -offset[:, 2]])
        return self.camera.project(north_east_down @ self._rotation)

    def ground(self, pixels: npt.ArrayLike) -> Floats:
        """Where the rays of pixels (N, 2) meet the ground: (N, 2) east and north; NaN at and above the horizon."""
        north_east_down = self.camera.rays(pixels) @ self._rotation.T
        if self.relief is not None:
            return self.relief.meet(self._position, north_east_down[:, [1, 0, 2]] * (1.0, 1.0, -1.0))
        down = np.where(north_east_down[:, 2] > 0, north_east_down[:, 2], np.nan)
        reach = self._position[2] / down
        return np.asarray(self._position[:2] + reach[:, None] * north_east_down[:, [1, 0]])

    def heights_m(self, points_m: Floats) -> Floats:
        """The height (N,) of the ground at points (N, 2)."""
        return np.zeros(len(points_m)) if self.relief is None else self.relief.at(points_m)

    def hides(self, points_m: Floats, pixels: Floats) -> npt.NDArray[np.bool_]:
        """Which points on the ground (N, 2), seen at pixels (N, 2), lie behind a ridge."""
        if self.relief is None or not len(points_m):
            return np.zeros(len(points_m), dtype=np.bool_)
        met = np.linalg.norm(self.ground(pixels) - points_m, axis=1)
        return np.asarray(~(met < 5.0 + self.relief.cell_m))

    @property
    def drone(self) -> tuple[float, float, float]:
        """Where the camera is: metres east, north and above the ground below it."""
        return float(self._position[0]), float(self._position[1]), self.pose.altitude_agl_m

    @cached_property
    def footprint_m(self) -> Floats:
        """The picture's corners on the ground, (4, 2), clockwise from the top left."""
        right, bottom = self.camera.image_width_px - 0.5, self.camera.image_height_px - 0.5
        return self.ground([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])

    @cached_property
    def _position(self) -> Floats:
        east, north = self.frame.to_local([(self.pose.longitude_deg, self.pose.latitude_deg)])[0]
        below = 0.0 if self.relief is None else float(self.relief.at([(east, north)])[0])
        return np.array([east, north, below + self.pose.altitude_agl_m])

    @cached_property
    def _rotation(self) -> Floats:
        return rotation(self.pose.yaw_deg, self.pose.pitch_deg, self.pose.roll_deg)
