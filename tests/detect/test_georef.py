"""Pixels on the ground: exact where the truth is exact, honest about their errors, explicit about misses."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from detect.captures import read_capture
from detect.evaluate_georef import evaluate_georef, evaluate_tie_points
from detect.georef import Pose, footprint, ground_to_pixel, place, sight_lines
from detect.pose_errors import PoseErrors
from detect.raycast import Placement, cast
from flightplan.camera import rotation
from flightplan.ellipsoid import to_geocentric, to_geodetic
from flightplan.errors import GeoreferenceError, UnreadableFileError
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

_spec = importlib.util.spec_from_file_location("demo_camera", Path(__file__).with_name("demo_camera.py"))
demo_camera = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(demo_camera)
CENTRE, DEMO, LAT, LEVEL, LON = (
    demo_camera.CENTRE,
    demo_camera.DEMO,
    demo_camera.LAT,
    demo_camera.LEVEL,
    demo_camera.LON,
)
PHANTOM, make_hills, metres = demo_camera.PHANTOM, demo_camera.make_hills, demo_camera.metres


# Exactness ------------------------------------------------------------------------------------------------------------


def test_every_category_of_the_exact_pairs_is_met_to_the_millimetres_they_are_written_in(shared_data: Path):
    result = evaluate_georef(shared_data / "imagery" / "synthetic_rays.json")
    assert result.skipped == ()
    assert set(result.categories) == {
        "nadir",
        "nadir_roll180 (same view as yaw+180,roll 0)",
        "oblique",
        "oblique_roll",
        "near_nadir_wind",
        "dewarp_nadir",
        "dewarp_oblique",
        "dem_nadir",
        "dem_oblique",
    }
    assert sum(errors.n for errors in result.categories.values()) == 67 * 7
    for errors in result.categories.values():
        assert 0 < errors.median_m < 0.001
        assert errors.max_m < 0.005
        assert errors.inside_95 == 1.0


def test_straight_down_the_middle_of_the_picture_is_under_the_camera():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 30.0, -90.0), CENTRE, LEVEL)
    assert metres(placed.lonlat)[0] == pytest.approx([0, 0], abs=1e-6)
    assert placed.height_m == pytest.approx([0.0], abs=1e-6)


@pytest.mark.parametrize(("yaw", "east", "north"), [(0, 0, 36), (90, 36, 0), (180, 0, -36), (270, -36, 0)])
def test_the_top_of_a_nadir_picture_lies_towards_the_heading(yaw, east, north):
    placed = place(DEMO, Pose(LON, LAT, 80.0, yaw, -90.0), [[399.5, -0.5]], LEVEL)
    assert metres(placed.lonlat)[0] == pytest.approx([east, north], abs=0.01)


@given(
    x=st.floats(0, 5471),
    y=st.floats(0, 3647),
    yaw=st.floats(-180, 180),
    pitch=st.floats(-90, -50),
    roll=st.floats(-20, 20),
    lon=st.floats(-180, 180),
    lat=st.floats(-80, 80),
)
def test_a_pixel_on_the_ground_projects_back_to_itself(x, y, yaw, pitch, roll, lon, lat):
    pose = Pose(lon, lat, 120.0, yaw, pitch, roll)
    placed = place(PHANTOM, pose, [[x, y]], LEVEL)
    if placed.on_ground[0]:
        pixel = ground_to_pixel(PHANTOM, pose, placed.lonlat, placed.height_m)
        assert pixel == pytest.approx(np.array([[x, y]]), abs=1e-4)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_over_hills_the_ray_ends_at_the_first_ground_it_meets(seed):
    rng = np.random.default_rng([seed, 5])
    hills = make_hills(seed=seed % 7)
    pose = Pose(LON, LAT, float(rng.uniform(45, 120)), float(rng.uniform(0, 360)), float(rng.uniform(-80, -25)), 5.0)
    pixels = rng.uniform([0, 0], [799, 599], (20, 2))
    placed = place(DEMO, pose, pixels, hills)
    good = placed.on_ground
    assert placed.height_m[good] == pytest.approx(hills.heights_m(placed.lonlat[good]), abs=1e-3)
    assert ground_to_pixel(DEMO, pose, placed.lonlat[good], placed.height_m[good]) == pytest.approx(
        pixels[good], abs=0.01
    )
    start = to_geocentric([[LON, LAT]], [pose.height_m])
    end = to_geocentric(placed.lonlat[good], placed.height_m[good])
    for share in np.linspace(0.01, 0.999, 200):
        between = start + share * (end - start)
        lonlat, height = to_geodetic(between)
        assert (height > hills.heights_m(lonlat) - 0.02).all()


def test_many_captures_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng([3, 1])
    rows = 12
    columns = (
        LON + rng.normal(0, 0.01, rows),
        LAT + rng.normal(0, 0.01, rows),
        rng.uniform(60, 120, rows),
        rng.uniform(0, 360, rows),
        rng.uniform(-90, -60, rows),
        rng.uniform(-10, 10, rows),
    )
    pixels = rng.uniform([0, 0], [799, 599], (rows, 2))
    together = place(DEMO, Pose(*columns), pixels, LEVEL)
    for row in range(rows):
        alone = place(DEMO, Pose(*(float(c[row]) for c in columns)), pixels[row], LEVEL)
        assert together.lonlat[row] == pytest.approx(alone.lonlat[0], abs=1e-12)
        assert together.covariance_m2[row] == pytest.approx(alone.covariance_m2[0])


def test_no_pixels_are_no_places():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, -90.0), np.empty((0, 2)), LEVEL)
    assert placed.lonlat.shape == (0, 2)
    assert placed.covariance_m2.shape == (0, 2, 2)


@pytest.mark.parametrize("ground", [make_hills(), LEVEL, Terrain.flat(-30.0)], ids=["hills", "level", "lower"])
def test_blocks_of_pixels_come_back_in_order_and_no_point_depends_on_the_others(monkeypatch, ground):
    pixels = np.random.default_rng([1]).uniform([0, 0], [799, 599], (1000, 2))
    pose = Pose(LON, LAT, np.linspace(60, 90, 1000), 10.0, -80.0)
    whole = place(DEMO, pose, pixels, ground)
    monkeypatch.setattr("detect.georef._BLOCK", 7)
    parts = place(DEMO, pose, pixels, ground)
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("ground", [make_hills(), LEVEL, Terrain.flat(1500.0)], ids=["hills", "level", "higher"])
def test_one_pose_for_all_pixels_is_that_pose_for_each(ground):
    pixels = np.random.default_rng([2]).uniform([0, 0], [5471, 3647], (200, 2))
    figures = (LON, LAT, ground.range_m[1] + 90.0, 40.0, -55.0, 3.0)
    once = place(PHANTOM, Pose(*figures), pixels, ground)
    each = place(PHANTOM, Pose(*(np.full(200, figure) for figure in figures)), pixels, ground)
    assert once.on_ground.sum() > 100
    assert np.array_equal(once.status, each.status)
    assert each.lonlat == pytest.approx(once.lonlat, abs=1e-12, nan_ok=True)
    assert each.covariance_m2 == pytest.approx(once.covariance_m2, rel=1e-9, nan_ok=True)


def test_rays_met_with_the_ground_are_the_places_of_their_pixels():
    pixels = np.random.default_rng([4]).uniform([0, 0], [5471, 3647], (50, 2))
    pose = Pose(LON, LAT, 400.0, 40.0, -60.0, 2.0)
    origin, direction = sight_lines(PHANTOM, pose, pixels)
    distance, status = cast(origin, direction, Terrain.flat(310.0))
    placed = place(PHANTOM, pose, pixels, Terrain.flat(310.0))
    lonlat, height = to_geodetic(origin + distance[:, None] * direction)
    assert np.array_equal(status, placed.status)
    assert lonlat == pytest.approx(placed.lonlat, abs=1e-12)
    assert height == pytest.approx(np.full(50, 310.0), abs=1e-7)


def test_without_any_error_the_ground_is_certain_and_the_sky_is_still_nowhere():
    exact = PoseErrors(*([0.0] * 10))
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, -5.0), [[399.5, 0.0], [399.5, 599.0]], LEVEL, exact)
    assert placed.status.tolist() == [Placement.SKY, Placement.GROUND]
    assert np.isnan(placed.covariance_m2[0]).all()
    assert np.isnan(placed.common_m2[0]).all()
    assert np.array_equal(placed.covariance_m2[1], np.zeros((2, 2)))


def test_a_pixel_above_the_horizon_is_sky_and_nan():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, 10.0), CENTRE, LEVEL)
    assert placed.status[0] == Placement.SKY
    assert np.isnan(placed.lonlat).all()
    assert np.isnan(placed.covariance_m2).all()


def test_a_camera_below_the_ground_is_said_to_be_there():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, -90.0), CENTRE, Terrain.flat(100.0))
    assert placed.status[0] == Placement.CAMERA_BELOW_GROUND


def test_a_pixel_that_looks_into_a_void_is_a_void_and_never_the_ground_behind_it():
    hills = make_hills()
    assert hills.grid_m is not None
    grid = hills.grid_m.copy()
    grid[:, 45:50] = np.nan
    pose = Pose(LON, LAT, 60.0, 90.0, -35.0)
    whole = place(DEMO, pose, CENTRE, hills)
    east_m = metres(whole.lonlat)[0, 0]
    assert 50 < east_m < 250
    holed = place(DEMO, pose, CENTRE, dataclasses.replace(hills, grid_m=grid))
    assert holed.status[0] == Placement.VOID


def test_a_pixel_that_looks_over_the_edge_of_the_model_is_a_void():
    placed = place(DEMO, Pose(LON, LAT, 60.0, 90.0, -5.0), CENTRE, make_hills())
    assert placed.status[0] == Placement.VOID


@pytest.mark.parametrize(
    "pose",
    [
        Pose(float("nan"), LAT, 80.0, 0.0, -90.0),
        Pose(LON, LAT, float("inf"), 0.0, -90.0),
        Pose(LON, 100.0, 80.0, 0.0, -90.0),
        Pose(LON, LAT, 80.0, np.zeros(3), -90.0),
    ],
)
def test_a_pose_that_is_none_is_refused(pose):
    with pytest.raises(GeoreferenceError):
        place(DEMO, pose, CENTRE, LEVEL)


# Covariance -----------------------------------------------------------------------------------------------------------


def test_straight_down_the_errors_are_those_one_can_do_by_hand():
    errors = PoseErrors(
        horizontal_common_m=0,
        horizontal_m=0.5,
        height_common_m=0,
        height_m=0,
        yaw_common_deg=0,
        yaw_deg=0,
        tilt_common_deg=0,
        tilt_deg=1.0,
        terrain_m=0,
        pixel_px=0,
    )
    placed = place(DEMO, Pose(LON, LAT, 80.0, 20.0, -90.0), CENTRE, LEVEL, errors)
    expected = 0.5**2 + (80 * np.radians(1.0)) ** 2
    assert placed.covariance_m2[0] == pytest.approx(np.eye(2) * expected, rel=1e-6, abs=1e-9)
    assert placed.common_m2[0] == pytest.approx(np.zeros((2, 2)), abs=1e-12)


@pytest.mark.parametrize("pitch", [-90.0, -70.0, -45.0])
@pytest.mark.parametrize("terrain", [LEVEL, make_hills()], ids=["level", "hills"])
def test_the_stated_covariance_is_the_scatter_of_poses_drawn_with_those_errors(pitch, terrain):
    errors = PoseErrors(
        horizontal_common_m=0.5,
        horizontal_m=0.2,
        height_common_m=0.4,
        height_m=0.1,
        yaw_common_deg=0.5,
        yaw_deg=0.3,
        tilt_common_deg=0.2,
        tilt_deg=0.2,
        terrain_m=0.0,
        pixel_px=0.0,
    )
    rng = np.random.default_rng([9, int(-pitch)])
    n = 20_000
    pixel = [620.0, 450.0]
    pose = Pose(LON, LAT, 70.0, 25.0, pitch, 4.0)
    sd = np.sqrt(np.diag(errors.common() + errors.independent()))
    noise = rng.normal(size=(n, 6)) * sd[:6]
    frame = LocalFrame(LON, LAT)
    lonlat = frame.to_lonlat(noise[:, [1, 0]])
    yaw, turned_pitch, roll = _euler_deg(Rotation.from_rotvec(noise[:, 3:]).as_matrix() @ rotation(25.0, pitch, 4.0))
    drawn = Pose(lonlat[:, 0], lonlat[:, 1], 70.0 + noise[:, 2], yaw, turned_pitch, roll)
    # A step of slope inside the scatter makes it other than normal: smooth ground only.
    smooth = terrain if terrain.is_flat else dataclasses.replace(terrain, grid_m=_smooth(terrain))
    scatter = metres(place(DEMO, drawn, np.tile(pixel, (n, 1)), smooth).lonlat)
    stated = place(DEMO, pose, [pixel], smooth, errors).covariance_m2[0]
    assert np.cov(scatter.T) == pytest.approx(stated, rel=0.1, abs=0.02 * np.trace(stated))
    centre = metres(place(DEMO, pose, [pixel], smooth).lonlat)[0]
    squared = np.einsum("ni,ij,nj->n", scatter - centre, np.linalg.inv(stated), scatter - centre)
    assert np.mean(squared <= 5.991) == pytest.approx(0.95, abs=0.015)
    assert np.mean(squared <= 1.0) == pytest.approx(0.393, abs=0.03)


def _euler_deg(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    yaw, roll = np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]), np.arctan2(matrix[:, 2, 1], matrix[:, 2, 2])
    return np.degrees(yaw), np.degrees(-np.arcsin(matrix[:, 2, 0])), np.degrees(roll)


def test_over_simulated_flights_95_percent_of_errors_lie_inside_the_95_percent_ellipse():
    """Each flight draws its common errors once and the others for every capture; the truth is where the pixel was."""
    errors, rng = PoseErrors(), np.random.default_rng([11, 4])
    flights, rows = 60, 50
    common = np.repeat(rng.normal(size=(flights, 9)) * np.sqrt(np.diag(errors.common())), rows, axis=0)
    noise = common + rng.normal(size=(flights * rows, 9)) * np.sqrt(np.diag(errors.independent()))
    n = len(noise)
    yaw, pitch, roll = rng.uniform(0, 360, n), rng.uniform(-90, -55, n), rng.normal(0, 3, n)
    pixels = rng.uniform([0, 0], [799, 599], (n, 2))
    true = rotation(yaw, pitch, roll)
    told_yaw, told_pitch, told_roll = _euler_deg(Rotation.from_rotvec(noise[:, 3:6]).as_matrix() @ true)
    told_lonlat = LocalFrame(LON, LAT).to_lonlat(noise[:, [1, 0]])
    believed = Pose(told_lonlat[:, 0], told_lonlat[:, 1], 80 + noise[:, 2], told_yaw, told_pitch, told_roll)
    ground = Terrain.flat(0.0)
    truth = place(DEMO, Pose(LON, LAT, 80.0, yaw, pitch, roll), pixels, ground)
    level = noise[:, 6]
    # A wrong height of the ground is a wrong height of the camera over it.
    stood = dataclasses.replace(believed, height_m=80 + noise[:, 2] - level)
    placed = place(DEMO, stood, pixels + noise[:, 7:9], ground, errors)
    good = truth.on_ground & placed.on_ground
    apart = metres(placed.lonlat[good]) - metres(truth.lonlat[good])
    squared = np.einsum("ni,nij,nj->n", apart, np.linalg.inv(placed.covariance_m2[good]), apart)
    assert 0.92 <= np.mean(squared <= 5.991) <= 0.98
    assert 0.34 <= np.mean(squared <= 1.0) <= 0.45


def _smooth(terrain: Terrain) -> Floats:
    assert terrain.grid_m is not None
    rows, columns = np.mgrid[0 : terrain.grid_m.shape[0], 0 : terrain.grid_m.shape[1]]
    return np.asarray(0.15 * columns * terrain.cell_m - 0.1 * rows * terrain.cell_m) - 40.0


def test_farther_from_the_camera_a_pixel_is_less_certain():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, -45.0), [[399.5, 580.0], [399.5, 20.0]], LEVEL)
    near, far = np.linalg.det(placed.covariance_m2)
    assert far > 3 * near


def test_the_common_part_is_less_than_all():
    placed = place(DEMO, Pose(LON, LAT, 80.0, 0.0, -80.0), [[10.0, 10.0]], LEVEL)
    assert np.linalg.eigvalsh(placed.covariance_m2[0] - placed.common_m2[0]).min() > 0


# Footprints -----------------------------------------------------------------------------------------------------------


def test_the_footprint_of_a_nadir_picture_has_the_camera_s_width_and_length():
    outline = footprint(DEMO, Pose(LON, LAT, 80.0, 0.0, -90.0), LEVEL)
    local = shapely.transform(outline, metres)
    west, south, east, north = local.bounds
    assert (east - west, north - south) == pytest.approx((96.0, 72.0), abs=0.01)
    assert local.area == pytest.approx(96 * 72, rel=1e-4)


def test_across_the_antimeridian_a_footprint_stays_in_one_piece():
    outline = footprint(DEMO, Pose(179.9999, LAT, 80.0, 0.0, -90.0), LEVEL)
    west, _, east, _ = outline.bounds
    assert east > 180
    assert east - west < 0.001


def test_a_picture_with_sky_has_no_footprint():
    with pytest.raises(GeoreferenceError, match="horizon"):
        footprint(DEMO, Pose(LON, LAT, 80.0, 0.0, -5.0), LEVEL)


# Evaluation -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{}", '{"cases": [1]}', "[1, 2", '{"cases": [{"pose": {}}]}'])
def test_a_file_that_holds_no_pairs_is_refused(tmp_path, text):
    path = tmp_path / "pairs.json"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match="not a file of pixel-to-ground pairs"):
        evaluate_georef(path)


def test_a_folder_without_tie_points_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="not a table of tie points"):
        evaluate_georef(tmp_path)


# Real pictures: the same ground point from two of them -------------------------------------------------------------


def test_a_fixed_wing_without_gimbal_is_placed_closer_than_the_best_known_tool(shared_data: Path):
    """orthority 0.7 leaves 18.4 m between the two places of a tie point (median)."""
    result = evaluate_georef(shared_data / "imagery" / "seneca_sensefly")
    assert result.skipped == ()
    assert result.categories["pairs"].n == 80
    assert result.categories["pairs"].median_m < 15
    assert result.categories["pairs"].inside_95 > 0.9


def test_a_multirotor_as_read_is_placed_closer_than_the_best_known_tool(shared_data: Path):
    """orthority 0.7 leaves 24.6 m as read: one flight line's yaw contradicts its pictures by 180°."""
    pairs = evaluate_georef(shared_data / "imagery" / "brighton_dji").categories["pairs"]
    assert pairs.n == 462
    assert pairs.median_m < 18


def test_with_the_flipped_line_turned_back_frames_agree_within_their_receiver_s_accuracy(shared_data: Path):
    folder = shared_data / "imagery" / "brighton_dji"
    captures = {path.name: read_capture(path) for path in sorted(folder.glob("*.JPG"))}
    for name in ("DJI_0024.JPG", "DJI_0025.JPG", "DJI_0028.JPG", "DJI_0029.JPG"):
        yaw_deg = captures[name].yaw_deg
        assert yaw_deg is not None
        captures[name] = dataclasses.replace(captures[name], yaw_deg=yaw_deg + 180)
    pairs = evaluate_tie_points(folder, captures=captures).categories["pairs"]
    assert pairs.median_m < 2.8
    assert pairs.max_m < 6
    # Its headings scatter by 2°, more than a newer drone's.
    assert 0.7 < pairs.inside_95 < 0.8
