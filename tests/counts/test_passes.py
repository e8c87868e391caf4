"""Full coverage: an animal seen from several lines is counted once, and where that cannot be told, it is said."""

import numpy as np
import pytest
import shapely

from counts.identity import resolve
from counts.likelihood import components
from counts.looks import Looks
from counts.nearby import near_pairs
from counts.passes import Passes
from flightplan.errors import EstimateError

ACROSS_M, ALONG_M, SPEED_MPS, TURN_S, HALF_M, BOX_M = 60.0, 45.0, 10.0, 12.0, 66.0, 0.3


def herd(count, apart_m, seed):
    """Animals at random that keep a distance from each other."""
    rng = np.random.default_rng([seed])
    side = 1.6 * apart_m * np.sqrt(count)
    chosen = []
    for place in rng.uniform(-side / 2, side / 2, (20 * count, 2)):
        if len(chosen) < count and all(np.hypot(*(place - other)) > apart_m for other in chosen):
            chosen.append(place)
    return np.array(chosen)


def count(animals, *, side, error_m, walk_mps=0.0, recall=0.9, seed=1, believed=None, known_frames=True, way=None):
    """Fly to and fro over the animals, and return how many were counted, their counts, and how many were in frames."""
    rng = np.random.default_rng([seed, 7])
    phase = rng.uniform(0, 2 * np.pi, len(animals))
    sightings, swaths, ends, seen = [], [], [], np.zeros(len(animals), dtype=bool)
    clock, frame = 0.0, 0
    frames = []
    for line, x in enumerate(np.arange(-HALF_M, HALF_M + 1, ACROSS_M * (1 - side))):
        began = clock
        stations = np.arange(-HALF_M, HALF_M + 1, ALONG_M * 0.3)
        for y in stations if line % 2 == 0 else stations[::-1]:
            clock += ALONG_M * 0.3 / SPEED_MPS
            angle = phase + walk_mps * clock / 15.0
            there = animals + (15.0 if walk_mps else 0.0) * np.column_stack([np.cos(angle), np.sin(angle)])
            if way is not None:
                there = animals + way * (clock - 90.0)
            inside = (abs(there[:, 0] - x) <= ACROSS_M / 2) & (abs(there[:, 1] - y) <= ALONG_M / 2)
            seen |= inside
            moved = rng.normal(0, error_m, 2)
            corners = np.array([x, y, x, y]) + np.array([-ACROSS_M, -ALONG_M, ACROSS_M, ALONG_M]) / 2
            footprint = shapely.box(*(corners + np.tile(moved, 2)))
            found = there[inside & (rng.random(len(animals)) < recall)] + moved
            found = found + rng.normal(0, BOX_M, found.shape)
            frames.append((footprint, line, clock))
            sightings += [(*place, clock, frame, line, footprint) for place in found]
            frame += 1
        west, east, near, far = x - ACROSS_M / 2, x + ACROSS_M / 2, -HALF_M - ALONG_M / 2, HALF_M + ALONG_M / 2
        swaths.append([(west, near), (east, near), (east, far), (west, far)])
        ends.append((began, clock) if line % 2 == 0 else (clock, began))
        clock += TURN_S
    number = len(sightings)
    columns = np.array([s[:5] for s in sightings])
    individuals = resolve(
        columns[:, :2],
        np.tile(np.eye(2) * (error_m**2 + BOX_M**2), (number, 1, 1)),
        columns[:, 2],
        columns[:, 3],
        np.zeros(number),
        np.full(number, "zebra"),
        np.full(number, 0.8),
        speed_limit_mps=walk_mps,
        detection_probability=believed or recall,
        shared_within_frame=error_m**2 / (error_m**2 + BOX_M**2),
        footprints=np.array([s[5] for s in sightings]),
        passes=Passes.checked(
            columns[:, 4].astype(int),
            swaths,
            ends,
            number,
            Looks.checked(*zip(*frames, strict=True)) if known_frames else None,
        ),
    )
    return individuals, individuals.counts["zebra"], int(seen.sum())


@pytest.mark.parametrize(("apart_m", "error_m"), [(1.5, 2.0), (4.0, 5.0), (12.0, 1.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_animals_at_rest_are_counted_once_however_many_lines_saw_them_or_it_is_said(apart_m, error_m, seed):
    individuals, counts, truth = count(herd(80, apart_m, seed), side=0.6, error_m=error_m, seed=seed)
    told = counts.untold < 0.1 * truth
    assert abs(counts.chosen - truth) <= max(2, (0.02 if told else 0.1) * truth)
    assert counts.chosen == int((~individuals.left).sum())
    assert counts.merge_none > 3 * truth


def test_lines_without_sidelap_count_both_lines_animals_or_it_is_said():
    _, counts, truth = count(herd(80, 4.0, seed=4), side=0.0, error_m=1.0)
    assert counts.chosen == pytest.approx(truth, rel=0.05)
    assert counts.chosen == pytest.approx(truth, rel=0.02) or counts.doubtful(0.02)


@pytest.mark.parametrize(("known_frames", "limit"), [(True, 0.05), (False, 0.15)])
def test_animals_that_walk_too_far_between_lines_are_counted_right_on_average_and_it_is_said(known_frames, limit):
    found = [
        count(herd(80, 4.0, seed), side=0.6, error_m=1.0, walk_mps=1.2, seed=seed, known_frames=known_frames)
        for seed in range(6)
    ]
    shares = [counts.chosen / truth for _, counts, truth in found]
    assert np.mean(shares) == pytest.approx(1.0, abs=limit)
    for individuals, counts, truth in found:
        assert counts.untold > truth
        assert individuals.left.any()
        assert (individuals.left <= individuals.untold).all()


@pytest.mark.parametrize("heading_deg", [0, 90, 180])
def test_a_herd_that_walks_as_one_is_counted_on_ground_that_goes_with_it(heading_deg):
    way = 0.8 * np.array([np.sin(np.radians(heading_deg)), np.cos(np.radians(heading_deg))])
    start = herd(120, 3.0, seed=2)
    _, counts, truth = count(start, side=0.6, error_m=1.0, walk_mps=0.8, way=way)
    assert counts.untold > truth
    # Where it stands in the way of the lines it is seen by many of them, and where it goes ahead by few.
    assert counts.chosen == pytest.approx(truth, rel=0.15)
    assert counts.error > 0


def test_the_recall_that_tracks_show_counts_and_not_the_one_that_was_believed():
    shares = []
    for seed in range(4):
        _, counts, truth = count(
            herd(80, 10.0, seed), side=0.6, error_m=0.5, walk_mps=1.2, recall=0.6, believed=0.9, seed=seed
        )
        assert counts.untold > truth
        shares.append(counts.chosen / truth)
    # By the belief it would be two thirds; tracks that break where an animal was missed leave a part of that.
    assert 0.8 < np.mean(shares) < 1.05


def test_nothing_is_left_to_another_line_where_there_is_only_one():
    single = resolve(
        [[0.0, 0.0], [40.0, 0.0]],
        [np.eye(2)] * 2,
        [0.0, 0.0],
        [0, 0],
        [0, 0],
        ["zebra"] * 2,
        [0.9, 0.9],
        passes=Passes.checked([0, 0], [[(-50, -50), (50, -50), (50, 50), (-50, 50)]], [(0.0, 10.0)], 2),
    )
    assert single.counts["zebra"].chosen == 2
    assert not single.left.any()


@pytest.mark.parametrize(
    ("of_sighting", "corners", "times", "says"),
    [
        ([0, 0], [[(0, 0), (1, 0), (1, 1), (0, 1)]], [(0, 1)], "1 points but 2 passes"),
        ([1], [[(0, 0), (1, 0), (1, 1), (0, 1)]], [(0, 1)], "has no swath"),
        ([0], [[(0, 0), (1, 0), (1, np.nan), (0, 1)]], [(0, 1)], "not finite"),
        ([0], [[(0, 0), (1, 0), (1, 1), (0, 1)]], [(0, 1), (2, 3)], "1 swaths but 2 times"),
    ],
)
def test_passes_that_do_not_fit_are_refused(of_sighting, corners, times, says):
    with pytest.raises(EstimateError, match=says):
        Passes.checked(of_sighting, corners, times, 1)


def test_a_herd_too_large_to_be_compared_is_counted_by_its_looks_and_it_is_said(monkeypatch):
    monkeypatch.setattr("counts.passes.MOST_COMPARED", 0)
    _, counts, truth = count(herd(80, 4.0, seed=5), side=0.6, error_m=0.5, walk_mps=0.05)
    assert counts.untold > truth
    assert counts.chosen == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("most", [1, 6, 10_000])
@pytest.mark.parametrize("at_once", [100, 10_000_000])
def test_a_crowd_too_dense_for_all_its_pairs_is_still_one_crowd(monkeypatch, most, at_once):
    monkeypatch.setattr("counts.nearby.MOST_PER_PLACE", most)
    monkeypatch.setattr("counts.nearby._PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    points, frames = rng.uniform(0, 40, (300, 2)), np.sort(rng.integers(0, 3, 300))
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))

    def cost(one, other):
        return np.where(frames[one] != frames[other], apart[one, other], np.inf)

    first, second, found = near_pairs(points, 10.0, cost, 9.0)
    assert (first < second).all()
    assert (frames[first] != frames[second]).all()
    assert found == pytest.approx(apart[first, second])
    assert found.max() <= 9.0
    assert len(np.unique(first * 300 + second)) == len(first)
    if most > 1:
        assert components(300, first, second).max() == 0
    if most == 10_000:
        assert len(first) == ((apart <= 9.0) & (frames[:, None] != frames)).sum() / 2


def test_frames_that_nobody_was_seen_in_count_as_looks():
    swaths = [[(-30, -20), (30, -20), (30, 120), (-30, 120)], [(-20, -20), (40, -20), (40, 120), (-20, 120)]]
    boxes = [shapely.box(-30, 0, 30, 45), shapely.box(-20, 0, 40, 45)]
    ends = [(0.0, 10.0), (600.0, 610.0)]
    # Ten animals that can be anywhere after ten minutes: each line may have seen others.
    x = np.linspace(-15, 25, 10)
    points = np.column_stack([np.concatenate([x, x + 0.4]), np.full(20, 20.0)])
    rows = np.repeat([0, 1], 10)

    def counted(looks):
        found = resolve(
            points,
            np.tile(np.eye(2), (20, 1, 1)),
            np.repeat([5.0, 605.0], 10),
            rows,
            np.zeros(20),
            ["zebra"] * 20,
            np.full(20, 0.9),
            detection_probability=0.99,
            passes=Passes.checked(rows, swaths, ends, 20, looks),
        )
        return found.counts["zebra"]

    both = counted(Looks.checked(boxes, [0, 1], [5.0, 605.0]))
    assert (both.untold, both.chosen) == (20, 10)
    # A third frame of the second line showed the ground again, and no animal.
    assert counted(Looks.checked([*boxes, boxes[1]], [0, 1, 1], [5.0, 605.0, 607.0])).chosen == 7
