"""What DJI and Litchi fly of a mission: each waypoint, what is done there, how the way onwards is flown.

`flown` carries a mission out command by command, as an autopilot does: commands between two waypoints at the first.
"""

import csv
import io
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flightplan.errors import MissionFormatError
from flightplan.formats import SUFFIXES, lost_in, read_mission, write_mission
from flightplan.mission import (
    CAPACITIES,
    Capacity,
    Command,
    FencePolygon,
    Mission,
    MissionItem,
    RallyPoint,
    does_not_fit,
)

quiet = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def waypoint(lon: float, lat: float, stay_s: float = 0.0, height_m: float = 80.0) -> MissionItem:
    return MissionItem(16, 3, (stay_s, 0.0, 0.0, 0.0), lon, lat, height_m)


def command(number: int, *params: float, seventh: float = 0.0, five: float = 0.0) -> MissionItem:
    first = (*params, 0.0, 0.0, 0.0, 0.0)[:4]
    return MissionItem(number, 2, first, altitude_m=seventh, params_5_6=(five, 0.0))


TAKEOFF = MissionItem(22, 3, (0.0,) * 4, 34.83, -2.33, 40.0)
RETURN = MissionItem(20, 2)
PICTURE = command(2000, 0.0, 0.0, 1.0)
OFF = command(206)


def speed(mps: float) -> MissionItem:
    return command(178, 1.0, mps, -1.0)


def trigger(metres: float) -> MissionItem:
    return command(206, metres, 0.0, 1.0)


def tilt(degrees: float) -> MissionItem:
    return command(205, degrees, seventh=2.0)


def flown(mission: Mission) -> dict[str, Any]:
    """The flight as the vehicle makes it."""
    at: list[dict[str, Any]] = []
    now: dict[str, Any] = {"speed": mission.cruise_speed_mps, "interval": 0.0, "pitch": None}
    found: dict[str, Any] = {"takeoff": None, "finish": None}
    for item in mission.items:
        match item.command:
            case 22:
                found["takeoff"] = item.altitude_m
            case 20 | 21:
                found["finish"] = item.command
            case 16:
                if not at:
                    found |= {"first speed": now["speed"]}
                stays = [("stay", item.params[0])] if item.params[0] > 0 else []
                at.append(
                    {
                        "place": (item.longitude_deg, item.latitude_deg, item.altitude_m, item.frame),
                        "pitch": now["pitch"],
                        "done": stays,
                    }
                )
            case 93:
                at[-1]["done"].append(("stay", item.params[0]))
            case 178:
                now["speed"] = item.params[1]
            case 205:
                now["pitch"] = item.params[0]
                if at:
                    at[-1]["done"].append(("tilt", item.params[0]))
            case 206:
                now["interval"] = item.params[0]
            case 203 | 2000:
                at[-1]["done"].append(("picture", 1))
        if at:
            at[-1] |= {"onward speed": now["speed"], "onward interval": now["interval"]}
    if at:
        # Nothing is flown onwards from the last.
        at[-1] |= {"onward speed": None, "onward interval": None}
    return found | {"waypoints": at}


def read_back(mission: Mission, folder: Path, suffix: str) -> Mission:
    return read_mission(write_mission(mission, folder / f"flight{suffix}"))


# A survey with slow lines and fast ways: the first line's speed is said after its first waypoint.
SURVEY = Mission(
    items=(
        TAKEOFF,
        speed(15.0),
        waypoint(34.831, -2.330),
        speed(8.0),
        trigger(50.0),
        waypoint(34.831, -2.340),
        OFF,
        waypoint(34.833, -2.340),
        trigger(50.0),
        waypoint(34.833, -2.330),
        OFF,
        speed(15.0),
        waypoint(34.830, -2.330),
        RETURN,
    ),
    home=(34.83, -2.33),
    cruise_speed_mps=8.0,
)


def test_dji_flies_the_first_line_at_the_speed_of_lines(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_mission(SURVEY, tmp_path / "x.kmz")) as archive:
        root = fromstring(archive.read("wpmz/waylines.wpml"))
    speeds = [float(e.text or "nan") for e in root.iter("{http://www.dji.com/wpmz/1.0.2}waypointSpeed")]
    # From each waypoint to the next: line, way, line, way home.
    assert speeds == [8.0, 8.0, 8.0, 15.0, 15.0]
    (transit,) = (e.text for e in root.iter("{http://www.dji.com/wpmz/1.0.2}globalTransitionalSpeed"))
    assert transit == "15"


def test_litchi_flies_the_first_line_at_the_speed_of_lines(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(write_mission(SURVEY, tmp_path / "x.csv").read_text())))
    assert [row["speed(m/s)"] for row in rows] == ["8", "8", "8", "15", "15"]
    assert [row["photo_distinterval"] for row in rows] == ["50", "-1", "50", "-1", "-1"]


@pytest.mark.parametrize("suffix", [".kmz", ".csv"])
def test_a_survey_is_flown_as_planned(tmp_path: Path, suffix: str) -> None:
    told, was = flown(read_back(SURVEY, tmp_path, suffix)), flown(SURVEY)
    for a, b in zip(told["waypoints"], was["waypoints"], strict=True):
        kept = ("place", "onward speed", "onward interval")
        assert [a[k] for k in kept] == [b[k] for k in kept]
    # Nobody pointed the gimbal: straight down, not at the horizon.
    first, *others = told["waypoints"]
    assert (first["pitch"], first["done"]) in [(-90.0, []), (None, [("tilt", -90.0)])]
    assert {(w["pitch"], len(w["done"])) for w in others} == {(-90.0, 0)}


# Hover and capture ----------------------------------------------------------------------------------------------------

HOVER = Mission(
    items=(
        TAKEOFF,
        speed(6.0),
        *(item for n in range(4) for item in (waypoint(34.831, -2.33 - n * 0.0005, 2.0), PICTURE)),
        waypoint(34.830, -2.330),
        RETURN,
    ),
    home=(34.83, -2.33),
    cruise_speed_mps=6.0,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hovering_for_each_picture_is_carried_by_every_format(tmp_path: Path, suffix: str) -> None:
    read = read_back(HOVER, tmp_path, suffix)
    # Nobody pointed the gimbal, so DJI turns it down first.
    told = [(w["place"], [d for d in w["done"] if d[0] != "tilt"]) for w in flown(read)["waypoints"]]
    assert told == [(w["place"], w["done"]) for w in flown(HOVER)["waypoints"]]
    assert [len(w["done"]) for w in flown(HOVER)["waypoints"]] == [2, 2, 2, 2, 0]
    assert not [phrase for phrase in lost_in(HOVER, suffix) if "picture" in phrase or "stay" in phrase]


def test_the_picture_comes_after_the_stay(tmp_path: Path) -> None:
    row = next(csv.DictReader(io.StringIO(write_mission(HOVER, tmp_path / "x.csv").read_text())))
    assert [(row[f"actiontype{n}"], row[f"actionparam{n}"]) for n in (1, 2, 3)] == [
        ("0", "2000"),
        ("1", "0"),
        ("-1", "0"),
    ]


@pytest.mark.parametrize("suffix", [".kmz", ".csv"])
def test_the_old_command_for_a_picture_is_one_too(tmp_path: Path, suffix: str) -> None:
    old = replace(HOVER, items=tuple(command(203, five=1.0) if i.command == 2000 else i for i in HOVER.items))
    assert (
        flown(read_back(old, tmp_path, suffix))["waypoints"] == flown(read_back(HOVER, tmp_path, suffix))["waypoints"]
    )
    zoom = replace(old, items=(*old.items[:3], command(203, 1.0, 2.0), *old.items[3:]))
    assert "zoom or focus of the camera (command 203)" in lost_in(zoom, suffix)


@pytest.mark.parametrize("suffix", [".kmz", ".csv"])
def test_several_pictures_tilts_and_stays_keep_their_order(tmp_path: Path, suffix: str) -> None:
    items = (waypoint(34.8, -2.3, 1.5), tilt(-45), PICTURE, PICTURE, command(93, 40.0, -1, -1), tilt(-90), PICTURE)
    mission = Mission((speed(9.0), *items, waypoint(34.9, -2.4)), cruise_speed_mps=9.0)
    assert flown(read_back(mission, tmp_path, suffix))["waypoints"] == flown(mission)["waypoints"]


# Fixed wings ----------------------------------------------------------------------------------------------------------

WINGS = Mission(
    items=(
        replace(TAKEOFF, params=(12.0, 0.0, 0.0, 0.0)),
        MissionItem(31, 3, (1.0, 60.0, 0.0, 1.0), 34.832, -2.331, 100.0),
        waypoint(34.831, -2.330),
        trigger(50.0),
        waypoint(34.831, -2.340),
        OFF,
        MissionItem(18, 3, (2.0, 0.0, -60.0, 1.0), 34.833, -2.341, 80.0),
        MissionItem(17, 3, (0.0, 0.0, 75.0, 0.0), 34.834, -2.341, 80.0),
        waypoint(34.836, -2.340),
        MissionItem(189, 2),
        MissionItem(31, 3, (0.0, -60.0, 0.0, 1.0), 34.838, -2.331, 40.0),
        MissionItem(21, 3, (0.0, 0.0, 0.0, math.nan), 34.830, -2.330, 0.0),
    ),
    home=(34.83, -2.33),
    cruise_speed_mps=16.0,
)


@pytest.mark.parametrize("suffix", [".plan", ".waypoints", ".kml", ".geojson"])
def test_a_fixed_wings_loiters_approach_and_landing_come_back_equal(tmp_path: Path, suffix: str) -> None:
    read = read_back(WINGS, tmp_path, suffix).items
    assert [repr(item) for item in read] == [repr(item) for item in WINGS.items]


@pytest.mark.parametrize("suffix", [".kmz", ".csv"])
def test_what_dji_and_litchi_cannot_do_of_a_fixed_wings_flight_is_named(suffix: str) -> None:
    lost = lost_in(WINGS, suffix)
    for phrase in (
        "command 31 (NAV_LOITER_TO_ALT)",
        "command 18 (NAV_LOITER_TURNS)",
        "command 17 (NAV_LOITER_UNLIM)",
        "command 189 (DO_LAND_START)",
        "that it lands elsewhere than at the last waypoint",
        "the pitch at take-off",
    ):
        assert phrase in lost


# Any mission ----------------------------------------------------------------------------------------------------------

degrees = st.integers(-90, 30).map(float)
places = st.tuples(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9), st.floats(-200, 500)).filter(
    lambda p: p[:2] != (0, 0)
)
stays = st.integers(0, 60_000).map(lambda ms: ms / 1000)
carried = st.one_of(
    st.builds(lambda p, s: waypoint(p[0], p[1], s, p[2]), places, stays),
    st.builds(trigger, st.floats(0.5, 500)),
    st.just(OFF),
    st.builds(speed, st.floats(0.5, 25)),
    st.builds(tilt, degrees),
    st.just(PICTURE),
    st.builds(lambda s: command(93, s, -1, -1, seventh=0), stays.filter(lambda s: s > 0)),
)
numbers = st.one_of(st.just(0.0), st.just(1.0), st.floats(-100, 100), st.just(math.nan))
anything = st.one_of(
    carried,
    st.builds(
        MissionItem,
        command=st.sampled_from(
            [16, 17, 18, 19, 20, 21, 22, 31, 93, 112, 177, 178, 189, 203, 205, 206, 530, 1000, 2000]
        ),
        frame=st.sampled_from([2, 3]),
        params=st.tuples(numbers, numbers, numbers, numbers),
        altitude_m=st.floats(0, 100),
        autocontinue=st.booleans(),
    ),
)
# What is lost of any mission, or told by the format itself.
EXPECTED = ("home", "the cruise speed", "that no ", "command 20", "command 21", "command 22", "the speed on the way to")


def comparable(mission: Mission, suffix: str, *, pointed: bool) -> list[dict[str, Any]]:
    found = flown(mission)["waypoints"]
    auto = mission.cruise_speed_mps
    for n, w in enumerate(found):
        if not pointed:
            w["pitch"], w["done"] = None, [d for d in w["done"] if d[0] != "tilt"]
        if suffix == ".csv":
            # Litchi's stays are said in pieces of 32 s.
            w["done"] = merged(w["done"])
        if n < len(found) - 1 and auto is None and w["onward speed"] is None:
            w["onward speed"] = "unsaid"
    return found


def merged(done: list[tuple[str, float]]) -> list[tuple[str, float]]:
    out: list[tuple[str, float]] = []
    for act, value in done:
        if out and act == out[-1][0] == "stay":
            out[-1] = ("stay", round(out[-1][1] + value, 3))
        else:
            out.append((act, value))
    return out


@quiet
@given(
    steps=st.lists(carried, min_size=1, max_size=14),
    start=st.floats(1, 20),
    suffix=st.sampled_from([".kmz", ".csv"]),
)
@example(steps=[waypoint(1, 1, 4.001)], start=3.0, suffix=".csv")
@example(steps=[trigger(5.0), waypoint(1, 1), OFF, trigger(5.0)], start=3.0, suffix=".csv")
def test_what_can_be_said_is_flown_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[MissionItem], start: float, suffix: str
) -> None:
    items = (speed(start), waypoint(34.0, -2.0), *steps, waypoint(35.0, -2.5))
    mission = Mission((TAKEOFF, *items, RETURN) if suffix == ".kmz" else items, cruise_speed_mps=start)
    folder = tmp_path_factory.mktemp("flown")
    try:
        read = read_back(mission, folder, suffix)
    except MissionFormatError as error:
        if "actions; Litchi takes 15" in error.what:
            return
        raise
    pointed = any(i.command == 205 for i in items) or not any(i.command in (206, 2000) for i in items)
    lost = [p for p in lost_in(mission, suffix) if not p.startswith(EXPECTED)]
    assert set(lost) <= {
        "that the distance to the next picture is counted anew at a waypoint",
        "a picture taken by switching the trigger on and off at one place",
        "pictures after the last waypoint",
        "the speed of the way home",
    }
    assert comparable(read, suffix, pointed=pointed) == comparable(mission, suffix, pointed=pointed)
    again = read_back(read, folder, suffix)
    assert again == read
    if suffix == ".kmz":
        assert (flown(read)["takeoff"], flown(read)["finish"], flown(read)["first speed"]) == (40.0, 20, start)


@quiet
@given(items=st.lists(anything, max_size=12), suffix=st.sampled_from([".kmz", ".csv"]))
def test_nothing_is_dropped_unsaid(
    tmp_path_factory: pytest.TempPathFactory, items: list[MissionItem], suffix: str
) -> None:
    mission = Mission((waypoint(34.0, -2.0), *items, waypoint(35.0, -2.5)), cruise_speed_mps=7.0)
    lost = [p for p in lost_in(mission, suffix) if not p.startswith(EXPECTED)]
    try:
        read = read_back(mission, tmp_path_factory.mktemp("any"), suffix)
    except MissionFormatError:
        return
    strange = [i for i in items if i not in read.items and i.command not in (16, 93, 178, 203, 205, 206, 2000)]
    told = {p for p in lost_in(mission, suffix) if p.startswith("command ")}
    for item in strange:
        if item.command in (17, 18, 31, 112, 177, 189, 530):
            assert any(str(item.command) in p for p in told) or "what comes after the return or the landing" in lost
    if not lost:
        pointed = any(i.command in (205, 1000) for i in items) or not any(i.command in (206, 203, 2000) for i in items)
        assert comparable(read, suffix, pointed=pointed) == comparable(mission, suffix, pointed=pointed)


# What a station holds -------------------------------------------------------------------------------------------------


def line_of(count: int) -> Mission:
    return Mission(tuple(waypoint(34.0 + n * 1e-4, -2.0) for n in range(count)))


def test_a_mission_too_long_for_litchi_or_too_short_for_dji_is_refused_with_the_numbers(tmp_path: Path) -> None:
    assert len(read_back(line_of(99), tmp_path, ".csv").items) == 99
    with pytest.raises(MissionFormatError, match="100 waypoints; Litchi sends 99 at once"):
        write_mission(line_of(100), tmp_path / "long.csv")
    for suffix in (".kmz", ".csv"):
        with pytest.raises(MissionFormatError, match=r"1 waypoints; .* flies 2"):
            write_mission(line_of(1), tmp_path / f"short{suffix}")
    assert not (tmp_path / "long.csv").exists()


@pytest.mark.parametrize(
    ("capacity", "mission", "phrases"),
    [
        (CAPACITIES["ardupilot"], line_of(640), ()),
        (CAPACITIES["ardupilot"], line_of(641), ("641 items, and ArduPilot holds 640",)),
        (CAPACITIES["px4"], line_of(501), ("501 items, and PX4 holds 500",)),
        (CAPACITIES["dji"], line_of(641), ()),
        (CAPACITIES["litchi"], line_of(100), ("100 waypoints, and Litchi holds 99",)),
        (
            CAPACITIES["px4"],
            Mission(
                (),
                fence=(FencePolygon(tuple((n * 0.1, n * n * 0.01) for n in range(65)), True),),
                rally=(RallyPoint(1.0, 1.0, 50.0),) * 9,
            ),
            ("65 fence points, and PX4 holds 64", "9 rally points, and PX4 holds 8"),
        ),
    ],
)
def test_who_holds_how_much(capacity: Capacity, mission: Mission, phrases: tuple[str, ...]) -> None:
    assert does_not_fit(mission, capacity) == phrases


def test_every_command_has_the_number_that_mavlink_gives_it() -> None:
    from pymavlink.dialects.v20 import ardupilotmega

    for known in Command:
        assert getattr(ardupilotmega, f"MAV_CMD_{known.name}") == known
