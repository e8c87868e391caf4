"""One straight leg flown with limits on speed, acceleration, jerk and snap.

The profile is ArduCopter's: jerk rises and falls as a raised cosine of `jerk_rise_s`, so that snap is limited as well
(ArduPilot, "SCurves": libraries/AP_Math/SCurve). A leg starts and ends at rest; successive legs are flown into each
other by adding the end of one to the beginning of the next.
"""

from __future__ import annotations

import math

Vector = tuple[float, float, float]


class Leg:
    """A straight leg from rest to rest. `vector_m` is (north, east, up) from its start to its end, in metres.

    `speed_mps` is the speed it reaches, which on a short leg is below what it may.
    """

    __slots__ = (
        "_accel",
        "direction",
        "elapsed_s",
        "empty",
        "end_s",
        "length_m",
        "speed_mps",
        "turn_in_s",
        "turn_out_s",
    )

    def __init__(
        self,
        vector_m: Vector,
        speed_mps: float,
        climb_mps: float,
        descent_mps: float,
        accel_mps2: float,
        accel_up_mps2: float,
        jerk_mps3: float,
        jerk_rise_s: float,
    ) -> None:
        north, east, up = vector_m
        self.length_m = math.sqrt(north * north + east * east + up * up)
        self.elapsed_s = 0.0
        self.empty = self.length_m < 1e-6
        if self.empty:
            self.direction: Vector = (0.0, 0.0, 0.0)
            self.end_s = self.turn_in_s = self.turn_out_s = self.speed_mps = 0.0
            self._accel = _Acceleration(0.0, 0.0, 1.0, 1.0, 1.0)
            return
        self.direction = (north / self.length_m, east / self.length_m, up / self.length_m)
        limit = _along(self.direction, speed_mps, climb_mps, descent_mps)
        accel = _along(self.direction, accel_mps2, accel_up_mps2, accel_up_mps2)
        self._accel = _Acceleration(self.length_m / 2, limit, accel, jerk_mps3, jerk_rise_s)
        self.speed_mps = self._accel.speed_mps
        cruise_s = (self.length_m - 2 * self._accel.distance_m) / self.speed_mps
        self.turn_in_s = self._accel.duration_s
        self.turn_out_s = self._accel.duration_s + cruise_s
        self.end_s = 2 * self._accel.duration_s + cruise_s

    @classmethod
    def nowhere(cls) -> Leg:
        """Return a leg of no length, already over."""
        return cls((0.0, 0.0, 0.0), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    @property
    def finished(self) -> bool:
        """Whether its time is over."""
        return self.elapsed_s >= self.end_s

    @property
    def remaining_s(self) -> float:
        """Seconds until it is over."""
        return self.end_s - self.elapsed_s

    def advance(self, dt_s: float) -> None:
        """Move along by a time."""
        self.elapsed_s = min(self.elapsed_s + dt_s, self.end_s)

    def along(self, time_s: float) -> tuple[float, float, float]:
        """Return distance (m), speed (m/s) and acceleration (m/s²) along the leg at a time from its start."""
        if self.empty:
            return 0.0, 0.0, 0.0
        if time_s <= self.turn_in_s:
            return self._accel.at(time_s)
        if time_s >= self.turn_out_s:
            distance, speed, accel = self._accel.at(self.end_s - time_s)
            return self.length_m - distance, speed, -accel
        return self._accel.distance_m + self._accel.speed_mps * (time_s - self.turn_in_s), self._accel.speed_mps, 0.0


class _Acceleration:
    """The symmetrical rise from rest to a speed, and what it takes.

    With jerk J, half a jerk pulse T, and t2 of constant jerk, a ramp of acceleration lasts r = 2T + t2 and reaches
    A = J (T + t2); with t4 of constant acceleration the speed is V = A (r + t4) and the way V (2r + t4) / 2.
    """

    __slots__ = ("_a", "_hold_s", "_j", "_ramp_s", "_rise_s", "_t2", "distance_m", "duration_s", "speed_mps")

    def __init__(self, distance_m: float, speed_mps: float, accel: float, jerk: float, rise_s: float) -> None:
        ramp = rise_s + accel / jerk
        if accel < jerk * rise_s:
            jerk, ramp = accel / rise_s, 2 * rise_s
        hold = min(speed_mps / accel - ramp, (-3 * ramp + math.sqrt(ramp * ramp + 8 * distance_m / accel)) / 2)
        if hold < 0:
            hold = 0.0
            accel = jerk * (-rise_s + math.sqrt(rise_s * rise_s + 4 * speed_mps / jerk)) / 2
            if accel * (rise_s + accel / jerk) ** 2 > distance_m:
                accel = _root(lambda a: a * (rise_s + a / jerk) ** 2 - distance_m, accel)
            ramp = rise_s + accel / jerk
            if accel < jerk * rise_s:
                ramp = 2 * rise_s
                accel = min(speed_mps / ramp, distance_m / (ramp * ramp))
                jerk = accel / rise_s if accel > 0 else jerk
        self._a, self._j, self._rise_s, self._ramp_s, self._hold_s = accel, jerk, rise_s, ramp, hold
        self._t2 = ramp - 2 * rise_s
        self.speed_mps = max(accel * (ramp + hold), 1e-6)
        self.duration_s = 2 * ramp + hold
        self.distance_m = self.speed_mps * self.duration_s / 2

    def at(self, t: float) -> tuple[float, float, float]:
        """Return distance, speed and acceleration at a time from rest."""
        if t <= 0:
            return 0.0, 0.0, 0.0
        if t > self.duration_s / 2:
            back = self.duration_s - t
            s, v, a = self._first_half(back) if back > 0 else (0.0, 0.0, 0.0)
            return self.distance_m - self.speed_mps * back + s, self.speed_mps - v, a
        return self._first_half(t)

    def _first_half(self, t: float) -> tuple[float, float, float]:
        j, rise = self._j, self._rise_s
        w = math.pi / rise
        if t <= rise:
            sine, cosine = math.sin(w * t), math.cos(w * t)
            return (
                j / 2 * (t**3 / 6 + (sine / w - t) / (w * w)),
                j / 2 * (t * t / 2 + (cosine - 1) / (w * w)),
                j / 2 * (t - sine / w),
            )
        a0 = j * rise / 2
        v0 = j / 2 * (rise * rise / 2 - 2 / (w * w))
        s0 = j / 2 * (rise**3 / 6 - rise / (w * w))
        t -= rise
        if t <= self._t2:
            return s0 + t * (v0 + t * (a0 / 2 + t * j / 6)), v0 + t * (a0 + t * j / 2), a0 + j * t
        c = self._t2
        s0, v0, a0 = s0 + c * (v0 + c * (a0 / 2 + c * j / 6)), v0 + c * (a0 + c * j / 2), a0 + j * c
        t -= c
        fall = min(t, rise)
        sine, cosine = math.sin(w * fall), math.cos(w * fall)
        a = a0 + j / 2 * (fall + sine / w)
        v = v0 + a0 * fall + j / 2 * (fall * fall / 2 - (cosine - 1) / (w * w))
        s = s0 + v0 * fall + a0 * fall * fall / 2 + j / 2 * (fall**3 / 6 + (fall - sine / w) / (w * w))
        t -= fall
        return s + v * t + a * t * t / 2, v + a * t, a


def _along(direction: Vector, level: float, up: float, down: float) -> float:
    """The largest magnitude along a direction that keeps its level part and its vertical part within their limits."""
    horizontal = math.hypot(direction[0], direction[1])
    vertical = abs(direction[2])
    limit_up = up if direction[2] >= 0 else down
    if vertical < 1e-9:
        return level
    if horizontal < 1e-9:
        return limit_up
    return min(level / horizontal, limit_up / vertical)


def _root(f: object, high: float) -> float:
    """Bisect an increasing function between 0 and `high`."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if f(middle) > 0:  # type: ignore[operator]
            high = middle
        else:
            low = middle
    return low
