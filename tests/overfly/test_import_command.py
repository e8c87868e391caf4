"""`overfly import census` and `overfly doctor CENSUS` as a team would use them."""

import json
import shutil
import sqlite3

from click.testing import CliRunner
from shapely.geometry import box

from counts import store
from counts.census import Census
from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from overfly.cli import main


def run(*arguments: object) -> tuple[int, dict]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def two_copies(folder):
    area = StudyArea("park", (Stratum("park", box(34.80, -2.34, 34.81, -2.33)),))
    request = PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=300.0)
    plan = plan_survey(area, request)
    with Census.open(folder / "ours.gpkg") as census, census.writing() as session:
        store.add_survey(session, plan, name="2026-wet")
    shutil.copy(folder / "ours.gpkg", folder / "theirs.gpkg")
    for name, note in (("ours.gpkg", "windy"), ("theirs.gpkg", "calm")):
        with Census.open(folder / name) as census, census.writing() as session:
            store.record_flight(session, 1, plan.sorties[0].identifier, note=note)
            store.add_import(session, 1, f"cards of {name}", found=1, added=1)
    return folder / "ours.gpkg", folder / "theirs.gpkg"


def test_two_teams_censuses_become_one_and_what_they_disagree_on_is_named(tmp_path):
    ours, theirs = two_copies(tmp_path)
    code, document = run("import", "census", theirs, ours)
    assert code == 3
    assert document["added"] == {"imports": 1}
    (conflict,) = document["conflicts"]
    assert (conflict["field"], conflict["ours"], conflict["theirs"]) == ("note", "windy", "calm")
    assert run("import", "census", theirs, ours)[1]["added"] == {}


def test_the_doctor_says_whether_a_census_is_as_it_was_written(tmp_path):
    ours, _ = two_copies(tmp_path)
    code, document = run("doctor", ours)
    assert code == 0
    assert {"name": "audit", "verdict": "pass"}.items() <= document["checks"][-1].items()
    with sqlite3.connect(ours) as database:
        database.execute("UPDATE transects SET strip_area_m2 = 1 WHERE fid = 1")
    database.close()
    code, document = run("doctor", ours)
    assert code == 1
    assert "transects" in document["checks"][-1]["seen"]
    assert document["checks"][-1]["verdict"] == "fail"


def test_the_doctor_says_when_there_is_no_census(tmp_path):
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "none.gpkg")])
    assert result.exit_code == 1
    assert "there is no census here" in result.stderr
