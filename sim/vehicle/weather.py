"""What disturbs a simulated vehicle: wind with gusts, and errors of its position that wander slowly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Wind:
    """A mean wind at 60 m and above, and the standard deviation of its gusts along each axis.

    `from_deg` is where it blows from. Below 60 m the mean falls with the square root of the height, as in ArduPilot's
    simulator. Gusts are first-order with time constant `gust_s`.
    """

    speed_mps: float = 0.0
    from_deg: float = 180.0
    gust_mps: float = 0.0
    gust_s: float = 5.0


@dataclass(frozen=True)
class PositionError:
    """Standard deviations of the position the vehicle believes in, horizontal per axis and vertical.

    First-order Gauss-Markov errors with time constant `time_constant_s`: frames taken close together share theirs.
    """

    horizontal_m: float = 0.0
    vertical_m: float = 0.0
    time_constant_s: float = 120.0


class Wander:
    """Independent first-order Gauss-Markov processes, advanced in fixed steps and joined by straight lines."""

    STEP_S = 0.2

    def __init__(self, sigmas: tuple[float, ...], time_constants_s: tuple[float, ...], seed: list[int]) -> None:
        self._sigmas = sigmas
        self._keep = tuple(math.exp(-self.STEP_S / max(tc, 1e-3)) for tc in time_constants_s)
        self._still = not any(sigmas)
        self.reseed(seed)
        self._to = [s * next(self._normal) for s in sigmas]
        self._from = list(self._to)
        self._part = 0.0
        self.values = list(self._to)

    def reseed(self, seed: list[int]) -> None:
        """Draw what follows from a new seed; the present values stay."""
        self._normal = _normals(seed)

    def scale(self, sigmas: tuple[float, ...]) -> None:
        """Change the standard deviations from here on."""
        self._sigmas = sigmas
        self._still = not any(sigmas)

    def advance(self, dt: float) -> list[float]:
        """Move on by a time step of at most STEP_S and return the values."""
        values = self.values
        if self._still:
            return values
        self._part += dt / self.STEP_S
        if self._part >= 1.0:
            self._part -= 1.0
            self._from = self._to
            self._to = [
                keep * value + sigma * math.sqrt(1 - keep * keep) * next(self._normal)
                for value, sigma, keep in zip(self._to, self._sigmas, self._keep, strict=True)
            ]
        part = self._part
        for i, (a, b) in enumerate(zip(self._from, self._to, strict=True)):
            values[i] = a + (b - a) * part
        return values


class Air:
    """The wind where a vehicle is, and the error of its position, drawn anew at each arming.

    `speed_mps` and `from_deg` are the mean wind at 60 m and may be changed in flight.
    """

    def __init__(self, wind: Wind, error: PositionError, seed: int) -> None:
        self.speed_mps, self.from_deg = wind.speed_mps, wind.from_deg
        self._seed = seed
        self._error = Wander(
            (error.horizontal_m, error.horizontal_m, error.vertical_m), (error.time_constant_s,) * 3, [seed, 1, 0]
        )
        self._gusts = Wander((wind.gust_mps,) * 2, (wind.gust_s,) * 2, [seed, 2, 0])

    @property
    def error(self) -> list[float]:
        """The error of the position now: metres north, east, up."""
        return self._error.values

    def draw(self, number: int) -> None:
        """Draw what follows for the flight of this number."""
        self._error.reseed([self._seed, 1, number])
        self._gusts.reseed([self._seed, 2, number])

    def advance(self, dt: float) -> None:
        """Let time pass."""
        self._error.advance(dt)
        self._gusts.advance(dt)

    def parameter_changed(self, name: str, value: float) -> None:
        """Take up a changed parameter of the wind's; others mean nothing here."""
        if name == "SIM_WIND_TURB":
            self._gusts.scale((value,) * 2)
        elif name == "SIM_WIND_SPD":
            self.speed_mps = value
        elif name == "SIM_WIND_DIR":
            self.from_deg = value

    def wind(self, height_m: float) -> tuple[float, float]:
        """Return the air's velocity north and east at a height above home (m/s)."""
        gust_n, gust_e = self._gusts.values
        if self.speed_mps == 0.0:
            return gust_n, gust_e
        speed = self.speed_mps * math.sqrt(min(max(height_m, 0.0), 60.0) / 60.0)
        towards = math.radians(self.from_deg + 180)
        return speed * math.cos(towards) + gust_n, speed * math.sin(towards) + gust_e


def _normals(seed: list[int]) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.standard_normal(1024).tolist()
