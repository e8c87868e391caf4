"""`overfly convert`: from one ground station's format to another, with what is lost said."""

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flightplan.commands.convert import convert_command
from flightplan.errors import MissionFormatError
from flightplan.formats import (
    cannot_be_written,
    read_mission,
    read_mission_and_rest,
    write_formats,
    write_mission,
)
from flightplan.mission import Mission

_spec = importlib.util.spec_from_file_location("mission_samples", Path(__file__).with_name("mission_samples.py"))
mission_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mission_samples)
SURVEY, waypoint = mission_samples.SURVEY, mission_samples.waypoint


# The command ---------------------------------------------------------------------------------------------------------


def test_convert_writes_the_file_and_says_what_is_lost(tmp_path):
    source = write_mission(SURVEY, tmp_path / "survey.plan")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.kmz"), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["items"] == len(SURVEY.items)
    assert "the fence" in document["lost"]
    assert "Not carried by DJI WPML: the fence" in result.stderr
    assert (tmp_path / "out.kmz").exists()


def test_convert_to_waypoints_keeps_fence_and_rally_points_beside_it(tmp_path):
    source = write_mission(SURVEY, tmp_path / "survey.plan")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.waypoints"), "--json"])
    files = json.loads(result.stdout)["files"]
    assert read_mission(files["fence"]).fence == SURVEY.fence
    assert read_mission(files["rally"]).rally == SURVEY.rally


def test_convert_never_replaces_a_file_unasked(tmp_path):
    source = write_mission(SURVEY, tmp_path / "survey.plan")
    target = tmp_path / "out.kml"
    target.write_text("mine")
    result = CliRunner().invoke(convert_command, [str(source), str(target)])
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert target.read_text() == "mine"
    assert CliRunner().invoke(convert_command, [str(source), str(target), "--overwrite"]).exit_code == 0
    assert read_mission(target) == SURVEY


def test_convert_never_replaces_a_fence_beside_the_mission_unasked(tmp_path):
    source = write_mission(SURVEY, tmp_path / "survey.plan")
    (tmp_path / "out.fence.waypoints").write_text("mine")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.waypoints")])
    assert result.exit_code == 1
    assert "out.fence.waypoints: exists already" in result.stderr
    assert not (tmp_path / "out.waypoints").exists()


def test_convert_says_what_an_autopilot_has_no_room_for(tmp_path):
    items = tuple(waypoint(34.8 + n * 1e-4, -2.3) for n in range(641))
    source = write_mission(Mission(items), tmp_path / "long.plan")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.waypoints"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["too_long"] == [
        "641 items, and ArduPilot holds 640",
        "641 items, and PX4 holds 500",
    ]
    assert "Warning: 641 items, and ArduPilot holds 640" in result.stderr


def test_formats_that_cannot_say_a_mission_are_named_with_the_reason(tmp_path):
    items = tuple(waypoint(34.8 + n * 1e-4, -2.3) for n in range(100))
    assert cannot_be_written(SURVEY) == {}
    assert list(cannot_be_written(Mission(items))) == [".csv"]
    assert "Litchi sends 99 at once" in cannot_be_written(Mission(items))[".csv"]
    assert set(write_formats(Mission(items), tmp_path / "x")) == {"plan", "waypoints", "kmz", "kml", "geojson"}


def test_convert_says_what_it_cannot_read(shared_data: Path, tmp_path):
    source = shared_data / "missions" / "waygen.kmz"
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.plan"), "--json"])
    assert json.loads(result.stdout)["unread"] == ["headings at waypoints (the nose points along the way)"]
    assert "Not read from waygen.kmz: headings at waypoints" in result.stderr
    assert read_mission_and_rest(write_mission(SURVEY, tmp_path / "own.kmz"))[1] == ()
    assert read_mission_and_rest(write_mission(SURVEY, tmp_path / "own.csv"))[1] == ()


def test_what_litchi_flies_by_settings_that_are_not_in_its_file_is_named(tmp_path):
    path = tmp_path / "litchi.csv"
    header = "latitude,longitude,altitude(m),heading(deg),curvesize(m),gimbalmode,poi_latitude\n"
    path.write_text(header + "1,2,30,90,0,0,0\n1,3,30,0,5,0,1.5\n")
    mission, unread = read_mission_and_rest(path)
    assert [i.command for i in mission.items] == [16, 16]
    assert unread == (
        "headings at waypoints (Litchi's heading mode Custom)",
        "curved turns (Litchi's path mode Curved)",
        "points of interest",
    )
    path.write_text(header + "1,2,30,0,0,1,1\n")
    with pytest.raises(MissionFormatError, match="line 2: a gimbal aimed at a point of interest"):
        read_mission(path)
