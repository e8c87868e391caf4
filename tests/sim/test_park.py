"""The demo park keeps what the demo promises."""

import pytest

from flightplan.areas import check_area, read_area, write_area
from flightplan.cameras import camera_named
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from sim.park import demo_area


def test_the_park_has_a_hole_a_concavity_and_two_strata(tmp_path) -> None:  # type: ignore[no-untyped-def]
    area = demo_area()
    check_area(area)
    assert [s.name for s in area.strata] == ["woodland", "floodplain"]
    assert len(area.exclusions) == 1
    assert 8e6 < area.area_m2 < 11e6
    outline = area.localise(area.boundary)
    assert outline.area < 0.97 * outline.convex_hull.area
    write_area(area, tmp_path / "park.geojson")
    assert read_area(tmp_path / "park.geojson") == area


@pytest.mark.parametrize("seed", range(8))
def test_any_seed_plans_the_demo_as_promised(seed: int) -> None:
    plan = plan_survey(
        demo_area(),
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=410.0,
            heading_deg=0.0,
            front_overlap=0.2,
            seed=seed,
            drone="overfly-demo",
            speed_mps=12.0,
        ),
    )
    assert all(len(s.transects) >= 12 for s in plan.strata)
    assert plan.coverage is not None
    assert 0.15 < plan.coverage < 0.30
    assert plan.metres_outside == 0.0
    assert 3 <= len(plan.sorties) <= 4
    assert all(s.duration_s < 25 * 60 for s in plan.sorties)
