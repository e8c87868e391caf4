"""How the simulated autopilot follows a moving target: position error to speed, speed error to acceleration.

The cascade and its limits are those of ArduCopter's position controller (ArduPilot, libraries/AC_AttitudeControl,
AC_PosControl): a proportional position loop with a square root beyond its linear part, and a PID on velocity.
"""

from __future__ import annotations

import math

from sim.vehicle.airframe import GRAVITY_MPS2
from sim.vehicle.parameters import Parameters


class PositionController:
    """Follows a target position, velocity and acceleration (metres north, east, up) with level and vertical loops."""

    __slots__ = (
        "_d", "_err_e", "_err_n", "_i", "_imax", "_int_e", "_int_n", "_lean", "_p_pos", "_p_vel", "accel_max", "ae",
        "an", "au", "e", "hold_position", "n", "position_error_e", "position_error_n", "u", "ve", "vn", "vu",
    )  # fmt: skip

    def __init__(self, parameters: Parameters) -> None:
        self.configure(parameters)
        self.n = self.e = self.u = 0.0
        self.vn = self.ve = self.vu = 0.0
        self.an = self.ae = self.au = 0.0
        self.hold_position = True
        self._int_n = self._int_e = 0.0
        self._err_n = self._err_e = 0.0
        self.position_error_n = self.position_error_e = 0.0

    def configure(self, parameters: Parameters) -> None:
        """Take gains and limits from the parameters."""
        self._p_pos = parameters["PSC_POSXY_P"]
        self._p_vel = parameters["PSC_VELXY_P"]
        self._i = parameters["PSC_VELXY_I"]
        self._d = parameters["PSC_VELXY_D"]
        self._imax = 10.0
        lean_deg = parameters["PSC_ANGLE_MAX"] or parameters["ANGLE_MAX"] / 100
        self._lean = GRAVITY_MPS2 * math.tan(math.radians(lean_deg))
        self.accel_max = parameters["WPNAV_ACCEL"] / 100

    def restart(self, n: float, e: float, u: float, vn: float, ve: float, vu: float) -> None:
        """Take the present state as the target; what the integrators have learnt of drag and wind stays."""
        self.n, self.e, self.u = n, e, u
        self.vn, self.ve, self.vu = vn, ve, vu
        self.an = self.ae = self.au = 0.0
        self.hold_position = True

    def relax(self) -> None:
        """Forget everything, on the ground."""
        self.relax_level()
        self.an = self.ae = self.au = self.vn = self.ve = self.vu = 0.0

    def relax_level(self) -> None:
        """Forget what the level loops learnt."""
        self._int_n = self._int_e = self._err_n = self._err_e = 0.0

    def level(self, dt: float, n: float, e: float, vn: float, ve: float) -> tuple[float, float]:
        """Return the wanted level accelerations (m/s²) from where the vehicle believes it is."""
        want_vn, want_ve = self.vn, self.ve
        if self.hold_position:
            dn, de = self.n - n, self.e - e
            self.position_error_n, self.position_error_e = dn, de
            gap = math.sqrt(dn * dn + de * de)
            if gap > 1e-9:
                gain = square_root_control(gap, self._p_pos, self.accel_max) / gap
                want_vn += dn * gain
                want_ve += de * gain
        follow = dt / (0.032 + dt)  # 5 Hz filters on the error
        before_n, before_e = self._err_n, self._err_e
        self._err_n += (want_vn - vn - self._err_n) * follow
        self._err_e += (want_ve - ve - self._err_e) * follow
        an = self.an + self._p_vel * self._err_n + self._int_n + self._d * (self._err_n - before_n) / dt
        ae = self.ae + self._p_vel * self._err_e + self._int_e + self._d * (self._err_e - before_e) / dt
        size = math.sqrt(an * an + ae * ae)
        if size > self._lean:
            an *= self._lean / size
            ae *= self._lean / size
            # Integrate only what brings the output back under the lean limit.
            if self._err_n * an + self._err_e * ae < 0:
                self._integrate(dt)
        else:
            self._integrate(dt)
        return an, ae

    def _integrate(self, dt: float) -> None:
        self._int_n = min(max(self._int_n + self._i * self._err_n * dt, -self._imax), self._imax)
        self._int_e = min(max(self._int_e + self._i * self._err_e * dt, -self._imax), self._imax)

    def vertical(self, u: float, vu: float) -> float:
        """Return the wanted vertical acceleration (m/s²)."""
        speed = self.vu + min(max(self.u - u, -2.5), 2.5)
        accel = self.au + 5.0 * (speed - vu)
        return min(max(accel, -4.0), 4.0)


def square_root_control(error: float, gain: float, accel_max: float) -> float:
    """Return the speed for an error: proportional near zero, then what `accel_max` can still stop."""
    linear = accel_max / (gain * gain)
    if abs(error) <= linear:
        return error * gain
    return math.copysign(math.sqrt(2 * accel_max * (abs(error) - linear / 2)), error)


def stopping_distance(speed: float, gain: float, accel_max: float) -> float:
    """Return the distance in which the position loop stops from a speed (m)."""
    turn = accel_max / gain
    if speed < turn:
        return speed / gain
    return accel_max / (2 * gain * gain) + speed * speed / (2 * accel_max)


def shape_speed(
    want: float, speed: float, accel: float, accel_max: float, jerk: float, dt: float
) -> tuple[float, float]:
    """Return the next (speed, acceleration) on the way to a wanted speed within acceleration and jerk limits."""
    speed += accel * dt
    target = square_root_control(want - speed, jerk / accel_max, jerk)
    # One time step may not overshoot what is left.
    if abs(target) * dt > abs(want - speed):
        target = (want - speed) / dt
    target = min(max(target, -accel_max), accel_max)
    accel += min(max(target - accel, -jerk * dt), jerk * dt)
    return speed, accel
