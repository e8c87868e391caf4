"""What goes wrong on purpose, as values: read from text, from a TOML file, or drawn at random from a seed."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from flightplan.errors import VehicleError
from sim.vehicle.equipment import Aircraft

Span = tuple[float, float]
RANDOM = "random"
_MAX_BYTES = 1_000_000
_MAX_TRAFFIC = 100
_SPANS, _WHOLE = ("cut", "gps"), ("restart", "refuse", "lost_acks")


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Shares are 0 to 1, of messages each way or of shots; times are simulated seconds.

    `reorder` is the share of messages held back by up to a second, so that later ones overtake them; `delay_s` holds
    back all. `cut` (no message passes), `gps` (no position), `sag_s` with `sag_volts`, `motor_s`, `compass_s`,
    `reboot_s` and the `traffic` count from the last arming.

    `restart` is the item of an upload at which the vehicle starts anew, `reboot_s` a moment in flight at which it does:
    deaf and mute for `restart_s`, then the whole boot. `refuse` is the mission item it refuses as unsupported,
    `lost_acks` how many of its acknowledgements of lists are lost, `shots` the share of shots that the camera misses,
    told by a gap in the numbers of its feedback. At `motor_s` a motor stops: a quad falls, a fixed wing glides. At
    `compass_s` the compass is off by `compass_deg`, and the vehicle believes it for `compass_lasts_s`. `traffic` are
    aircraft that it hears of.
    """

    loss: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0
    cut: tuple[Span, ...] = ()
    restart: int | None = None
    restart_s: float = 5.0
    lost_acks: int = 0
    refuse: int | None = None
    shots: float = 0.0
    gps: tuple[Span, ...] = ()
    sag_s: float | None = None
    sag_volts: float = 10.0
    motor_s: float | None = None
    compass_s: float | None = None
    compass_deg: float = 180.0
    compass_lasts_s: float = 4.0
    reboot_s: float | None = None
    traffic: tuple[Aircraft, ...] = ()

    def __post_init__(self) -> None:
        for name in ("loss", "double", "reorder", "shots"):
            if not 0 <= getattr(self, name) <= 1:
                raise VehicleError(f"{name} is {getattr(self, name):g}, not a share from 0 to 1", where="faults")
        for name in ("delay_s", "restart_s", "lost_acks", "sag_volts", "compass_lasts_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise VehicleError(f"{name} is {getattr(self, name):g}", where="faults", hint="It is 0 or more")

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Faults:
        """Read "loss=0.2,cut=30-45,...", a TOML file with the same names, or "random". VehicleError when it is none.

        A span is FROM-TO in the text and [from, to] in a file; several are joined by "+" or in a list. Traffic is a
        [[traffic]] table for each aircraft, with the names of `Aircraft`, in a file only. "random" draws from the seed.
        """
        if text.strip() == RANDOM:
            return cls.at_random(seed)
        path = Path(text)
        if "=" not in text or path.is_file():
            return cls._of(_read(path), text)
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            name = name.strip()
            given[name] = [s.split("-") for s in value.split("+")] if name in _SPANS else value.strip()
        return cls._of(given, text)

    @classmethod
    def at_random(cls, seed: int) -> Faults:
        """Draw a bad day: a poor link in half of all, and each other trouble in a part of them."""
        rng = np.random.default_rng([seed, 72])

        def some(share: float, low: float, high: float) -> float | None:
            drawn, value = rng.random() < share, round(float(rng.uniform(low, high)), 1)
            return value if drawn else None

        poor = rng.random() < 0.5
        loss, double, reorder, delay_s = (round(float(rng.uniform(0, most)), 3) for most in (0.1, 0.1, 0.1, 0.3))
        cut_s, cut_for_s = some(0.3, 20, 200), round(float(rng.uniform(3, 60)), 1)
        gps_s, gps_for_s = some(0.15, 30, 200), round(float(rng.uniform(2, 40)), 1)
        restart, refuse = some(0.1, 1, 12), some(0.05, 1, 12)
        passing = some(0.1, 20, 120)
        return cls(
            loss=loss if poor else 0.0,
            double=double if poor else 0.0,
            reorder=reorder if poor else 0.0,
            delay_s=delay_s if poor else 0.0,
            cut=() if cut_s is None else ((cut_s, cut_s + cut_for_s),),
            gps=() if gps_s is None else ((gps_s, gps_s + gps_for_s),),
            restart=None if restart is None else int(restart),
            refuse=None if refuse is None else int(refuse),
            lost_acks=int(rng.integers(0, 2)),
            shots=some(0.4, 0.01, 0.15) or 0.0,
            sag_s=some(0.3, 20, 200),
            motor_s=some(0.05, 30, 200),
            compass_s=some(0.1, 30, 200),
            reboot_s=some(0.03, 30, 200),
            traffic=() if passing is None else (Aircraft("RANDOM", passing, passing + 120, -3000, 200, 120, 0, 60),),
        )

    @classmethod
    def _of(cls, given: dict[str, Any], where: str) -> Faults:
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise VehicleError(
                    f"there is no fault {name!r}", where=where, hint=f"Known are: {', '.join(sorted(known))}"
                )
            try:
                if name in _SPANS:
                    values[name] = tuple((float(a), float(b)) for a, b in value)
                elif name in _WHOLE:
                    values[name] = int(value)
                elif name == "traffic":
                    values[name] = _traffic(value)
                else:
                    values[name] = float(value)
            except (TypeError, ValueError) as error:
                raise VehicleError(f"{value!r} is no value for {name}", where=where) from error
        return cls(**values)


def _traffic(tables: Any) -> tuple[Aircraft, ...]:
    if not isinstance(tables, list) or len(tables) > _MAX_TRAFFIC:
        raise ValueError("not a list of tables")
    found = []
    for table in tables:
        values: dict[str, Any] = {name: str(v) if name == "callsign" else float(v) for name, v in table.items()}
        found.append(Aircraft(**values))
    return tuple(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise VehicleError("is too large for a list of faults", where=str(path))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except VehicleError:
        raise
    except (OSError, ValueError) as error:
        raise VehicleError(
            f"is neither NAME=VALUE,... nor a TOML file ({error})", where=str(path), hint="Write --faults loss=0.2"
        ) from error
