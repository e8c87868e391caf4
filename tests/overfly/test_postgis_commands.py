"""A census in PostgreSQL: every verb takes its URL, and says what it says of a file."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from click.testing import CliRunner

from counts import store
from counts.address import shown_address
from counts.census import Census
from detect.captures import Capture
from detect.detections import Detections
from flightplan.camera import Camera
from overfly.cli import main

LABELS = ("rhino", "hare")


@pytest.fixture(scope="module")
def both(tmp_path_factory, make_database) -> tuple[str, str]:
    """The same pictures and detections in a file and in a database."""
    places = (str(tmp_path_factory.mktemp("census") / "census.gpkg"), make_database())
    for place in places:
        fill(place)
    return places


def fill(place):
    camera = Camera("demo", 800, 600, 666.7)
    captures = [
        Capture(
            Path(f"images/{i}.jpg"), hashlib.sha256(bytes([i])).hexdigest(), 800, 600,
            time_utc=datetime(2026, 2, 1, 6, i, tzinfo=UTC), longitude_deg=34.0 + i * 0.01, latitude_deg=-2.0,
            altitude_takeoff_m=80.0, yaw_deg=0.0, pitch_deg=-90.0, roll_deg=0.0, camera=camera,
        )
        for i in range(3)
    ]  # fmt: skip
    with Census.open(place) as census, census.writing() as session:
        survey = store.add_survey(session, name="beach")
        keys = store.add_captures(session, survey, [store.CaptureEntry(c) for c in captures]).added
        detector = store.DetectorInfo("ab" * 32, "demo", "detect", LABELS)
        run = store.open_detection_run(session, survey, detector, threshold=0.3, parameters={})
        boxes = np.array([[10.0, 10, 20, 20], [400, 400, 420, 420]])
        found = Detections(boxes, np.array([0.9, 0.8]), np.arange(2), LABELS, "ab" * 32)
        none = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64), LABELS, "ab" * 32)
        store.add_detections(session, run, {keys[0]: found, keys[1]: found, keys[2]: none})


def run(*words):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr or result.exception
    return result.stdout


def test_a_census_in_a_database_is_counted_as_one_in_a_file_is(both):
    said = [json.loads(run("count", place, "--json")) for place in both]
    for document, place in zip(said, both, strict=True):
        assert document.pop("census") == place
        assert document["individuals"] == 4
    assert said[0] == said[1]


def test_a_census_in_a_database_is_handed_on_as_a_geopackage(both, tmp_path):
    tables = []
    for number, place in enumerate(both):
        run("count", place)
        out = tmp_path / f"{number}.gpkg"
        run("export", "geopackage", place, "--out", out, "--layer", "individuals")
        meta, _, geometry, fields = pyogrio.raw.read(out, layer="individuals")
        tables.append((shapely.get_coordinates(shapely.from_wkb(geometry)).tolist(), [f.tolist() for f in fields]))
        assert meta["crs"] == "EPSG:4326"
    assert len(tables[0][0]) == 4
    assert tables[0] == tables[1]


def test_a_census_in_a_database_has_its_report_and_its_audit(both, tmp_path):
    run("count", both[1])
    run("report", both[1], "--out", tmp_path / "report.html")
    assert "beach" in (tmp_path / "report.html").read_text()
    result = CliRunner().invoke(main, ["doctor", both[1], "--json"])
    audit = [c for c in json.loads(result.stdout)["checks"] if c["name"] == "audit"]
    assert [c["verdict"] for c in audit] == ["pass"]


def test_a_server_that_is_not_there_is_one_clear_error(tmp_path):
    url = f"postgresql://overfly@/park?host={tmp_path}&connect_timeout=2"
    result = CliRunner().invoke(main, ["count", url])
    assert result.exit_code == 1
    assert "cannot be opened" in result.stderr


def test_a_database_without_a_census_is_not_made_into_one_by_counting(make_database):
    url = make_database()
    result = CliRunner().invoke(main, ["count", url])
    assert result.exit_code == 1
    assert "there is no census here" in result.stderr


@pytest.mark.parametrize(
    ("url", "says"), [("mysql://u@h/d", "kind of database|not installed"), ("postgresql://:::/x", "no address")]
)
def test_another_kind_of_database_is_refused(url, says):
    result = CliRunner().invoke(main, ["count", url])
    assert result.exit_code == 1
    assert re.search(says, result.stderr)


def test_a_password_is_never_printed(tmp_path):
    url = f"postgresql://overfly:hunter2@/park?host={tmp_path}&connect_timeout=2"
    result = CliRunner().invoke(main, ["count", url, "--json"])
    assert result.exit_code == 1
    assert "hunter2" not in result.output + result.stderr
    assert "hunter2" not in shown_address(url)
