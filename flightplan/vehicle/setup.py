"""What a flight is given beyond its mission: limits, consent, crew, keys, the ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flightplan.drones import Drone
from flightplan.plan import Sortie
from flightplan.terrain import Terrain
from flightplan.vehicle.controls import KeySource, no_keys
from flightplan.vehicle.link import Link
from flightplan.vehicle.logbook import Crew
from flightplan.vehicle.rules import AbortRules


@dataclass(frozen=True)
class Change:
    """A parameter of the vehicle that would defeat the plan: what it is, what it has to be, and why."""

    name: str
    old: float
    new: float
    why: str


# Asked before parameters are changed for a check; whether they may be.
Consent = Callable[[Sequence[Change]], bool]


def no_consent(changes: Sequence[Change]) -> bool:
    """Return that nothing may be changed."""
    return False


# Asked when all is checked and before anything is armed, with the link and who is told events (kind, text). It returns
# when the vehicle may take off; PreflightError when it may not.
Clearance = Callable[[Link, Callable[[str, str], None]], None]


def at_once(link: Link, tell: Callable[[str, str], None]) -> None:
    """Let it take off."""


@dataclass(frozen=True)
class FlightSetup:
    """How a flight is to be done.

    `sortie` and `drone` are of the plan, None for a bare mission; `terrain` is the ground under it. A `simulated`
    vehicle is not asked for what only a real one has. With `check_only` everything is done up to the preflight table,
    and nothing is armed. `test_camera` takes a picture on the ground. `clearance` decides when it may take off.
    `attach`: the vehicle is in the air with this very mission, and is watched from here on. With `clear_rally` rally
    points that the vehicle holds from before are cleared where the mission has none. `return_height_m` is how high
    above home it comes back, at least, when several fly: each at its own, out of the others' way.
    """

    sortie: Sortie | None = None
    drone: Drone | None = None
    terrain: Terrain | None = None
    rules: AbortRules = field(default_factory=AbortRules)
    consent: Consent = no_consent
    keys: KeySource = no_keys
    crew: Crew = field(default_factory=Crew)
    simulated: bool = False
    check_only: bool = False
    test_camera: bool = False
    clearance: Clearance = at_once
    attach: bool = False
    clear_rally: bool = False
    return_height_m: float | None = None
