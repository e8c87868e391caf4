"""Mission files of every ground station: read, written back equal, refused with the place named."""

import importlib.util
import json
import math
import os
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.errors import MissionFormatError
from flightplan.formats import (
    lost_in,
    read_mission,
    write_formats,
    write_mission,
)
from flightplan.mission import FenceCircle, FencePolygon, Mission, MissionItem, RallyPoint

_spec = importlib.util.spec_from_file_location("mission_samples", Path(__file__).with_name("mission_samples.py"))
mission_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mission_samples)
SURVEY, command, waypoint, quiet = (
    mission_samples.SURVEY,
    mission_samples.command,
    mission_samples.waypoint,
    mission_samples.quiet,
)


os.environ["MAVLINK20"] = "1"


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
    st.builds(waypoint, st.floats(34, 35), st.floats(-3, -2)),
    st.builds(command, st.just(206), st.floats(1, 500), st.just(0.0), st.just(1.0)),
    st.just(command(206)),
    st.builds(command, st.just(178), st.just(1.0), st.floats(1, 20), st.just(-1.0)),
    st.builds(command, st.just(205), st.floats(-90, 0)),
    st.just(command(2000, 0.0, 0.0, 1.0)),
)


@quiet
@given(
    steps=st.lists(survey_steps, max_size=12),
    speed=st.one_of(st.none(), st.floats(1, 20)),
    suffix=st.sampled_from([".kmz", ".csv"]),
)
def test_what_dji_and_litchi_carry_of_a_survey_they_carry_again(tmp_path, steps, speed, suffix):
    mission = Mission((waypoint(34.5, -2.5), *steps, waypoint(34.6, -2.6)), cruise_speed_mps=speed)
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
