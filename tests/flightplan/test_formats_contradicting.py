"""Mission files that say two things at once, or what a later version means: refused, or read as what they say."""

import importlib.util
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flightplan.formats import read_mission, write_mission
from flightplan.mission import Mission, MissionItem

_spec = importlib.util.spec_from_file_location("hostile_missions", Path(__file__).with_name("hostile_missions.py"))
hostile_missions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile_missions)
good, outcome = hostile_missions.good, hostile_missions.outcome


# What two programs would read differently -----------------------------------------------------------------------------


def changed_plan(good: dict[str, bytes], change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(good[".plan"])
    change(document)
    return json.dumps(document).encode()


def test_a_height_said_in_two_ways_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    """QGroundControl flies `Altitude`, MAVSDK parameter 7."""

    def higher(document: dict[str, Any]) -> None:
        document["mission"]["items"][2]["Altitude"] = 120

    found = outcome(changed_plan(good, higher), tmp_path / "x.plan")
    assert isinstance(found, str)
    assert "mission.items[2]: Altitude is 120, and parameter 7 is 80" in found

    def calculated(document: dict[str, Any]) -> None:
        # Above terrain that the ground station looked up: parameter 7 is above sea level then.
        document["mission"]["items"][2] |= {"Altitude": 80, "AltitudeMode": 3, "AMSLAltAboveTerrain": 1600, "frame": 0}
        document["mission"]["items"][2]["params"][6] = 1600

    read = outcome(changed_plan(good, calculated), tmp_path / "y.plan")
    assert isinstance(read, Mission)
    assert (read.items[2].altitude_m, read.items[2].frame) == (1600.0, 0)


def test_a_jump_goes_to_the_item_of_that_number(good: dict[str, bytes], tmp_path: Path) -> None:
    def renumbered(document: dict[str, Any]) -> None:
        items = document["mission"]["items"]
        for n, item in enumerate(items):
            item["doJumpId"] = 10 * (n + 1)
        items.append({"type": "SimpleItem", "command": 177, "frame": 2, "autoContinue": True, "doJumpId": 999})
        items[-1]["params"] = [30, 2, 0, 0, 0, 0, 0]

    read = outcome(changed_plan(good, renumbered), tmp_path / "x.plan")
    assert isinstance(read, Mission)
    assert read.items[-1].params[:2] == (3.0, 2.0)

    def nowhere(document: dict[str, Any]) -> None:
        renumbered(document)
        document["mission"]["items"][-1]["params"][0] = 35

    found = outcome(changed_plan(good, nowhere), tmp_path / "y.plan")
    assert isinstance(found, str)
    assert "a jump to item 35, which is not there" in found


@pytest.mark.parametrize("kind", [".geojson", ".kml"])
def test_a_point_or_path_moved_in_a_drawing_is_not_passed_over(
    good: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    text = good[kind].decode()
    if kind == ".geojson":
        point, path = (
            r'"role": "item".*?"Point",\s*"coordinates":\s*\[\s*34\.83',
            r'"LineString",[\s"a-z:]*\[\s*\[\s*34\.83',
        )
    else:
        point, path = r"<coordinates>34\.83,-2\.33,60<", r"<coordinates>34\.83,-2\.33,60 "
    for place, reason in [(point, "its point is not where"), (path, "the path is not the one")]:
        spot = re.search(place, text, re.DOTALL)
        assert spot is not None
        at = spot.end() - spot[0][::-1].index("38.43") - 5
        moved = text[:at] + "34.84" + text[at + 5 :]
        found = outcome(moved.encode(), tmp_path / f"moved{kind}")
        assert isinstance(found, str)
        assert reason in found


def test_nan_stays_what_it_is(tmp_path: Path) -> None:
    """A parameter that is to be left as it is: null in JSON, NaN in lines."""
    item = MissionItem(16, 3, (0.0, math.nan, 0.0, math.nan), 34.8, -2.3, 80.0)
    for suffix in (".plan", ".waypoints", ".kml", ".geojson"):
        (read,) = read_mission(write_mission(Mission((item,)), tmp_path / f"nan{suffix}")).items
        assert repr(read.params) == "(0.0, nan, 0.0, nan)"


@pytest.mark.parametrize("kind", [".geojson", ".kml"])
def test_a_later_version_of_our_own_is_refused(good: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    old, new = (
        (b'"version": 1,', b'"version": 2,') if kind == ".geojson" else (b"<value>1</value>", b"<value>2</value>")
    )
    found = outcome(good[kind].replace(old, new, 1), tmp_path / f"later{kind}")
    assert isinstance(found, str)
    assert "version 2 of overfly's missions" in found


@pytest.mark.parametrize("kind", [".plan", ".geojson", ".kml"])
def test_half_a_character_in_a_name_is_refused(good: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    """JSON can say one by its number, and no file can be written with it."""
    text = good[kind].decode()
    name = re.search(r'"Wald-0 [^"]*"', text)
    assert name is not None
    found = outcome(text.replace(name[0], r'"Wald \ud800"').encode(), tmp_path / f"half{kind}")
    assert isinstance(found, str)
    assert "not text" in found
