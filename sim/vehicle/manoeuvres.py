"""What the simulated multirotor does beside its legs: climbing out, coming down, braking, standing, turning its nose.

Rates are ArduCopter's; those of the take-off were measured from its recordings.
"""

from __future__ import annotations

import math

from sim.vehicle.airframe import wrap_pi
from sim.vehicle.control import PositionController, shape_speed
from sim.vehicle.parameters import Parameters

SPOOL_S, LIFT_S = 3.4, 1.4  # from arming, and from a later take-off command, to leaving the ground
TAKEOFF_SLOWING_MPS2 = 0.545
BRAKE_MPS2 = 7.5


class Plumb:
    """The target's way straight up or straight down."""

    def __init__(self, parameters: Parameters, control: PositionController) -> None:
        self._parameters, self._control = parameters, control
        self._speed, self._accel = 0.0, 0.0

    def start(self, speed_mps: float) -> None:
        """Begin at a vertical speed."""
        self._speed, self._accel = speed_mps, 0.0

    def climb(self, dt: float, top_u: float, waited_s: float) -> bool:
        """Climb towards a height, `waited_s` after the motors could lift; True when it is all but there."""
        control = self._control
        fastest = self._parameters["WPNAV_SPEED_UP"] / 100
        left = top_u + 0.08 - control.u
        if waited_s < 0.75:
            self._speed = 0.25
        elif waited_s < 1.25:
            self._speed = 1.16
        else:
            limit = math.sqrt(2 * TAKEOFF_SLOWING_MPS2 * left) if left > 0 else 0.0
            self._speed = min(self._speed + dt * self._parameters["WPNAV_ACCEL_Z"] / 100, fastest, limit)
        self._follow(dt, 0.0)
        return left < 1.0 and self._speed < 0.1 * fastest

    def sink(self, dt: float, height_m: float) -> None:
        """Come down at a height above the ground: fast, and slowly below LAND_ALT_LOW."""
        p = self._parameters
        fast = (p["LAND_SPEED_HIGH"] or p["WPNAV_SPEED_DN"]) / 100
        slow = p["LAND_SPEED"] / 100
        above = height_m - p["LAND_ALT_LOW"] / 100
        want = slow if above <= 0 else max(slow, min(fast, math.sqrt(slow * slow + 1.8 * max(above - 0.15, 0.0))))
        self._speed, self._accel = shape_speed(-want, self._speed, self._accel, 1.0, 5.0, dt)
        self._follow(dt, self._accel)

    def _follow(self, dt: float, accel: float) -> None:
        control = self._control
        control.u += self._speed * dt
        control.vu, control.au = self._speed, accel
        control.an = control.ae = control.vn = control.ve = 0.0


class Brakes:
    """Takes the speed off within ArduCopter's braking limits; the position is where that ends."""

    def __init__(self, parameters: Parameters, control: PositionController) -> None:
        self._parameters, self._control = parameters, control
        self._slowing = 0.0

    def start(self) -> None:
        """Begin."""
        self._slowing = 0.0

    def advance(self, dt: float) -> None:
        """Slow down for a time step."""
        control = self._control
        speed = math.hypot(control.vn, control.ve)
        if speed > 1e-3:
            slower, self._slowing = shape_speed(
                0.0, speed, self._slowing, BRAKE_MPS2, self._parameters["PSC_JERK_XY"], dt
            )
            keep = max(slower, 0.0) / speed
            control.an, control.ae = self._slowing * control.vn / speed, self._slowing * control.ve / speed
            control.vn, control.ve = control.vn * keep, control.ve * keep
            control.n += control.vn * dt
            control.e += control.ve * dt
        else:
            control.vn = control.ve = control.an = control.ae = 0.0
        control.vu = control.au = 0.0


class Nose:
    """Where the nose is wanted, radians from north: along the legs as WP_YAW_BEHAVIOR says, or where it was told."""

    def __init__(self, parameters: Parameters, yaw: float) -> None:
        self._parameters, self._yaw, self._fixed = parameters, yaw, False

    def let_go(self) -> None:
        """Heed the legs again."""
        self._fixed = False

    def hold(self, yaw: float) -> None:
        """Keep to where it points now."""
        self._yaw, self._fixed = yaw, False

    def fix(self, yaw: float) -> None:
        """Hold a heading until the next waypoint."""
        self._yaw, self._fixed = wrap_pi(yaw), True

    def wanted(self, leg: float | None, *, is_return: bool) -> float:
        """Return the heading to steer for on a leg of that heading, None on none; `is_return` on the way home."""
        behaviour = int(self._parameters["WP_YAW_BEHAVIOR"])
        if leg is not None and not self._fixed and behaviour != 0 and (not is_return or behaviour in (1, 3)):
            self._yaw = leg
        return self._yaw


def stand(control: PositionController) -> None:
    """Keep the target where it is."""
    control.vn = control.ve = control.vu = 0.0
    control.an = control.ae = control.au = 0.0
