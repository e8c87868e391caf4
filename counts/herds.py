"""Herds: which individuals stand together, by the chain rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counts.likelihood import components
from counts.nearby import near_pairs
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

CHAIN_M = 50.0
"""Animals belong together that stand within this of one another, or of others between (Clutton-Brock et al. 1982)."""


@dataclass(frozen=True)
class Herds:
    """Herds of one label in a survey: how many, of how many animals on average, and the largest."""

    herds: int
    mean_size: float
    largest: int


def herds_of(positions: Floats, labels: npt.NDArray[np.str_], unit: Ints, *, chain_m: float = CHAIN_M) -> Ints:
    """Return the herd (M,) of each individual, numbered from 1 in their order; −1 for those of `unit` −1.

    `positions` (M, 2) in metres. A herd is of one label and of one unit, a transect, which sees its own animals only:
    where a herd stands across two lines that a sample flew, each line has a part of it.
    """
    herd = np.full(len(positions), -1, dtype=np.int64)
    inside = np.flatnonzero(unit >= 0)
    if not len(inside):
        return herd
    kind = np.unique(labels[inside], return_inverse=True)[1] * (int(unit.max()) + 1) + unit[inside]
    where = positions[inside]

    def apart(one: Ints, other: Ints) -> Floats:
        return np.where(kind[one] == kind[other], np.hypot(*(where[one] - where[other]).T), np.inf)

    first, second, _ = near_pairs(where, chain_m, apart, chain_m)
    group = components(len(inside), first, second)
    # Numbered by their first member, whatever order the components came in.
    _, head, number = np.unique(group, return_index=True, return_inverse=True)
    herd[inside] = np.argsort(np.argsort(head))[number] + 1
    return herd


def sizes(herd: Ints, labels: npt.NDArray[np.str_]) -> dict[str, Herds]:
    """Return the herds of each label."""
    result = {}
    for label in np.unique(labels[herd >= 0]):
        _, number = np.unique(herd[(herd >= 0) & (labels == label)], return_counts=True)
        result[str(label)] = Herds(len(number), float(number.mean()), int(number.max()))
    return result
