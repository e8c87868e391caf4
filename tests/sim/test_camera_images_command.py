"""`overfly sim images`: a plan's pictures without a vehicle."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from detect.captures import read_capture
from flightplan.camera import Camera
from flightplan.cameras import camera_named
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from sim.commands.images import images_command
from sim.park import demo_area
from sim.shots import planned_shots


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    return plan_survey(
        demo_area(), PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=80.0, min_lines=12, seed=3)
    )


def small(plan: SurveyPlan, transects: int) -> SurveyPlan:
    """A few lines only, with a camera of few pixels."""
    camera = Camera(name="tiny", image_width_px=80, image_height_px=60, focal_length_px=80 / 1.2)
    first = replace(plan.sorties[0], transects=plan.sorties[0].transects[:transects])
    return replace(plan, camera=camera, sorties=(first,))


def test_frames_follow_each_line_from_end_to_end_at_the_trigger_distance(plan: SurveyPlan) -> None:
    shots = planned_shots(plan, 1, 0.0)
    frame = plan.area.frame
    transects = {t.identifier: t for stratum in plan.strata for t in stratum.transects}
    assert {shot.name.rsplit("_", 1)[0] for shot in shots} == set(transects)
    for name, transect in transects.items():
        mine = [s for s in shots if s.name.rsplit("_", 1)[0] == name]
        at = frame.to_local([(s.true.longitude_deg, s.true.latitude_deg) for s in mine])
        begin, end = frame.to_local([transect.segments[0][0], transect.segments[-1][1]])
        assert np.hypot(*(at[0] - begin)) < 0.05
        assert np.hypot(*(at[-1] - end)) < 0.05
        if len(transect.segments) == 1:
            assert np.hypot(*np.diff(at, axis=0).T).max() < plan.trigger_distance_m + 0.05
    times = [shot.time_s for shot in shots]
    assert times == sorted(times)


def test_the_command_renders_a_plan_and_says_what_is_in_it(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(small(plan, 2), tmp_path / "plan")
    arguments = [str(tmp_path / "plan"), "--out", str(tmp_path / "images"), "--seed", "5", "--jobs", "1", "--json"]
    result = CliRunner().invoke(images_command, arguments)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    pictures = sorted((tmp_path / "images").glob("*.jpg"))
    assert document["frames"] == len(pictures) > 10
    assert set(document["truth"]) == {"elephant", "zebra"}
    capture = read_capture(pictures[0])
    assert capture.altitude_takeoff_m == pytest.approx(80.0, abs=6.0)
    assert capture.time_utc is not None
    assert capture.time_utc.isoformat().startswith("2026-02-01T06:30:00")


def test_a_folder_without_a_plan_ends_with_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(images_command, [str(tmp_path), "--out", str(tmp_path / "images")])
    assert result.exit_code == 1
    assert "no plan here" in result.stderr
