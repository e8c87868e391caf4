"""The pictures of a plan: what is drawn is where it is, in the colours of the legend."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.frames import LocalFrame
from flightplan.obstacles import AirspaceZone, Obstacle
from flightplan.picture import Picture
from flightplan.plan import SurveyPlan
from flightplan.plan_files import PICTURE_FILE, save_plan
from flightplan.plan_layers import MOST_FOOTPRINTS, footprints_of
from flightplan.plan_map import effort_lines, map_of_plan
from flightplan.plan_page import plan_page
from flightplan.plan_picture import TONE_COLOURS, plan_png
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
LAKE = shapely.box(-300, -200, 250, 300)


def plan(**asked: object) -> SurveyPlan:
    land = Stratum("all", FRAME.delocalise(shapely.box(-1200, -700, 1200, 700)))
    area = StudyArea("Olare", (land,), (FRAME.delocalise(LAKE),))
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 0.0, "seed": 2, **asked}
    return plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), **settings))  # type: ignore[arg-type]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(picture: np.ndarray, colour: tuple[int, int, int], tolerance: int = 24) -> np.ndarray:
    return np.abs(picture - np.array(colour)).max(axis=2) <= tolerance


def test_a_picture_draws_paths_where_they_are_and_leaves_holes_open() -> None:
    picture = Picture(60, 40)
    picture.fill("M5 5L35 5L35 35L5 35zM15 15L25 15L25 25L15 25z", (200, 0, 0))
    picture.stroke("M40 20L58 20", (0, 0, 200), 4)
    shown = pixels(picture.png())
    assert shown.shape == (40, 60, 3)
    red = near(shown, (200, 0, 0))
    assert red.sum() == pytest.approx(30 * 30 - 10 * 10, rel=0.05)
    assert red[8, 8]
    assert not red[20, 20]
    rows, columns = np.nonzero(near(shown, (0, 0, 200)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((18, 21, 40, 57), abs=1)


def test_hatching_stays_inside_and_half_filled_is_half_the_colour() -> None:
    picture = Picture(60, 60)
    picture.hatch("M10 10L50 10L50 50L10 50z", (0, 0, 0))
    shown = pixels(picture.png())
    dark = near(shown, (0, 0, 0), 160)
    assert not dark[:9].any()
    assert not dark[:, 52:].any()
    assert 0.1 < dark[10:50, 10:50].mean() < 0.5
    picture = Picture(20, 20)
    picture.fill("M0 0L20 0L20 20L0 20z", (0, 0, 0), 0.5)
    assert pixels(picture.png())[10, 10] == pytest.approx([127, 127, 127], abs=2)


def test_every_sortie_s_colour_is_in_the_picture_and_the_exclusion_is_hatched_where_it_lies() -> None:
    result = plan()
    png = plan_png(result)
    assert png == plan_png(result)
    shown = pixels(png)
    for sortie in range(len(result.sorties)):
        assert near(shown, TONE_COLOURS[sortie]).sum() > 100
    drawn = map_of_plan(result)
    corners = np.array([p.rstrip("z").split() for p in drawn.exclusions[1:].split("L")], dtype=float)
    scale = shown.shape[1] / (drawn.width + 48)
    west, north = (corners.min(axis=0) + np.array([24, 62])) * scale
    east, south = (corners.max(axis=0) + np.array([24, 62])) * scale
    inside = near(shown, (162, 64, 42), 60)[round(north) : round(south), round(west) : round(east)]
    assert inside.mean() > 0.1
    above = near(shown, (162, 64, 42), 60)[round(north) - 40 : round(north) - 8, round(west) : round(east)]
    assert above.mean() < 0.02


def test_frames_lie_a_trigger_distance_apart_along_each_line_and_as_wide_as_the_strip() -> None:
    result = plan(front_overlap=0.3)
    lines = effort_lines(result.sorties[0].mission)
    corners = footprints_of(result, lines)
    across_m, along_m = result.camera.footprint_m(result.altitude_agl_m)
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    np.testing.assert_allclose(sides, np.tile([across_m, along_m, across_m], (len(corners), 1)), rtol=1e-6)
    lengths = [float(np.hypot(*np.diff(FRAME.to_local(line), axis=0).T).sum()) for line in lines]
    assert len(corners) == sum(int(m // result.trigger_distance_m) + 1 for m in lengths)
    first = int(lengths[0] // result.trigger_distance_m) + 1
    centres = corners.mean(axis=1)
    assert centres[0] == pytest.approx(result.area.frame.to_local(lines[0])[0], abs=1e-6)
    steps = np.linalg.norm(np.diff(centres[:first], axis=0), axis=1)
    assert steps == pytest.approx(np.full(first - 1, result.trigger_distance_m), rel=1e-6)
    # A line runs north or south: the wide side of a frame lies across it.
    assert np.ptp(corners[0, :, 0]) == pytest.approx(across_m, rel=1e-4)


def test_a_map_of_very_many_frames_draws_the_strips_alone() -> None:
    result = plan()
    few, many = map_of_plan(result), map_of_plan(replace(result, trigger_distance_m=2.0))
    assert few.footprints.count("M") == few.frames
    assert (many.footprints, many.frames > MOST_FOOTPRINTS) == ("", True)
    assert many.strips == few.strips


def test_obstacles_and_airspace_are_drawn_and_named_where_the_map_reaches() -> None:
    ((longitude, latitude), (far, _)) = FRAME.to_lonlat([(600.0, 100.0), (90_000.0, 0.0)])
    result = plan()
    area = replace(
        result.area,
        obstacles=(
            Obstacle("mast", shapely.Point(longitude, latitude)),
            Obstacle("far mast", shapely.Point(far, latitude)),
        ),
        airspace=(AirspaceZone("CTR Narok", "D", FRAME.delocalise(shapely.box(0, 0, 9000, 9000))),),
    )
    drawn = map_of_plan(replace(result, area=area))
    assert [label.text for label in drawn.hazards.obstacle_labels] == ["mast"]
    assert drawn.hazards.obstacles.count("M") == 1
    assert drawn.hazards.zone_labels[0].text.startswith("CTR Narok (D), ground to")
    words = plan_page(replace(result, area=area))
    assert "mast" in words
    assert "CTR Narok (D)" in words
    assert "airspace" in words
    assert near(pixels(plan_png(replace(result, area=area))), (90, 60, 150), 60).sum() > 200


def test_the_picture_lies_in_the_plan_s_folder(tmp_path: Path) -> None:
    result = plan()
    save_plan(result, tmp_path)
    assert (tmp_path / PICTURE_FILE).read_bytes() == plan_png(result)


def test_no_sortie_s_number_lies_on_another_s() -> None:
    result = plan(spacing_m=None, side_overlap=0.75)
    crowd = replace(result, sorties=result.sorties * 12)
    badges = [s.badge for s in map_of_plan(crowd).sorties]
    shown = np.array([[b.x, b.y] for b in badges if b.text])
    apart = np.abs(shown[:, None] - shown[None]).max(axis=2) + 1e6 * np.eye(len(shown))
    assert apart.min() >= 22
    assert len(badges) == len(crowd.sorties)
    assert len(result.sorties) <= len(shown) < len(badges)
    assert all(s.badge.text for s in map_of_plan(result).sorties)
