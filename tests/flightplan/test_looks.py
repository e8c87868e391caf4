"""Full coverage keeps its promise, by raster: looks counted from the missions, by nothing of the planner's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import shapely

from flightplan.areas import Stratum, StudyArea, read_area
from flightplan.cameras import camera_named
from flightplan.frames import LocalFrame
from flightplan.patterns import Pattern
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
LAND = shapely.Polygon([(-700, -500), (700, -500), (700, 0), (100, 0), (100, 500), (-700, 500)])
VILLAGE = shapely.Polygon([(-400, -250), (-200, -260), (-180, -50), (-350, -30)])


@pytest.fixture(scope="module")
def looks(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("looks")


def plan(area: StudyArea, **asked: object) -> SurveyPlan:
    said = {"altitude_agl_m": 60.0, "front_overlap": 0.75, "side_overlap": 0.7, **asked}
    return plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), **said))  # type: ignore[arg-type]


def study_area() -> StudyArea:
    land = FRAME.delocalise(shapely.difference(LAND, VILLAGE))
    return StudyArea("park", (Stratum("all", land),), (FRAME.delocalise(VILLAGE),))


@pytest.mark.parametrize(
    ("heading_deg", "asked"),
    [
        (0.0, {}),
        (35.0, {}),
        (100.0, {"pattern": Pattern(refly=True)}),
        (60.0, {"pattern": Pattern(hover_s=2.0)}),
        (20.0, {"pattern": Pattern(alternate=True, turnaround_m=20.0)}),
        (80.0, {"drone": "WingtraOne GEN II"}),
    ],
)
def test_every_point_gets_its_looks(looks: ModuleType, heading_deg: float, asked: dict[str, object]) -> None:
    result = plan(study_area(), heading_deg=heading_deg, **asked)
    seen = looks.looks_at(result, side_overlap=0.7, pixels_a_footprint=10.0)
    assert seen.wanted == (24 if "pattern" in asked and result.design.refly else 12)
    assert seen.deep > 3000
    assert seen.unseen == 0
    if result.turning is None or result.turning.radius_m == 0:
        # A fixed wing's lines end early at the village, and what then has fewer looks is not promised more.
        assert seen.too_few == 0


@pytest.mark.parametrize("name", ["wadl_HMR_trees.kml", "oc_sample_field.kml", "freetown_aoi.geojson"])
@pytest.mark.parametrize("heading_deg", [15.0, 160.0])
def test_real_areas_get_their_looks(looks: ModuleType, shared_data: Path, name: str, heading_deg: float) -> None:
    result = plan(read_area(shared_data / "areas" / name), heading_deg=heading_deg)
    seen = looks.looks_at(result, side_overlap=0.7, pixels_a_footprint=8.0)
    assert (seen.unseen, seen.too_few) == (0, 0)


def test_the_count_notices_what_is_missing(looks: ModuleType) -> None:
    result = plan(study_area(), heading_deg=0.0)
    # As many pictures as the lines are long, counted by hand.
    lines = [t for s in result.strata for t in s.transects]
    ends = [result.area.frame.to_local(np.asarray(segment)) for t in lines for segment in t.segments]
    wanted = sum(int(np.hypot(*(b - a)) / result.trigger_distance_m + 1e-6) + 1 for a, b in ends)
    plane = looks.Plane(result.area)
    assert sum(len(looks.pictures_of(s.mission, plane).places) for s in result.sorties) == wanted

    def changed(command: int, **new: object) -> SurveyPlan:
        sorties = []
        for sortie in result.sorties:
            items = [replace(i, **new) if i.command == command and i.params[0] > 0 else i for i in sortie.mission.items]
            sorties.append(replace(sortie, mission=replace(sortie.mission, items=tuple(items))))
        return replace(result, sorties=tuple(sorties))

    further = changed(206, params=(result.trigger_distance_m * 1.02, 0.0, 1.0, 0.0))
    assert looks.looks_at(further, side_overlap=0.7).too_few > 100
    rare = changed(206, params=(result.trigger_distance_m * 8, 0.0, 1.0, 0.0))
    assert looks.looks_at(rare, side_overlap=0.7).unseen > 1000
    fewer = replace(result, sorties=result.sorties[1:])
    assert looks.looks_at(fewer, side_overlap=0.7).unseen > 1000
