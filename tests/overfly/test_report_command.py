"""`overfly report`: what the plan warned of stands in the report."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner, Result

from counts.census import Census
from counts.store import add_survey
from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.frames import LocalFrame
from flightplan.plan_files import load_plan, save_plan
from overfly.cli import main

FRAME = LocalFrame(34.83, -2.33)
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call overfly in a new workspace with a survey planned too low over zebra, by force."""
    land = Stratum("all", FRAME.delocalise(shapely.box(-800, -500, 800, 500)))
    write_area(StudyArea("Olare", (land,)), tmp_path / "olare.geojson")

    def call(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == 0, result.stderr
        return result

    call("init", tmp_path / "olare.geojson", tmp_path / "olare")
    monkeypatch.chdir(tmp_path / "olare")
    flying = ("--camera", "overfly-demo", "--height", 50, "--spacing", 300)
    call("plan", "--survey", "wet", *flying, "--species", "zebra", "--species", "impala", "--force-height")
    with Census.open("census.gpkg") as census, census.writing() as session:
        add_survey(session, load_plan(Path("wet/plan")), name="wet")
    return call


def test_the_report_says_that_a_height_was_forced_and_what_else_the_plan_warned_of(run: Run) -> None:
    run("report")
    page = Path("wet/report/report.html").read_text(encoding="utf-8")
    assert "50 m above ground is below the 60 m that zebra needs, forced" in page
    assert "is below the 60 m that impala needs, forced" in page
    for warning in load_plan(Path("wet/plan")).warnings:
        assert warning.split(" (")[0].split("'")[0][:60] in page
    assert 'species = ["zebra", "impala"]' in Path("wet/survey.toml").read_text(encoding="utf-8")


def test_a_census_named_without_its_workspace_takes_the_plan_that_is_named(run: Run, tmp_path: Path) -> None:
    run("report", "census.gpkg", "--survey", "wet", "--out", tmp_path / "without.html")
    assert "forced" not in (tmp_path / "without.html").read_text(encoding="utf-8")
    run("report", "census.gpkg", "--survey", "wet", "--plan", "wet/plan", "--out", tmp_path / "with.html")
    assert "that zebra needs, forced" in (tmp_path / "with.html").read_text(encoding="utf-8")


def test_another_survey_s_plan_is_not_quoted(run: Run, tmp_path: Path) -> None:
    plan = load_plan(Path("wet/plan"))
    save_plan(replace(plan, design=replace(plan.design, seed=99)), tmp_path / "other")
    run("report", "--plan", tmp_path / "other", "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not the one that this survey was brought in with" in page
    assert "forced" not in page


def test_a_report_is_a_page_a_pdf_or_both_in_the_language_asked_for_with_its_data_beside_it(run: Run) -> None:
    both = json.loads(run("report", "--language", "fr", "--pdf", "--json").stdout)
    assert [Path(p).name for p in both["reports"]] == ["report.html", "report.pdf"]
    assert '<html lang="fr">' in Path(both["report"]).read_text(encoding="utf-8")
    assert Path(both["reports"][1]).read_bytes().startswith(b"%PDF-")
    assert {Path(p).parent for p in both["files"]} == {Path(both["report"]).with_name("report-files")}
    wall = json.loads(run("report", "--field", "--out", "wall.pdf", "--no-figures", "--json").stdout)
    assert (wall["reports"], wall["files"]) == (["wall.pdf"], [])
    run("report", "--out", "x.html", "--figures", "elsewhere")
    assert (Path("elsewhere") / "flights.csv").is_file()


def test_a_language_or_a_kind_of_sign_that_is_none_is_wrong_usage_or_refused(run: Run) -> None:
    assert CliRunner().invoke(main, ["report", "--language", "xx"]).exit_code == 2
    refused = CliRunner().invoke(main, ["report", "--signs", "snare=wire"])
    assert refused.exit_code == 1
    assert "carcass, people, vehicle, fire" in refused.stderr
