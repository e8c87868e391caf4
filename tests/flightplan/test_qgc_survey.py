"""A plan whose lines QGroundControl shows as a survey, with polygon, camera and overlaps.

QGroundControl lays a survey's lines anew from its polygon, so what it would lay must be what was planned. Its rules, as
SurveyComplexItem.cc and CameraCalc.cc have them, are written out here once more, by shapely and step by step.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flightplan.camera import Camera
from flightplan.cameras import camera_named
from flightplan.errors import MissionFormatError
from flightplan.formats import read_mission, write_mission, write_survey_plan
from flightplan.formats.qgc_layout import relaid_miss_m
from flightplan.formats.qgc_survey import TOLERANCE_M, survey_blocks
from flightplan.frames import LocalFrame
from flightplan.mission import Frame, Mission, MissionItem

MAVIC = camera_named("DJI Mavic 3E wide")


def mission_over(
    lines: np.ndarray, *, lon: float = 34.83, lat: float = -2.33, height_m: float = 80.0, trigger_m: float = 30.0
) -> Mission:
    """Lines (N, 2 ends, 2) in metres around a point, flown as planned: take-off, speed, lines, return."""
    frame = LocalFrame(lon, lat)
    items = [MissionItem(22, 3, (0.0,) * 4, lon, lat, height_m), MissionItem(178, 2, (1.0, 12.0, -1.0, 0.0))]
    for n, line in enumerate(lines):
        start, end = frame.to_lonlat(line)
        name = f"all-{n + 1:02d}"
        items += [
            MissionItem(16, 3, (0.0,) * 4, float(start[0]), float(start[1]), height_m),
            MissionItem(206, 2, (trigger_m, 0.0, 1.0, 0.0), transect=name),
            MissionItem(16, 3, (0.0,) * 4, float(end[0]), float(end[1]), height_m, name),
            MissionItem(206, 2, (0.0,) * 4),
        ]
    items += [MissionItem(16, 3, (0.0,) * 4, lon, lat, height_m), MissionItem(20, 2)]
    return Mission(tuple(items), home=(lon, lat), home_altitude_msl_m=1500.0, cruise_speed_mps=12.0)


def parallel(lengths_m: list[float], spacing_m: float, heading_deg: float, shift_m: float = 0.0) -> np.ndarray:
    """Lines side by side, to and fro, of these lengths."""
    angle = math.radians(heading_deg)
    along, across = np.array([math.sin(angle), math.cos(angle)]), np.array([math.cos(angle), -math.sin(angle)])
    lines = []
    for n, length_m in enumerate(lengths_m):
        middle = (n * spacing_m + shift_m) * across
        ends = [middle - length_m / 2 * along, middle + length_m / 2 * along]
        lines.append(ends if n % 2 == 0 else ends[::-1])
    return np.array(lines)


def relaid(item: dict[str, Any], *, sphere: bool) -> np.ndarray:
    """The (longitude, latitude) line ends that QGroundControl lays for a survey item: (N, 2, 2)."""
    corners = np.array(item["polygon"])[:, ::-1]
    if sphere:
        plane = pyproj.Proj(f"+proj=aeqd +R=6371000 +lon_0={corners[0][0]} +lat_0={corners[0][1]}")
    else:
        plane = pyproj.Proj(f"+proj=ortho +ellps=WGS84 +lon_0={corners[0][0]} +lat_0={corners[0][1]}")
    ring = shapely.Polygon(np.column_stack(plane(*corners.T)))
    west, south, east, north = ring.bounds
    width = max(east - west, north - south) + 2000.0
    x, y = (west + east) / 2, (south + north) / 2
    spacing = item["TransectStyleComplexItem"]["CameraCalc"]["AdjustedFootprintSide"]
    found = []
    at = x - width / 2
    while at < x + width / 2:
        upright = shapely.LineString([(at, y - width / 2), (at, y + width / 2)])
        # QGroundControl turns by minus the angle: clockwise, as a heading turns.
        line = shapely.affinity.rotate(upright, -item["angle"], origin=(x, y))
        points = shapely.get_coordinates(line.intersection(ring.exterior))
        if len(points) > 1:
            distances = points @ (np.diff(line.coords, axis=0)[0] / line.length)
            # The far crossing is met first: the polygon's first corners are those at the lines' far ends.
            found.append(points[[distances.argmax(), distances.argmin()]])
        at += spacing
    entry = item["entryLocation"]
    lines = [f[::-1] if entry in (2, 3) else f for f in found]
    lines = lines[::-1] if entry in (1, 3) else lines
    flown = np.array([f if n % 2 == 0 else f[::-1] for n, f in enumerate(lines)])
    return np.column_stack(plane(*flown.reshape(-1, 2).T, inverse=True)).reshape(-1, 2, 2)


def farthest_m(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.reshape(-1, 2), other.reshape(-1, 2)
    *_, distance_m = pyproj.Geod(ellps="WGS84").inv(*one.T, *other.T)
    return float(np.max(distance_m))


def written(mission: Mission, folder: Path, camera: Camera = MAVIC) -> dict[str, Any]:
    path = write_survey_plan(mission, camera, folder / "sortie-01")
    assert path is not None
    assert path.name == "sortie-01.survey.plan"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


BLOCK = mission_over(parallel([900, 1000, 950, 700, 800], 150, 20))


def test_a_survey_block_has_every_key_that_qgroundcontrol_asks_for(tmp_path: Path) -> None:
    takeoff, speed, block, home, back = written(BLOCK, tmp_path)["mission"]["items"]
    assert [i["command"] for i in (takeoff, speed, home, back)] == [22, 178, 16, 20]
    assert (block["type"], block["complexItemType"], block["version"]) == ("ComplexItem", "survey", 5)
    assert {"angle", "entryLocation", "flyAlternateTransects", "splitConcavePolygons", "polygon"} <= block.keys()
    style = block["TransectStyleComplexItem"]
    assert style["version"] == 1
    for key, kind in {
        "CameraShots": int,
        "CameraTriggerInTurnAround": bool,
        "FollowTerrain": bool,
        "HoverAndCapture": bool,
        "Refly90Degrees": bool,
        "TurnAroundDistance": int,
        "Items": list,
        "VisualTransectPoints": list,
        "CameraCalc": dict,
    }.items():
        assert type(style[key]) is kind, key
    calc = style["CameraCalc"]
    assert (calc["version"], calc["DistanceToSurface"], calc["DistanceToSurfaceRelative"]) == (1, 80.0, True)
    assert len(style["VisualTransectPoints"]) == 10
    assert [i["doJumpId"] for i in style["Items"]] == list(range(3, 23))
    assert home["doJumpId"] == 23


def test_the_keys_are_those_of_a_survey_that_qgroundcontrol_saved(shared_data: Path, tmp_path: Path) -> None:
    sample = json.loads((shared_data / "missions" / "qgroundcontrol_sample_with_survey.plan").read_text())
    theirs = next(i for i in sample["mission"]["items"] if i["type"] == "ComplexItem")
    ours = next(i for i in written(BLOCK, tmp_path)["mission"]["items"] if i["type"] == "ComplexItem")
    assert ours.keys() == theirs.keys()
    style, their_style = ours["TransectStyleComplexItem"], theirs["TransectStyleComplexItem"]
    assert style.keys() == their_style.keys()
    assert style["version"] == their_style["version"]
    assert style["CameraCalc"].keys() >= their_style["CameraCalc"].keys()
    assert style["CameraCalc"]["version"] == their_style["CameraCalc"]["version"]


def test_the_camera_and_overlaps_give_the_spacing_and_the_trigger_distance_again(tmp_path: Path) -> None:
    calc = written(BLOCK, tmp_path)["mission"]["items"][2]["TransectStyleComplexItem"]["CameraCalc"]
    # What CameraCalc.cc works out when the camera or the height is touched.
    density_cm = calc["DistanceToSurface"] * calc["SensorWidth"] * 100 / (calc["ImageWidth"] * calc["FocalLength"])
    assert calc["ImageDensity"] == pytest.approx(density_cm) == pytest.approx(MAVIC.gsd_cm(80.0))
    side_m = calc["ImageWidth"] * density_cm / 100 * (100 - calc["SideOverlap"]) / 100
    frontal_m = calc["ImageHeight"] * density_cm / 100 * (100 - calc["FrontalOverlap"]) / 100
    assert (side_m, frontal_m) == pytest.approx((150.0, 30.0), abs=1e-3)
    assert calc["AdjustedFootprintSide"] == pytest.approx(150.0, abs=1e-3)
    # A sample leaves gaps: the overlap is below nothing, and said so.
    assert calc["SideOverlap"] == pytest.approx(100 * (1 - 150 / MAVIC.footprint_m(80.0)[0]), abs=0.01)
    assert calc["SideOverlap"] < 0


def test_a_camera_of_unknown_sensor_is_shown_by_its_distances_alone(tmp_path: Path) -> None:
    bare = Camera(name="x", image_width_px=800, image_height_px=600, focal_length_px=666.7)
    calc = written(BLOCK, tmp_path, bare)["mission"]["items"][2]["TransectStyleComplexItem"]["CameraCalc"]
    assert calc["CameraName"] == "Manual (no camera specs)"
    assert calc["AdjustedFootprintFrontal"] == 30.0
    assert "FocalLength" not in calc


def test_a_tilted_camera_is_shown_by_its_distances_alone(tmp_path: Path) -> None:
    for pitch_deg, name in ((-60.0, "Manual (no camera specs)"), (-90.0, "Custom Camera")):
        tilted = inserted(BLOCK, 1, MissionItem(205, 2, (pitch_deg, 0.0, 0.0, 0.0), altitude_m=2.0))
        items = written(tilted, tmp_path)["mission"]["items"]
        block = next(item for item in items if item["type"] == "ComplexItem")
        assert block["TransectStyleComplexItem"]["CameraCalc"]["CameraName"] == name


def test_the_survey_flies_the_same_items_in_the_same_order(tmp_path: Path) -> None:
    written(BLOCK, tmp_path)
    assert read_mission(tmp_path / "sortie-01.survey.plan") == BLOCK
    assert read_mission(write_mission(BLOCK, tmp_path / "sortie-01.plan")) == BLOCK


@pytest.mark.parametrize("sphere", [False, True])
@pytest.mark.parametrize("heading_deg", [0, 20, 90, 135, -60])
def test_what_qgroundcontrol_lays_anew_is_what_was_planned(tmp_path: Path, heading_deg: float, sphere: bool) -> None:
    mission = mission_over(parallel([900, 1000, 950, 700, 800, 860], 140, heading_deg))
    items = [i for i in written(mission, tmp_path)["mission"]["items"] if i["type"] == "ComplexItem"]
    assert len(items) == 1
    flown = np.array(items[0]["TransectStyleComplexItem"]["VisualTransectPoints"])[:, ::-1]
    laid = relaid(items[0], sphere=sphere)
    assert laid.shape == (6, 2, 2)
    assert farthest_m(laid, flown) < 5.0


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.floats(100, 3000), min_size=2, max_size=12),
    spacing=st.floats(15, 600),
    heading=st.floats(-180, 180),
    lat=st.floats(-70, 70),
)
def test_a_block_is_written_only_where_qgroundcontrol_would_lay_the_same_lines(
    lengths: list[float], spacing: float, heading: float, lat: float
) -> None:
    mission = mission_over(parallel(lengths, spacing, heading), lat=lat)
    blocks = survey_blocks(mission)
    assume(blocks)
    taken = [n for b in blocks for n in range(b.start, b.stop)]
    assert len(set(taken)) == len(taken)
    for block in blocks:
        told_m = relaid_miss_m(block.corners, block.ends, block.angle_deg, block.spacing_m, block.entry)
        assert told_m <= TOLERANCE_M
        item = {
            "polygon": [[lat, lon] for lon, lat in block.corners],
            "angle": block.angle_deg,
            "entryLocation": block.entry,
            "TransectStyleComplexItem": {"CameraCalc": {"AdjustedFootprintSide": block.spacing_m}},
        }
        for sphere in (False, True):
            laid = relaid(item, sphere=sphere)
            assert len(laid) == len(block.ends) // 2
            assert farthest_m(laid, np.array(block.ends)) <= TOLERANCE_M + 1.0


def changed(mission: Mission, at: int, **values: Any) -> Mission:
    items = list(mission.items)
    items[at] = replace(items[at], **values)
    return replace(mission, items=tuple(items))


def inserted(mission: Mission, at: int, item: MissionItem) -> Mission:
    return replace(mission, items=(*mission.items[:at], item, *mission.items[at:]))


FIRST = 2
"""Where the first line of BLOCK begins; each takes four items."""


@pytest.mark.parametrize(
    ("mission", "lines"),
    [
        (BLOCK, [5]),
        # A way round something between the second line and the third
        (inserted(BLOCK, FIRST + 8, MissionItem(16, 3, (0.0,) * 4, 34.9, -2.3, 80.0)), [2, 3]),
        # A height of its own; heights over terrain; a stay; another trigger distance; a wait for the pilot
        (changed(changed(BLOCK, FIRST, altitude_m=90.0), FIRST + 2, altitude_m=90.0), [4]),
        (changed(BLOCK, FIRST + 2, altitude_m=90.0), [4]),
        (replace(BLOCK, items=tuple(replace(i, frame=10) if i.frame == 3 else i for i in BLOCK.items)), []),
        (changed(BLOCK, FIRST + 2, params=(3.0, 0.0, 0.0, 0.0)), [4]),
        (changed(BLOCK, FIRST + 1, params=(20.0, 0.0, 1.0, 0.0)), [4]),
        (changed(BLOCK, FIRST + 16, autocontinue=False), [4]),
        # A speed set on the line
        (inserted(BLOCK, FIRST + 1, MissionItem(178, 2, (1.0, 9.0, -1.0, 0.0))), [4]),
        # One line; lines that cross; unevenly spaced ones
        (mission_over(parallel([900], 100, 0)), []),
        (mission_over(np.array([[(0, 0), (900, 0)], [(900, 100), (0, 700)]])), []),
        (mission_over(np.concatenate([parallel([900, 900], 100, 0), parallel([900, 900], 100, 0, 700)])), [2, 2]),
    ],
)
def test_only_lines_that_a_survey_can_say_are_put_in_one(tmp_path: Path, mission: Mission, lines: list[int]) -> None:
    assert [len(b.ends) // 2 for b in survey_blocks(mission)] == lines
    path = write_survey_plan(mission, MAVIC, tmp_path / "x")
    assert (path is None) == (not lines)
    if path is not None:
        assert read_mission(path) == mission


def test_lines_that_one_outline_cannot_bring_about_are_shown_in_several() -> None:
    # Across a wide area of upright lines QGroundControl begins 1,000 m west of the outline: with a spacing that divides
    # 1,000 the outline's own edge would be a line. Half as wide, a leaning first step makes it higher than wide.
    assert [len(b.ends) // 2 for b in survey_blocks(mission_over(parallel([300] * 6, 250, 0)))] == [3, 3]
    assert [len(b.ends) // 2 for b in survey_blocks(mission_over(parallel([300] * 6, 240, 0)))] == [6]


def test_a_landing_pattern_or_a_pattern_without_its_items_is_refused_by_name(tmp_path: Path) -> None:
    plan = written(BLOCK, tmp_path)
    path = tmp_path / "bad.plan"
    for kind, style in [
        ("fwLandingPattern", None),
        ("StructureScan", None),
        ("survey", {}),
        ("survey", {"Items": []}),
        ("CorridorScan", {"Items": "x"}),
    ]:
        plan["mission"]["items"][2] = {
            "type": "ComplexItem",
            "complexItemType": kind,
            "TransectStyleComplexItem": style,
        }
        path.write_text(json.dumps(plan))
        with pytest.raises(MissionFormatError, match=rf"items\[2\]: a '{kind}' pattern does not hold its items"):
            read_mission(path)


def test_the_items_of_a_corridor_scan_are_read(tmp_path: Path) -> None:
    plan = written(BLOCK, tmp_path)
    block = plan["mission"]["items"][2]
    block |= {"complexItemType": "CorridorScan", "version": 2, "CorridorWidth": 50, "polyline": block.pop("polygon")}
    path = tmp_path / "corridor.plan"
    path.write_text(json.dumps(plan))
    assert read_mission(path).items == BLOCK.items


def test_a_broken_item_inside_a_survey_is_refused_with_its_place(tmp_path: Path) -> None:
    plan = written(BLOCK, tmp_path)
    path = tmp_path / "bad.plan"
    plan["mission"]["items"][2]["TransectStyleComplexItem"]["Items"][4]["params"][4] = 91
    path.write_text(json.dumps(plan))
    with pytest.raises(MissionFormatError, match=r"mission\.items\[2\]\.Items\[4\]: the latitude is 91"):
        read_mission(path)


def test_frames_of_a_block_are_above_home() -> None:
    (block,) = survey_blocks(BLOCK)
    assert {BLOCK.items[n].frame for n in range(block.start, block.stop)} == {Frame.GLOBAL_RELATIVE_ALT, Frame.MISSION}
