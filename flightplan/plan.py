"""A survey plan: the design over its area, and the sorties that fly it, as one folder on disk."""

from __future__ import annotations

from dataclasses import dataclass

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.design import StratumDesign, SurveyDesign
from flightplan.mission import Mission


@dataclass(frozen=True)
class Sortie:
    """One battery's flight."""

    identifier: str
    transects: tuple[str, ...]
    mission: Mission
    length_m: float
    duration_s: float
    energy_share: float


@dataclass(frozen=True)
class SurveyPlan:
    """Everything that was decided before take-off.

    `metres_outside` is the length of path inside an exclusion or outside the area plus the turn allowance: 0, or the
    plan is refused.
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
