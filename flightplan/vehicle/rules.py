"""When a flight is broken off and the vehicle sent home: wind, and charge against the way home."""

from __future__ import annotations

import math
from dataclasses import dataclass

WIND_MEAN_S = 20.0
_LEAST_WAY_MPS = 2.0
# As ArduCopter was recorded: it waits 5 s over its home and sinks the last 10 m at 0.5 m/s; 15 s to turn and to slow
# down.
_DESCENT_MPS, _LAST_METRES, _LANDING_S = 1.5, 10.0, 40.0
_MEASURED_AFTER_S, _MEASURED_SHARE = 30.0, 0.03


@dataclass(frozen=True)
class AbortRules:
    """Limits in the air; None switches one off.

    `max_wind_mps` is for the mean over 20 s, `least_charge` the share of a full battery to be left after landing at
    home, `return_mps` the airspeed of the way home. `planned_wind_mps` is the wind that the plan reckoned with, counted
    on against the way home until the vehicle tells of its own; None without one.
    """

    max_wind_mps: float | None = None
    least_charge: float | None = 0.1
    return_mps: float = 8.0
    planned_wind_mps: float | None = None


class Guard:
    """Holds a flight against its rules as it goes; times are seconds of any one clock.

    `planned_per_s` is the share of a battery that the plan expects a second of flight to take, None when nobody planned
    it; what is measured, from 30 s and 3 % on, counts when it is more.
    """

    def __init__(self, rules: AbortRules, planned_per_s: float | None = None) -> None:
        self.rules = rules
        self.wind_mps: float | None = None
        self._planned_per_s = planned_per_s
        self._wind_s: float | None = None
        self._first: tuple[float, float] | None = None
        self._charge: tuple[float, float] | None = None

    def hear_wind(self, speed_mps: float, now_s: float) -> None:
        """Take the vehicle's estimate of the wind."""
        if not math.isfinite(speed_mps):
            return
        if self.wind_mps is None or self._wind_s is None:
            self.wind_mps = 0.0  # a first gust is not the mean
        else:
            part = 1 - math.exp(-max(now_s - self._wind_s, 0.0) / WIND_MEAN_S)
            self.wind_mps += (speed_mps - self.wind_mps) * part
        self._wind_s = now_s

    def hear_charge(self, share: float, now_s: float) -> None:
        """Take the charge that is left, as a share of a full battery."""
        self._first = self._first or (share, now_s)
        self._charge = share, now_s

    @property
    def drain_per_s(self) -> float | None:
        """The share of a battery that a second takes: the larger of planned and measured; None when unknown."""
        known = [] if self._planned_per_s is None else [self._planned_per_s]
        if self._first and self._charge:
            used, seconds = self._first[0] - self._charge[0], self._charge[1] - self._first[1]
            if seconds >= _MEASURED_AFTER_S and used >= _MEASURED_SHARE:
                known.append(used / seconds)
        return max(known, default=None)

    def home_share(self, distance_m: float, height_m: float) -> float | None:
        """Return what flying home and landing takes, of a full battery, against the wind; None when it is unknown."""
        if self.drain_per_s is None:
            return None
        wind_mps = self.rules.planned_wind_mps if self.wind_mps is None else self.wind_mps
        way_mps = max(self.rules.return_mps - (wind_mps or 0.0), _LEAST_WAY_MPS)
        down_s = max(height_m - _LAST_METRES, 0.0) / _DESCENT_MPS + _LANDING_S
        return self.drain_per_s * (distance_m / way_mps + down_s)

    def reason_to_return(self, distance_m: float, height_m: float) -> str | None:
        """Return why the flight has to be broken off now, None when it has not."""
        limit = self.rules.max_wind_mps
        if limit is not None and self.wind_mps is not None and self.wind_mps > limit:
            return f"the wind is {self.wind_mps:.0f} m/s, more than {limit:g} m/s"
        need = self.home_share(distance_m, height_m)
        if self.rules.least_charge is None or need is None or self._charge is None:
            return None
        if self._charge[0] - need < self.rules.least_charge:
            return (
                f"charge {self._charge[0]:.0%}: the way home takes {need:.0%}, "
                f"and {self.rules.least_charge:.0%} has to be left"
            )
        return None
