"""Identity resolved some transects at a time, in memory that does not grow with the survey.

A sample's units of identity are its transects: nothing in one says who is who in another. So whole transects are
resolved in blocks of bounded sightings, and what they give is put together as if all had been resolved at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from counts.individuals import Counts, Individuals

Ints = npt.NDArray[np.int64]
Pair = tuple[int, int]

MOST_AT_ONCE = 200_000
"""So many sightings take some 300 MB while they are told apart."""


def blocks_of(unit: Ints, most: int = MOST_AT_ONCE) -> list[Ints]:
    """Return the rows of `unit` (N,) in blocks of whole units in their order, each of at most so many rows if it can.

    A unit that has more rows is a block of its own.
    """
    order = np.argsort(unit, kind="stable")
    _, size = np.unique(unit, return_counts=True)
    cuts, inside = [], 0
    for end, rows in zip(np.cumsum(size).tolist(), size.tolist(), strict=True):
        if inside and inside + rows > most:
            cuts.append(end - rows)
            inside = 0
        inside += rows
    return [np.sort(rows) for rows in np.split(order, cuts)]


def resolve_in_blocks(
    resolve: Callable[[Ints, Sequence[Pair], Sequence[Pair]], Individuals],
    unit: Ints,
    labels: npt.NDArray[np.str_],
    same: Sequence[Pair] = (),
    different: Sequence[Pair] = (),
    *,
    most: int = MOST_AT_ONCE,
) -> Individuals:
    """Resolve sightings of several units (N,), some units at a time.

    `resolve` gives the individuals of some rows, with what people said to be the `same` and `different` among them as
    pairs of places in those rows. Answers that make two units' sightings the same contradict what a unit is.
    """
    blocks = blocks_of(unit, most)
    if len(blocks) == 1:
        return resolve(blocks[0], same, different)
    block, place = np.empty((2, len(unit)), dtype=np.int64)
    for number, rows in enumerate(blocks):
        block[rows], place[rows] = number, np.arange(len(rows))
    inside = [_inside(pairs, block, place, len(blocks)) for pairs in (same, different)]
    parts = [resolve(rows, inside[0][i], inside[1][i]) for i, rows in enumerate(blocks)]
    across = tuple((a, b) for a, b in same if block[a] != block[b])
    return _joined(parts, blocks, labels, across)


def _inside(pairs: Sequence[Pair], block: Ints, place: Ints, blocks: int) -> list[list[Pair]]:
    of: list[list[Pair]] = [[] for _ in range(blocks)]
    for a, b in pairs:
        if block[a] == block[b]:
            of[int(block[a])].append((int(place[a]), int(place[b])))
    return of


def _joined(
    parts: Sequence[Individuals], blocks: Sequence[Ints], labels: npt.NDArray[np.str_], across: tuple[Pair, ...]
) -> Individuals:
    """Individuals of several blocks as one, in the order of the blocks."""
    individual = np.empty(len(labels), dtype=np.int64)
    start = 0
    for part, rows in zip(parts, blocks, strict=True):
        individual[rows] = part.individual + start
        start += len(part)
    asked = tuple(
        replace(pair, first=int(rows[pair.first]), second=int(rows[pair.second]))
        for part, rows in zip(parts, blocks, strict=True)
        for pair in part.ambiguous
    )
    doubt: dict[str, float] = {}
    for pair in asked:
        label = str(labels[pair.first])
        doubt[label] = doubt.get(label, 0.0) + pair.probability * (1 - pair.probability)
    return Individuals(
        individual=individual,
        first_seen=np.concatenate([rows[part.first_seen] for part, rows in zip(parts, blocks, strict=True)]),
        counts={
            label: _total([part.counts[label] for part in parts if label in part.counts], doubt.get(label, 0.0))
            for label in sorted({label for part in parts for label in part.counts})
        },
        ambiguous=asked,
        contradict=(
            *(
                (int(rows[a]), int(rows[b]))
                for part, rows in zip(parts, blocks, strict=True)
                for a, b in part.contradict
            ),
            *across,
        ),
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("positions", "covariances", "labels", "transects", "scores", "sightings", "left", "untold")
        },
    )


def _total(counts: Sequence[Counts], doubt: float) -> Counts:
    chosen, merge_all, merge_none, untold = (
        sum(getattr(c, name) for c in counts) for name in ("chosen", "merge_all", "merge_none", "untold")
    )
    # Of independent doubts the variances add up.
    return Counts(chosen, merge_all, merge_none, untold, error=float(np.sqrt(doubt)))
