"""The same ground in two pictures: found however they are turned, and not found where it is not."""

import numpy as np
import pytest
import scipy.ndimage

from detect.keypoints import Keypoints, find_keypoints, ground_cell_m
from detect.matching import match, neighbours
from detect.turns import Links, find_turns, ground_scale
from flightplan.camera import rotation
from flightplan.cameras import camera_named
from flightplan.frames import Floats

CAMERA = camera_named("overfly-demo").resized(320, 240)
HEIGHT_M = 80.0


def _ground(seed: int) -> Floats:
    rng = np.random.default_rng([seed, 4])
    rough = [scipy.ndimage.gaussian_filter(rng.normal(size=(600, 600)), s) * s for s in (1.5, 4.0)]
    return np.asarray(120 + 60 * sum(rough) / np.std(sum(rough)))


def _picture(ground: Floats, east: float, north: float, yaw: float, pitch: float = -90.0) -> Keypoints:
    columns, rows = np.meshgrid(np.arange(320.0), np.arange(240.0))
    look = CAMERA.rays(np.column_stack([columns.ravel(), rows.ravel()])) @ rotation(yaw, pitch, 0.0).T
    local = np.array([east, north]) + HEIGHT_M * look[:, [1, 0]] / look[:, 2:]
    shown = scipy.ndimage.map_coordinates(ground, [local[:, 1] / 0.4 + 300, local[:, 0] / 0.4 + 300], order=1)
    pixels = np.repeat(np.clip(shown, 0, 255).astype(np.uint8).reshape(240, 320, 1), 3, axis=2)
    return find_keypoints(pixels, CAMERA, pitch, 0.0, HEIGHT_M, ground_cell_m(CAMERA, pitch, 0.0, HEIGHT_M))


def _turned(level: Floats, yaw: float) -> Floats:
    """Metres east and north of metres forward and to the right."""
    z = level @ np.array([1, 1j]) * np.exp(1j * np.radians(yaw))
    return np.column_stack([z.imag, z.real])


@pytest.mark.parametrize(
    ("yaw", "pitch"), [(0.0, -90.0), (23.0, -90.0), (90.0, -90.0), (180.0, -90.0), (-140.0, -75.0)]
)
def test_matches_are_the_same_ground_whatever_the_heading(yaw: float, pitch: float) -> None:
    ground = _ground(1)
    views = [_picture(ground, 0.0, 0.0, 10.0), _picture(ground, 8.0, 20.0, 10.0 + yaw, pitch)]
    found = match(views, [(0, 1)], np.array([80.0, 80.0]))
    assert len(found) == 40
    first = _turned(found.level[:, 0], 10.0)
    second = _turned(found.level[:, 1], 10.0 + yaw) + np.array([8.0, 20.0])
    apart = np.hypot(*(first - second).T)
    assert np.median(apart) < 0.3
    assert apart.max() < 1.5


def test_pictures_of_other_ground_do_not_match() -> None:
    views = [_picture(_ground(1), 0.0, 0.0, 0.0), _picture(_ground(2), 0.0, 0.0, 0.0)]
    assert len(match(views, [(0, 1)], np.array([80.0, 80.0]))) == 0


def test_an_even_picture_has_no_keypoints() -> None:
    assert len(_picture(np.full((600, 600), 90.0), 0.0, 0.0, 0.0)) == 0


def test_keypoints_lie_in_their_pixels() -> None:
    found = _picture(_ground(3), 0.0, 0.0, 30.0, -80.0)
    look = CAMERA.rays(found.pixels) @ rotation(0.0, -80.0, 0.0).T
    assert look[:, :2] / look[:, 2:] * HEIGHT_M == pytest.approx(found.level, abs=1e-6)


def test_a_flight_s_neighbours_are_those_nearest_and_within_reach() -> None:
    line = np.column_stack([np.zeros(6), 30.0 * np.arange(6)])
    assert neighbours(line, np.full(6, 25.0)) == [(n, n + 1) for n in range(5)]
    assert neighbours(line, np.full(6, 25.0), most=1)[0] == (0, 1)
    assert neighbours(line[:1], np.full(1, 25.0)) == []


def test_turns_and_the_size_of_the_ground_follow_from_matches_and_positions() -> None:
    ground = _ground(5)
    places, yaws = [(0.0, 0.0), (0.0, 25.0), (0.0, 50.0), (30.0, 40.0)], np.array([0.0, 4.0, -3.0, 180.0])
    views = [_picture(ground, e, n, y) for (e, n), y in zip(places, yaws, strict=True)]
    widths = np.full(4, 80.0)
    found = match(views, neighbours(np.array(places), 0.75 * widths), widths)
    told = yaws + np.array([0.0, 180.0, 0.0, 90.0])
    links = Links.of(found, told)
    assert find_turns(links, np.array(places), told, widths).tolist() == [0, 2, 0, 3]
    scale = ground_scale(Links.of(found, yaws), np.array(places), yaws, widths, 0.5)
    assert scale is not None
    assert scale.ratio == pytest.approx(1.0, abs=0.02)
    # Pictures taken from one place say nothing of how large the ground is.
    still = np.zeros((4, 2))
    assert ground_scale(Links.of(found, yaws), still, yaws, widths, 0.5) is None
