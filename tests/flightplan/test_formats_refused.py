"""Mission files that cannot be: refused in words, with the place named."""

import importlib.util
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from flightplan.commands.convert import convert_command
from flightplan.errors import MissionFormatError, OverflyError, UnreadableFileError
from flightplan.formats import (
    read_mission,
    write_formats,
    write_mission,
)
from flightplan.mission import Frame, Mission, MissionItem

_spec = importlib.util.spec_from_file_location("mission_samples", Path(__file__).with_name("mission_samples.py"))
mission_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mission_samples)
SURVEY, quiet = mission_samples.SURVEY, mission_samples.quiet


# Hostile and broken files --------------------------------------------------------------------------------------------

WPL = "QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t-2.33\t34.83\t1500\t1\n1\t0\t3\t16\t0\t0\t0\t0\t-2.34\t34.84\t80\t1\n"


def _plan(**changes: object) -> str:
    plan = {
        "fileType": "Plan",
        "version": 1,
        "groundStation": "x",
        "mission": {
            "version": 2,
            "cruiseSpeed": 15,
            "hoverSpeed": 5,
            "firmwareType": 3,
            "vehicleType": 2,
            "plannedHomePosition": [-2.33, 34.83, 1500],
            "items": [
                {
                    "type": "SimpleItem",
                    "autoContinue": True,
                    "command": 16,
                    "frame": 3,
                    "doJumpId": 1,
                    "params": [0, 0, 0, None, -2.34, 34.84, 80],
                }
            ],
        },
        "geoFence": {"version": 2, "polygons": [], "circles": []},
        "rallyPoints": {"version": 2, "points": []},
    }
    for dotted, value in changes.items():
        at = plan
        *path, last = dotted.split("__")
        for key in path:
            at = at[int(key)] if key.isdigit() else at[key]
        at[int(last) if last.isdigit() else last] = value
    return json.dumps(plan)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no mission file"),
        ("hello\n", "no mission file"),
        ("QGC WPL 120\n", "first line"),
        ("QGC WPL 110\n", "no items"),
        (WPL.replace("80\t1", "80"), "line 3: 11 values instead of 12"),
        (WPL.replace("-2.34", "-92.34"), r"line 3: the latitude is -92.34, not within -90 and 90"),
        (WPL.replace("34.84", "nan"), "line 3: the longitude is nan"),
        (WPL.replace("34.84", "abc"), "line 3: parameter 6 is 'abc', not a number"),
        (WPL.replace("80\t1", "inf\t1"), "line 3: parameter 7 is inf"),
        (WPL.replace("80\t1", "1e300\t1"), "line 3: parameter 7 is 1e"),
        (WPL.replace("80\t1", "70000\t1"), "line 3: the altitude is 70000"),
        (WPL.replace("\n1\t", "\n7\t"), "line 3: item 7 where item 1 should be"),
        (WPL.replace("3\t16", "3\t-16"), "line 3: the command is -16"),
        (WPL.replace("3\t16", "3\t1.5"), "line 3: the command is 1.5, not a whole number"),
        ("QGC WPL 110\n0 0 0 5001 9 0 0 0 1 1 0 1\n1 0 0 5001 9 0 0 0 1 2 0 1\n", "9 corners that are not all there"),
        ("RALLY 1 2 3\n", "line 1: not a line of seven values"),
        ("1.0 2.0\n1.0 2.0 3.0\n", "line 2: 3 values"),
        ("1.0 2.0\n1.0 2.0\n1.1 2.0\n", "three corners"),
        ("{", "not JSON"),
        ("[" * 100_000, "no mission file"),
        ('{"a":' * 100_000, "not JSON"),
        ('{"fileType": "Plan", "version": NaN}', "NaN is not JSON"),
        ('{"fileType": "Plan", "version": ' + "9" * 5000 + "}", "not JSON"),
        ('{"fileType": "Mission"}', "not 'Plan'"),
        (_plan(version=True), "version True"),
        (_plan(mission=None), "the mission is missing"),
        (_plan(mission__version=3), "version 3"),
        (_plan(mission__items={}), "items is {}, not a list"),
        (_plan(mission__items__0=5), r"items\[0\]: the item is 5, not an object"),
        (_plan(mission__items__0__type="Magic"), r"items\[0\]: type is 'Magic'"),
        (_plan(mission__items__0__command="sixteen"), r"items\[0\]: the command is 'sixteen'"),
        (_plan(mission__items__0__command=10**400), r"items\[0\]: the command is far too large"),
        (_plan(mission__items__0__params=[0] * 6), r"items\[0\]: 6 parameters instead of 7"),
        (_plan(mission__items__0__params__4=91), r"items\[0\]: the latitude is 91"),
        (_plan(mission__items__0__params__6=None), r"items\[0\]: the altitude is nan"),
        (_plan(mission__items__0__autoContinue="yes"), "autoContinue is 'yes'"),
        (
            _plan(mission__items__0={"type": "ComplexItem", "complexItemType": "fwLandingPattern"}),
            r"items\[0\]: a 'fwLandingPattern' pattern does not hold its items",
        ),
        (_plan(mission__plannedHomePosition=[1, 2]), "2 values instead of latitude, longitude and altitude"),
        (_plan(mission__plannedHomePosition=[-2.3, 234.0, 0]), "plannedHomePosition: the longitude is 234"),
        (_plan(mission__hoverSpeed=-4), "hoverSpeed is -4"),
        (_plan(geoFence__version=9), "the fence has version 9"),
        (
            _plan(geoFence__polygons=[{"inclusion": True, "polygon": [[1, 1], [1, 2]]}]),
            r"polygons\[0\]: a fence polygon",
        ),
        (_plan(geoFence__polygons=[{"inclusion": 1, "polygon": []}]), r"polygons\[0\]: inclusion is 1"),
        (_plan(geoFence__circles=[{"inclusion": True}]), r"circles\[0\]: circle is missing"),
        (_plan(rallyPoints__points=[[1, 2]]), r"points\[0\]: 2 values"),
        ('{"type": "FeatureCollection", "features": []}', "not a mission written by overfly"),
        ("<kml", "not XML"),
        ('<!DOCTYPE k [<!ENTITY a "b">]><kml>&a;</kml>', "entities or a document type"),
        ('<kml xmlns="http://www.opengis.net/kml/2.2"><Document/></kml>', "not a mission written by overfly"),
        ("latitude,longitude,altitude(m)\n", "no waypoints"),
        ("latitude,longitude,altitude(m)\n1,2,\n", "line 2: the altitude is ''"),
        ("latitude,longitude,altitude(m),actiontype1\n1,2,30,2\n", "line 2: action 2"),
        ("latitude,longitude,altitude(m),photo_timeinterval\n1,2,30,3\n", "line 2: pictures by time"),
    ],
)
def test_a_file_that_does_not_say_what_to_fly_is_refused_with_the_place(tmp_path, content, message):
    path = tmp_path / "mission"
    path.write_text(content)
    with pytest.raises(MissionFormatError, match=message) as caught:
        read_mission(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", ["NaN", "1e999", "-500", "abc", ""])
def test_a_broken_number_in_a_kmz_is_refused_with_the_placemark(tmp_path, value):
    good = write_mission(SURVEY, tmp_path / "good.kmz")
    with zipfile.ZipFile(good) as archive:
        text = archive.read("wpmz/waylines.wpml").decode()
    broken = text.replace(
        "<wpml:waypointSpeed>12</wpml:waypointSpeed>", f"<wpml:waypointSpeed>{value}x</wpml:waypointSpeed>"
    )
    assert broken != text
    path = tmp_path / "broken.kmz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wpmz/waylines.wpml", broken)
    with pytest.raises(MissionFormatError, match=r"placemark 0: waypointSpeed is"):
        read_mission(path)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "bomb.kmz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wpmz/waylines.wpml", b" " * 60_000_000)
    assert path.stat().st_size < 200_000
    with pytest.raises(MissionFormatError, match="unpacks to far more"):
        read_mission(path)


def test_an_archive_of_too_many_files_is_refused(tmp_path):
    path = tmp_path / "many.kmz"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(1500):
            archive.writestr(f"{n}.txt", b"")
    with pytest.raises(MissionFormatError, match="far too many files"):
        read_mission(path)


def test_a_damaged_archive_is_refused(tmp_path):
    path = write_mission(SURVEY, tmp_path / "good.kmz")
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(bytes(data))
    with pytest.raises(MissionFormatError, match="damaged archive"):
        read_mission(path)


def test_a_missing_file_a_folder_and_a_huge_file_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_mission(tmp_path / "nothing.plan")
    with pytest.raises(UnreadableFileError, match="a folder"):
        read_mission(tmp_path)
    huge = tmp_path / "huge.plan"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(UnreadableFileError, match="too large"):
        read_mission(huge)


@quiet
@given(data=st.binary(max_size=400))
def test_bytes_of_any_kind_are_refused_in_words(tmp_path, data):
    path = tmp_path / "noise"
    path.write_bytes(data)
    with pytest.raises(OverflyError):
        read_mission(path)


@quiet
@given(data=st.data(), suffix=st.sampled_from([".plan", ".waypoints", ".kml", ".csv", ".geojson", ".kmz"]))
def test_a_damaged_mission_is_read_or_refused_in_words(tmp_path, data, suffix):
    content = bytearray(write_mission(SURVEY, tmp_path / f"good{suffix}").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(bytes(content))
    try:
        told = read_mission(path)
    except OverflyError as error:
        told = str(error)
    assert isinstance(told, Mission) or str(path) in told


@pytest.mark.parametrize("suffix", ["", ".txt", ".mission"])
def test_an_unknown_suffix_is_not_written(tmp_path, suffix):
    with pytest.raises(MissionFormatError, match="no known kind"):
        write_mission(SURVEY, tmp_path / f"x{suffix}")


def test_heights_above_sea_level_are_not_passed_off_as_heights_above_take_off(tmp_path):
    mission = Mission(items=(MissionItem(16, Frame.GLOBAL, (0.0,) * 4, 34.8, -2.3, 1600.0),))
    for suffix in (".kmz", ".csv"):
        with pytest.raises(MissionFormatError, match="above take-off"):
            write_mission(mission, tmp_path / f"x{suffix}")
    assert set(write_formats(mission, tmp_path / "y")) == {"plan", "waypoints", "kml", "geojson"}


def test_convert_refuses_a_broken_file_with_one_sentence(tmp_path):
    source = tmp_path / "bad.plan"
    source.write_text(_plan(mission__items__0__params__4=91))
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.kml")])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {source}, mission.items[0]: the latitude is 91")
    assert not (tmp_path / "out.kml").exists()
