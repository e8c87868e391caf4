"""How a plan is flown out in the field: in which wind, with what on board, from where, and how many at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flightplan.drones import DEFAULT_WIND_SHARE
from flightplan.energy import GUST_SHARE, Wind
from flightplan.errors import PlanError
from flightplan.fleet import Fleet
from flightplan.ground import DEFAULT_CLEARANCE_M
from flightplan.landing import Landing
from flightplan.mission import CAPACITIES, Capacity


@dataclass(frozen=True)
class Limits:
    """What ends a flight besides its battery.

    A flight goes no further than `max_distance_m` from home and, where it has more than one line, takes no longer than
    `longest_s`. `crowding` is how many items a mission really has for each that is counted here (waypoints over hills
    are known later), `held_back_wh` energy kept for climbs.
    """

    capacity: Capacity = CAPACITIES["ardupilot"]
    max_distance_m: float | None = None
    longest_s: float | None = None
    crowding: float = 1.0
    held_back_wh: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What was asked of the flights besides their lines.

    With a `wind` each leg's time and energy are worked out in it; without, a share is added to the energy of
    everything. Ways out and home are `transit_agl_m` above ground, the height of the lines when None. A straight way
    home clears the ground by `return_clearance_m`. No flight goes further than `max_distance_m` from its launch site;
    with `line_of_sight` none is hidden by the ground from there. `accept_gaps` lets full coverage have gaps on high
    ground. Missions fit what `autopilot` holds. A fixed wing lands as `landing` says; None is by an approach to its
    launch site that is worked out.
    """

    wind: Wind | None = None
    payload_kg: float = 0.0
    fleet: Fleet = field(default_factory=Fleet)
    transit_agl_m: float | None = None
    return_clearance_m: float = DEFAULT_CLEARANCE_M
    max_distance_m: float | None = None
    line_of_sight: bool = False
    accept_gaps: bool = False
    autopilot: str = "ardupilot"
    landing: Landing | None = None

    def __post_init__(self) -> None:
        for what, value in (
            ("height of the ways out and home", self.transit_agl_m),
            ("clearance", self.return_clearance_m),
            ("greatest distance", self.max_distance_m),
        ):
            if value is not None and not (value >= 0 and np.isfinite(value)):
                raise PlanError(f"a {what} of {value:g} m is not one")
        if self.autopilot not in CAPACITIES:
            raise PlanError(
                f"what {self.autopilot!r} holds is not known", hint=f"Known are: {', '.join(sorted(CAPACITIES))}"
            )

    @property
    def capacity(self) -> Capacity:
        """What the autopilot holds of a mission."""
        return CAPACITIES[self.autopilot]

    @property
    def limits(self) -> Limits:
        """What ends a flight besides its battery."""
        return Limits(self.capacity, self.max_distance_m)

    def energy_margin(self, asked_share: float | None) -> float:
        """Return the share added to all energy: what was asked, or what suits how well the wind is known."""
        if asked_share is not None:
            return asked_share
        return DEFAULT_WIND_SHARE if self.wind is None else GUST_SHARE

    def raised_m(self, altitude_agl_m: float) -> float:
        """Return how much higher than the lines the ways out and home are. Raises PlanError when they are lower."""
        if self.transit_agl_m is None:
            return 0.0
        if self.transit_agl_m < altitude_agl_m:
            raise PlanError(
                f"ways out and home {self.transit_agl_m:g} m above ground would be lower than the lines, which are at"
                f" {altitude_agl_m:.0f} m"
            )
        return self.transit_agl_m - altitude_agl_m
