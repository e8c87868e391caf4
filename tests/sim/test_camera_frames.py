"""What a rendered frame promises: geometry, labels, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.camera import Camera
from flightplan.errors import CameraError
from sim.camera import render_frame
from sim.park import demo_area
from sim.species import SPECIES
from sim.surveys import draw_detections, visible_animals
from sim.view import Pose, View
from sim.world import World

CAMERA = Camera(name="small", image_width_px=400, image_height_px=300, focal_length_px=80 / 0.12)


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(demo_area(), 2)


def over(world: World, animal: int, time_s: float, **angles: float) -> Pose:
    longitude, latitude = world.area.frame.to_lonlat(world.positions(time_s).local_m[animal])[0]
    return Pose(float(longitude), float(latitude), 80.0, **{"yaw_deg": 0.0, **angles})


def lone(world: World, species: int) -> int:
    """An animal without another within 40 m."""
    where = world.positions(0.0).local_m
    for row in np.nonzero((world.animals.species == species) & (world.animals.size > 0.9))[0]:
        distance = np.hypot(*(where - where[row]).T)
        if (distance < 40).sum() == 1:
            return int(row)
    raise AssertionError("no lone animal in this world")


def test_the_same_frame_has_the_same_bytes_whatever_was_rendered_before(world: World) -> None:
    pose = over(world, 0, 0.0)
    first, labels = render_frame(world, CAMERA, pose, 0.0)
    render_frame(world, CAMERA, over(world, 50, 9.0, yaw_deg=77.0), 9.0)
    again, same = render_frame(World.build(demo_area(), 2), CAMERA, pose, 0.0)
    assert np.array_equal(first, again)
    assert labels == same


def test_an_animal_below_the_camera_is_labelled_in_the_middle(world: World) -> None:
    for species, kind in enumerate(SPECIES):
        row = lone(world, species)
        _, labels = render_frame(world, CAMERA, over(world, row, 0.0), 0.0)
        label = next(one for one in labels if one.animal == row)
        x0, y0, x1, y1 = label.box_px
        assert label.species == kind.name
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((200, 150), abs=4)
        long_side = np.hypot(x1 - x0, y1 - y0) * 0.12
        assert 0.6 * kind.length_m < long_side < 1.4 * kind.length_m


def test_the_box_holds_pixels_that_differ_from_the_land(world: World) -> None:
    row = lone(world, 0)
    image, labels = render_frame(world, CAMERA, over(world, row, 0.0), 0.0)
    x0, y0, x1, y1 = map(int, next(one for one in labels if one.animal == row).box_px)
    inside = image[y0:y1, x0:x1].mean(axis=2)
    assert np.percentile(inside, 20) < 0.85 * np.median(image.mean(axis=2))


def test_the_land_stays_where_it_is_when_the_camera_moves(world: World) -> None:
    """Two frames 20 m apart along a line show one ground, 166.7 px apart."""
    here = world.area.frame.to_lonlat([(-1800.0, 300.0), (-1800.0, 300.0 + 100 * 0.12)])
    images = [render_frame(world, CAMERA, Pose(*map(float, p), 80.0, 0.0), 0.0)[0].mean(axis=2) for p in here]
    same = np.corrcoef(images[0][:200].ravel(), images[1][100:].ravel())[0, 1]
    shifted = np.corrcoef(images[0][:200].ravel(), images[1][90:290].ravel())[0, 1]
    assert same > 0.75
    assert same > shifted + 0.1


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 360),
    st.floats(-110, -70),
    st.floats(-15, 15),
    st.lists(st.tuples(st.floats(0, 399), st.floats(0, 299)), min_size=1, max_size=8),
)
def test_pixels_to_the_ground_and_back_are_the_same_pixels(
    yaw: float, pitch: float, roll: float, pixels: list[tuple[float, float]]
) -> None:
    frame = demo_area().frame
    view = View(CAMERA, Pose(34.83, -2.33, 80.0, yaw, pitch, roll), frame)
    ground = view.ground(pixels)
    back = view.project(np.column_stack([ground, np.zeros(len(ground))]))
    assert np.allclose(back, pixels, atol=1e-6)


def test_north_is_up_at_yaw_zero_and_to_the_left_at_yaw_ninety() -> None:
    frame = demo_area().frame
    north_of_it = np.array([[*(frame.to_local([(34.83, -2.33)])[0] + np.array([0.0, 10.0])), 0.0]])
    up = View(CAMERA, Pose(34.83, -2.33, 80.0, 0.0), frame).project(north_of_it)[0]
    left = View(CAMERA, Pose(34.83, -2.33, 80.0, 90.0), frame).project(north_of_it)[0]
    assert up == pytest.approx((199.5, 149.5 - 10 / 0.12), abs=1e-6)
    assert left == pytest.approx((199.5 - 10 / 0.12, 149.5), abs=1e-6)


def test_every_label_is_an_animal_that_geometry_puts_in_the_frame(world: World) -> None:
    poses = [over(world, row, 60.0, yaw_deg=31.0 * row, pitch_deg=-87.0) for row in range(0, 400, 80)]
    wide = Camera(name="wider", image_width_px=440, image_height_px=340, focal_length_px=CAMERA.focal_length_px)
    for pose in poses:
        _, labels = render_frame(world, CAMERA, pose, 60.0)
        roughly = set(visible_animals(world, wide, [pose], [60.0]).animal.tolist())
        exactly = visible_animals(world, CAMERA, [pose], [60.0])
        assert {label.animal for label in labels} <= roughly
        well_inside = exactly.animal[((exactly.pixel > 30) & (exactly.pixel < (370, 270))).all(axis=1)]
        clear = {label.animal for label in labels}
        assert len(set(well_inside.tolist()) - clear) <= 0.1 * len(well_inside) + 1


def test_boxes_stay_inside_the_picture_and_shares_are_shares(world: World) -> None:
    for row in range(0, 300, 60):
        _, labels = render_frame(world, CAMERA, over(world, row, 0.0, roll_deg=3.0), 0.0)
        boxes = np.array([label.box_px for label in labels])
        assert (boxes >= 0).all()
        assert (boxes <= (400, 300, 400, 300)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert all(0 < label.visible_share <= 1 for label in labels)


def test_an_animal_at_the_edge_is_visible_in_part(world: World) -> None:
    row = lone(world, 0)
    longitude, latitude = world.area.frame.to_lonlat(
        world.positions(0.0).local_m[row] + (CAMERA.footprint_m(80.0)[0] / 2, 0.0)
    )[0]
    _, labels = render_frame(world, CAMERA, Pose(float(longitude), float(latitude), 80.0, 0.0), 0.0)
    label = next(one for one in labels if one.animal == row)
    assert 0.2 < label.visible_share < 0.8
    assert label.box_px[0] == 0


def test_a_picture_that_reaches_the_horizon_is_refused(world: World) -> None:
    with pytest.raises(CameraError, match="horizon"):
        render_frame(world, CAMERA, Pose(34.83, -2.33, 80.0, 0.0, pitch_deg=-10.0), 0.0)


def test_drawn_detections_have_the_recall_precision_and_error_asked_for(world: World) -> None:
    rng = np.random.default_rng(8)
    poses = [over(world, int(row), 0.0) for row in rng.integers(0, len(world.animals), 600)]
    visible = visible_animals(world, CAMERA, poses, [0.0] * len(poses))
    footprints = np.array([View(CAMERA, pose, world.area.frame).footprint_m for pose in poses])
    drawn = draw_detections(
        visible,
        ("elephant", "zebra"),
        recall={"elephant": 0.9, "zebra": 0.6},
        precision={"elephant": 0.95, "zebra": 0.8},
        pose_error_m=1.5,
        footprints_m=footprints,
        rng=rng,
        pointing_error_m=0.0,
    )
    for species, recall, precision in ((0, 0.9, 0.95), (1, 0.6, 0.8)):
        true = drawn.animal[drawn.species == species] >= 0
        assert true.sum() / (visible.species == species).sum() == pytest.approx(recall, abs=0.04)
        assert true.mean() == pytest.approx(precision, abs=0.04)
    found = drawn.animal >= 0
    error = drawn.local_m[found] - world.positions(0.0).local_m[drawn.animal[found]]
    assert error.std() == pytest.approx(1.5, rel=0.15)
    assert (np.diff(drawn.frame) >= 0).all()
