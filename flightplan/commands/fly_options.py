"""What `overfly fly` may be told about how to fly: consent, limits, crew, signing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from flightplan.console import say
from flightplan.drones import Drone, drone_named
from flightplan.energy import Wind
from flightplan.errors import PlanError
from flightplan.terrain import Terrain
from flightplan.vehicle.checks import Status
from flightplan.vehicle.controls import Keyboard
from flightplan.vehicle.logbook import Crew
from flightplan.vehicle.rules import AbortRules
from flightplan.vehicle.setup import Change, Consent, FlightSetup, no_consent
from flightplan.vehicle.signing import SigningKey

_OPTIONS = (
    click.option("--check", "check_only", is_flag=True, help="Load, check and print the table; arm nothing."),
    click.option(
        "--set-parameters", is_flag=True, help="Set what the vehicle's settings need for this plan, without asking."
    ),
    click.option(
        "--restore-parameters",
        is_flag=True,
        help="Put the vehicle's settings back to what they were before the flights in --out; fly nothing.",
    ),
    click.option(
        "--test-camera/--no-test-camera",
        default=None,
        help="Take a test picture on the ground. [default: with --live]",
    ),
    click.option(
        "--signing-key",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Sign the link (MAVLink 2) with this key; its time is kept beside it.",
    ),
    click.option(
        "--max-wind",
        "max_wind_mps",
        type=click.FloatRange(min=0, min_open=True),
        metavar="M/S",
        help="Return home in more wind. [default: what the plan's drone is made for]",
    ),
    click.option(
        "--least-charge",
        "least_charge_percent",
        type=click.FloatRange(0, 100),
        default=10.0,
        show_default=True,
        metavar="PERCENT",
        help="Return home in time to land with this much.",
    ),
    click.option("--pilot", metavar="NAME", help="For the logbook: who flies."),
    click.option("--observer", metavar="NAME", help="For the logbook: who watches the sky."),
    click.option("--registration", metavar="ID", help="For the logbook: the aircraft's, or the operator's."),
    click.option("--battery", metavar="ID", help="For the logbook: which battery."),
    click.option("--purpose", metavar="TEXT", help="For the logbook: what for."),
)


@dataclass(frozen=True)
class FlyOptions:
    """The options, as typed."""

    check_only: bool
    set_parameters: bool
    restore_parameters: bool
    test_camera: bool | None
    signing_key: Path | None
    max_wind_mps: float | None
    least_charge_percent: float
    pilot: str | None
    observer: str | None
    registration: str | None
    battery: str | None
    purpose: str | None

    def signing(self) -> SigningKey | None:
        """Read the key, if one was named."""
        return None if self.signing_key is None else SigningKey.read(self.signing_key)

    def setup(
        self,
        drone_name: str | None,
        terrain: Terrain | None,
        keyboard: Keyboard,
        *,
        live: bool,
        planned_wind: Wind | None = None,
    ) -> FlightSetup:
        """Return how to fly; the plan's drone gives the limits that were not typed, its wind the way home."""
        drone = _drone(drone_name)
        wind_mps = self.max_wind_mps or (drone.max_wind_mps if drone else None)
        rules = AbortRules(
            max_wind_mps=wind_mps,
            least_charge=self.least_charge_percent / 100,
            planned_wind_mps=None if planned_wind is None else planned_wind.speed_mps,
        )
        if drone is not None:
            rules = replace(rules, return_mps=drone.cruise_speed_mps)
        return FlightSetup(
            drone=drone,
            terrain=terrain,
            rules=rules,
            consent=self._consent(keyboard),
            keys=keyboard,
            crew=Crew(
                pilot=self.pilot,
                observer=self.observer,
                registration=self.registration,
                battery=self.battery,
                purpose=self.purpose,
            ),
            check_only=self.check_only,
            test_camera=live if self.test_camera is None else self.test_camera,
        )

    def _consent(self, keyboard: Keyboard) -> Consent:
        if self.set_parameters:
            return lambda changes: True
        if not sys.stdin.isatty():
            return no_consent

        def ask(changes: Sequence[Change]) -> bool:
            for change in changes:
                say(f"  {change.name}: {change.old:g} -> {change.new:g}, {change.why}")
            with keyboard.lines():
                return click.confirm("Set these on the vehicle?", default=False, err=True)

        return ask


def fly_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, as one argument `options`."""
    names = [f.name for f in fields(FlyOptions)]

    @functools.wraps(command)
    def bundled(*args: Any, **kwargs: Any) -> Any:
        return command(*args, options=FlyOptions(**{n: kwargs.pop(n) for n in names}), **kwargs)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled


def table_of(checks: Sequence[Mapping[str, Any]]) -> str:
    """Return a preflight table as a person reads it."""
    width = max((len(c["name"]) for c in checks), default=0)
    rows = []
    for check in checks:
        rows.append(f"{check['status']:7}  {check['name']:{width}}  {check['text']}")
        if check["remedy"] and check["status"] != Status.PASS:
            rows.append(f"{'':7}  {'':{width}}  -> {check['remedy']}")
    return "\n".join(rows)


def _drone(name: str | None) -> Drone | None:
    if not name:
        return None
    try:
        return drone_named(name)
    except PlanError:
        say(f"Warning: the plan's drone {name} is not in the library: its limits are not known.")
        return None
