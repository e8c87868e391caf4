"""`overfly sim survey`: a plan, a world, and how well the estimates did; with pictures the chain does the same."""

import json
from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner

from counts.census import Census
from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.errors import DesignError
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from overfly.chain import FrameToCheck
from overfly.cli import main
from overfly.expected import expected_from_census
from overfly.pixel_surveys import WithPictures, checked_by
from overfly.workspace import Workspace
from sim.camera import AnimalLabel
from sim.flights import FrameTruth
from sim.virtual import Counting, Inhabitants, WorldRecipe
from sim.virtual.flights import Flying
from sim.virtual.runs import WithoutPictures, run_seeds, run_surveys
from sim.virtual.surveys import Setting

WORLD = """
[species.zebra]
density_per_km2 = 150
recall = 0.8
precision = 0.9
[counting]
verify_positive = 15
verify_zero = 10
"""


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    """A square of 600 m, three lines."""
    frame = LocalFrame(34.8, -2.3)
    corners = frame.to_lonlat([(-300, -300), (300, -300), (300, 300), (-300, 300)])
    area = StudyArea(
        name="square",
        strata=(Stratum("plain", shapely.Polygon(corners)),),
        exclusions=(),
        launch_sites=(LaunchSite("camp", 34.8, -2.3),),
    )
    return plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            front_overlap=0.2,
            spacing_m=200.0,
            heading_deg=0.0,
            drone="overfly-demo",
            speed_mps=12.0,
        ),
    )


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.toml"
    path.write_text(WORLD, encoding="utf-8")
    return path


def test_it_prints_the_truth_and_each_estimators_score(plan: SurveyPlan, world: Path, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    asked = ["sim", "survey", str(tmp_path / "plan"), "--world", str(world), "--runs", "12", "--processes", "1"]
    result = CliRunner().invoke(main, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["path"] == "fast"
    assert 20 < document["truth"]["zebra"] < 100
    found = document["estimators"]["zebra"]
    assert set(found) >= {"chosen", "t limits", "O2", "card", "not corrected"}
    for one in found.values():
        assert {"bias", "cv", "coverage", "n", "mean_width", "coverage_interval"} <= set(one)
        assert one["surveys"] == 12
    text = CliRunner().invoke(main, asked).stdout
    assert "zebra" in text
    assert "what `overfly count` does unasked" in text


def test_a_workspace_is_as_good_as_a_plan(plan: SurveyPlan, world: Path, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "park", plan.area)
    folder = workspace.start_survey("2026-wet", "2026-01-01T00:00:00+00:00")
    save_plan(plan, folder.plan)
    arguments = [
        "sim",
        "survey",
        str(workspace.root),
        "--world",
        str(world),
        "--runs",
        "2",
        "--processes",
        "1",
        "--json",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["plan"] == str(folder.plan)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "world.toml"], "go with --pixels"),
        (["--pixels", "--redraw"], "the plan's own lines"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    plan: SurveyPlan, world: Path, tmp_path: Path, more: list[str], said: str
) -> None:
    save_plan(plan, tmp_path / "plan")
    given = [str(world) if m == "world.toml" else m for m in more]
    result = CliRunner().invoke(main, ["sim", "survey", str(tmp_path / "plan"), "--world", str(world), *given])
    assert result.exit_code == 2
    assert said in result.output


def test_a_world_of_other_strata_is_refused(plan: SurveyPlan, world: Path, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    world.write_text(WORLD.replace("150", "{ hills = 4 }"), encoding="utf-8")
    result = CliRunner().invoke(main, ["sim", "survey", str(tmp_path / "plan"), "--world", str(world)])
    assert result.exit_code == 1
    assert "names the stratum 'hills'" in result.output


@pytest.mark.slow
def test_with_pictures_the_worlds_are_those_of_the_fast_path(plan: SurveyPlan, tmp_path: Path) -> None:
    recipe = WorldRecipe(
        (Inhabitants("elephant", {"": 200.0}, herd_mean=3.0, herd_spacing_m=7.5),), counting=Counting(15, 10)
    )
    seeds = run_seeds(1, 1)
    (seen,) = run_surveys(WithPictures(plan, recipe, keep=tmp_path), seeds)
    (drawn,) = run_surveys(WithoutPictures(Setting(Flying.of(plan), recipe)), seeds)
    assert seen["elephant"]["chosen"].truth == drawn["elephant"]["chosen"].truth > 0
    assert (tmp_path / f"survey-{seeds[0]}" / "census.gpkg").is_file()
    # Big animals, found well: both count about the same ones in the same strips.
    counted = seen["elephant"]["not corrected"].value
    assert counted == pytest.approx(drawn["elephant"]["not corrected"].value, rel=0.5)
    assert counted > 0
    # The next survey can be planned from what this one found.
    with Census.open(str(tmp_path / f"survey-{seeds[0]}" / "census.gpkg"), read_only=True) as census:
        expected = expected_from_census(census, plan.area)
    (kind,) = expected.world.species
    assert kind.density_in("plain") * 0.36 == pytest.approx(seen["elephant"]["chosen"].value, rel=0.01)
    assert 0.5 < kind.recall <= 1.0
    assert 1.0 < kind.herd_mean < 8.0


def test_who_checks_a_frame_counts_the_animals_whose_own_middle_lies_in_its_zone() -> None:
    def animal(box: tuple[float, float, float, float], middle: tuple[float, float] | None) -> AnimalLabel:
        return AnimalLabel(1, "zebra", "plain", box, 0.4, 34.8, -2.3, middle)

    zone = shapely.box(0, 100, 800, 500)
    animals = (
        animal((10, 200, 30, 210), (20.0, 205.0)),
        animal((0, 300, 8, 310), (-3.0, 305.0)),  # more than half of it is beyond the side
        animal((0, 400, 12, 410), (2.0, 405.0)),
        animal((10, 90, 30, 104), (20.0, 97.0)),  # the next frame's
        animal((40, 200, 60, 210), None),  # of a truth file that does not tell: the box has to do
    )
    truths = {"sortie-01/a.jpg": FrameTruth("a.jpg", "", 0.0, animals)}
    frame = FrameToCheck(7, Path("images/sortie-01/a.jpg"), "", zone)
    assert checked_by(truths)([frame]) == {7: {"zebra": 3}}


def test_pictures_need_a_body_and_show_every_animal(plan: SurveyPlan) -> None:
    with pytest.raises(DesignError, match="no picture shows a lion"):
        WithPictures(plan, WorldRecipe((Inhabitants("lion", {"": 1.0}),)))
    with pytest.raises(DesignError, match="pictures show every zebra"):
        WithPictures(plan, WorldRecipe((Inhabitants("zebra", {"": 1.0}, availability={"": 0.5}),)))
