"""How the sorties of a plan are flown: the aircraft, its speeds and heights, its camera, and the ways open to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.drones import FIXED_WING, Drone
from flightplan.fleet import Shares
from flightplan.hovering import Hover
from flightplan.landing_ways import landing_ways
from flightplan.mission import (
    AutopilotType,
    VehicleType,
)
from flightplan.operations import Operations
from flightplan.paths import Airspace
from flightplan.plan import Sortie
from flightplan.profile import Profile, Raised, follow_terrain, level_profile
from flightplan.separation import Separation
from flightplan.sorties import Flight
from flightplan.terrain import Terrain
from flightplan.ways import Ways, ways_over


@dataclass(frozen=True)
class Flying:
    """How the sorties are flown. `tilt_deg` is the camera's, forward from straight down."""

    drone: Drone
    speed_mps: float
    transit_speed_mps: float
    altitude_agl_m: float
    trigger_distance_m: float
    wind_share: float
    terrain: Terrain | None
    height_tolerance_m: float
    run_in_m: float = 0.0
    hover: Hover | None = None
    operations: Operations = field(default_factory=Operations)
    camera: Camera | None = None
    tilt_deg: float = 0.0

    def profile(self, flight: Flight, area: StudyArea, raised_m: float = 0.0) -> Profile:
        """Return the heights of a flight: over the terrain where one was given, level otherwise.

        Its ways out and home are `raised_m` higher than its lines.
        """
        fastest_mps = self.transit_speed_mps
        if self.drone.kind == FIXED_WING and self.operations.wind is not None:
            # With the wind behind, the same slope is climbed faster.
            fastest_mps += self.operations.wind.speed_mps
        climb, descent = (v / fastest_mps for v in self.drone.path_rates_mps)
        raised = None
        if raised_m > 0:
            out_m, back_m = (float(np.hypot(*np.diff(flight.ways[i], axis=0).T).sum()) for i in (0, -1))
            raised = Raised.transits(flight.path, out_m, back_m, raised_m, climb=climb, descent=descent)
        if self.terrain is None:
            return level_profile(flight.path, self.altitude_agl_m, raised)
        return follow_terrain(
            flight.path,
            area,
            self.terrain,
            altitude_agl_m=self.altitude_agl_m,
            tolerance_m=self.height_tolerance_m,
            steepest_climb=climb,
            steepest_descent=descent,
            raised=raised,
        )


@dataclass(frozen=True)
class Flown:
    """Sorties, and what was found out about them.

    `outside_m` is how much of the missions, read back, lies outside of the air, `agl_range_m` their heights above
    ground. `flights` are what they were made of.
    """

    sorties: tuple[Sortie, ...]
    outside_m: float
    agl_range_m: tuple[float, float]
    flights: tuple[tuple[Flight, Profile], ...]
    shares: Shares
    separation: Separation | None = None


def ways_of(area: StudyArea, airspace: Airspace, flying: Flying) -> Ways:
    """Return the ways of the aircraft: those of one that needs room to turn lead it to a landing."""
    if airspace.turning is None or flying.drone.kind != FIXED_WING:
        return ways_over(airspace, flying.run_in_m)
    return landing_ways(
        area,
        airspace,
        flying.run_in_m,
        level_m=flying.altitude_agl_m,
        sink_ratio=flying.drone.path_rates_mps[1] / flying.transit_speed_mps,
        wind=flying.operations.wind,
        asked=flying.operations.landing,
        terrain=flying.terrain,
    )


def image_count(length_m: float, flying: Flying) -> int:
    """Return how many pictures are taken along a piece of line."""
    if flying.hover is not None:
        return len(flying.hover.stops_m(length_m))
    return int(length_m / flying.trigger_distance_m + 1e-9) + 1


def made_for(flying: Flying) -> tuple[int | None, int]:
    """Return which autopilot and kind of vehicle a ground station shows a mission for."""
    autopilots = {"ardupilot": AutopilotType.ARDUPILOT, "px4": AutopilotType.PX4}
    wings = flying.drone.kind == FIXED_WING
    return autopilots.get(flying.operations.autopilot), VehicleType.FIXED_WING if wings else VehicleType.QUADROTOR
