"""Individuals: the sightings judged to be one animal, how many there are, and which pairs a person should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from counts.decided import Decided
from counts.likelihood import components
from counts.observed import Observed
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]


DOUBTFUL = 0.1
"""A person is asked where it is less sure than this whether two sightings are one animal."""

MOST_STRANGERS_ASKED = 0.5

BEYOND = 1.645
"""So many standard errors are exceeded one time in ten, up or down."""

BEYOND_UPWARD = 1.282
"""So many are one time in ten upward: animals that walked past every frame make a count of those seen too high."""


class Doubt(StrEnum):
    """Why a person should look at a pair."""

    FAR = "merged, though they could be two"
    UNMERGED = "not merged, though they could be one"


@dataclass(frozen=True)
class AmbiguousPair:
    """Two sightings, by their index in the input, that the data does not settle.

    `probability` is that of their being one animal, by where and when they were seen alone.
    """

    first: int
    second: int
    mahalanobis_squared: float
    doubt: Doubt
    probability: float
    distance_m: float


@dataclass(frozen=True)
class Counts:
    """Individuals of one label: as resolved, under the most merging the gate allows, and without any merging.

    Of `untold` tracks it cannot be told whether another pass saw them too, because the animals walk too far between the
    passes: they were counted by how often their ground was looked at (`counts.looks`).
    """

    chosen: int
    merge_all: int
    merge_none: int
    untold: int = 0
    error: float = 0.0
    passed: float = 0.0

    def doubtful(self, limit: float) -> bool:
        """Whether it is likelier than one to ten that the count is off by more than this share of it."""
        likely = max(BEYOND * self.error, self.passed + BEYOND_UPWARD * self.error)
        return likely > max(limit * self.chosen, 1.0)


@dataclass(frozen=True)
class Individuals:
    """The sightings judged to be one animal, and where it stood.

    `individual` (N,) gives each sighting its individual. For the M individuals: `positions` (M, 2) in metres, the mean
    of the sightings weighted by their covariances (for a walking animal, of all its places), `covariances` (M, 2, 2),
    `labels`, `transects`, `scores` the highest, `sightings` how many, `first_seen` the index of the earliest sighting.
    Ordered by transect, label and time, whatever the order of the input. Of those `untold` (M,) one animal may be
    several; so many of them are `left`, and not counted, as the looks at their ground ask. `contradict` are answers,
    pairs of indices, that could not be heeded beside the others.
    """

    individual: Ints
    positions: Floats
    covariances: Floats
    labels: npt.NDArray[np.str_]
    transects: npt.NDArray[np.generic]
    scores: Floats
    sightings: Ints
    first_seen: Ints
    counts: Mapping[str, Counts]
    ambiguous: tuple[AmbiguousPair, ...]
    left: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    untold: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    contradict: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.sightings)


@dataclass(frozen=True)
class Pairs:
    """Pairs of sightings that could be one animal, the `probability` that they are, and the `strangers` near."""

    first: Ints
    second: Ints
    cost: Floats
    probability: Floats
    strangers: Floats

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def with_more(self, other: Pairs) -> Pairs:
        """These pairs and others."""
        return Pairs(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


@dataclass(frozen=True)
class Told:
    """What was found out: the `track` of each sighting (N,), and those `untold` and `left` (N,), alike in a track."""

    track: Ints
    untold: npt.NDArray[np.bool_]
    left: npt.NDArray[np.bool_]
    decided: Decided
    error: Mapping[str, float] = field(default_factory=dict)
    passed: Mapping[str, float] = field(default_factory=dict)


def individuals_of(s: Observed, told: Told, pairs: Pairs, common: npt.ArrayLike | None) -> Individuals:
    """Return the individuals that tracks make; `common` (2, 2) is added to their covariances."""
    heads, number = np.unique(told.track, return_inverse=True)
    amount = len(heads)
    weight = np.asarray(np.linalg.inv(s.covariances), dtype=np.float64)
    total = _summed(number, weight, amount)
    moment = _summed(number, (weight @ s.points[:, :, None])[:, :, 0], amount)
    spread = np.asarray(np.linalg.inv(total), dtype=np.float64)
    scores = np.full(amount, -np.inf)
    np.maximum.at(scores, number, s.scores)
    individual = np.empty(len(s), dtype=np.int64)
    individual[s.order] = number
    asked = _ambiguous(s, number, pairs, told.untold[heads], told.decided)
    return Individuals(
        individual=individual,
        positions=(spread @ moment[:, :, None])[:, :, 0],
        covariances=spread if common is None else spread + np.asarray(common, dtype=np.float64),
        labels=s.labels[heads],
        transects=s.transects[heads],
        scores=scores,
        sightings=np.bincount(number, minlength=amount).astype(np.int64),
        first_seen=s.order[heads],
        counts=_counts(s, number, pairs, told, heads, asked),
        ambiguous=asked,
        left=told.left[heads],
        untold=told.untold[heads],
        contradict=told.decided.contradict,
    )


def _summed(number: Ints, values: Floats, amount: int) -> Floats:
    """Sums (M, ...) of values (N, ...) by their number."""
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    columns = [np.bincount(number, weights=flat[:, i], minlength=amount) for i in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(amount, *values.shape[1:]).astype(np.float64, copy=False)


def _counts(
    s: Observed, number: Ints, pairs: Pairs, told: Told, heads: Ints, asked: tuple[AmbiguousPair, ...]
) -> dict[str, Counts]:
    untold, left = told.untold[heads], told.left[heads]
    back = np.empty(len(s), dtype=np.int64)
    back[s.order] = np.arange(len(s))
    doubt = dict.fromkeys(np.unique(s.labels).tolist(), 0.0)
    for pair in asked:
        label = str(s.labels[back[pair.first]])
        # What was laid on each other knows its error; elsewhere each pair may be the one or the other.
        if label not in told.error:
            doubt[label] += pair.probability * (1 - pair.probability)
    component = components(len(s), pairs.first, pairs.second)
    width = int(s.frames.max()) + 1 if len(s) else 1
    both, per_frame = np.unique(component * width + s.frames, return_counts=True)
    fewest = np.zeros(int(component.max()) + 1 if len(s) else 0, dtype=np.int64)
    np.maximum.at(fewest, both // width, per_frame)
    result = {}
    for label in np.unique(s.labels):
        mine = s.labels == label
        animals = np.unique(number[mine])
        result[str(label)] = Counts(
            chosen=int((~left[animals]).sum()),
            merge_all=int(fewest[np.unique(component[mine])].sum()),
            merge_none=int(mine.sum()),
            untold=int(untold[animals].sum()),
            error=told.error.get(str(label), float(np.sqrt(doubt[str(label)]))),
            passed=told.passed.get(str(label), 0.0),
        )
    return result


def _ambiguous(
    s: Observed, number: Ints, pairs: Pairs, untold: npt.NDArray[np.bool_], heeded: Decided
) -> tuple[AmbiguousPair, ...]:
    """The pairs to ask about: the likeliest one between two individuals, or between the parts of one.

    Not asked is what nobody can answer: which of a herd that cannot be told is which, or of many that stand within the
    error; and what was answered.
    """
    p = pairs.rows(~(untold[number[pairs.first]] | untold[number[pairs.second]]))
    merged = number[p.first] == number[p.second]
    parts = components(len(s), *(column[merged & (p.probability >= 1 - DOUBTFUL)] for column in (p.first, p.second)))
    weak = merged & (parts[p.first] != parts[p.second]) & (p.strangers <= MOST_STRANGERS_ASKED)
    doubtful = ~merged & (p.probability >= DOUBTFUL)
    doubtful[doubtful] = ~_together(number, s.frames, number[p.first[doubtful]], number[p.second[doubtful]])
    group = np.where(
        merged[:, None],
        np.column_stack([parts[p.first], parts[p.second]]),
        -1 - np.column_stack([number[p.first], number[p.second]]),
    )
    asked = np.flatnonzero(weak | doubtful)
    best = asked[np.lexsort((p.second[asked], p.first[asked], -p.probability[asked]))]
    _, first = np.unique(np.sort(group[best], axis=1), axis=0, return_index=True)
    answered = {frozenset(pair) for pair in (*heeded.same, *heeded.different)}
    return tuple(
        AmbiguousPair(
            int(s.order[p.first[i]]),
            int(s.order[p.second[i]]),
            float(p.cost[i]),
            Doubt.FAR if merged[i] else Doubt.UNMERGED,
            float(p.probability[i]),
            float(np.hypot(*(s.points[p.second[i]] - s.points[p.first[i]]))),
        )
        for i in np.sort(best[first]).tolist()
        if frozenset((int(p.first[i]), int(p.second[i]))) not in answered
    )


def _together(number: Ints, frames: Ints, one: Ints, other: Ints) -> npt.NDArray[np.bool_]:
    """Whether some frame holds both of two individuals (K,), who are then two."""
    width = int(frames.max()) + 1 if len(frames) else 1
    held = np.unique(number * width + frames)
    start, stop = np.searchsorted(held, one * width), np.searchsorted(held, (one + 1) * width)
    row = np.repeat(np.arange(len(one)), stop - start)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(stop - start) - (stop - start), stop - start)
    frame = held[start[row] + offset] % width
    both = np.isin(other[row] * width + frame, held)
    return np.asarray(np.bincount(row[both], minlength=len(one)) > 0)
