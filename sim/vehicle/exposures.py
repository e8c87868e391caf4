"""The simulated camera's shutter: when it fires, what the vehicle reports of it, and where it truly was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.vehicle.autopilot import SimulatedVehicle


@dataclass(frozen=True)
class Exposure:
    """The truth of one frame: `index` is CAMERA_FEEDBACK's img_idx, angles are the airframe's in degrees.

    Yaw is 0 to 360 from true north; pitch is positive nose up. `time_s` counts from 1970-01-01 UTC.
    `altitude_ground_m` is above the ground under it, None where nobody asked.
    """

    index: int
    time_s: float
    lon: float
    lat: float
    altitude_msl_m: float
    altitude_home_m: float
    roll_deg: float
    pitch_deg: float
    yaw_deg: float
    altitude_ground_m: float | None = None


class Shutter:
    """Fires at a distance, at an interval, or at once. `exposures` holds the truth of each frame in order.

    While `held`, distance counts for nothing.
    """

    def __init__(self, vehicle: SimulatedVehicle, wants: Callable[[int], bool] | None = None) -> None:
        self._vehicle = vehicle
        self._wants = wants
        self.exposures: list[Exposure] = []
        self.index = 0
        self.distance_m = 0.0
        self._last: tuple[float, float] | None = None
        self._left, self._interval_s, self._next_s = 0, 0.0, 0.0
        self._last_s = -math.inf
        self.held = False

    def every(self, distance_m: float, *, now: bool) -> None:
        """Fire each time the vehicle has moved this far (0 stops), and at once when `now`."""
        self.distance_m = max(distance_m, 0.0)
        if now and self.distance_m > 0:
            self.fire()

    def timed(self, interval_s: float, count: int) -> None:
        """Fire `count` times (0: until stopped), the first now; no more when it is negative."""
        if count < 0:
            self.stop()
            return
        self._interval_s, self._left, self._next_s = interval_s, count if count > 0 else 10**9, self._vehicle.time_s

    def stop(self) -> None:
        """End a timed series."""
        self._left = 0

    def tick(self) -> None:
        """Fire if it is time, or far enough from the last frame."""
        vehicle = self._vehicle
        if self._left > 0 and vehicle.time_s >= self._next_s - 1e-6:
            self._left -= 1
            self._next_s += max(self._interval_s, 0.1)
            self.fire()
        if self.held or self.distance_m <= 0 or not vehicle.failsafes.knows_place:
            return
        n, e = vehicle.position[0], vehicle.position[1]
        if self._last is None:
            self._last = (n, e)
            return
        if (
            math.hypot(n - self._last[0], e - self._last[1]) >= self.distance_m
            and vehicle.time_s - self._last_s >= vehicle.parameters["CAM1_INTRVAL_MIN"]
        ):
            self.fire()

    def fire(self) -> None:
        """Take a frame: note the truth, report what the vehicle believes."""
        vehicle = self._vehicle
        self.index += 1
        self._last = (vehicle.position[0], vehicle.position[1])
        self._last_s = vehicle.time_s
        if self._wants is not None and not self._wants(self.index):
            return
        body = vehicle.body
        roll, pitch = math.degrees(body.roll), math.degrees(body.pitch)
        yaw = math.degrees(body.yaw) % 360
        lon, lat = vehicle.grid.lonlat(body.n, body.e)
        self.exposures.append(
            Exposure(
                index=self.index,
                time_s=vehicle.epoch_s,
                lon=lon,
                lat=lat,
                altitude_msl_m=vehicle.home.altitude_msl_m + body.u,
                altitude_home_m=body.u - vehicle.home_true_u,
                roll_deg=roll,
                pitch_deg=pitch,
                yaw_deg=yaw,
                altitude_ground_m=body.u - vehicle.ground.under(body.n, body.e),
            )
        )
        vehicle.telemetry.frame_taken(self.index)
