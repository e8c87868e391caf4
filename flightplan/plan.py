"""A survey plan: the design over its area, and the sorties that fly it, as one folder on disk."""

from __future__ import annotations

from dataclasses import dataclass

import shapely
from shapely.geometry import MultiLineString, MultiPolygon, Polygon

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.delivered import Delivered
from flightplan.design import StratumDesign, SurveyDesign
from flightplan.drones import Drone
from flightplan.energy import Wind
from flightplan.ground import GroundUnder
from flightplan.mission import Mission
from flightplan.patterns import Turning
from flightplan.separation import Separation
from flightplan.terrain import TerrainSource
from flightplan.visibility import Visibility


@dataclass(frozen=True)
class Sortie:
    """One battery's flight.

    `energy_share` is the share of the full battery that it takes, wind included. A transect too long for one battery
    appears in several sorties.

    `drone` is which of the plan's drones flies it, counted from 1, and `takeoff_offset_s` when: seconds after the
    plan's first take-off, battery changes and moves between launch sites included. `launch` is the launch site's name,
    None when none was given. `transit_offset_m` is how much higher than the lines its ways out and home are flown, so
    that several drones pass each other. `return_height_m`, above home, clears ground and obstacles of known height on
    a straight way home from anywhere on the path; None when no elevation is known. `image_count` and `storage_mb` are
    of its lines; `furthest_m` is how far from home it goes. `ground` is what lies under its mission, and `visibility`
    what of it is seen from the launch site; both None without an elevation model.
    """

    identifier: str
    transects: tuple[str, ...]
    mission: Mission
    length_m: float
    duration_s: float
    energy_share: float
    drone: int = 1
    launch: str | None = None
    takeoff_offset_s: float = 0.0
    transit_offset_m: float = 0.0
    return_height_m: float | None = None
    image_count: int | None = None
    storage_mb: float | None = None
    furthest_m: float | None = None
    ground: GroundUnder | None = None
    visibility: Visibility | None = None


@dataclass(frozen=True)
class SurveyPlan:
    """Everything that was decided before take-off.

    `metres_outside` is the length of path inside an exclusion (with `buffer_m` around it) or outside the area plus
    `allowance_m`: 0, or the plan is refused. `coverage` is the share of the area that lies in the strips. `not_covered`
    is the ground (geographic) that full coverage leaves out, or that no line of a sample could see; None when there is
    none. `notes` are good to know and nothing is wrong with them; `species` are those whose least height was respected
    or, as a warning then says, forced. `turning` is how the aircraft turns, None on the spot; `hover_s` how long it
    stops for each picture, None where it flies past. `drones` fly at the same time, and `makespan_s` is from the first
    take-off to the last landing, battery changes and moves between launch sites included; `separation` is how near
    they come. `aircraft` is the drone with its payload, `wind` the one that was reckoned with, `tilt_deg` the camera's
    from straight down, `terrain` which elevation model was used and `delivered` what the strips get over it.
    """

    area: StudyArea
    design: SurveyDesign
    camera: Camera
    strata: tuple[StratumDesign, ...]
    sorties: tuple[Sortie, ...]
    altitude_agl_m: float
    speed_mps: float
    trigger_distance_m: float
    gsd_cm: float
    front_overlap: float
    metres_outside: float
    warnings: tuple[str, ...] = ()
    coverage: float | None = None
    allowance_m: float | None = None
    buffer_m: float | None = None
    drone: str | None = None
    not_covered: Polygon | MultiPolygon | None = None
    not_covered_m2: float = 0.0
    notes: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    turning: Turning | None = None
    hover_s: float | None = None
    drones: int = 1
    makespan_s: float | None = None
    separation: Separation | None = None
    aircraft: Drone | None = None
    wind: Wind | None = None
    tilt_deg: float = 0.0
    terrain: TerrainSource | None = None
    delivered: Delivered | None = None

    @property
    def return_height_m(self) -> float | None:
        """The return height above home that is safe for every sortie; None when no elevation is known."""
        heights = [s.return_height_m for s in self.sorties if s.return_height_m is not None]
        return max(heights) if heights and len(heights) == len(self.sorties) else None

    @property
    def as_flown(self) -> bool:
        """Whether it was read from pictures (`flightplan.flown_lines`): it has lines, and nothing is left to fly."""
        return not self.sorties

    @property
    def lines(self) -> MultiLineString:
        """What is flown on effort: the parts of all transects, geographic."""
        return shapely.MultiLineString([part for s in self.strata for t in s.transects for part in t.segments])

    @property
    def length_m(self) -> float:
        """The length flown, transits included."""
        return sum(s.length_m for s in self.sorties)

    @property
    def duration_s(self) -> float:
        """The time in the air, all sorties together."""
        return sum(s.duration_s for s in self.sorties)
