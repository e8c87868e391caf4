"""`overfly transects` makes the plan of flights that somebody else planned, from their pictures."""

import json
from pathlib import Path
from typing import Any

import pytest
import shapely
from click.testing import CliRunner
from shapely.geometry import mapping

from detect.captures import read_capture
from flightplan.plan_files import load_plan
from overfly.cli import main


def run(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout) if code == 0 else {"said": result.output}
    return document


@pytest.fixture
def brighton(shared_data: Path) -> Path:
    return shared_data / "imagery/brighton_dji"


@pytest.fixture
def area(brighton: Path, tmp_path: Path) -> Path:
    captures = [read_capture(path) for path in sorted(brighton.glob("*.JPG"))]
    beach = shapely.MultiPoint([(c.longitude_deg, c.latitude_deg) for c in captures]).convex_hull.buffer(1e-4)
    path = tmp_path / "beach.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {"name": "beach"}, "geometry": mapping(beach)}))
    return path


def test_three_lines_over_a_beach_are_found_and_counted_along(area: Path, brighton: Path, tmp_path: Path) -> None:
    run("init", area, tmp_path / "park")
    said = run("transects", brighton, "--survey", "2019", "--workspace", tmp_path / "park")
    assert said["kind"] == "full"
    assert said["camera"] == "DJI FC300S"
    assert said["altitude_agl_m"] == pytest.approx(40.0, abs=0.2)
    (beach,) = said["strata"]
    assert beach["transects"] == 3
    assert beach["spacing_m"] == pytest.approx(25, abs=2)
    assert any("whether the first was placed at random" in warning for warning in said["warnings"])
    plan = load_plan(tmp_path / "park/2019/plan")
    assert plan.sorties == ()
    assert plan.lines.length == pytest.approx(sum(s.length for s in plan.lines.geoms))
    ingested = run("ingest", brighton, "--survey", "2019", "--workspace", tmp_path / "park")
    assert ingested["placed"] == 12
    again = run("transects", brighton, "--survey", "2019", "--workspace", tmp_path / "park", code=1)
    assert "there is a plan already" in again["said"]


def test_there_is_nothing_to_fly_in_lines_of_others(area: Path, brighton: Path, tmp_path: Path) -> None:
    run("transects", brighton, "--area", area, "--out", tmp_path / "plan")
    refused = CliRunner().invoke(main, ["sim", "images", str(tmp_path / "plan"), "--out", str(tmp_path / "images")])
    assert refused.exit_code == 1
    assert "nothing to fly in this plan" in refused.output
    page = (tmp_path / "plan/plan.html").read_text()
    assert "lines as flown" in page
    assert "seed" not in page


def test_the_height_flown_is_taken_where_it_is_said(area: Path, brighton: Path, tmp_path: Path) -> None:
    at_forty = run("transects", brighton, "--area", area, "--out", tmp_path / "a")
    at_eighty = run("transects", brighton, "--area", area, "--out", tmp_path / "b", "--height", 80)
    assert at_eighty["strip_width_m"] == pytest.approx(2 * at_forty["strip_width_m"], rel=0.01)


def test_pictures_that_make_no_line_are_refused_with_another_way(area: Path, shared_data: Path, tmp_path: Path) -> None:
    pelicans = shared_data / "imagery/pelicans_dji"
    said = run("transects", pelicans, "--area", area, "--out", tmp_path / "plan", code=1)["said"]
    assert "no 3 pictures lie on a straight line" in said
    assert "--estimator total" in said
    assert not (tmp_path / "plan").exists()
