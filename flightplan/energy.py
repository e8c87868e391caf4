"""Time and energy of legs in a wind: the wind triangle, and the power that an airspeed asks for.

A multirotor is told a ground speed and leans into the wind to hold it, as fast as its greatest airspeed lets it. A
fixed wing holds its airspeed, points into the wind by the crab angle, and goes over the ground as fast as is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.drones import MULTIROTOR, Drone
from flightplan.errors import PlanError
from flightplan.frames import Floats

GUST_SHARE = 0.10
"""Energy added where the wind is worked out along each leg, for gusts and a forecast that is off: our assumption."""

_SLOWEST_MPS = 1.0


@dataclass(frozen=True)
class Wind:
    """A steady wind: its speed, and where it comes from, clockwise from true north."""

    speed_mps: float
    from_deg: float

    def __post_init__(self) -> None:
        if not (self.speed_mps >= 0 and np.isfinite(self.speed_mps) and np.isfinite(self.from_deg)):
            raise PlanError(f"a wind of {self.speed_mps:g} m/s from {self.from_deg:g}° is not one")

    @property
    def vector_mps(self) -> Floats:
        """Where the air goes: metres a second east and north."""
        angle = np.radians(self.from_deg)
        return -self.speed_mps * np.array([np.sin(angle), np.cos(angle)])


@dataclass(frozen=True)
class LegCosts:
    """Of N legs: seconds, watt-hours, speed over the ground and through the air, and the crab angle, all (N,).

    The crab angle is between the nose and the track of a fixed wing, right of the track positive; 0 for a multirotor,
    whose nose follows its track.
    """

    seconds: Floats
    energy_wh: Floats
    ground_mps: Floats
    airspeed_mps: Floats
    crab_deg: Floats

    @property
    def total_s(self) -> float:
        """The time of all legs."""
        return float(self.seconds.sum())

    @property
    def total_wh(self) -> float:
        """The energy of all legs."""
        return float(self.energy_wh.sum())


def fly_legs(drone: Drone, vectors: npt.ArrayLike, speed_mps: float, wind: Wind | None) -> LegCosts:
    """Return what legs (N, 2), metres east and north, cost at a speed.

    The speed is over the ground for a multirotor, through the air for a fixed wing. Without a wind all is as
    `Drone.leg_seconds` and `leg_wh` say, at the larger of a multirotor's two powers. Raises PlanError for a leg that
    cannot be flown against the wind.
    """
    legs = np.asarray(vectors, dtype=np.float64).reshape(-1, 2)
    lengths = np.hypot(*legs.T)
    if wind is None:
        seconds = drone.leg_seconds(lengths, speed_mps)
        speeds = np.full(len(legs), float(speed_mps))
        return LegCosts(seconds, drone.leg_wh(seconds), speeds, speeds, np.zeros(len(legs)))
    along, across = _components(legs, lengths, wind)
    if drone.kind == MULTIROTOR:
        ground = np.minimum(speed_mps, _fastest(along, across, drone.max_speed_mps))
        airspeed = np.hypot(ground - along, across)
        crab = np.zeros(len(legs))
    else:
        ground = _fastest(along, across, speed_mps)
        airspeed = np.full(len(legs), float(speed_mps))
        crab = np.degrees(np.arcsin(np.clip(-across / speed_mps, -1, 1)))
    flown = lengths > 0
    stuck = flown & ~(ground > _SLOWEST_MPS)
    if stuck.any():
        leg = int(np.argmax(stuck))
        heading = float(np.degrees(np.arctan2(*legs[leg]))) % 360
        raise PlanError(
            f"{drone.name} cannot fly {heading:.0f}° against {wind.speed_mps:g} m/s from {wind.from_deg:g}°",
            hint="Wait for a calmer day, turn the lines (--heading), or fly a faster drone",
        )
    ground = np.where(flown, ground, speed_mps)
    seconds = np.zeros(len(legs))
    for speed in np.unique(ground[flown]):
        same = flown & (ground == speed)
        seconds[same] = drone.leg_seconds(lengths[same], float(speed))
    steady_s = np.minimum(lengths / ground, seconds)
    turning_w = drone.power_w(wind.speed_mps) if drone.kind == MULTIROTOR else drone.power_w(speed_mps)
    energy_wh = (drone.power_w(airspeed) * steady_s + turning_w * (seconds - steady_s)) / 3600
    return LegCosts(seconds, energy_wh, ground, airspeed, crab)


def swath_turned_m(width_m: float, length_m: float, trigger_m: float, crab_deg: float) -> float:
    """Return the width seen without gaps by frames turned by the crab angle, `trigger_m` apart along the track.

    A frame w × l turned by β shows, d across from its middle, a stretch ((w cos β + l sin β)/2 − d)/(sin β cos β) long
    and at most l/cos β. Where that is at least the trigger distance s, frames join: over a width of
    w cos β + l sin β − 2 s sin β cos β.
    """
    angle = abs(np.radians(crab_deg))
    sine, cosine = float(np.sin(angle)), float(np.cos(angle))
    if trigger_m * cosine > length_m:
        return 0.0
    return max(0.0, min(width_m * cosine + length_m * sine - 2 * trigger_m * sine * cosine, width_m / cosine))


def _components(legs: Floats, lengths: Floats, wind: Wind) -> tuple[Floats, Floats]:
    """Return the wind along each leg (from behind positive) and across it (from the left positive)."""
    unit = legs / np.where(lengths > 0, lengths, 1.0)[:, None]
    air = wind.vector_mps
    return unit @ air, unit[:, 1] * air[0] - unit[:, 0] * air[1]


def _fastest(along: Floats, across: Floats, airspeed_mps: float) -> Floats:
    """Return the ground speed that an airspeed gives; −inf where the wind across is more than that."""
    left = airspeed_mps**2 - across**2
    return np.where(left > 0, along + np.sqrt(np.maximum(left, 0.0)), -np.inf)
