"""How surely an animal in view is found is seen in the overlap: what one frame saw and the next should have."""

from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from overfly.chain.checked_recall import checked_recall_of
from overfly.chain.recall import ASSUMED, BELIEVED, CHECKED, OVERLAP, Recall, asked_of, recall_of


def flown(animals, recall, seed=1, sigma_m=0.5):
    """A line of frames of 60 m every 15 m over animals; ground, sightings and true individuals as counting has them."""
    rng = np.random.default_rng(seed)
    stations = np.arange(0, 3000, 15.0)
    capture, animal, points = [], [], []
    for f, y in enumerate(stations):
        inside = (np.abs(animals[:, 0]) < 30) & (np.abs(animals[:, 1] - y) < 30) & (rng.random(len(animals)) < recall)
        capture += [f] * int(inside.sum())
        animal += np.flatnonzero(inside).tolist()
        points += (animals[inside] + rng.normal(0, sigma_m, (inside.sum(), 2))).tolist()
    count = len(points)
    ground = SimpleNamespace(
        footprints=shapely.box(-30, stations - 30, 30, stations + 30), times_s=1.5 * np.arange(len(stations))
    )
    sightings = SimpleNamespace(
        labels=np.full(count, "zebra"),
        capture=np.array(capture),
        local_m=np.array(points),
        independent_m2=np.tile(np.eye(2) * sigma_m**2, (count, 1, 1)),
    )
    individuals = SimpleNamespace(individual=np.array(animal))
    return ground, sightings, np.arange(count), individuals, np.zeros(len(stations), dtype=int)


def recall_told(ground, sightings, members, individuals, unit, speed_mps) -> Recall:
    asked = asked_of(ground, sightings, members, unit, speed_mps, 60.0)
    return recall_of(asked, sightings.capture[members], lambda rows: individuals.individual)["zebra"]


@pytest.mark.parametrize("recall", [0.5, 0.7, 0.95])
def test_the_recall_of_animals_that_stand_alone_is_told_by_the_frames_that_looked_again(recall):
    y = np.arange(50, 2950, 70.0)
    ground, *rest = flown(np.column_stack([np.where(np.arange(len(y)) % 2, -10.0, 10.0), y]), recall)
    told = recall_told(ground, *rest, 0.0)
    assert told.source == OVERLAP
    assert told.looks > 100
    assert told.value == pytest.approx(recall, abs=max(3 * told.error, 0.05))


def test_frames_in_which_nothing_was_found_are_looks_too():
    ground, sightings, *rest = flown(np.array([[0.0, y] for y in range(100, 2900, 200)]), 0.4)
    told = recall_told(ground, sightings, *rest, 0.0)
    # By the frames that found something alone every look would have.
    assert told.value < 0.6


def test_a_crowd_and_another_unit_say_nothing_and_that_is_said():
    ground, sightings, members, individuals, unit = flown(np.random.default_rng(3).uniform(-10, 10, (80, 2)), 0.8)
    told = recall_told(ground, sightings, members, individuals, unit, 1.5)
    assert (told.source, told.value) == (ASSUMED, BELIEVED)
    lonely = flown(np.array([[0.0, y] for y in range(100, 2900, 200)]), 0.8)
    each_its_own = np.arange(len(unit))
    alone = recall_told(*lonely[:4], each_its_own, 0.0)
    assert (alone.source, alone.looks) == (ASSUMED, 0)


def checked(found_of, sizes=(400, 40)):
    """Recall from a sample of two strata: per frame how many were found of how many, nothing in those of the first."""
    there = np.array([total for _, total in found_of])
    found = np.array([number for number, _ in found_of])
    return checked_recall_of(found, there, (found > 0).astype(np.int64), sizes)


def test_the_recall_of_a_checked_sample_is_weighed_as_its_frames_were_drawn():
    # A frame in which nothing was found stands for many more than one in which something was.
    told = checked([(0, 0)] * 19 + [(0, 1)] + [(3, 4)] * 20)
    weighed = (20.0 * 0 + 2.0 * 60) / (20.0 * 1 + 2.0 * 80)
    assert told.source == CHECKED
    assert told.looks == 81
    assert told.value == pytest.approx((81 * weighed + 20 * BELIEVED) / 101, abs=1e-4)
    # One frame of the first stratum makes it far less sure than 81 animals each on its own would.
    assert told.error > 1.5 * np.sqrt(told.value * (1 - told.value) / 101)


def test_all_found_is_not_taken_for_certain():
    told = checked([(0, 0)] * 20 + [(2, 2)] * 20)
    assert told.value < 1
    assert told.error > 0.02
