"""A survey plan: the design over its area, and the sorties that fly it, as one folder on disk."""

from __future__ import annotations

from dataclasses import dataclass

from shapely.geometry import MultiPolygon, Polygon

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.design import StratumDesign, SurveyDesign
from flightplan.mission import Mission


@dataclass(frozen=True)
class Sortie:
    """One battery's flight.

    `energy_share` is the share of the full battery that it takes, wind included. A transect too long for one battery
    appears in several sorties.
    """

    identifier: str
    transects: tuple[str, ...]
    mission: Mission
    length_m: float
    duration_s: float
    energy_share: float


@dataclass(frozen=True)
class SurveyPlan:
    """Everything that was decided before take-off.

    `metres_outside` is the length of path inside an exclusion (with `buffer_m` around it) or outside the area plus
    `allowance_m`: 0, or the plan is refused. `coverage` is the share of the area that lies in the strips. `not_covered`
    is the ground (geographic) that full coverage leaves out, or that no line of a sample could see; None when there is
    none. `notes` are good to know and nothing is wrong with them; `species` are those whose least height was respected
    or, as a warning then says, forced.
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

    @property
    def length_m(self) -> float:
        """The length flown, transits included."""
        return sum(s.length_m for s in self.sorties)

    @property
    def duration_s(self) -> float:
        """The time in the air, all sorties together."""
        return sum(s.duration_s for s in self.sorties)
