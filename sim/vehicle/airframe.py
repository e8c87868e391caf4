"""The body of the simulated multirotor: thrust that leans, drag, heading, battery."""

from __future__ import annotations

import math
from dataclasses import dataclass

GRAVITY_MPS2 = 9.80665


@dataclass(frozen=True)
class Airframe:
    """What a multirotor's body does to its flight.

    Drag is `drag_linear` v + `drag_quadratic` v² (m/s² for v in m/s through the air). The defaults are those of
    ArduPilot's own simulated quad as its recordings show it (27.3° of lean at 10 m/s, 28.1 A hovering); it cannot hold
    12 m/s within the default lean limit of 30°.
    """

    drag_linear: float = 0.21
    drag_quadratic: float = 0.0296
    hover_current_a: float = 28.1
    lean_lag_s: float = 0.25
    yaw_lag_s: float = 0.12
    yaw_slew_deg_s: float = 60.0

    @classmethod
    def survey(cls) -> Airframe:
        """Return a clean survey multirotor: 14° of lean at 12 m/s, 19 A hovering on six cells."""
        return cls(drag_linear=0.06, drag_quadratic=0.012, hover_current_a=19.0)

    @property
    def idle_current_a(self) -> float:
        """What the motors draw on the ground, in amperes."""
        return 0.1 * self.hover_current_a

    def current_a(self, thrust_ratio: float, climb_mps: float) -> float:
        """Return what they draw in flight, in amperes, with so many times the thrust of a hover."""
        return float(self.hover_current_a * thrust_ratio**0.53 * (1.0 + 0.02 * climb_mps))


class Body:
    """The true state of the vehicle: metres north, east and up of home, m/s, and angles in radians."""

    __slots__ = (
        "_frame", "accel_e", "accel_n", "accel_u", "airspeed", "e", "floor", "lean_e", "lean_n", "n", "pitch", "roll",
        "u", "ve", "vn", "vu", "yaw", "yaw_rate",
    )  # fmt: skip

    def __init__(self, frame: Airframe, yaw_rad: float) -> None:
        self._frame = frame
        self.n = self.e = self.u = 0.0
        self.vn = self.ve = self.vu = 0.0
        self.lean_n = self.lean_e = 0.0
        self.accel_n = self.accel_e = self.accel_u = 0.0
        self.yaw, self.yaw_rate = yaw_rad, 0.0
        self.roll = self.pitch = 0.0
        self.airspeed = 0.0
        self.floor = 0.0

    def fly(self, dt: float, want_n: float, want_e: float, want_u: float, wind_n: float, wind_e: float) -> None:
        """Move for a time step under wanted accelerations (m/s²): level ones by leaning, against drag and wind."""
        frame = self._frame
        follow = dt / (frame.lean_lag_s + dt)
        self.lean_n += (want_n - self.lean_n) * follow
        self.lean_e += (want_e - self.lean_e) * follow
        air_n, air_e = self.vn - wind_n, self.ve - wind_e
        self.airspeed = math.sqrt(air_n * air_n + air_e * air_e)
        # Drag acts on the body's axes one by one, as in ArduPilot's simulator.
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        ahead, aside = air_n * cosine + air_e * sine, air_e * cosine - air_n * sine
        ahead *= frame.drag_linear + frame.drag_quadratic * abs(ahead)
        aside *= frame.drag_linear + frame.drag_quadratic * abs(aside)
        self.accel_n = self.lean_n - ahead * cosine + aside * sine
        self.accel_e = self.lean_e - ahead * sine - aside * cosine
        self.accel_u += (want_u - self.accel_u) * dt / (0.1 + dt)
        self.vn += self.accel_n * dt
        self.ve += self.accel_e * dt
        self.vu += self.accel_u * dt
        self.n += self.vn * dt
        self.e += self.ve * dt
        self.u += self.vu * dt
        if self.u < self.floor:
            self.u = self.floor
            self.rest()
        self._attitude()

    def fall(self, dt: float) -> None:
        """Fall for a time step without control: tumbling, against the air."""
        self.accel_u = -GRAVITY_MPS2 + 0.05 * self.vu * self.vu
        self.vn -= self.vn * 0.3 * dt
        self.ve -= self.ve * 0.3 * dt
        self.vu += self.accel_u * dt
        self.n += self.vn * dt
        self.e += self.ve * dt
        self.u = max(self.u + self.vu * dt, self.floor)
        self.yaw_rate = math.radians(300.0)
        self.yaw = wrap_pi(self.yaw + self.yaw_rate * dt)
        self.roll, self.pitch = 0.8 * math.sin(3 * self.yaw), 0.8 * math.cos(3 * self.yaw)

    def rest(self) -> None:
        """Stand still on the ground."""
        self.vn = self.ve = self.vu = 0.0
        self.lean_n = self.lean_e = self.accel_n = self.accel_e = self.accel_u = 0.0
        self.airspeed = 0.0
        self._attitude()

    def turn(self, dt: float, want_yaw: float) -> None:
        """Turn the nose towards a heading (radians), within the slew rate."""
        error = wrap_pi(want_yaw - self.yaw)
        limit = math.radians(self._frame.yaw_slew_deg_s)
        rate = error / self._frame.yaw_lag_s
        rate = limit if rate > limit else -limit if rate < -limit else rate
        step = rate * dt
        if abs(step) > abs(error):
            step = error
        self.yaw_rate = step / dt
        self.yaw = wrap_pi(self.yaw + step)

    def _attitude(self) -> None:
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        forward = self.lean_n * cosine + self.lean_e * sine
        right = self.lean_e * cosine - self.lean_n * sine
        self.pitch = -math.atan2(forward, GRAVITY_MPS2)
        self.roll = math.atan2(right * math.cos(self.pitch), GRAVITY_MPS2)

    @property
    def thrust_ratio(self) -> float:
        """Thrust over weight."""
        up = GRAVITY_MPS2 + self.accel_u
        return math.sqrt(self.lean_n**2 + self.lean_e**2 + up * up) / GRAVITY_MPS2


class Battery:
    """A pack that drains with the current drawn.

    `capacity_ah` None is ArduPilot's own simulated pack: always at its set voltage. Otherwise open-circuit voltage
    falls along a lithium-polymer curve and sags with the current.
    """

    # Open-circuit volts of one lithium-polymer cell against the share of charge left.
    _CURVE = ((0.0, 3.27), (0.05, 3.61), (0.1, 3.69), (0.2, 3.73), (0.4, 3.79), (0.6, 3.87), (0.8, 4.02), (1.0, 4.20))

    def __init__(self, capacity_ah: float | None, *, cells: int = 3, resistance_ohm: float = 0.012) -> None:
        self._capacity_ah = capacity_ah
        self._cells = cells
        self._resistance_ohm = resistance_ohm
        self.current_a = 0.0
        self.used_mah = 0.0
        self.used_wh = 0.0
        self.set_voltage = 12.6

    @property
    def voltage(self) -> float:
        """Volts at the terminals."""
        if self._capacity_ah is None:
            return self.set_voltage
        left = max(0.0, 1.0 - self.used_mah / (1000 * self._capacity_ah))
        for (x0, y0), (x1, y1) in zip(self._CURVE, self._CURVE[1:], strict=False):
            if left <= x1:
                cell = y0 + (y1 - y0) * (left - x0) / (x1 - x0)
                break
        sag = self.set_voltage - 4.2 * 3  # a drop set through SIM_BATT_VOLTAGE pulls the pack down by as much
        return self._cells * cell - self.current_a * self._resistance_ohm + sag * self._cells / 3

    def drain(self, dt: float, current_a: float) -> None:
        """Draw a current for a time."""
        self.current_a = current_a
        mah = current_a * dt / 3.6
        self.used_mah += mah
        self.used_wh += mah / 1000 * self.voltage


def wrap_pi(angle: float) -> float:
    """Return an angle in radians within -π to π."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
