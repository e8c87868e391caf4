"""Mission files of every ground station: read, written back equal, refused with the place named."""

import json
import math
import os
import zipfile
from dataclasses import astuple
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightplan.commands.convert import convert_command
from flightplan.errors import MissionFormatError, OverflyError, UnreadableFileError
from flightplan.formats import (
    cannot_be_written,
    lost_in,
    read_mission,
    read_mission_and_rest,
    write_formats,
    write_mission,
)
from flightplan.mission import FenceCircle, FencePolygon, Frame, Mission, MissionItem, RallyPoint

os.environ["MAVLINK20"] = "1"

quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What overfly plans: take-off, speed, a way in, two triggered lines, the way home, return ---------------------------


def _waypoint(lon: float, lat: float, transect: str | None = None) -> MissionItem:
    return MissionItem(16, Frame.GLOBAL_RELATIVE_ALT, (0.0,) * 4, lon, lat, 80.0, transect)


def _command(command: int, *params: float, transect: str | None = None) -> MissionItem:
    first = (*params, 0.0, 0.0, 0.0, 0.0)[:4]
    return MissionItem(command, Frame.MISSION, first, transect=transect)


SURVEY = Mission(
    items=(
        MissionItem(22, Frame.GLOBAL_RELATIVE_ALT, (0.0,) * 4, 34.83, -2.33, 80.0),
        _command(178, 1.0, 12.0, -1.0),
        _waypoint(34.8312345678912, -2.3298765432198),
        _command(206, 57.6, 0.0, 1.0, transect="woodland-01"),
        _waypoint(34.8312345678912, -2.3398765432198, "woodland-01"),
        _command(206),
        _waypoint(34.8332345678912, -2.3398765432198),
        _command(206, 57.6, 0.0, 1.0, transect="woodland-02"),
        _waypoint(34.8332345678912, -2.3298765432198, "woodland-02"),
        _command(206),
        _command(20),
    ),
    home=(34.83, -2.33),
    home_altitude_msl_m=1523.25,
    fence=(
        FencePolygon(((34.82, -2.32), (34.84, -2.32), (34.84, -2.35), (34.82, -2.35)), True),
        FencePolygon(((34.831, -2.331), (34.832, -2.331), (34.8315, -2.332)), False),
    ),
    rally=(RallyPoint(34.83, -2.33, 60.0),),
    cruise_speed_mps=12.0,
    fence_circles=(FenceCircle(34.835, -2.335, 150.0, False),),
)


@pytest.mark.parametrize("suffix", [".plan", ".kml", ".geojson"])
def test_a_survey_comes_back_equal_from_a_format_that_carries_all_of_it(tmp_path, suffix):
    path = write_mission(SURVEY, tmp_path / f"survey{suffix}")
    assert read_mission(path) == SURVEY
    assert lost_in(SURVEY, suffix) == ()


def test_items_and_home_come_back_equal_from_wpl_and_fence_and_rally_from_files_beside_it(tmp_path):
    files = write_formats(SURVEY, tmp_path / "sortie.01")
    read = read_mission(files["waypoints"])
    plain = tuple(MissionItem(**{**vars(item), "transect": None}) for item in SURVEY.items)
    assert read.items == plain
    assert (read.home, read.home_altitude_msl_m) == (SURVEY.home, SURVEY.home_altitude_msl_m)
    fence = read_mission(files["fence"])
    assert (fence.fence, fence.fence_circles) == (SURVEY.fence, SURVEY.fence_circles)
    assert read_mission(files["rally"]).rally == SURVEY.rally
    assert files["plan"].name == "sortie.01.plan"
    assert set(files) == {"plan", "waypoints", "kmz", "kml", "csv", "geojson", "fence", "rally"}


def test_dji_flies_the_same_lines_with_the_camera_straight_down(tmp_path):
    read = read_mission(write_mission(SURVEY, tmp_path / "survey.kmz"))
    assert read.cruise_speed_mps == 12.0
    assert [(i.command, i.params[0]) for i in read.items if i.command != 16] == [
        (22, 0.0),
        (205, -90.0),
        (206, 57.6),
        (206, 0.0),
        (206, 57.6),
        (206, 0.0),
        (20, 0.0),
    ]
    places = [(i.longitude_deg, i.latitude_deg, i.altitude_m) for i in read.items if i.command == 16]
    assert places == [(i.longitude_deg, i.latitude_deg, 80.0) for i in SURVEY.items if i.command == 16]
    again = write_mission(read, tmp_path / "again.kmz")
    assert read_mission(again) == read


def test_litchi_flies_the_same_lines_with_the_camera_straight_down(tmp_path):
    read = read_mission(write_mission(SURVEY, tmp_path / "survey.csv"))
    assert [i.command for i in read.items] == [178, 205, 16, 206, 16, 206, 16, 206, 16, 206]
    assert [i.params[0] for i in read.items if i.command in (205, 206)] == [-90.0, 57.6, 0.0, 57.6, 0.0]
    assert read_mission(write_mission(read, tmp_path / "again.csv")) == read


@pytest.mark.parametrize(
    ("suffix", "phrase"),
    [
        (".waypoints", "the cruise speed (items that change the speed are kept)"),
        (".kmz", "the fence"),
        (".csv", "command 20 (NAV_RETURN_TO_LAUNCH)"),
    ],
)
def test_what_a_format_drops_is_said(suffix, phrase):
    assert phrase in lost_in(SURVEY, suffix)


def test_the_same_mission_gives_the_same_bytes(tmp_path):
    first, second = (write_formats(SURVEY, tmp_path / name) for name in ("a", "b"))
    for kind, path in first.items():
        assert path.read_bytes() == second[kind].read_bytes()


# Any mission ---------------------------------------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)
lons = st.floats(-180, 180).filter(lambda v: abs(v) > 1e-6)
lats = st.floats(-90, 90).filter(lambda v: abs(v) > 1e-6)
params = st.one_of(finite, st.just(math.nan))
names = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1))
positioned = st.builds(
    MissionItem,
    command=st.sampled_from([16, 19, 21, 22, 201]),
    frame=st.sampled_from([0, 3, 10]),
    params=st.tuples(params, params, params, params),
    longitude_deg=lons,
    latitude_deg=lats,
    altitude_m=st.floats(-500, 9000),
    transect=names,
    autocontinue=st.booleans(),
)
unpositioned = st.builds(
    MissionItem,
    command=st.sampled_from([20, 115, 177, 178, 203, 205, 206, 530, 2000]),
    frame=st.just(2),
    params=st.tuples(params, params, params, params),
    altitude_m=finite,
    transect=names,
    params_5_6=st.tuples(params, params),
    autocontinue=st.booleans(),
)
corners = st.lists(st.tuples(lons, lats), min_size=3, max_size=8, unique=True)
missions = st.builds(
    Mission,
    items=st.lists(st.one_of(positioned, unpositioned), max_size=12).map(tuple),
    home=st.one_of(st.none(), st.tuples(lons, lats)),
    fence=st.lists(st.builds(FencePolygon, ring=corners.map(tuple), inclusion=st.booleans()), max_size=3).map(tuple),
    rally=st.lists(st.builds(RallyPoint, lons, lats, st.floats(0, 500)), max_size=3).map(tuple),
    cruise_speed_mps=st.one_of(st.none(), st.floats(0.1, 60)),
    fence_circles=st.lists(st.builds(FenceCircle, lons, lats, st.floats(1, 1e5), st.booleans()), max_size=2).map(tuple),
    autopilot_type=st.sampled_from([None, 0, 3, 12]),
    vehicle_type=st.sampled_from([None, 1, 2, 20]),
)


@quiet
@given(mission=missions, suffix=st.sampled_from([".plan", ".kml", ".geojson"]))
def test_any_mission_comes_back_equal(tmp_path, mission, suffix):
    assert read_mission(write_mission(mission, tmp_path / f"any{suffix}")) == mission


survey_steps = st.one_of(
    st.builds(_waypoint, st.floats(34, 35), st.floats(-3, -2)),
    st.builds(_command, st.just(206), st.floats(1, 500), st.just(0.0), st.just(1.0)),
    st.just(_command(206)),
    st.builds(_command, st.just(178), st.just(1.0), st.floats(1, 20), st.just(-1.0)),
    st.builds(_command, st.just(205), st.floats(-90, 0)),
    st.just(_command(2000, 0.0, 0.0, 1.0)),
)


@quiet
@given(
    steps=st.lists(survey_steps, max_size=12),
    speed=st.one_of(st.none(), st.floats(1, 20)),
    suffix=st.sampled_from([".kmz", ".csv"]),
)
def test_what_dji_and_litchi_carry_of_a_survey_they_carry_again(tmp_path, steps, speed, suffix):
    mission = Mission((_waypoint(34.5, -2.5), *steps, _waypoint(34.6, -2.6)), cruise_speed_mps=speed)
    once = read_mission(write_mission(mission, tmp_path / f"once{suffix}"))
    assert read_mission(write_mission(once, tmp_path / f"twice{suffix}")) == once
    places = [(i.longitude_deg, i.latitude_deg) for i in mission.items if i.command == 16]
    assert [(i.longitude_deg, i.latitude_deg) for i in once.items if i.command == 16] == places
    assert _triggered(once) == _triggered(mission)


def _triggered(mission: Mission) -> list[float]:
    """The distance between pictures on the way to each waypoint."""
    distance_m, found = 0.0, []
    for item in mission.items:
        if item.command == 206:
            distance_m = item.params[0]
        elif item.command == 16:
            found.append(distance_m)
    return found


@quiet
@given(mission=missions)
def test_any_items_come_back_equal_from_wpl(tmp_path, mission):
    plain = tuple(MissionItem(**{**vars(item), "transect": None}) for item in mission.items)
    read = read_mission(write_mission(mission, tmp_path / "any.waypoints"))
    assert read.items == plain
    assert read.home == mission.home


# Real files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "items", "home"),
    [
        ("ap_copter_mission.waypoints", 12, (149.165222, -35.362881)),
        ("ap_do_change_speed.waypoints", 10, (149.165237, -35.363262)),
        ("dronekit_mpmission.waypoints", 6, (149.165237, -35.363262)),
        ("mission_planner_sample.waypoints", 4, None),
        ("mavsdk_example.plan", 5, (8.545600849401296, 47.397763168426465)),
        ("qgroundcontrol_sample.plan", 6, (8.5456075, 47.3977507)),
        ("qgroundcontrol_sample_with_survey.plan", 13, (8.545149580000002, 47.39801775617688)),
        ("qgc_geofence_outfield.plan", 0, (-77.49701011362711, 38.75065209603611)),
        ("pymavlink_fence-110.txt", 0, None),
        ("pymavlink_fence.txt", 0, None),
        ("pymavlink_rally-110.txt", 0, None),
        ("pymavlink_rally.txt", 0, None),
        ("waygen.kmz", 27, None),
        ("waygen_waylines.wpml", 27, None),
        ("waygen_template.kml", 0, None),
    ],
)
def test_a_real_file_is_read_and_comes_back_equal_from_every_format_that_carries_all(
    shared_data: Path, tmp_path, name, items, home
):
    mission = read_mission(shared_data / "missions" / name)
    assert len(mission.items) == items
    assert mission.home == home
    for suffix in (".plan", ".waypoints", ".kml", ".geojson"):
        if not lost_in(mission, suffix):
            again = read_mission(write_mission(mission, tmp_path / f"again{suffix}"))
            assert named_nan(astuple(again)) == named_nan(astuple(mission))


def named_nan(value):
    """NaN equals nothing, itself included: give it a name."""
    if isinstance(value, tuple):
        return tuple(named_nan(v) for v in value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def test_real_fences_and_rally_points(shared_data: Path):
    folder = shared_data / "missions"
    new, old = read_mission(folder / "pymavlink_fence-110.txt"), read_mission(folder / "pymavlink_fence.txt")
    assert [len(p.ring) for p in new.fence] == [8]
    assert [(c.radius_m, c.inclusion) for c in new.fence_circles] == [(20.0, False), (20.0, False)]
    assert [len(p.ring) for p in old.fence] == [4]
    plan = read_mission(folder / "qgc_geofence_outfield.plan")
    assert [(len(p.ring), p.inclusion) for p in plan.fence] == [(4, True), (4, False)]
    assert read_mission(folder / "pymavlink_rally.txt").rally[1] == RallyPoint(-105.231136, 40.072265, 0.0)
    assert len(read_mission(folder / "mavsdk_example.plan").rally) == 2


def test_the_waygen_mission_photographs_each_point_with_the_gimbal_down(shared_data: Path):
    items = read_mission(shared_data / "missions" / "waygen.kmz").items
    # The way there at the speed of ways; from the first point on slowly.
    assert [i.command for i in items[:6]] == [16, 205, 2000, 178, 16, 2000]
    assert items[3].params[1] == 2.4
    assert items[1].params[0] == -90.0
    assert items[-1].command == 20


@pytest.mark.parametrize(
    ("name", "message"),
    [("without_mission.plan", "the mission is missing"), ("wrong_overall_version.plan", "version 42")],
)
def test_a_malformed_file_is_refused_with_its_name(shared_data: Path, name, message):
    with pytest.raises(MissionFormatError, match=message) as caught:
        read_mission(shared_data / "malformed" / name)
    assert name in str(caught.value)


# Independent readers -------------------------------------------------------------------------------------------------


def test_pymavlink_reads_the_same_mission_from_wpl(tmp_path):
    from pymavlink import mavwp

    files = write_formats(SURVEY, tmp_path / "survey")
    loader = mavwp.MAVWPLoader()
    assert loader.load(str(files["waypoints"])) == len(SURVEY.items) + 1
    home = loader.wp(0)
    assert (home.command, home.frame, home.current) == (16, 0, 1)
    assert (home.y, home.x, home.z) == (*SURVEY.home, SURVEY.home_altitude_msl_m)
    for n, item in enumerate(SURVEY.items, start=1):
        read = loader.wp(n)
        assert (read.command, read.frame, read.autocontinue) == (item.command, item.frame, 1)
        assert (read.param1, read.param2, read.param3, read.param4) == item.params
        if item.longitude_deg is not None:
            assert (read.y, read.x, read.z) == (item.longitude_deg, item.latitude_deg, item.altitude_m)


def test_pymavlink_reads_the_same_fence_and_rally_points(tmp_path):
    from pymavlink import mavwp
    from pymavlink.dialects.v20 import ardupilotmega

    files = write_formats(SURVEY, tmp_path / "survey")
    fence = mavwp.MissionItemProtocol_Fence()
    fence.load(str(files["fence"]))
    commands = [fence.item(n).command for n in range(fence.count())]
    assert commands == [ardupilotmega.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION] * 4 + [
        ardupilotmega.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_EXCLUSION
    ] * 3 + [ardupilotmega.MAV_CMD_NAV_FENCE_CIRCLE_EXCLUSION]
    rally = mavwp.MissionItemProtocol_Rally()
    rally.load(str(files["rally"]))
    assert (rally.item(0).y, rally.item(0).x, rally.item(0).z) == (34.83, -2.33, 60.0)


def test_gdal_reads_kml_and_geojson(tmp_path):
    import pyogrio

    files = write_formats(SURVEY, tmp_path / "survey")
    info = pyogrio.read_info(files["geojson"])
    assert info["features"] == 1 + 1 + len(SURVEY.items) + 2 + 1 + 1
    layers = [str(name) for name, _ in pyogrio.list_layers(files["kml"])]
    assert {"Items", "Fence", "Rally points"} <= set(layers)


def test_the_plan_has_every_key_that_qgroundcontrol_asks_for(tmp_path):
    plan = json.loads(write_mission(SURVEY, tmp_path / "survey.plan").read_text())
    assert {"fileType", "version", "groundStation", "mission", "geoFence", "rallyPoints"} <= set(plan)
    wanted = {"version", "firmwareType", "vehicleType", "cruiseSpeed", "hoverSpeed", "plannedHomePosition", "items"}
    assert wanted <= set(plan["mission"])
    assert [item["doJumpId"] for item in plan["mission"]["items"]] == list(range(1, len(SURVEY.items) + 1))
    for item in plan["mission"]["items"]:
        assert {"type", "autoContinue", "command", "doJumpId", "frame", "params"} <= set(item)
        assert len(item["params"]) == 7
        assert ("Altitude" in item) == (item["command"] in (16, 22))
    assert plan["mission"]["globalPlanAltitudeMode"] == 1


@pytest.mark.parametrize(
    ("made_for", "told"), [((None, None), (3, 2)), ((3, 2), (3, 2)), ((12, 1), (12, 1)), ((None, 1), (3, 1))]
)
def test_the_plan_says_what_it_was_made_for(tmp_path, made_for, told):
    mission = Mission(SURVEY.items, autopilot_type=made_for[0], vehicle_type=made_for[1])
    path = write_mission(mission, tmp_path / "x.plan")
    plan = json.loads(path.read_text())["mission"]
    assert (plan["firmwareType"], plan["vehicleType"]) == told
    assert read_mission(path) == mission
    phrase = "which autopilot and kind of vehicle it was made for"
    assert (phrase in lost_in(mission, ".waypoints")) == (made_for != (None, None))


@pytest.mark.parametrize(("frames", "mode"), [((3, 3), 1), ((0, 0), 2), ((10,), 4), ((3, 10), 0), ((), 1)])
def test_the_plan_says_what_its_heights_are_measured_from(tmp_path, frames, mode):
    items = tuple(MissionItem(16, frame, (0.0,) * 4, 34.8, -2.3, 80.0) for frame in frames)
    plan = json.loads(write_mission(Mission(items), tmp_path / "x.plan").read_text())
    assert plan["mission"]["globalPlanAltitudeMode"] == mode
    assert [item["AltitudeMode"] for item in plan["mission"]["items"]] == [{0: 2, 3: 1, 10: 4}[f] for f in frames]


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


def test_convert_refuses_a_broken_file_with_one_sentence(tmp_path):
    source = tmp_path / "bad.plan"
    source.write_text(_plan(mission__items__0__params__4=91))
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.kml")])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {source}, mission.items[0]: the latitude is 91")
    assert not (tmp_path / "out.kml").exists()


def test_convert_never_replaces_a_fence_beside_the_mission_unasked(tmp_path):
    source = write_mission(SURVEY, tmp_path / "survey.plan")
    (tmp_path / "out.fence.waypoints").write_text("mine")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.waypoints")])
    assert result.exit_code == 1
    assert "out.fence.waypoints: exists already" in result.stderr
    assert not (tmp_path / "out.waypoints").exists()


def test_convert_says_what_an_autopilot_has_no_room_for(tmp_path):
    items = tuple(_waypoint(34.8 + n * 1e-4, -2.3) for n in range(641))
    source = write_mission(Mission(items), tmp_path / "long.plan")
    result = CliRunner().invoke(convert_command, [str(source), str(tmp_path / "out.waypoints"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["too_long"] == [
        "641 items, and ArduPilot holds 640",
        "641 items, and PX4 holds 500",
    ]
    assert "Warning: 641 items, and ArduPilot holds 640" in result.stderr


def test_formats_that_cannot_say_a_mission_are_named_with_the_reason(tmp_path):
    items = tuple(_waypoint(34.8 + n * 1e-4, -2.3) for n in range(100))
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
