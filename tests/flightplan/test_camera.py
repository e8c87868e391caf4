"""A camera's figures, and where its pixels look."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.camera import Camera, rotation
from flightplan.errors import CameraError
from flightplan.frames import LocalFrame

DEMO = Camera.from_sensor(
    "demo",
    image_width_px=800,
    image_height_px=600,
    sensor_width_mm=13.2,
    sensor_height_mm=9.9,
    focal_length_mm=11.0,
)
PHANTOM = Camera(
    "Phantom 4 RTK",
    5472,
    3648,
    3657.02,
    focal_length_y_px=3650.62,
    principal_point_px=(2731.47, 1846.6),
    distortion=(-0.267098, 0.111977, 0.000924881, 8.82056e-05, -0.0331614),
)
angles = st.floats(-360, 360)


def test_gsd_footprint_and_height_of_the_demo_camera():
    assert DEMO.gsd_cm(80) == pytest.approx(12.0)
    assert DEMO.footprint_m(80) == pytest.approx((96.0, 72.0))
    assert DEMO.altitude_for_gsd_m(12.0) == pytest.approx(80.0)


@given(height=st.floats(1, 5000))
def test_the_height_for_a_gsd_gives_that_gsd(height):
    assert PHANTOM.altitude_for_gsd_m(PHANTOM.gsd_cm(height)) == pytest.approx(height)


def test_the_middle_of_the_image_looks_along_the_optical_axis():
    assert DEMO.rays([[399.5, 299.5]]) == pytest.approx(np.array([[1.0, 0.0, 0.0]]))


def test_a_pixel_further_right_looks_right_and_one_further_down_looks_down():
    (right, down) = DEMO.rays([[700, 299.5], [399.5, 500]])
    assert right[1] > 0.3
    assert right[2] == 0
    assert down[2] > 0.25
    assert down[1] == 0


@given(x=st.floats(0, 5471), y=st.floats(0, 3647))
def test_projecting_a_ray_returns_its_pixel_under_strong_distortion(x, y):
    assert PHANTOM.project(PHANTOM.rays([[x, y]])) == pytest.approx(np.array([[x, y]]), abs=1e-8)


def test_distortion_bends_the_corner_of_a_phantom_frame_by_a_thousand_pixels():
    pinhole = Camera("p", 5472, 3648, 3657.02, focal_length_y_px=3650.62, principal_point_px=(2731.47, 1846.6))
    shift = np.linalg.norm(pinhole.project(PHANTOM.rays([[0, 0]])) - [[0, 0]])
    assert 1100 < shift < 1250


def test_a_direction_behind_the_camera_has_no_pixel():
    assert np.isnan(DEMO.project([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).all()


def test_a_direction_beyond_the_fold_of_the_distortion_has_no_pixel():
    assert np.isnan(PHANTOM.project([[1.0, 2.0, 0.0]])).all()


def test_a_pixel_that_no_direction_can_have_made_has_no_ray():
    barrel = Camera("barrel", 4000, 3000, 1000, distortion=(-0.3, 0.0, 0.0, 0.0, 0.0))
    assert np.isnan(barrel.rays([[0.0, 0.0]])).all()
    assert np.isfinite(barrel.rays([[1999.5, 1499.5]])).all()


@given(
    radial=st.tuples(st.integers(-350, 350), st.integers(-150, 150), st.integers(-50, 50)),
    tangential=st.tuples(st.integers(-2, 2), st.integers(-2, 2)),
    turn=st.floats(0, 2 * math.pi),
)
def test_whatever_the_lens_a_direction_it_can_see_is_that_of_its_pixel_in_the_picture_and_far_off_it(
    radial, tangential, turn
):
    k1, k2, k3, p1, p2 = (thousandths / 1000 for thousandths in (*radial, *tangential))
    lens = Camera("any", 4000, 3000, 2500, distortion=(k1, k2, p1, p2, k3))
    reach = np.linspace(0, 1.3, 200)
    widening = 1 + reach**2 * (3 * k1 + reach**2 * (5 * k2 + reach**2 * 7 * k3))
    # Where a lens all but folds two directions share a pixel, and nobody could tell which it was.
    off_axis = reach[np.minimum.accumulate(widening) > 0.2][::5]
    look = np.column_stack([np.ones_like(off_axis), off_axis * math.cos(turn), off_axis * math.sin(turn)])
    look /= np.linalg.norm(look, axis=1, keepdims=True)
    assert lens.rays(lens.project(look)) == pytest.approx(look, abs=1e-9)


def test_a_ray_does_not_depend_on_the_others_asked_for():
    pixels = np.random.default_rng([5]).uniform([-900, -900], [6400, 4500], (60, 2))
    together = PHANTOM.rays(pixels)
    alone = np.concatenate([PHANTOM.rays(pixel) for pixel in pixels])
    assert 0 < np.isnan(together[:, 0]).sum() < 60
    assert together == pytest.approx(alone, abs=1e-12, nan_ok=True)


def test_nan_pixels_stay_nan_and_leave_the_others_alone():
    rays = PHANTOM.rays([[np.nan, 5.0], [100.0, 100.0]])
    assert np.isnan(rays[0]).all()
    assert rays[1] == pytest.approx(PHANTOM.rays([[100.0, 100.0]])[0])


def test_pitch_minus_ninety_looks_straight_down_with_the_top_of_the_image_to_the_heading():
    down = rotation(30.0, -90.0, 0.0)
    assert down @ [1, 0, 0] == pytest.approx([0, 0, 1])
    up_in_image = down @ [0, 0, -1]
    assert up_in_image == pytest.approx([math.cos(math.radians(30)), math.sin(math.radians(30)), 0])


@given(angles, angles, angles)
def test_a_rotation_keeps_lengths_and_handedness(yaw, pitch, roll):
    matrix = rotation(yaw, pitch, roll)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_straight_down_a_roll_of_180_is_a_yaw_of_180():
    assert rotation(50, -90, 180) == pytest.approx(rotation(230, -90, 0), abs=1e-12)


def test_rotations_of_many_captures_broadcast():
    many = rotation(np.array([0.0, 90.0, 180.0]), -90.0, 0.0)
    assert many.shape == (3, 3, 3)
    assert many[1] == pytest.approx(rotation(90, -90, 0))


@given(x=st.floats(0, 5471), y=st.floats(0, 3647), scale=st.sampled_from([0.125, 0.25, 0.5, 2.0]))
def test_a_resized_image_sees_the_same_things(x, y, scale):
    small = PHANTOM.resized(int(5472 * scale), int(3648 * scale))
    moved = [[(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5]]
    assert small.rays(moved) == pytest.approx(PHANTOM.rays([[x, y]]), abs=1e-9)


def test_a_picture_of_another_shape_is_not_a_resized_one():
    with pytest.raises(CameraError, match="cropped"):
        PHANTOM.resized(4096, 2160)


def test_a_window_of_the_image_sees_the_same_things():
    window = PHANTOM.cropped(1000, 500, 640, 480)
    assert window.rays([[20.0, 30.0]]) == pytest.approx(PHANTOM.rays([[1020.0, 530.0]]))


@given(x=st.floats(0, 5471), y=st.floats(0, 3647))
def test_a_camera_turned_in_its_mount_sees_the_same_things_a_quarter_turn_round(x, y):
    forward, right, down = PHANTOM.rays([[x, y]])[0]
    turned = PHANTOM.portrait().rays([[3647 - y, x]])[0]
    assert turned == pytest.approx([forward, -down, right], abs=1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_width_px", 0),
        ("image_width_px", 12.5),
        ("image_height_px", 10**9),
        ("focal_length_px", -1.0),
        ("focal_length_px", float("nan")),
        ("focal_length_px", float("inf")),
        ("focal_length_y_px", 1.0),
        ("sensor_width_mm", 0.0),
        ("min_trigger_interval_s", -2.0),
        ("distortion", (0.1, 0.2, 0.3)),
        ("distortion", (0.1, 0.2, 0.3, 0.4, float("nan"))),
        ("principal_point_px", (1.0, float("inf"))),
        ("name", ""),
    ],
)
def test_a_camera_whose_figures_do_not_hold_together_is_refused(field, value):
    good = {"name": "c", "image_width_px": 800, "image_height_px": 600, "focal_length_px": 700.0}
    with pytest.raises(CameraError):
        Camera(**{**good, field: value})


@pytest.mark.parametrize("height", [0, -5, float("nan"), float("inf")])
def test_no_gsd_without_a_height(height):
    with pytest.raises(CameraError):
        DEMO.gsd_cm(height)


def test_rays_and_attitude_agree_with_the_exact_pairs_over_flat_ground(shared_data: Path):
    """On a plane without curvature; the whole check, to centimetres, is in tests/detect/test_georef.py."""
    cases = json.loads((shared_data / "imagery" / "synthetic_rays.json").read_text())["cases"]
    nadir = [c for c in cases if c["category"] in ("nadir", "dewarp_nadir", "near_nadir_wind")]
    assert len(nadir) == 26
    for case in nadir:
        c, pose = case["camera"], case["pose"]
        distortion = None if c["dist"] is None else tuple(c["dist"])
        camera = Camera(
            "case",
            c["width"],
            c["height"],
            c["fx"],
            focal_length_y_px=c["fy"],
            principal_point_px=(c["cx"], c["cy"]),
            distortion=distortion,
        )
        points = np.array(case["points"])
        look = camera.rays(points[:, :2]) @ rotation(pose["yaw"], pose["pitch"], pose["roll"]).T
        drop = pose["h"] - case["surface"]["h"]
        north_east = look[:, :2] / look[:, 2:] * drop
        east_north = LocalFrame(pose["lon"], pose["lat"]).to_local(points[:, [3, 2]])
        # 300 m up in the highlands, metres at flying height are 3 in 10 000 longer than on the ellipsoid.
        assert north_east[:, ::-1] == pytest.approx(east_north, rel=5e-4, abs=0.03)
