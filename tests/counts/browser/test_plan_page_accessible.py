"""The page of a plan, printed or on a phone: axe finds nothing serious, and what scrolls is reached with keys."""

from pathlib import Path

import pytest
import shapely
from axe_core_python.sync_playwright import Axe

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.frames import LocalFrame
from flightplan.plan_page import plan_page
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = LocalFrame(34.83, -2.33)
    land = shapely.difference(shapely.box(-2500, -900, 2500, 900), shapely.box(-300, -200, 250, 300))
    ((longitude, latitude),) = frame.to_lonlat([(-900.0, -850.0)])
    site = LaunchSite("camp", float(longitude), float(latitude))
    area = StudyArea("Olare", (Stratum("all", frame.delocalise(land)),), (), (site,))
    asked = PlanRequest(
        camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=300.0, heading_deg=0.0, seed=2
    )
    path = tmp_path_factory.mktemp("plan") / "plan.html"
    path.write_text(plan_page(plan_survey(area, asked)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious_on_the_page_of_a_plan(browser, page_file, width) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(page_file.as_uri())
    found = Axe().run(page)
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["target"]) for v in found["violations"] if v["impact"] != "minor"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
