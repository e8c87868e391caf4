"""The body of the simulated fixed wing: a point that flies through the air, banks to turn and stalls when slow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.vehicle.airframe import GRAVITY_MPS2, Airframe, Body, wrap_pi


@dataclass(frozen=True)
class Wing:
    """What a small survey aeroplane's body does to its flight.

    The sink without power is `airspeed` over `glide_ratio`; `stall_mps` is level and grows with the load in a turn.
    """

    stall_mps: float = 11.0
    glide_ratio: float = 12.0
    accel_mps2: float = 2.5
    roll_lag_s: float = 0.35
    roll_rate_deg_s: float = 75.0
    climb_lag_s: float = 0.8
    attack_deg: float = 3.0
    cruise_current_a: float = 14.0
    cruise_mps: float = 22.0


class PlaneBody(Body):
    """The true state of a fixed wing. `airspeed` is along its nose, `yaw` where the nose points, `roll` its bank."""

    __slots__ = ("_climb", "_wing", "load", "power", "stalled")

    def __init__(self, wing: Wing, yaw_rad: float) -> None:
        super().__init__(Airframe(), yaw_rad)
        self._wing = wing
        self._climb = 0.0
        self.load, self.power = 1.0, 0.0
        self.stalled = False

    def roll_along(self, dt: float, want_speed: float, wind_n: float, wind_e: float) -> None:
        """Run along the ground towards a speed through the air, wings level."""
        accel = 6.0 if want_speed > self.airspeed else -3.0
        self.airspeed = max(0.0, self.airspeed + accel * dt)
        if accel < 0 and self.airspeed < 0.5:
            self.rest()
            return
        self.roll = self.pitch = 0.0
        self.power = 1.0 if accel > 0 else 0.0
        self.vn, self.ve, self.vu = self.airspeed * math.cos(self.yaw), self.airspeed * math.sin(self.yaw), 0.0
        self.n += self.vn * dt
        self.e += self.ve * dt

    def glide(
        self, dt: float, bank: float, climb: float, speed: float, wind_n: float, wind_e: float, *, motor: bool = True
    ) -> None:
        """Fly for a time step towards a bank (radians), a climb rate and a speed through the air."""
        wing = self._wing
        rate = (bank - self.roll) / wing.roll_lag_s
        limit = math.radians(wing.roll_rate_deg_s)
        self.roll += min(max(rate, -limit), limit) * dt
        self.load = 1.0 / max(math.cos(self.roll), 0.2)
        sink = self.airspeed / wing.glide_ratio * self.load**1.5
        if not motor:
            # Without power height buys speed: best glide at a little above the stall.
            speed, climb = max(speed, 1.3 * wing.stall_mps), -sink
        change = min(max((speed - self.airspeed) / 1.5, -wing.accel_mps2), wing.accel_mps2)
        self.airspeed = max(1.0, self.airspeed + change * dt)
        stall = wing.stall_mps * math.sqrt(self.load)
        self.stalled = self.airspeed < stall
        if self.stalled:
            climb = min(climb, -4.0 * (stall - self.airspeed) - sink)
            self.roll *= 1.0 - dt
        self._climb += (climb - self._climb) * dt / (wing.climb_lag_s + dt)
        self.yaw_rate = GRAVITY_MPS2 * math.tan(self.roll) / self.airspeed
        self.yaw = wrap_pi(self.yaw + self.yaw_rate * dt)
        before_n, before_e, before_u = self.vn, self.ve, self.vu
        self.vu = self._climb
        level = math.sqrt(max(self.airspeed**2 - self._climb**2, 1.0))
        self.vn, self.ve = level * math.cos(self.yaw) + wind_n, level * math.sin(self.yaw) + wind_e
        self.accel_n, self.accel_e = (self.vn - before_n) / dt, (self.ve - before_e) / dt
        self.accel_u = (self.vu - before_u) / dt
        self.n += self.vn * dt
        self.e += self.ve * dt
        self.u += self.vu * dt
        attack = math.radians(wing.attack_deg) * (wing.cruise_mps / self.airspeed) ** 2 * self.load
        self.pitch = math.asin(min(max(self._climb / self.airspeed, -0.9), 0.9)) + min(attack, math.radians(14.0))
        drag = (sink + max(self._climb, -sink)) / (wing.cruise_mps / wing.glide_ratio)
        self.power = max(0.05, drag) if motor else 0.0

    def rest(self) -> None:
        """Stand still on the ground."""
        self.vn = self.ve = self.vu = self.airspeed = 0.0
        self.accel_n = self.accel_e = self.accel_u = 0.0
        self.roll = self.pitch = self.yaw_rate = self._climb = self.power = 0.0

    @property
    def thrust_ratio(self) -> float:
        """Power over what level flight at cruise takes."""
        return self.power
