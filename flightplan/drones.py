"""Drones: what a leg, a climb and a whole flight cost in time and energy.

The library is `drones.toml` beside this module: aircraft with the figures of their data sheets; powers are battery
energy over the flight time stated there. A leg is flown from standstill to standstill, as a multirotor flies waypoints
with corners. Without a wind's direction it is flown at the larger of the two powers, and wind is a share added to the
energy of everything; with one, `flightplan.energy` asks for the power of each leg's airspeed.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from importlib import resources
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flightplan.errors import PlanError, UnreadableFileError
from flightplan.frames import Floats

MULTIROTOR, FIXED_WING = "multirotor", "fixed wing"

DEFAULT_WIND_SHARE = 0.2
"""Energy added for wind. A copter's survey recorded in 8 m/s of turbulent wind took 361 s instead of 309 s: 17 %."""

_BANK_DEG = 30.0
_GRAVITY_MPS2, _AIR_KG_M3 = 9.81, 1.225
# Of small propellers, their motors and controllers: Zeng, Xu & Zhang 2019 take κ = 1.1 and a tip speed of 120 m/s.
_INDUCED_FACTOR, _MOTOR_EFFICIENCY, _TIP_MPS = 1.15, 0.75, 120.0
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Drone:
    """An aircraft with its battery.

    `reserve_share` of the battery is never planned with. Powers are for level flight with the usual payload, at
    `mass_kg`; climbing costs 1.3 times the hovering power in a multirotor (our assumption, on the high side).
    `max_speed_mps` is its greatest airspeed. `max_payload_kg` is what it may carry besides, None when nobody says;
    `rotor_disc_m2` is the area of all propellers' discs. `climb_mps` and `descent_mps` are for take-off and landing
    (ArduCopter's own limits by default), and on the way too where no `en_route_` ones are given. Raises PlanError when
    the figures do not hold together.
    """

    name: str
    kind: str
    battery_wh: float
    hover_power_w: float
    cruise_power_w: float
    cruise_speed_mps: float
    max_speed_mps: float
    max_wind_mps: float
    source: str
    climb_mps: float = 2.5
    descent_mps: float = 1.5
    acceleration_mps2: float = 2.5
    reserve_share: float = 0.25
    min_speed_mps: float = 0.0
    mass_kg: float | None = None
    max_payload_kg: float | None = None
    rotor_disc_m2: float | None = None
    en_route_climb_mps: float | None = None
    en_route_descent_mps: float | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def budget_wh(self) -> float:
        """The energy that one sortie may use."""
        return self.battery_wh * (1 - self.reserve_share)

    @property
    def path_rates_mps(self) -> tuple[float, float]:
        """How fast it may climb and descend on its way."""
        return self.en_route_climb_mps or self.climb_mps, self.en_route_descent_mps or self.descent_mps

    def turn_radius_m(self, speed_mps: float) -> float:
        """Return the radius of a turn: 0 for a multirotor, a 30° bank (v² / g tan 30°) for a fixed wing."""
        if self.kind == MULTIROTOR:
            return 0.0
        return speed_mps**2 / (_GRAVITY_MPS2 * float(np.tan(np.radians(_BANK_DEG))))

    def leg_seconds(self, lengths_m: npt.ArrayLike, speed_mps: float) -> Floats:
        """Return the time of legs flown from standstill to standstill (trapezoid of speed, triangle on a short leg)."""
        lengths = np.asarray(lengths_m, dtype=np.float64)
        if self.kind != MULTIROTOR:
            return lengths / speed_mps
        reach_m = speed_mps**2 / self.acceleration_mps2
        long = lengths / speed_mps + speed_mps / self.acceleration_mps2
        return np.where(lengths >= reach_m, long, 2 * np.sqrt(lengths / self.acceleration_mps2))

    def one_leg_seconds(self, length_m: float, speed_mps: float) -> float:
        """Return what `leg_seconds` says of one leg, without arrays: planning asks ten thousand times."""
        if self.kind != MULTIROTOR:
            return length_m / speed_mps
        if length_m >= speed_mps**2 / self.acceleration_mps2:
            return length_m / speed_mps + speed_mps / self.acceleration_mps2
        return 2 * sqrt(length_m / self.acceleration_mps2)

    def leg_wh(self, seconds: npt.ArrayLike) -> Floats:
        """Return the energy of level flight in still air."""
        power = max(self.hover_power_w, self.cruise_power_w) if self.kind == MULTIROTOR else self.cruise_power_w
        return np.asarray(seconds, dtype=np.float64) * power / 3600

    def one_leg_wh(self, seconds: float) -> float:
        """Return what `leg_wh` says of one leg, without arrays."""
        power = max(self.hover_power_w, self.cruise_power_w) if self.kind == MULTIROTOR else self.cruise_power_w
        return seconds * power / 3600

    def power_w(self, airspeed_mps: npt.ArrayLike) -> Floats:
        """Return the power of level flight at an airspeed.

        A multirotor: P0·(1 + 3v²/U²) + Pi·√(√(1 + v⁴/4w⁴) − v²/2w²) + c·v³ (Zeng, Xu & Zhang 2019, IEEE Trans. Wireless
        Comm. 18:2329, eq. 12), where the induced power Pi follows from mass and rotor disc, P0 is the rest of the
        hovering power, and c makes it the cruise power at the cruise speed. Without mass or disc: the larger power up
        to the cruise speed, and growing with the square of speed above. A fixed wing: half drag of the air, half of
        lift at the cruise speed, P/2·((v/u)³ + u/v).
        """
        speed = np.asarray(airspeed_mps, dtype=np.float64)
        share = speed / self.cruise_speed_mps
        if self.kind != MULTIROTOR:
            return np.asarray(self.cruise_power_w / 2 * (share**3 + 1 / np.maximum(share, 0.1)))
        if self._rotor is None:
            return max(self.hover_power_w, self.cruise_power_w) * np.maximum(1.0, share**2)
        profile_w, induced_w, drag, hover_mps = self._rotor
        return np.asarray(
            profile_w * (1 + 3 * speed**2 / _TIP_MPS**2) + induced_w * _inflow(speed / hover_mps) + drag * speed**3
        )

    @cached_property
    def _rotor(self) -> tuple[float, float, float, float] | None:
        """Profile and induced power in hover, the drag's coefficient, and the air's speed through the discs."""
        if self.mass_kg is None or self.rotor_disc_m2 is None:
            return None
        thrust_n = self.mass_kg * _GRAVITY_MPS2
        hover_mps = float(np.sqrt(thrust_n / (2 * _AIR_KG_M3 * self.rotor_disc_m2)))
        induced_w = min(_INDUCED_FACTOR * thrust_n * hover_mps / _MOTOR_EFFICIENCY, 0.9 * self.hover_power_w)
        profile_w = self.hover_power_w - induced_w
        speed = self.cruise_speed_mps
        lift_w = profile_w * (1 + 3 * speed**2 / _TIP_MPS**2) + induced_w * float(_inflow(speed / hover_mps))
        return profile_w, induced_w, max(0.0, self.cruise_power_w - lift_w) / speed**3, hover_mps

    def carrying(self, payload_kg: float) -> Drone:
        """Return the same aircraft with a payload besides the usual one: its powers grow with mass to the power of 1.5.

        That is the induced power of a rotor, and of a wing at its best speed. Raises PlanError for more than it may
        carry, or when its mass is not known.
        """
        if payload_kg == 0:
            return self
        if not (payload_kg > 0 and np.isfinite(payload_kg)):
            raise PlanError(f"a payload of {payload_kg:g} kg is not one")
        if self.mass_kg is None:
            raise PlanError(f"what a payload costs {self.name} is not known: its mass is not", hint="Add mass_kg")
        if self.max_payload_kg is not None and payload_kg > self.max_payload_kg + 1e-9:
            raise PlanError(
                f"{self.name} may carry {self.max_payload_kg:g} kg besides what it is made with, not {payload_kg:g} kg"
            )
        heavier = ((self.mass_kg + payload_kg) / self.mass_kg) ** 1.5
        return replace(
            self,
            hover_power_w=self.hover_power_w * heavier,
            cruise_power_w=self.cruise_power_w * heavier,
            mass_kg=self.mass_kg + payload_kg,
            max_payload_kg=None if self.max_payload_kg is None else self.max_payload_kg - payload_kg,
        )

    def climb_wh(self, ascent_m: float) -> float:
        """Return what climbing on the way costs beyond level flight: 0.3 times the hovering power while it lasts."""
        return 0.3 * self.hover_power_w * ascent_m / self.climb_mps / 3600

    def vertical(self, height_m: float) -> tuple[float, float]:
        """Return seconds and watt-hours of climbing to a height and coming down from it to land."""
        up_s, down_s = height_m / self.climb_mps, height_m / self.descent_mps + 10.0
        return up_s + down_s, (1.3 * self.hover_power_w * up_s + self.hover_power_w * down_s) / 3600


@cache
def drone_library() -> tuple[Drone, ...]:
    """Return every drone of the library, ordered as in its file."""
    text = resources.files("flightplan").joinpath("drones.toml").read_text(encoding="utf-8")
    return tuple(_drone(table, where="drones.toml") for table in tomllib.loads(text)["drone"])


def drone_named(name: str) -> Drone:
    """Return the library's drone of that name; capitals, spaces and punctuation do not matter.

    Raises PlanError, naming the nearest ones, when there is none.
    """
    by_name = {_plain(d.name): d for d in drone_library()}
    wanted = _plain(name)
    if wanted in by_name:
        return by_name[wanted]
    near = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.4) or list(by_name)
    raise PlanError(
        f"there is no drone named {name!r} in the library",
        hint=f"Known are: {', '.join(by_name[n].name for n in near)}",
    )


def drone_from_file(path: Path) -> Drone:
    """Return the drone of a TOML file with the keys of `drones.toml`: one [[drone]] table, or the keys alone.

    Raises UnreadableFileError when it is no TOML, PlanError when its figures do not hold together.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise UnreadableFileError("too large for a drone file", where=str(path))
        document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"not a drone file: {error}", where=str(path)) from error
    document = document.get("drone", document)
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise PlanError("a drone file holds the keys of one drone", where=str(path))
    return _drone({"name": path.stem, "source": path.name, **document}, where=str(path))


def _drone(table: Mapping[str, Any], where: str) -> Drone:
    known = {field.name for field in fields(Drone)}
    unknown = sorted(set(table) - known)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(known))}"
        raise PlanError(f"unknown key {unknown[0]!r}", where=where, hint=hint)
    try:
        return Drone(**table)
    except TypeError as error:
        raise PlanError(str(error).replace("Drone.__init__() ", ""), where=where) from error


def _check(drone: Drone) -> None:
    for field in fields(Drone):
        value = getattr(drone, field.name)
        if field.name in ("name", "kind", "source"):
            if not isinstance(value, str) or not value:
                raise PlanError(f"{field.name} must be a text, not {value!r}", where=str(drone.name))
            continue
        if value is None and field.default is None:
            continue
        may_be_0 = field.name in ("max_wind_mps", "reserve_share", "min_speed_mps", "max_payload_kg")
        fits = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
        if not fits or value < 0 or (value == 0 and not may_be_0):
            raise PlanError(f"{field.name} must be a number above 0, not {value!r}", where=drone.name)
    if drone.kind not in (MULTIROTOR, FIXED_WING):
        raise PlanError(f"kind must be {MULTIROTOR!r} or {FIXED_WING!r}, not {drone.kind!r}", where=drone.name)
    if not drone.reserve_share < 1:
        raise PlanError("a reserve is a share below 1", where=drone.name)
    if not drone.min_speed_mps <= drone.cruise_speed_mps <= drone.max_speed_mps:
        raise PlanError("its cruise speed is not between its slowest and its fastest", where=drone.name)


def _inflow(speed_share: npt.ArrayLike) -> Floats:
    """Return the induced power at a speed, over that in hover; the speed is a share of the hover's inflow."""
    square = np.asarray(speed_share, dtype=np.float64) ** 2
    return np.asarray(np.sqrt(np.sqrt(1 + square**2 / 4) - square / 2))


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
