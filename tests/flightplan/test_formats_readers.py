"""Readers that others wrote find in our files what we put there, and in others' files what we find."""

import itertools
import math
import zipfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightplan.errors import MissionFormatError
from flightplan.formats import SUFFIXES, lost_in, read_mission, write_mission
from flightplan.mission import FenceCircle, FencePolygon, Frame, Mission, MissionItem, RallyPoint

quiet = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def waypoint(lon: float, lat: float, stay_s: float = 0.0, frame: int = 3) -> MissionItem:
    return MissionItem(16, frame, (stay_s, 0.0, 0.0, 0.0), lon, lat, 80.0)


def command(number: int, *params: float, seventh: float = 0.0) -> MissionItem:
    return MissionItem(number, 2, (*params, 0.0, 0.0, 0.0, 0.0)[:4], altitude_m=seventh)


PICTURE = command(2000, 0.0, 0.0, 1.0)
SURVEY = Mission(
    items=(
        MissionItem(22, 3, (0.0,) * 4, -34.83, -2.33, 60.0),
        command(178, 1.0, 12.0, -1.0),
        waypoint(-34.8312345678912, -2.3298765432198),
        command(205, -90.0, seventh=2.0),
        command(206, 57.6, 0.0, 1.0),
        waypoint(-34.8312345678912, -2.3398765432198),
        command(206),
        waypoint(-34.8332345678912, -2.3398765432198, 2.5),
        PICTURE,
        command(178, 1.0, 8.0, -1.0),
        waypoint(-34.8332345678912, -2.3298765432198),
        command(20),
    ),
    home=(-34.83, -2.33),
    home_altitude_msl_m=1523.25,
    fence=(FencePolygon(((-34.82, -2.32), (-34.84, -2.32), (-34.84, -2.35), (-34.82, -2.35)), True),),
    rally=(RallyPoint(-34.83, -2.33, 60.0),),
    cruise_speed_mps=12.0,
    fence_circles=(FenceCircle(-34.835, -2.335, 150.0, False),),
)
PLACES = [(i.longitude_deg, i.latitude_deg) for i in SURVEY.items if i.command == 16]


# GDAL -----------------------------------------------------------------------------------------------------------------


def test_gdal_sees_every_point_and_the_fence_of_geojson(tmp_path: Path) -> None:
    import pyogrio
    import shapely

    meta, _, shapes, columns = pyogrio.raw.read(write_mission(SURVEY, tmp_path / "x.geojson"))
    table = dict(zip(meta["fields"], columns, strict=True))
    items = [(g, n) for g, role, n in zip(shapes, table["role"], table["number"], strict=True) if role == "item"]
    assert [int(n) for _, n in items] == list(range(1, len(SURVEY.items) + 1))
    placed = [(i.longitude_deg, i.latitude_deg) for i in SURVEY.items if i.longitude_deg is not None]
    seen = [shapely.from_wkb(g) for g, _ in items if g is not None]
    assert [(g.x, g.y) for g in seen] == placed
    fence = next(shapely.from_wkb(g) for g, role in zip(shapes, table["role"], strict=True) if role == "fence")
    assert fence.equals(shapely.Polygon(SURVEY.fence[0].ring))


def test_gdal_sees_every_point_of_kml_with_its_height(tmp_path: Path) -> None:
    import pyogrio
    import shapely

    path = write_mission(SURVEY, tmp_path / "x.kml")
    _, _, shapes, _ = pyogrio.raw.read(path, layer="Items")
    points = [shapely.from_wkb(g) for g in shapes if g is not None]
    placed = [(i.longitude_deg, i.latitude_deg, i.altitude_m) for i in SURVEY.items if i.longitude_deg is not None]
    assert np.array([(p.x, p.y, p.z) for p in points if not p.is_empty]) == pytest.approx(np.array(placed), abs=1e-12)
    _, _, shapes, _ = pyogrio.raw.read(path, layer="Fence")
    assert shapely.from_wkb(shapes[0]).equals(shapely.Polygon(SURVEY.fence[0].ring))


# DJI ------------------------------------------------------------------------------------------------------------------

WPML = "{http://www.dji.com/wpmz/1.0.2}"
KML = "{http://www.opengis.net/kml/2.2}"

# DJI, Cloud API, "Waylines.wpml", "Template.kml", "Common Elements": elements marked as required, in the order of the
# examples there. A few more may stand between them.
CONFIG = (
    "flyToWaylineMode finishAction exitOnRCLost executeRCLostAction takeOffSecurityHeight globalTransitionalSpeed"
    " droneInfo payloadInfo"
)
FOLDER = "templateId executeHeightMode waylineId autoFlightSpeed"
PLACEMARK = "index executeHeight waypointSpeed waypointHeadingParam waypointTurnParam useStraightLine"
TEMPLATE = (
    "templateType templateId waylineCoordinateSysParam autoFlightSpeed globalHeight gimbalPitchMode"
    " globalWaypointTurnMode globalUseStraightLine globalWaypointHeadingParam"
)
TEMPLATE_PLACEMARK = (
    "index ellipsoidHeight height useGlobalHeight useGlobalSpeed useGlobalHeadingParam useGlobalTurnParam waypointSpeed"
)
GROUP = "actionGroupId actionGroupStartIndex actionGroupEndIndex actionGroupMode actionTrigger action"
ACTION = "actionId actionActuatorFunc actionActuatorFuncParam"


def names(element: Element) -> list[str]:
    return [child.tag.removeprefix(WPML).removeprefix(KML) for child in element]


def both(mission: Mission, folder: Path) -> tuple[Element, Element]:
    with zipfile.ZipFile(write_mission(mission, folder / "x.kmz")) as archive:
        assert archive.namelist() == ["wpmz/template.kml", "wpmz/waylines.wpml"]
        return fromstring(archive.read("wpmz/template.kml")), fromstring(archive.read("wpmz/waylines.wpml"))


def said(element: Element, path: str) -> str:
    text = element.findtext("/".join(WPML + name for name in path.split()))
    assert text is not None, path
    return text


@pytest.mark.parametrize("frame", [Frame.GLOBAL_RELATIVE_ALT, Frame.GLOBAL_TERRAIN_ALT])
def test_waylines_have_what_dji_requires_in_its_order(tmp_path: Path, frame: Frame) -> None:
    items = tuple(i if i.command != 16 else MissionItem(**{**vars(i), "frame": frame}) for i in SURVEY.items)
    template, waylines = both(Mission(items, cruise_speed_mps=12.0), tmp_path)
    mode = {3: "relativeToStartPoint", 10: "realTimeFollowSurface"}[frame]
    for root in (template, waylines):
        assert root.tag == f"{KML}kml"
        config = root.find(f"{KML}Document/{WPML}missionConfig")
        assert config is not None
        assert names(config) == CONFIG.split()
        assert 1.2 <= float(said(config, "takeOffSecurityHeight")) <= 1500
        assert said(config, "finishAction") in ("goHome", "noAction", "autoLand", "gotoFirstWaypoint")
        assert (said(config, "droneInfo droneEnumValue"), said(config, "payloadInfo payloadEnumValue")) == ("77", "66")
    folder = waylines.find(f"{KML}Document/{KML}Folder")
    assert folder is not None
    assert names(folder) == [*FOLDER.split(), *["Placemark"] * 4]
    assert said(folder, "executeHeightMode") == mode
    for n, placemark in enumerate(folder.findall(f"{KML}Placemark")):
        found = names(placemark)
        assert found[:7] == ["Point", *PLACEMARK.split()]
        assert set(found[7:]) <= {"actionGroup"}
        assert int(said(placemark, "index")) == n
        assert said(placemark, "waypointHeadingParam waypointHeadingMode") == "followWayline"
        for group in placemark.findall(f"{WPML}actionGroup"):
            assert [k for k, _ in itertools.groupby(names(group))] == GROUP.split()
            for m, action in enumerate(group.findall(f"{WPML}action")):
                assert names(action) == ACTION.split()
                assert int(said(action, "actionId")) == m
    folder = template.find(f"{KML}Document/{KML}Folder")
    assert folder is not None
    assert [n for n in names(folder) if n in TEMPLATE.split()] == TEMPLATE.split()
    assert said(folder, "waylineCoordinateSysParam coordinateMode") == "WGS84"
    assert said(folder, "waylineCoordinateSysParam heightMode") == mode
    for placemark in folder.findall(f"{KML}Placemark"):
        assert set(TEMPLATE_PLACEMARK.split()) <= set(names(placemark))
    for root in (template, waylines):
        assert [int(e.text or -1) for e in root.iter(f"{WPML}actionGroupId")] == [0, 1, 2]


@pytest.mark.parametrize("takeoff_m", [1.0, -3.0, 1600.0])
def test_a_take_off_height_that_dji_does_not_take_is_refused(tmp_path: Path, takeoff_m: float) -> None:
    takeoff = MissionItem(22, 3, (0.0,) * 4, -34.83, -2.33, takeoff_m)
    with pytest.raises(MissionFormatError, match=r"DJI climbs 1\.2 to 1500 m first"):
        write_mission(Mission((takeoff, *SURVEY.items[1:])), tmp_path / "x.kmz")


def test_djikmz_reads_the_same_template(tmp_path: Path) -> None:
    pytest.importorskip("djikmz")
    import xmltodict
    from djikmz.model.action_group import ActionGroup
    from djikmz.model.mission_config import MissionConfig
    from djikmz.model.waypoint import Waypoint

    with zipfile.ZipFile(write_mission(SURVEY, tmp_path / "x.kmz")) as archive:
        text = archive.read("wpmz/template.kml").decode()
    lists = ("Placemark", "wpml:actionGroup", "wpml:action")
    document = xmltodict.parse(text, force_list=lists)["kml"]["Document"]
    config = MissionConfig.from_dict(document["wpml:missionConfig"])
    assert (config.take_off_height, config.finish_action.value) == (60.0, "goHome")
    assert config.drone_info.drone_model.value == "M3E"
    found = []
    for placemark in document["Folder"]["Placemark"]:
        # It knows one group of actions at a waypoint, numbered no higher than that; DJI takes several.
        groups = [ActionGroup.from_dict(g | {"wpml:actionGroupId": "0"}) for g in placemark.pop("wpml:actionGroup", [])]
        point = Waypoint.from_dict(placemark)
        found.append((point.longitude, point.latitude, point.height, point.speed, groups))
    assert [(lon, lat) for lon, lat, *_ in found] == PLACES
    assert [(height, speed) for *_, height, speed, _ in found] == [(80.0, 12.0), (80.0, 12.0), (80.0, 8.0), (80.0, 8.0)]
    assert [len(groups) for *_, groups in found] == [2, 0, 1, 0]
    along, at = found[0][-1][1], found[2][-1][0]
    assert (along.start_waypoint_id, along.end_waypoint_id) == (0, 1)
    assert (along.trigger.type.value, along.trigger.param) == ("multipleDistance", 57.6)
    assert along.actions[0].payload_lens.value == "wide"
    assert [type(a).__name__ for a in at.actions] == ["HoverAction", "TakePhotoAction"]


# Litchi ---------------------------------------------------------------------------------------------------------------


def test_litchi_wp_reads_the_same_waypoints(tmp_path: Path) -> None:
    litchi = pytest.importorskip("litchi_wp.waypoint")
    path = write_mission(SURVEY, tmp_path / "x.csv")
    assert path.read_text().splitlines()[0] == litchi.Waypoint.get_header(line_break="").strip()
    rows = [litchi.Waypoint.from_line(line) for line in path.read_text().splitlines()[1:]]
    assert [(w.lon, w.lat, w.altitude.value, w.speed) for w in rows] == [
        (*place, 80.0, speed) for place, speed in zip(PLACES, (12.0, 12.0, 8.0, 8.0), strict=True)
    ]
    assert [w.photo.distance_interval for w in rows] == [57.6, -1, -1, -1]
    assert [(a.type.value, a.param) for a in rows[0].actions[:2]] == [(5, -90), (-1, 0)]
    assert [(a.type.value, a.param) for a in rows[2].actions[:3]] == [(0, 2500), (1, 0), (-1, 0)]


# Every format into every other ----------------------------------------------------------------------------------------

degrees = st.integers(-90, 30).map(float)
points = st.tuples(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9)).filter(lambda p: p != (0, 0))
lines = st.builds(
    lambda a, b, metres, mps, stay: (
        waypoint(*a),
        command(178, 1.0, mps, -1.0),
        command(206, metres, 0.0, 1.0),
        waypoint(*b, stay),
        command(206),
    ),
    points,
    points,
    st.floats(0.5, 500),
    st.floats(1, 25),
    st.integers(0, 30_000).map(lambda ms: ms / 1000),
)
stops = st.builds(lambda p, pitch: (waypoint(*p, 1.5), command(205, pitch, seventh=2.0), PICTURE), points, degrees)
rings = st.lists(points, min_size=3, max_size=7, unique=True)
surveys = st.builds(
    lambda parts, home, fence, circles, rally, mps: Mission(
        (MissionItem(22, 3, (0.0,) * 4, *home, 40.0), *(i for part in parts for i in part), command(20)),
        home=home,
        home_altitude_msl_m=12.5,
        fence=tuple(FencePolygon(tuple(ring), inside) for ring, inside in fence),
        fence_circles=tuple(FenceCircle(*p, r, inside) for p, r, inside in circles),
        rally=tuple(RallyPoint(*p, 50.0) for p in rally),
        cruise_speed_mps=mps,
    ),
    st.lists(st.one_of(lines, stops), min_size=2, max_size=6),
    points,
    st.lists(st.tuples(rings, st.booleans()), max_size=2),
    st.lists(st.tuples(points, st.floats(1, 1e5), st.booleans()), max_size=2),
    st.lists(points, max_size=3),
    st.floats(1, 25),
)


@quiet
@given(mission=surveys)
def test_every_format_into_every_other(tmp_path_factory: pytest.TempPathFactory, mission: Mission) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    carried = {s: read_mission(write_mission(mission, folder / f"one{s}")) for s in SUFFIXES}
    for source, target in itertools.permutations(SUFFIXES, 2):
        there = read_mission(write_mission(carried[source], folder / f"two{target}"))
        if not lost_in(carried[source], target):
            # All of what the first could say.
            assert there == carried[source]
        elif not lost_in(mission, source):
            # All of what the second can say of it, as if it had been written so at once.
            assert there == carried[target]
        else:
            # What both can say: where it flies, how long it stays, and where it photographs.
            assert where(there) == where(mission)
            assert intervals(there) == intervals(carried[target])


def where(mission: Mission) -> list[tuple[Any, ...]]:
    return [(i.longitude_deg, i.latitude_deg, i.altitude_m, i.params[0]) for i in mission.items if i.command == 16]


def intervals(mission: Mission) -> list[float]:
    """The distance between pictures on the way to each waypoint."""
    metres, found = 0.0, []
    for item in mission.items:
        metres = item.params[0] if item.command == 206 else metres
        found += [metres] if item.command == 16 else []
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mission_of_nothing(tmp_path: Path, suffix: str) -> None:
    if suffix in (".kmz", ".csv"):
        with pytest.raises(MissionFormatError, match="a mission without waypoints"):
            write_mission(Mission(()), tmp_path / f"x{suffix}")
    else:
        assert read_mission(write_mission(Mission(()), tmp_path / f"x{suffix}")) == Mission(())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_position_that_would_be_read_as_none_is_not_written(tmp_path: Path, suffix: str) -> None:
    for mission in (Mission((waypoint(0.0, 0.0), waypoint(1.0, 1.0))), Mission(SURVEY.items, home=(0.0, 0.0))):
        with pytest.raises(MissionFormatError, match="exactly 0, 0"):
            write_mission(mission, tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_last_digit_of_a_position_is_kept(tmp_path: Path, suffix: str) -> None:
    lon, lat = math.nextafter(-34.1, 0), math.nextafter(2.2, 3)
    mission = Mission((waypoint(lon, lat), waypoint(math.nextafter(lon, 0), -lat)))
    read = [i for i in read_mission(write_mission(mission, tmp_path / f"x{suffix}")).items if i.command == 16]
    assert [(i.longitude_deg, i.latitude_deg) for i in read] == [(lon, lat), (math.nextafter(lon, 0), -lat)]
