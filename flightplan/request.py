"""What was asked of a design, and of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from flightplan.allocation import EarlierStratum
from flightplan.camera import Camera
from flightplan.conditions import Conditions
from flightplan.corridor import Corridor
from flightplan.drones import Drone, drone_named
from flightplan.errors import PlanError
from flightplan.keep_clear import Clearance
from flightplan.legs import HULL
from flightplan.mounting import Mounting
from flightplan.operations import Operations
from flightplan.patterns import Pattern
from flightplan.terrain import Terrain

SYSTEMATIC, RANDOM, FULL = "systematic", "random", "full"
ZIGZAG, COMPLEMENTARY, SEGMENTED = "zigzag", "complementary-zigzag", "segmented"
KINDS = (SYSTEMATIC, RANDOM, FULL, ZIGZAG, COMPLEMENTARY, SEGMENTED)

DEFAULT_BUFFER_M = 15.0
DEFAULT_DRONE = "DJI Mavic 3 Enterprise"


@dataclass(frozen=True, kw_only=True)
class DesignRequest:
    """What was asked of a design: the effort, in exactly one way, and what there is to choose.

    Effort is one of a spacing, a sampling fraction, `min_lines` in each stratum, or `total_lines` or `total_length_m`
    (of line inside the area) for all strata, shared out by `allocation`: by area unless said, equally, or by Neyman's
    rule from what an `earlier` survey found in each. `stratum_spacing_m` gives strata a spacing of their own, whatever
    the rest says; when it names all of them nothing else is needed.

    Without a heading, lines of a sample run across the area's long axis (more and shorter lines, so more sampling
    units), and lines of full coverage where fewest are needed; `random_heading` draws it from [0, 180) by the seed.
    `min_lines` is per stratum, and the stratum with the shortest baseline decides. A segmented design needs
    `segment_m`; its segments are as far apart as its lines when `segment_spacing_m` is None. A zigzag turns on
    `bounds`. A `kind` of None is systematic, or follows from the overlap asked for.
    """

    kind: str | None = None
    spacing_m: float | None = None
    sampling_fraction: float | None = None
    min_lines: int | None = None
    total_lines: int | None = None
    total_length_m: float | None = None
    allocation: str | None = None
    earlier: Mapping[str, EarlierStratum] = field(default_factory=dict)
    heading_deg: float | None = None
    random_heading: bool = False
    segment_m: float | None = None
    segment_spacing_m: float | None = None
    bounds: str = HULL
    stratum_spacing_m: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class PlanRequest(DesignRequest):
    """What was asked of a plan: the design, the pictures, and how they are flown.

    Say the height or the ground sampling distance; and one of side overlap (full coverage), spacing, sampling fraction
    (0 to 1) or lines per stratum. Overlaps are shares, 0 to below 1. With `terrain` the height above ground is held
    within `height_tolerance_m`, as far as the drone can climb and descend; without it the ground is taken as level. An
    allowance of None is what `default_allowance_m` says. `conditions` are the animals, ceiling, wind and date to
    respect, `clearance` is what is kept from obstacles and which airspace one may fly in. `wind_share` is added to all
    energy; None is what suits how well the wind is known.
    """

    camera: Camera
    altitude_agl_m: float | None = None
    gsd_cm: float | None = None
    front_overlap: float = 0.2
    side_overlap: float | None = None
    drone: Drone | str = DEFAULT_DRONE
    speed_mps: float | None = None
    buffer_m: float = DEFAULT_BUFFER_M
    turn_allowance_m: float | None = None
    wind_share: float | None = None
    terrain: Terrain | None = None
    height_tolerance_m: float = 5.0
    conditions: Conditions = field(default_factory=Conditions)
    clearance: Clearance = field(default_factory=Clearance)
    pattern: Pattern = field(default_factory=Pattern)
    corridor: Corridor | None = None
    mounting: Mounting = field(default_factory=Mounting)
    operations: Operations = field(default_factory=Operations)

    @property
    def aircraft(self) -> Drone:
        """The drone with its payload, looked up where only its name was said; raises PlanError for an unknown one."""
        drone = drone_named(self.drone) if isinstance(self.drone, str) else self.drone
        return drone.carrying(self.operations.payload_kg)

    @property
    def mounted(self) -> Camera:
        """The camera as it is mounted."""
        return self.mounting.camera(self.camera)

    @property
    def weather(self) -> Conditions:
        """The conditions, with the wind that the flights reckon with where no other was said."""
        wind = self.operations.wind
        if wind is None or self.conditions.wind_mps is not None:
            return self.conditions
        return replace(self.conditions, wind_mps=wind.speed_mps)

    def height_m(self) -> float:
        """Return the height above ground, from whichever of height and ground sampling distance was said.

        Raises PlanError when both or none were said, or for a height that cannot be flown.
        """
        if (self.altitude_agl_m is None) == (self.gsd_cm is None):
            raise PlanError("say either the height or the ground sampling distance")
        if self.gsd_cm is None:
            height_m = self.altitude_agl_m
        else:
            gsd_cm = a_length("ground sampling distance", self.gsd_cm, "cm")
            height_m = self.mounting.altitude_for_gsd_m(self.mounted, gsd_cm)
        if height_m is None or not 0 < height_m < 10_000:
            raise PlanError(f"a height of {height_m:g} m above ground cannot be flown")
        return float(height_m)


def a_share(what: str, value: float) -> float:
    """Return a share from 0 to below 1; raises PlanError for what is none."""
    if not 0 <= value < 1:
        raise PlanError(f"a {what} of {value:g} is not a share from 0 to below 1")
    return value


def a_length(what: str, value: float, unit: str = "m") -> float:
    """Return a length of 0 or more; raises PlanError for what is none."""
    if not (value >= 0 and np.isfinite(value)):
        raise PlanError(f"a {what} of {value:g} {unit} is not one")
    return float(value)
