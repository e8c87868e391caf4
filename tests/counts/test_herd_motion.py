"""A herd that walks as one is told from animals that walk each their own way, and the count says what is not told."""

import numpy as np
import pytest
import shapely

from counts.herd_motion import Flown, herds_at, weighed
from counts.identity import resolve
from counts.looks import Looks
from counts.pass_drift import Followed, pass_drift
from counts.passes import Passes

ACROSS_M, ALONG_M, SPEED_MPS, TURN_S, HALF_M = 60.0, 45.0, 10.0, 12.0, 80.0
BOX_M = 0.3


def flown(there_at, side, error_m, seed=1, recall=0.8):
    """Lines to and fro over animals, of which `there_at` gives the places at a time: the count, and who was seen."""
    rng = np.random.default_rng([seed, 0x77])
    points, times, frames, lines, boxes, box_lines, box_times = [], [], [], [], [], [], []
    swaths, ends, clock, seen = [], [], -200.0, set()
    for line, x in enumerate(np.arange(-HALF_M, HALF_M + 1, ACROSS_M * (1 - side))):
        stations = np.arange(-HALF_M, HALF_M + 1, 0.3 * ALONG_M)
        began = clock
        for y in stations if line % 2 == 0 else stations[::-1]:
            clock += 0.3 * ALONG_M / SPEED_MPS
            animals, error = there_at(clock), rng.normal(0, error_m, 2)
            inside = (abs(animals[:, 0] - x) <= ACROSS_M / 2) & (abs(animals[:, 1] - y) <= ALONG_M / 2)
            seen |= set(np.flatnonzero(inside).tolist())
            found = inside & (rng.random(len(animals)) < recall)
            points.append(animals[found] + error + rng.normal(0, BOX_M, (int(found.sum()), 2)))
            times += [clock] * int(found.sum())
            frames += [len(boxes)] * int(found.sum())
            lines += [line] * int(found.sum())
            corners = np.array([x, y, x, y]) + np.tile(error, 2)
            boxes.append(shapely.box(*(corners + np.array([-ACROSS_M, -ALONG_M, ACROSS_M, ALONG_M]) / 2)))
            box_lines.append(line)
            box_times.append(clock)
        west, east, end = x - ACROSS_M / 2, x + ACROSS_M / 2, HALF_M + ALONG_M / 2
        swaths.append([(west, -end), (east, -end), (east, end), (west, end)])
        ends.append((began, clock) if line % 2 == 0 else (clock, began))
        clock += TURN_S
    where = np.concatenate(points)
    looks = Looks.checked(np.array(boxes), box_lines, box_times)
    return (
        where,
        times,
        np.array(frames),
        lines,
        np.array(boxes),
        Passes.checked(lines, swaths, ends, len(where), looks),
        len(seen),
    )


def counted(there_at, side=0.7, error_m=1.0, speed_limit_mps=0.3, seed=1):
    where, times, frames, _, boxes, passes, truth = flown(there_at, side, error_m, seed)
    found = resolve(
        where,
        np.tile(np.eye(2) * (error_m**2 + BOX_M**2), (len(where), 1, 1)),
        times,
        frames,
        np.zeros(len(where)),
        ["zebra"] * len(where),
        np.ones(len(where)),
        speed_limit_mps=speed_limit_mps,
        detection_probability=0.8,
        shared_within_frame=error_m**2 / (error_m**2 + BOX_M**2),
        footprints=boxes[frames],
        passes=passes,
    )
    return found.counts["zebra"], truth


def herd(count, size_m, seed=3):
    return np.random.default_rng(seed).uniform(-size_m, size_m, (count, 2))


@pytest.mark.parametrize("heading_deg", [90, 270])
@pytest.mark.parametrize("spread_rad", [0.0, 0.4])
def test_a_herd_that_walks_slowly_as_one_is_counted_or_the_count_says_that_it_may_be_far_off(heading_deg, spread_rad):
    heading = np.radians(heading_deg) + np.random.default_rng(8).normal(0, spread_rad, 120)
    way, start = 0.25 * np.column_stack([np.sin(heading), np.cos(heading)]), herd(120, 55.0)
    counts, truth = counted(lambda t: start + way * t)
    assert counts.chosen == pytest.approx(truth, rel=0.05) or counts.doubtful(0.05)
    # On ground that stands still looks are a third off.
    assert counts.chosen == pytest.approx(truth, rel=0.12) or not counts.untold > truth


def test_animals_that_walk_each_their_own_way_are_not_said_to_walk_as_one():
    start, rng = herd(120, 55.0), np.random.default_rng(5)
    phase, turn = rng.uniform(0, 2 * np.pi, 120), 0.25 / 15.0 * rng.choice([-1.0, 1.0], 120)

    def there_at(t):
        angle = phase + turn * t
        return start + 15.0 * np.column_stack([np.cos(angle), np.sin(angle)])

    counts, truth = counted(there_at)
    assert counts.untold > truth
    assert counts.chosen == pytest.approx(truth, rel=0.05)
    assert not counts.doubtful(0.08)


def tracks(velocity, own_mps, error_m, seed, passes=4):
    """Animals in frames of passes; each frame with an error of its own that all its boxes share."""
    rng = np.random.default_rng(seed)
    rows = []
    for line in range(passes):
        along = np.sort(rng.uniform(0, 160, 60))
        own = velocity + rng.normal(0, own_mps, (60, 2))
        for f, y in enumerate(np.arange(0, 160, 13.5)):
            error = rng.normal(0, error_m, 2)
            for animal in np.flatnonzero(abs(along - y) <= 22.5).tolist():
                place = np.array([0.0, along[animal]]) + own[animal] * 1.35 * f + error + rng.normal(0, BOX_M, 2)
                rows.append([*place, 1.35 * f, line * 100 + f, line * 60 + animal, line])
    table = np.array(rows)
    whole = table[:, 3:].astype(np.int64)
    variance = np.ones(len(table))
    return Followed(table[:, :2], table[:, 2], *whole.T, BOX_M**2 * variance, error_m**2 * variance)


def test_a_pass_tells_its_herds_velocity_as_well_as_it_says():
    velocity = np.array([0.2, -0.1])
    off = []
    for seed in range(30):
        told, information = pass_drift(tracks(velocity, 0.1, 1.5, seed), 4)
        off.append((told - velocity) * np.sqrt(information)[:, None])
    squares = np.mean(np.square(off))
    # χ² with 240 degrees of freedom, over them.
    assert 0.75 < squares < 1.3
    assert 1 / np.sqrt(information.sum()) < 0.06


def test_a_pass_in_which_no_animal_is_followed_tells_nothing():
    seen = tracks(np.zeros(2), 0.1, 1.0, 1)
    alone = Followed(
        *(getattr(seen, f) if f != "track" else np.arange(len(seen.times)) for f in seen.__dataclass_fields__)
    )
    velocity, information = pass_drift(alone, 4)
    assert not velocity.any()
    assert not information.any()


def test_what_tracks_tell_decides_whether_a_herd_walks_as_one():
    sure = np.full(6, 100.0 / 6 * 16)
    still, walking = weighed(np.zeros((6, 2)), sure, 0.5), weighed(np.tile([0.2, 0.0], (6, 1)), sure, 0.5)
    assert still.chance < 0.2
    assert walking.chance > 0.99
    assert np.abs(walking.ways.mean(axis=0) - [0.2, 0.0]).max() < 0.02
    # Nothing told: any velocity within the limit, and as likely as not.
    unknown = weighed(np.zeros((6, 2)), np.zeros(6), 0.5)
    assert unknown.chance == pytest.approx(0.5)
    assert np.hypot(*unknown.ways.T).max() <= 0.5
    # Passes that contradict each other tell less.
    apart = np.where(np.arange(6)[:, None] % 2, 0.3, -0.3) * np.array([1.0, 0.0])
    assert weighed(apart, sure, 0.5).variance > 10 * still.variance


def test_ground_that_goes_with_a_herd_has_the_looks_of_where_it_then_was():
    boxes = [shapely.box(20 * line - 10, -50, 20 * line + 10, 50) for line in range(4)]
    times = [0.0, 100.0, 200.0, 300.0]
    swaths = [[(20 * n - 10, -50), (20 * n + 10, -50), (20 * n + 10, 50), (20 * n - 10, 50)] for n in range(4)]
    looks = Looks.checked(boxes, [0, 1, 2, 3], times)
    passes = Flown.of(Passes.checked([0], swaths, [(t, t) for t in times], 1, looks))
    number = passes.looks_along(
        np.zeros((1, 2)), np.zeros(1), np.zeros(1, dtype=int), np.array([[0.0, 0.0], [0.2, 0.0], [-0.2, 0.0]])
    )
    assert number.ravel().tolist() == [1, 4, 1]


def test_a_herd_is_who_stands_in_squares_that_touch_and_no_larger_than_a_limit():
    herds = herds_at(np.array([[0.0, 0.0], [60.0, 10.0], [1000.0, 0.0]]))
    assert herds[0] == herds[1] != herds[2]
    row = np.column_stack([np.arange(0, 2000, 20.0), np.zeros(100)])
    sizes = np.bincount(herds_at(row))
    assert len(sizes) == 5
    assert sizes.max() == 20


def test_a_crowd_in_which_anyone_may_be_anyones_next_says_nothing_of_how_it_walks_and_the_count_says_so():
    start = herd(150, 8.0)
    counts, truth = counted(lambda t: start + np.array([0.1, 0.0]) * t, error_m=5.0)
    assert counts.untold > truth
    assert counts.doubtful(0.05)
