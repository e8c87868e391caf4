"""Paths of an aircraft that cannot turn on the spot: known lengths, nothing shorter, and never tighter than it can."""

from math import cos, hypot, pi, sin, sqrt

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.dubins import LEFT, RIGHT, Path, Pose, dubins_paths, path_along_circles
from flightplan.errors import PlanError

POSES = st.builds(Pose, st.floats(-400, 400), st.floats(-400, 400), st.floats(-pi, pi))


@pytest.mark.parametrize(
    ("end", "length", "word"),
    [
        (Pose(500, 0, 0), 500, "LSL"),  # straight on
        (Pose(0, 200, pi), 100 * pi, "LSL"),  # a half circle to the next line, two radii beside
        (Pose(0, -200, -pi), 100 * pi, "RSR"),
        (Pose(0, 500, pi), 100 * pi + 300, "LSL"),  # and further
        (Pose(100, 100, pi / 2), 50 * pi, "LSL"),  # a quarter circle
        (Pose(200, 200, 0), 100 * pi, "LSR"),  # an S of two quarters
        # Back the way it came: two 60 degree turns outside and 300 degrees between them (Dubins 1957).
        (Pose(0, 0, pi), 100 * pi * 7 / 3, "RLR"),
    ],
)
def test_known_turns_have_their_known_lengths(end: Pose, length: float, word: str) -> None:
    shortest = dubins_paths(Pose(0, 0, 0), end, 100.0)[0]
    assert shortest.length == pytest.approx(length)
    flown = "".join(letter for letter, (_, piece) in zip(shortest.word, shortest.pieces, strict=True) if piece > 1e-6)
    assert set(flown) <= set(word)


def test_lines_closer_than_two_radii_are_joined_by_a_loop_that_reaches_out() -> None:
    # Parallel lines a distance s apart, ends level: the loop's length and reach follow from three touching circles.
    radius, apart = 100.0, 60.0
    loop = dubins_paths(Pose(0, 0, pi / 2), Pose(apart, 0, -pi / 2), radius)[0]
    assert loop.word == "LRL"
    outer = np.arccos((radius + apart / 2) / (2 * radius))
    assert loop.length == pytest.approx(radius * (pi + 4 * outer))
    reach = sqrt((2 * radius) ** 2 - (radius + apart / 2) ** 2) + radius
    assert loop.points(0.5)[:, 1].max() == pytest.approx(reach, rel=1e-4)


@settings(max_examples=300, deadline=None)
@given(start=POSES, end=POSES, radius=st.floats(10, 150))
def test_every_path_arrives_and_turns_no_tighter_than_it_can(start: Pose, end: Pose, radius: float) -> None:
    paths = dubins_paths(start, end, radius)
    assert 2 <= len(paths) <= 6
    assert [p.length for p in paths] == sorted(p.length for p in paths)
    for path in paths:
        there = path.end
        assert hypot(there.x - end.x, there.y - end.y) < 1e-3
        assert abs((there.heading - end.heading + pi) % (2 * pi) - pi) < 1e-5
        points = path.points(2.0)
        assert np.hypot(*(points[0] - start.point)) < 1e-9
        assert np.hypot(*(points[-1] - end.point)) < 1e-3
        # Along chords of an arc the length is a little less, never more.
        drawn = np.hypot(*np.diff(points, axis=0).T).sum()
        assert path.length * 0.999 - 1e-6 <= drawn <= path.length + 1e-6


@settings(max_examples=40, deadline=None)
@given(start=POSES, seed=st.integers(0, 10_000))
def test_no_path_found_by_trying_is_shorter(start: Pose, seed: int) -> None:
    """Brute force: any four pieces of turn and straight arrive somewhere; no shorter than the shortest path there."""
    radius = 100.0
    rng = np.random.default_rng([seed])
    for _ in range(60):
        sides = rng.choice([LEFT, 0, RIGHT], size=4)
        lengths = rng.uniform(0, 300, size=4)
        tried = Path(start, radius, tuple(zip(sides.tolist(), lengths.tolist(), strict=True)))
        assert dubins_paths(start, tried.end, radius)[0].length <= tried.length + 1e-3


@settings(max_examples=150, deadline=None)
@given(
    start=POSES,
    headings=st.floats(-pi, pi),
    steps=st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300)), min_size=0, max_size=4),
    sides=st.tuples(st.sampled_from([LEFT, RIGHT]), st.sampled_from([LEFT, RIGHT])),
)
def test_a_path_along_circles_arrives_and_stays_a_radius_from_the_way_of_their_centres(
    start: Pose, headings: float, steps: list[tuple[float, float]], sides: tuple[int, int]
) -> None:
    radius = 60.0
    centres = np.cumsum([start.centre(sides[0], radius), *steps], axis=0)
    x, y = centres[-1]
    end = Pose(x + sides[1] * radius * sin(headings), y - sides[1] * radius * cos(headings), headings)
    path = path_along_circles(start, end, centres, sides, radius)
    if path is None:
        # Only because circles flown different ways overlap.
        assert sides[0] != sides[1]
        assert all(hypot(*s) < 2 * radius for s in steps)
        return
    there = path.end
    assert hypot(there.x - end.x, there.y - end.y) < 1e-3
    assert abs((there.heading - end.heading + pi) % (2 * pi) - pi) < 1e-5
    way = shapely.LineString(centres) if len(centres) > 1 and sum(hypot(*s) for s in steps) > 0 else shapely.Point(x, y)
    assert shapely.distance(way, shapely.points(path.points(3.0))).max() <= radius + 1e-6


def test_a_radius_of_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="turn radius of 0 m"):
        dubins_paths(Pose(0, 0, 0), Pose(1, 1, 1), 0.0)
