"""What is wrong with a pose and with the ground under it: variances, their common part, and those of a refined pose.

The order is the same everywhere: shift north, east, up (m), turn about north, east, down (rad), height of the ground
(m), pixel x, y (px).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from flightplan.frames import Floats

if TYPE_CHECKING:
    from detect.captures import Capture

POSE_NUMBERS = 43
"""What `Capture.pose_covariance` keeps of a refined pose: two upper triangles of 6 x 6, and the ground's roughness."""

_TRIANGLE = np.triu_indices(6)
_RTK_M = 0.2


@dataclass(frozen=True)
class PoseErrors:
    """Standard deviations of a pose and of the ground under it, for one coordinate or angle.

    Each error has a part common to the whole sortie (a GNSS or compass offset, a boresight angle, the wrong take-off
    height: it moves every point of the flight alike and does not separate two sightings of one animal) and a part
    independent from capture to capture. The defaults are for a multirotor without RTK that keeps its height by
    barometer: 1.5 m GNSS (DJI states ±1.5 m hovering), 2° compass and 0.5° gimbal. Tilt is the camera's turning about
    each of two level axes, yaw about the vertical. `along_track_m` is what a wrong time does at the speed flown, in the
    direction `track_deg`, or in any where that is None. `refined` are the covariances of a refined pose, common and own
    (see `packed`), and stand for all of these but `terrain_m` and `pixel_px`.
    """

    horizontal_common_m: float = 1.5
    horizontal_m: float = 0.5
    height_common_m: float = 1.5
    height_m: float = 0.3
    yaw_common_deg: float = 2.0
    yaw_deg: float = 0.7
    tilt_common_deg: float = 0.5
    tilt_deg: float = 0.3
    terrain_m: float = 1.0
    pixel_px: float = 1.0
    along_track_m: float = 0.0
    track_deg: float | None = None
    refined: tuple[float, ...] | None = None

    @classmethod
    def of(
        cls,
        capture: Capture,
        *,
        speed_m_s: float = 0.0,
        track_deg: float | None = None,
        time_error_s: float | None = None,
    ) -> PoseErrors:
        """Return what to expect of a capture, from what it says of its accuracy and where its attitude comes from.

        A stated accuracy is split four to one in variance between the flight and the capture, because GNSS errors
        wander over minutes. An airframe's attitude stands for a camera without a gimbal: a fixed wing crabbing in the
        wind, exposed some tenths of a second after its log was written. Flown at a speed, the position is off along the
        track by the time between it and the exposure: 5 ms where the receiver is synchronised with the camera (an
        accuracy below 0.2 m says so), else 50 ms, a quarter of the 5 Hz at which DJI's receivers report.
        """
        errors = cls()
        accuracy_m = capture.horizontal_accuracy_m
        if accuracy_m is not None:
            errors = replace(errors, horizontal_common_m=0.8**0.5 * accuracy_m, horizontal_m=0.2**0.5 * accuracy_m)
        if "airframe" in capture.sources.get("yaw_deg", ""):
            shifted = replace(errors, horizontal_m=max(errors.horizontal_m, 2.0))
            errors = replace(shifted, yaw_common_deg=3.0, yaw_deg=7.0, tilt_common_deg=2.0, tilt_deg=4.0)
        if time_error_s is None:
            time_error_s = 0.005 if accuracy_m is not None and accuracy_m < _RTK_M else 0.05
        refined = capture.pose_covariance
        if refined is not None and len(refined) == POSE_NUMBERS:
            return replace(errors, terrain_m=float(refined[-1]), refined=tuple(refined[:-1]))
        return replace(errors, along_track_m=abs(speed_m_s) * time_error_s, track_deg=track_deg)

    def common(self) -> Floats:
        """Covariance (9, 9) of the errors common to the flight, in the module's order."""
        if self.refined is not None:
            return self._with_ground(_square(self.refined[:21]), 0.0, 0.0)
        h, v = self.horizontal_common_m, self.height_common_m
        yaw, tilt = np.radians(self.yaw_common_deg), np.radians(self.tilt_common_deg)
        return np.diag(np.array([h, h, v, tilt, tilt, yaw, 0.0, 0.0, 0.0]) ** 2)

    def independent(self) -> Floats:
        """Covariance (9, 9) of the errors independent from capture to capture."""
        if self.refined is not None:
            return self._with_ground(_square(self.refined[21:]), self.terrain_m, self.pixel_px)
        h, v = self.horizontal_m, self.height_m
        yaw, tilt = np.radians(self.yaw_deg), np.radians(self.tilt_deg)
        pose = np.diag(np.array([h, h, v, tilt, tilt, yaw]) ** 2)
        if self.track_deg is None:
            pose[[0, 1], [0, 1]] += self.along_track_m**2
        else:
            track = np.radians(self.track_deg)
            way = self.along_track_m * np.array([np.cos(track), np.sin(track)])
            pose[:2, :2] += np.outer(way, way)
        return self._with_ground(pose, self.terrain_m, self.pixel_px)

    @staticmethod
    def _with_ground(pose: Floats, terrain_m: float, pixel_px: float) -> Floats:
        full = np.zeros((9, 9))
        full[:6, :6] = pose
        full[[6, 7, 8], [6, 7, 8]] = np.array([terrain_m, pixel_px, pixel_px]) ** 2
        return full


def common_turned(yaw_deg: Floats) -> Floats:
    """How errors common to a flight act on poses of some yaw: (N, 6, 6) from the flight's six to the pose's six.

    Shifts and the compass are the same for all; a tilt is that of the camera in its mount, forward and to the right, so
    it turns with the heading.
    """
    yaw = np.radians(np.atleast_1d(np.asarray(yaw_deg, dtype=np.float64)))
    turned = np.tile(np.eye(6), (len(yaw), 1, 1))
    turned[:, 3, 3] = turned[:, 4, 4] = np.cos(yaw)
    turned[:, 4, 3] = np.sin(yaw)
    turned[:, 3, 4] = -np.sin(yaw)
    return turned


def packed(common: Floats, own: Floats, terrain_m: float) -> tuple[float, ...]:
    """What `Capture.pose_covariance` keeps: the covariances (6, 6) of a refined pose, and how rough its ground is.

    `common` is what it shares with its neighbours, `own` the part by which they differ, both in the axes of the ground.
    """
    return (*(float(v) for matrix in (common, own) for v in matrix[_TRIANGLE]), float(terrain_m))


def _square(triangle: tuple[float, ...]) -> Floats:
    full = np.zeros((6, 6))
    full[_TRIANGLE] = triangle
    return full + np.triu(full, 1).T
