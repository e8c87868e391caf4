"""Frames are laid on each other by the animals that they share, and only where strangers would hardly be as like."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.individuals import Counts
from counts.looks import Looks, spread_by_walking
from counts.mosaic import mosaic, offset_between
from counts.observed import Observed
from counts.passes import Passes
from counts.resting import at_rest
from counts.settling import Boxes, settle
from counts.steady import steadied

BOX_M, HALF_M = 0.3, 30.0


def frames_over(animals, middles, errors, rng, recall=1.0):
    """Boxes, the frame of each, whose it is, and the corners of frames of 60 m around `middles`, with these errors."""
    points, frame, whose = [], [], []
    for f, (middle, error) in enumerate(zip(middles, errors, strict=True)):
        inside = (np.abs(animals - middle) <= HALF_M).all(axis=1) & (rng.random(len(animals)) < recall)
        points.append(animals[inside] + error + rng.normal(0, BOX_M, (inside.sum(), 2)))
        frame.append(np.full(inside.sum(), f))
        whose.append(np.flatnonzero(inside))
    square = HALF_M * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    corners = square + (np.asarray(middles) + errors)[:, None]
    return np.concatenate(points), np.concatenate(frame), np.concatenate(whose), corners


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 6.0), st.integers(100, 250))
def test_frames_lie_on_each_other_to_less_than_a_boxs_error_however_far_their_poses_are_off(seed, error_m, count):
    rng = np.random.default_rng(seed)
    animals = rng.uniform(-40, 40, (count, 2))
    middles = np.array([[x, y] for x in (-15.0, 15.0) for y in (-20.0, 0.0, 20.0)])
    errors = rng.normal(0, error_m, middles.shape)
    points, frame, _, corners = frames_over(animals, middles, errors, rng)
    own, shared = np.full(len(points), BOX_M**2), np.full(6, error_m**2)
    laid = mosaic(points, frame, own, shared, corners, np.array([0, 0, 0, 1, 1, 1]))
    together = laid.group == np.bincount(laid.group).argmax()
    assert together.sum() >= 5
    off = (laid.shift - errors)[together]
    assert np.abs(off - off.mean(axis=0)).max() < 2 * BOX_M


def test_frames_that_show_different_animals_are_not_laid_on_each_other():
    believed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one, other = rng.uniform(-30, 30, (2, 12, 2))
        believed += offset_between(one, other, 2 * BOX_M**2, 50.0, likeness=1e-3) is not None
    assert believed <= 2


def test_a_sighting_that_no_frame_shares_stays_alone_and_others_are_told_by_all_frames():
    rng = np.random.default_rng(5)
    animals = rng.uniform(-35, 35, (60, 2))
    middles = np.array([[0.0, y] for y in np.linspace(-12, 12, 7)])
    errors = rng.normal(0, 4.0, middles.shape)
    points, frame, whose, corners = frames_over(animals, middles, errors, rng, recall=0.8)
    own, shared = np.full(len(points), BOX_M**2), np.full(7, 16.0)
    line, density = np.zeros(7, dtype=int), np.full(len(points), 60 / 70.0**2)
    laid = mosaic(points, frame, own, shared, corners, line)
    found = settle(Boxes(points, frame, own, shared, corners, line, density, 0.8), laid)
    assert found.registered.all()
    assert len(np.unique(found.track)) == len(np.unique(whose))
    for animal in np.unique(whose):
        assert len(np.unique(found.track[whose == animal])) == 1
    # No frame gives an animal two boxes.
    assert len(np.unique(found.track * 7 + frame)) == len(points)


def passes_of_frames(rng, error_m, swing_m, bend_m=0.0):
    step = np.arange(40)
    course = np.column_stack([bend_m * np.sin(step / 40 * np.pi), 10.0 * step])
    true = course + rng.normal(0, swing_m, course.shape)
    errors = rng.normal(0, error_m, course.shape)
    return shapely.box(*(true + errors - 20).T, *(true + errors + 20).T), errors


@pytest.mark.parametrize("bend_m", [0.0, 15.0])
def test_a_flight_that_is_smoother_than_its_poses_shows_their_errors(bend_m):
    footprints, errors = passes_of_frames(np.random.default_rng(1), error_m=4.0, swing_m=0.5, bend_m=bend_m)
    found = steadied(footprints, np.zeros(40, dtype=int), np.arange(40.0), 16.0)
    assert np.std(errors - found.shift) < 0.35 * 4.0
    assert found.left_m2.mean() < 0.3 * 16.0


def test_a_camera_that_swings_more_than_its_poses_are_off_is_believed():
    footprints, _ = passes_of_frames(np.random.default_rng(2), error_m=0.5, swing_m=4.0)
    found = steadied(footprints, np.zeros(40, dtype=int), np.arange(40.0), 0.25)
    assert np.std(found.shift) < 0.15
    assert found.left_m2.mean() == pytest.approx(0.25, rel=0.1)


def test_a_pass_of_few_frames_has_no_course():
    footprints, _ = passes_of_frames(np.random.default_rng(3), error_m=4.0, swing_m=0.5)
    found = steadied(footprints[:5], np.zeros(5, dtype=int), np.arange(5.0), 16.0)
    assert not found.shift.any()
    assert found.left_m2.tolist() == [16.0] * 5


def test_walking_into_frames_and_out_of_them_is_what_makes_a_count_by_looks_uncertain():
    boxes = [shapely.box(x, -50, x + 20, 50) for x in (-40, -20, 0, 20)]
    looks = Looks.checked(boxes, [0, 1, 2, 3], [0.0, 60.0, 120.0, 180.0])
    places = np.random.default_rng(4).uniform((-38, -40), (38, 40), (200, 2))
    still, past = spread_by_walking(looks, places, 1e-6, 0.8)
    # At rest one look shows each, and finds it or not.
    assert still == pytest.approx((1 - 0.8) / 0.8, rel=0.1)
    assert past < 0.05
    walking, past = spread_by_walking(looks, places, 1.2, 0.8)
    assert walking > 2 * still
    assert past > 0.1


def test_a_count_says_when_it_may_be_off_by_more_than_a_limit():
    sure = Counts(chosen=400, merge_all=390, merge_none=2000, error=3.0)
    assert not sure.doubtful(0.02)
    assert sure.doubtful(0.01)
    assert Counts(400, 390, 2000, error=3.0, passed=20.0).doubtful(0.05)
    # One animal more or less is never a doubt.
    assert not Counts(10, 10, 50, error=0.5).doubtful(0.02)


def test_only_what_has_not_moved_by_part_of_a_box_is_at_rest():
    swath = [[(-30, -30), (30, -30), (30, 30), (-30, 30)]]
    looks = Looks.checked([shapely.box(-30, -30, 30, 30)] * 2, [0, 0], [0.0, 60.0])
    passes = Passes.checked([0, 0], swath, [(0.0, 60.0)], 2, looks)

    def observed(speed):
        s = Observed.checked(
            np.zeros((2, 2)), [np.eye(2)] * 2, [0.0, 60.0], [0, 1], [0, 0], ["zebra"] * 2, [1, 1], speed, passes, 0.9
        )
        return replace(s, corners=np.zeros((2, 4, 2)))

    assert at_rest(observed(0.0), passes).all()
    assert not at_rest(observed(0.1), passes).any()
