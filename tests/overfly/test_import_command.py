"""`overfly import census` and `overfly doctor CENSUS` as a team would use them."""

import json
import shutil
import sqlite3
from contextlib import closing

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
    with closing(sqlite3.connect(ours)) as database, database:
        database.execute("UPDATE imports SET found = 99 WHERE fid = 1")
    database.close()
    code, document = run("doctor", ours)
    assert code == 1
    assert "imports" in document["checks"][-1]["seen"]
    assert document["checks"][-1]["verdict"] == "fail"


def test_the_doctor_says_when_there_is_no_census(tmp_path):
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "none.gpkg")])
    assert result.exit_code == 1
    assert "there is no census here" in result.stderr


def empty_census(folder):
    path = folder / "census.gpkg"
    Census.open(path).close()
    return path


def test_collars_come_in_and_say_how_fast_their_animals_go(tmp_path):
    census = empty_census(tmp_path)
    header = "timestamp,location-long,location-lat,individual-local-identifier,individual-taxon-canonical-name\n"
    rows = "".join(
        f"2026-02-14 06:{10 * i:02d}:00.000,{34.8 + i * 1e-3},0.0,Tim,Loxodonta africana\n" for i in range(4)
    )
    (tmp_path / "collars.csv").write_text(header + rows + "2026-02-14 07:00:00.000,,,Tim,\n")
    code, document = run("import", "movebank", tmp_path / "collars.csv", census)
    assert code == 3
    assert document["added"] == {"fixes": 4}
    assert document["skipped"] == [{"item": "row 6", "reason": "it has no place"}]
    (speeds,) = document["speeds"]
    # A thousandth of a degree along the equator, 111.32 m, in ten minutes.
    assert speeds["quantiles_mps"]["0.5"] == 0.186
    code, document = run("import", "movebank", tmp_path / "collars.csv", census)
    assert (code, document["added"]) == (0, {})
    assert document["known_since"] is not None


def test_sightings_of_others_are_resolved_by_the_checklist_that_came_before(tmp_path):
    census = empty_census(tmp_path)
    (tmp_path / "species.csv").write_text("scientificName,vernacularName\nEquus quagga,zebra\n")
    (tmp_path / "rangers.csv").write_text("Tier,x,y\nzebra,34.8,-2.3\nunicorn,34.8,-2.3\n")
    assert run("import", "checklist", tmp_path / "species.csv", census)[1]["added"] == {"species": 1}
    code, document = run("import", "sightings", tmp_path / "rangers.csv", census, "--column", "species=Tier")
    assert code == 0
    assert document["added"] == {"sightings": 2}
    assert document["unresolved"] == [{"name": "unicorn", "reason": "the census' checklist does not have it"}]


def test_what_cannot_be_imported_is_said_in_a_sentence(tmp_path):
    census = empty_census(tmp_path)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    cases = [
        (["movebank", tmp_path / "x.csv"], 1, "not a Movebank table"),
        (["sightings", tmp_path / "x.csv"], 1, "there is no column for"),
        (["sightings", tmp_path / "x.csv", "--column", "species"], 2, "FIELD=COLUMN"),
        (["smart", tmp_path / "x.csv", "--zone", "Mars/Olympus"], 1, "no time zone"),
        (["camtrapdp", tmp_path / "none"], 1, "there is no such file"),
        (["shapefile", tmp_path / "x.csv"], 2, "Invalid value"),
    ]
    for words, code, sentence in cases:
        result = CliRunner().invoke(main, ["import", *map(str, words[:2]), str(census), *map(str, words[2:])])
        assert result.exit_code == code, words
        assert sentence in result.stderr
