"""Each animal is counted once, and no two boxes of one frame are ever one animal."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from counts.identity import Individuals, resolve
from flightplan.errors import EstimateError
from flightplan.frames import Floats

FOOTPRINT_ALONG_M, FOOTPRINT_ACROSS_M, SPEED_MPS = 72.0, 96.0, 12.0


@dataclass(frozen=True)
class Pass:
    """Sightings of one flight along a line, and the animal each one is of."""

    points: Floats
    sigma_m: float
    times: Floats
    frames: list[str]
    animal: np.typing.NDArray[np.int64]

    def resolved(self, order: Any = slice(None), **options: Any) -> Individuals:
        n = len(self.points)
        return resolve(
            self.points[order],
            np.tile(np.eye(2) * self.sigma_m**2, (n, 1, 1)),
            self.times[order],
            np.array(self.frames)[order],
            np.full(n, "T01"),
            np.full(n, "zebra"),
            np.linspace(0.3, 0.9, n)[order],
            **options,
        )


def fly(
    animals: Floats, *, sigma_m: float, overlap: float, recall: float = 1.0, walk_mps: float = 0.0, seed: int = 1
) -> Pass:
    rng = np.random.default_rng(seed)
    heading = rng.uniform(0, 2 * np.pi, len(animals))
    velocity = walk_mps * np.column_stack([np.cos(heading), np.sin(heading)])
    points, times, frames, whose = [], [], [], []
    for number, y in enumerate(np.arange(0, animals[:, 1].max() + 72, FOOTPRINT_ALONG_M * (1 - overlap))):
        time = y / SPEED_MPS
        there = animals + velocity * time
        inside = (np.abs(there[:, 1] - y) <= FOOTPRINT_ALONG_M / 2) & (np.abs(there[:, 0]) <= FOOTPRINT_ACROSS_M / 2)
        for index in np.flatnonzero(inside & (rng.random(len(animals)) < recall)):
            points.append(there[index] + rng.normal(0, sigma_m, 2))
            times.append(time)
            frames.append(f"f{number:03d}")
            whose.append(index)
    return Pass(np.array(points).reshape(-1, 2), sigma_m, np.array(times), frames, np.array(whose, dtype=np.int64))


def spread_out(count: int, apart_m: float, seed: int) -> Floats:
    """Animals on a jittered grid, no two closer than `apart_m`."""
    rng = np.random.default_rng(seed)
    step = 1.5 * apart_m
    x, y = np.meshgrid(np.arange(-45, 45, step), np.arange(0, 600, step))
    grid = np.column_stack([x.ravel(), y.ravel()])
    chosen = rng.choice(len(grid), size=min(count, len(grid)), replace=False)
    moved: Floats = grid[chosen] + rng.uniform(-apart_m / 4, apart_m / 4, (len(chosen), 2))
    return moved


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.2, 0.5, 0.7, 0.8]), st.floats(0.3, 1.5), st.booleans())
def test_animals_that_stand_well_apart_are_counted_exactly(
    seed: int, overlap: float, sigma: float, missing: bool
) -> None:
    flown = fly(
        spread_out(60, 18 * sigma, seed), sigma_m=sigma, overlap=overlap, recall=0.85 if missing else 1, seed=seed
    )
    # Errors are stated twice as large as they are: of thousands of true pairs the default gate would split a few.
    result = replace(flown, sigma_m=2 * sigma).resolved(speed_limit_mps=0.0)
    assert result.counts["zebra"].chosen == len(np.unique(flown.animal))
    for animal in np.unique(flown.animal):
        assert len(np.unique(result.individual[flown.animal == animal])) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-8, 8), st.floats(-8, 8)), min_size=1, max_size=30),
    st.floats(0.1, 5),
    st.floats(0, 3),
    st.randoms(use_true_random=False),
)
def test_two_boxes_of_one_frame_are_never_one_animal_whatever_the_order_of_rows(
    rows: list[tuple[int, float, float]], sigma: float, speed: float, shuffle: Any
) -> None:
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    flown = Pass(
        np.array([[x, y] for _, x, y in rows]),
        sigma,
        np.array([4.8 * f for f, _, _ in rows]),
        [f"f{f}" for f, _, _ in rows],
        np.arange(len(rows)),
    )
    result, shuffled = flown.resolved(speed_limit_mps=speed), flown.resolved(np.array(order), speed_limit_mps=speed)
    for individual in range(len(result)):
        frames = np.array(flown.frames)[result.individual == individual]
        assert len(frames) == len(set(frames)) >= 1
    bounds = result.counts["zebra"]
    assert bounds.merge_all <= bounds.chosen == len(result) <= bounds.merge_none == len(rows)
    assert shuffled.counts == result.counts
    assert np.allclose(shuffled.positions, result.positions)


def test_the_same_rows_in_another_order_give_the_same_individuals() -> None:
    flown = fly(spread_out(80, 3, 4), sigma_m=1.0, overlap=0.6, seed=4)
    order = np.random.default_rng(2).permutation(len(flown.points))
    straight, mixed = flown.resolved(), flown.resolved(order)
    assert np.array_equal(straight.individual[order], mixed.individual)
    assert np.array_equal(straight.positions, mixed.positions)


def test_an_animal_missed_in_the_middle_frame_is_still_one() -> None:
    flown = Pass(np.array([[0.0, 0.0], [0.3, 0.2]]), 1.0, np.array([0.0, 9.6]), ["a", "c"], np.zeros(2, dtype=np.int64))
    assert flown.resolved().counts["zebra"].chosen == 1


def test_neighbours_closer_than_the_error_are_still_two_when_a_frame_shows_two() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.1, 0.1], [1.1, 0.1]])
    flown = Pass(points, 2.0, np.array([0.0, 0.0, 4.8, 4.8]), ["a", "a", "b", "b"], np.array([0, 1, 0, 1]))
    result = flown.resolved(speed_limit_mps=0.0)
    assert result.counts["zebra"].chosen == 2
    assert result.individual.tolist() == [0, 1, 0, 1]


def test_the_assignment_is_global_not_greedy() -> None:
    # Greedy takes the nearest pair (1.0 with 1.4) and leaves 0 and 3.2 beyond the gate; the least total merges both.
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.4, 0.0], [3.2, 0.0]])
    flown = Pass(points, 0.6, np.array([0.0, 0.0, 4.8, 4.8]), ["a", "a", "b", "b"], np.array([0, 1, 0, 1]))
    result = flown.resolved(speed_limit_mps=0.0)
    assert result.counts["zebra"].chosen == 2
    assert result.individual.tolist() == [0, 1, 0, 1]


def test_a_walking_animal_is_one_when_its_speed_is_allowed_for() -> None:
    flown = Pass(np.array([[0.0, 0.0], [7.0, 0.0]]), 1.0, np.array([0.0, 4.8]), ["a", "b"], np.zeros(2, dtype=np.int64))
    assert flown.resolved(speed_limit_mps=1.5).counts["zebra"].chosen == 1
    assert flown.resolved(speed_limit_mps={"zebra": 0.0}).counts["zebra"].chosen == 2


def test_nothing_is_merged_across_transects_or_labels() -> None:
    points, covariances = np.zeros((4, 2)), np.tile(np.eye(2), (4, 1, 1))
    result = resolve(
        points, covariances, [0, 5, 10, 15], ["a", "b", "c", "d"], [1, 1, 2, 2], ["zebra", "elephant"] * 2, [0.9] * 4
    )
    assert len(result) == 4
    assert result.transects.tolist() == [1, 1, 2, 2]
    assert result.labels.tolist() == ["elephant", "zebra", "elephant", "zebra"]


def test_a_position_is_the_mean_weighted_by_covariance_and_the_common_error_is_added_once() -> None:
    result = resolve(
        [[0.0, 0.0], [1.0, 0.0]],
        [np.eye(2), np.eye(2) * 3],
        [0, 4.8],
        [1, 2],
        [0, 0],
        ["zebra"] * 2,
        [0.4, 0.8],
        common_covariance=np.eye(2) * 4,
    )
    assert result.positions.tolist() == [[0.25, 0.0]]
    assert np.allclose(result.covariances[0], np.eye(2) * (0.75 + 4))
    assert (result.scores.tolist(), result.sightings.tolist(), result.first_seen.tolist()) == ([0.8], [2], [0])


def test_pairs_the_data_does_not_settle_are_named_with_their_probability() -> None:
    lonely = Pass(np.array([[0.0, 0.0], [3.2, 0.0]]), 1.0, np.array([0.0, 4.8]), ["a", "b"], np.arange(2))
    # Nobody else is near: that it is the same one is all but sure, though the places differ.
    assert lonely.resolved(speed_limit_mps=0.0).ambiguous == ()
    points = [[0.0, 0.0], [6.0, 0.0], [6.0, 3.0], [2.7, 0.0], [6.0, 0.1], [6.0, 2.9]]
    crowd = Pass(np.array(points), 1.0, np.repeat([0.0, 4.8], 3), ["a"] * 3 + ["b"] * 3, np.tile(np.arange(3), 2))
    asked = crowd.resolved(speed_limit_mps=0.0, shared_within_frame=0.0, detection_probability=0.5).ambiguous
    assert [(p.first, p.second) for p in asked] == [(0, 3)]
    assert 0.1 < asked[0].probability < 0.9
    assert asked[0].distance_m == pytest.approx(2.7)
    assert asked[0].mahalanobis_squared == pytest.approx(2.7**2 / 2)


def test_what_a_person_said_of_a_pair_is_heeded_and_not_asked_again() -> None:
    flown = Pass(np.array([[0.0, 0.0], [0.5, 0.0]]), 1.0, np.array([0.0, 4.8]), ["a", "b"], np.arange(2))
    assert flown.resolved().counts["zebra"].chosen == 1
    parted = flown.resolved(different=[(0, 1)])
    assert (parted.counts["zebra"].chosen, parted.ambiguous, parted.contradict) == (2, (), ())
    apart = replace(flown, points=np.array([[0.0, 0.0], [90.0, 0.0]]))
    assert apart.resolved().counts["zebra"].chosen == 2
    assert apart.resolved(same=[(1, 0)]).counts["zebra"].chosen == 1


def test_two_animals_that_were_taken_for_each_other_are_exchanged_by_one_answer() -> None:
    points = np.array([[0.0, 0.0], [2.0, 0.0], [0.1, 0.0], [2.1, 0.0]])
    flown = Pass(points, 1.0, np.array([0.0, 0.0, 4.8, 4.8]), ["a", "a", "b", "b"], np.arange(4))
    assert flown.resolved().individual.tolist() == [0, 1, 0, 1]
    assert flown.resolved(same=[(0, 3)]).individual.tolist() == [0, 1, 1, 0]


def test_answers_that_contradict_each_other_or_the_frames_are_named() -> None:
    points = np.array([[0.0, 0.0], [9.0, 0.0], [0.1, 0.0], [9.1, 0.0]])
    flown = Pass(points, 1.0, np.array([0.0, 0.0, 4.8, 4.8]), ["a", "a", "b", "b"], np.arange(4))
    one_frame = flown.resolved(same=[(0, 1)])
    assert (one_frame.counts["zebra"].chosen, one_frame.contradict) == (2, ((0, 1),))
    both = flown.resolved(same=[(0, 3)], different=[(3, 0)])
    assert (both.individual.tolist(), both.contradict) == ([0, 1, 0, 1], ((0, 3),))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-8, 8), st.floats(-8, 8)), min_size=2, max_size=20),
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19), st.booleans()), max_size=8),
)
def test_answers_hold_whatever_they_are_and_no_frame_shows_an_animal_twice(
    rows: list[tuple[int, float, float]], answers: list[tuple[int, int, bool]]
) -> None:
    flown = Pass(
        np.array([[x, y] for _, x, y in rows]),
        1.5,
        np.array([4.8 * f for f, _, _ in rows]),
        [f"f{f}" for f, _, _ in rows],
        np.arange(len(rows)),
    )
    same = [(a, b) for a, b, yes in answers if yes and a != b and max(a, b) < len(rows)]
    different = [(a, b) for a, b, yes in answers if not yes and a != b and max(a, b) < len(rows)]
    result = flown.resolved(speed_limit_mps=1.0, same=same, different=different)
    for a, b in different:
        assert result.individual[a] != result.individual[b]
    refused = {frozenset(pair) for pair in result.contradict}
    for a, b in same:
        assert result.individual[a] == result.individual[b] or frozenset((a, b)) in refused
    for individual in range(len(result)):
        frames = np.array(flown.frames)[result.individual == individual]
        assert len(frames) == len(set(frames)) >= 1


def test_a_herd_closer_than_the_pose_error_is_followed_by_the_shift_it_shares() -> None:
    rng = np.random.default_rng(7)
    herd = rng.uniform(-10, 10, (30, 2))
    shift = np.array([[0.0, 0.0], [3.0, -2.5], [-2.5, 3.0]])
    # The frame's error is 3 m, the box's 0.2 m; neighbours stand 2 m apart.
    flown = Pass(
        np.vstack([herd + shift[k] + rng.normal(0, 0.2, (30, 2)) for k in range(3)]),
        3.0,
        np.repeat([0.0, 4.8, 9.6], 30),
        [f"f{k}" for k in range(3) for _ in range(30)],
        np.tile(np.arange(30), 3),
    )
    registered = flown.resolved(speed_limit_mps=0.0, shared_within_frame=0.99)
    assert registered.counts["zebra"].chosen == 30
    for animal in range(30):
        assert len(np.unique(registered.individual[flown.animal == animal])) == 1
    alone = flown.resolved(speed_limit_mps=0.0, shared_within_frame=0.0)
    assert sum(len(np.unique(alone.individual[flown.animal == animal])) > 1 for animal in range(30)) > 5


def test_two_animals_that_only_one_frame_each_could_show_are_not_merged() -> None:
    # Frames overlap from 30 to 42 m; one animal at 25 m is in the first only, another at 46 m in the second only.
    flown = Pass(np.array([[0.0, 25.0], [0.0, 46.0]]), 5.0, np.array([0.0, 4.8]), ["a", "b"], np.arange(2))
    footprints = [shapely.box(-48, -30, 48, 42), shapely.box(-48, 30, 48, 102)]
    assert flown.resolved(speed_limit_mps=0.0).counts["zebra"].chosen == 1
    assert flown.resolved(speed_limit_mps=0.0, footprints=footprints).counts["zebra"].chosen == 2
    assert flown.resolved(speed_limit_mps=0.0, footprints=[None, None]).counts["zebra"].chosen == 1
    inside = Pass(np.array([[0.0, 35.0], [0.0, 37.0]]), 5.0, np.array([0.0, 4.8]), ["a", "b"], np.arange(2))
    assert inside.resolved(speed_limit_mps=0.0, footprints=footprints).counts["zebra"].chosen == 1


def test_no_sightings_are_no_individuals() -> None:
    result = resolve(np.empty((0, 2)), np.empty((0, 2, 2)), [], [], [], [], [])
    assert len(result) == 0
    assert result.counts == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": [[0, 0], [np.nan, 1]]}, "no position"),
        ({"covariances": [np.eye(2), np.zeros((2, 2))]}, "not positive definite"),
        ({"times_s": [0.0]}, "2 points but 1 times"),
        ({"frame_ids": ["a", "a"]}, "a frame has two times"),
        ({"speed_limit_mps": {"elephant": 1.0}}, "no speed limit for zebra"),
        ({"footprints": [None]}, "2 points but 1 footprints"),
        ({"detection_probability": 1.0}, "between 0 and 1, not 1"),
        ({"shared_within_frame": 1.0}, "0 to below 1, not 1"),
    ],
)
def test_sightings_that_cannot_be_compared_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "points": [[0, 0], [1, 1]],
        "covariances": [np.eye(2)] * 2,
        "times_s": [0.0, 4.8],
        "frame_ids": ["a", "b"],
        "transect_ids": [1, 1],
        "labels": ["zebra"] * 2,
        "scores": [0.5] * 2,
    }
    with pytest.raises(EstimateError, match=message):
        resolve(**(arguments | change))


@pytest.mark.parametrize("walk", [0.0, 0.5, 1.0])
def test_a_herd_in_twenty_percent_overlap_is_counted_within_two_percent(walk: float) -> None:
    seen = counted = 0
    for seed in range(6):
        animals = spread_out(150, 3, seed)
        flown = fly(animals, sigma_m=1.0, overlap=0.2, walk_mps=walk, seed=seed)
        seen += len(np.unique(flown.animal))
        counted += flown.resolved(speed_limit_mps=1.5).counts["zebra"].chosen
    assert counted == pytest.approx(seen, rel=0.02)
