"""Who is who is the same whether a survey is resolved as a whole or some of its transects at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from counts.blocks import blocks_of, resolve_in_blocks
from counts.identity import resolve
from counts.individuals import Individuals

Pair = tuple[int, int]
ARRAYS = (
    "individual", "positions", "covariances", "labels", "transects", "scores", "sightings", "first_seen", "left",
    "untold",
)  # fmt: skip


class World:
    """Seven lines over herds of two kinds, one of which stands under three lines only; frames overlap by a third."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([67, seed])
        points, frames, labels, unit = [], [], [], []
        for line in range(7):
            for kind in ("elephant", "zebra") if line in (1, 2, 5) else ("zebra",):
                herds = rng.uniform(0, 1500, (int(rng.integers(4, 9)), 1))
                animals = np.repeat(np.column_stack([300.0 * line + 0 * herds, herds]), 7, axis=0)
                animals += rng.normal(0, 6.0, animals.shape)
                for number in range(32):
                    inside = np.flatnonzero(np.abs(animals[:, 1] - 48.0 * number) < 36)
                    inside = inside[rng.random(len(inside)) < 0.85]
                    points.append(animals[inside] + rng.normal(0, 1, 2) + rng.normal(0, 0.3, (len(inside), 2)))
                    frames.append(np.full(len(inside), 32 * line + number))
                    labels += [kind] * len(inside)
                    unit.append(np.full(len(inside), line))
        # In no order, as detections of captures that several people flew at once.
        order = rng.permutation(sum(map(len, points)))
        self.points, self.frames = np.concatenate(points)[order], np.concatenate(frames)[order]
        self.unit, self.labels = np.concatenate(unit)[order], np.array(labels)[order]
        self.scores = rng.random(len(order))

    def resolve(self, rows: np.ndarray, same: Sequence[Pair], different: Sequence[Pair]) -> Individuals:
        """Who is who among some of the sightings."""
        return resolve(
            self.points[rows], np.tile(1.09 * np.eye(2), (len(rows), 1, 1)), 4.0 * self.frames[rows],
            self.frames[rows], self.unit[rows], self.labels[rows], self.scores[rows], detection_probability=0.85,
            same=same, different=different,
        )  # fmt: skip


def answers(world: World, whole: Individuals) -> tuple[list[Pair], list[Pair]]:
    """What people say of some pairs of which a person was asked, and one pair that cannot be: of two lines."""
    same = [(p.first, p.second) for p in whole.ambiguous[::3]]
    zebras = [np.flatnonzero((world.unit == line) & (world.labels == "zebra"))[0] for line in (0, 6)]
    return [*same, (int(zebras[0]), int(zebras[1]))], [(p.second, p.first) for p in whole.ambiguous[1::3]]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("most", [1, 120, 10**6])
def test_a_survey_in_blocks_of_transects_comes_out_exactly_as_the_whole(seed: int, most: int) -> None:
    world = World(seed)
    everything = np.arange(len(world.unit))
    asked = world.resolve(everything, (), ())
    assert len(asked.ambiguous) > 6
    for same, different in (([], []), answers(world, asked)):
        whole = world.resolve(everything, same, different)
        blocks = resolve_in_blocks(world.resolve, world.unit, world.labels, same, different, most=most)
        for name in ARRAYS:
            assert_array_equal(getattr(blocks, name), getattr(whole, name), err_msg=name)
        assert {k: asdict(v) for k, v in blocks.counts.items()} == {k: asdict(v) for k, v in whole.counts.items()}
        assert blocks.ambiguous == whole.ambiguous
        assert sorted(map(sorted, blocks.contradict)) == sorted(map(sorted, whole.contradict))
        assert len(whole.contradict) == (1 if same else 0)


def test_blocks_are_of_whole_transects_and_bounded() -> None:
    world = World(3)
    blocks = blocks_of(world.unit, 120)
    assert len(blocks) > 2
    assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(len(world.unit)))
    held = [set(world.unit[rows].tolist()) for rows in blocks]
    assert sum(map(len, held)) == 7
    assert all(len(rows) <= 120 or len(units) == 1 for rows, units in zip(blocks, held, strict=True))


def test_rows_that_matter_are_resolved_as_if_all_did() -> None:
    world = World(4)
    everything = np.arange(len(world.unit))
    whole = world.resolve(everything, (), ())
    only = everything[::97]
    some = resolve(
        world.points, np.tile(1.09 * np.eye(2), (len(everything), 1, 1)), 4.0 * world.frames, world.frames, world.unit,
        world.labels, world.scores, detection_probability=0.85, only=only,
    )  # fmt: skip
    for row in only.tolist():
        mine = whole.individual == whole.individual[row]
        assert_array_equal(some.individual == some.individual[row], mine)
    assert len(some) > len(whole)
