"""The simulated gimbal: from a vehicle's exposures to shots, true and as the drone reports them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from flightplan.vehicle import FlightCapture
from sim.photographs import Shot
from sim.vehicle import Exposure
from sim.view import Pose


@dataclass(frozen=True)
class Gimbal:
    """A gimbal that holds the camera straight down, the picture's top where the nose points, as well as it can.

    Standard deviations in degrees: `shake_deg` is how far the camera really is off, about each axis; `tilt_error_deg`
    and `yaw_error_deg` are how far what it reports is off that. Each frame's errors are drawn from the seed and its
    index.
    """

    seed: int
    shake_deg: float = 0.25
    tilt_error_deg: float = 0.3
    yaw_error_deg: float = 0.8
    position_accuracy_m: float = 1.0

    def shot(self, exposure: Exposure, reported: FlightCapture) -> Shot:
        """Return the shot of one exposure; `reported` is the vehicle's camera feedback about it. The ground is flat."""
        rng = np.random.default_rng([self.seed, exposure.index])
        shake, error = rng.normal(0.0, 1.0, (2, 3))
        tilt, error_deg = self.shake_deg * shake, error * (self.yaw_error_deg, self.tilt_error_deg, self.tilt_error_deg)
        true = Pose(
            longitude_deg=exposure.lon,
            latitude_deg=exposure.lat,
            altitude_agl_m=exposure.altitude_home_m,
            yaw_deg=exposure.yaw_deg + float(tilt[0]),
            pitch_deg=-90.0 + abs(float(tilt[1])),
            roll_deg=float(tilt[2]),
        )
        believed = Pose(
            longitude_deg=reported.longitude_deg,
            latitude_deg=reported.latitude_deg,
            altitude_agl_m=reported.altitude_home_m,
            yaw_deg=true.yaw_deg + float(error_deg[0]),
            pitch_deg=true.pitch_deg + float(error_deg[1]),
            roll_deg=true.roll_deg + float(error_deg[2]),
        )
        return Shot(
            name=f"frame_{exposure.index:04d}.jpg",
            time_s=exposure.time_s if reported.time_utc is None else _seconds(reported.time_utc),
            true=true,
            reported=believed,
            altitude_msl_m=reported.altitude_msl_m,
            accuracy_m=self.position_accuracy_m,
        )


def _seconds(time_utc: str) -> float:
    return datetime.fromisoformat(time_utc).timestamp()
