"""Individuals: the sightings judged to be one animal, how many there are, and which pairs a person should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import stats

from counts.following import components
from counts.observed import Observed
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]


class Doubt(StrEnum):
    """Why a person should look at a pair."""

    FAR = "merged, though further apart than nine in ten such pairs would be"
    UNMERGED = "not merged, though they could be one animal"


@dataclass(frozen=True)
class AmbiguousPair:
    """Two sightings, by their index in the input, that the data does not settle."""

    first: int
    second: int
    mahalanobis_squared: float
    doubt: Doubt


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


@dataclass(frozen=True)
class Individuals:
    """The sightings judged to be one animal, and where it stood.

    `individual` (N,) gives each sighting its individual. For the M individuals: `positions` (M, 2) in metres, the mean
    of the sightings weighted by their covariances (for a walking animal, of all its places), `covariances` (M, 2, 2),
    `labels`, `transects`, `scores` the highest, `sightings` how many, `first_seen` the index of the earliest sighting.
    Ordered by transect, label and time, whatever the order of the input. Of those `untold` (M,) one animal may be
    several; so many of them are `left`, and not counted, as the looks at their ground ask.
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

    def __len__(self) -> int:
        return len(self.sightings)


@dataclass(frozen=True)
class Pairs:
    """Pairs of sightings that could be one animal; `apart` are those that nothing about them can settle."""

    first: Ints
    second: Ints
    cost: Floats
    apart: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Told:
    """What was found out: the `track` of each sighting (N,), and those `untold` and `left` (N,), alike in a track."""

    track: Ints
    untold: npt.NDArray[np.bool_]
    left: npt.NDArray[np.bool_]


def individuals_of(s: Observed, told: Told, pairs: Pairs, common: npt.ArrayLike | None) -> Individuals:
    """Return the individuals that tracks make; `common` (2, 2) is added to their covariances."""
    heads, number = np.unique(told.track, return_inverse=True)
    amount = len(heads)
    weight = np.linalg.inv(s.covariances)
    total, moment = np.zeros((amount, 2, 2)), np.zeros((amount, 2))
    np.add.at(total, number, weight)
    np.add.at(moment, number, (weight @ s.points[:, :, None])[:, :, 0])
    spread = np.asarray(np.linalg.inv(total), dtype=np.float64)
    scores = np.full(amount, -np.inf)
    np.maximum.at(scores, number, s.scores)
    individual = np.empty(len(s), dtype=np.int64)
    individual[s.order] = number
    return Individuals(
        individual=individual,
        positions=(spread @ moment[:, :, None])[:, :, 0],
        covariances=spread if common is None else spread + np.asarray(common, dtype=np.float64),
        labels=s.labels[heads],
        transects=s.transects[heads],
        scores=scores,
        sightings=np.bincount(number, minlength=amount).astype(np.int64),
        first_seen=s.order[heads],
        counts=_counts(s, number, pairs, told.untold[heads], told.left[heads]),
        ambiguous=_ambiguous(s, number, pairs),
        left=told.left[heads],
        untold=told.untold[heads],
    )


def _counts(
    s: Observed, number: Ints, pairs: Pairs, untold: npt.NDArray[np.bool_], left: npt.NDArray[np.bool_]
) -> dict[str, Counts]:
    component = components(len(s), pairs.first, pairs.second)
    both, per_frame = np.unique(np.column_stack([component, s.frames]), axis=0, return_counts=True)
    fewest = np.zeros(int(component.max()) + 1 if len(s) else 0, dtype=np.int64)
    np.maximum.at(fewest, both[:, 0], per_frame)
    result = {}
    for label in np.unique(s.labels):
        mine = s.labels == label
        animals = np.unique(number[mine])
        result[str(label)] = Counts(
            chosen=int((~left[animals]).sum()),
            merge_all=int(fewest[np.unique(component[mine])].sum()),
            merge_none=int(mine.sum()),
            untold=int(untold[animals].sum()),
        )
    return result


def _ambiguous(s: Observed, number: Ints, pairs: Pairs) -> tuple[AmbiguousPair, ...]:
    """Merged pairs in the far tail, and pairs left apart though no frame holds both their individuals."""
    first, second, cost = (a[~pairs.apart] for a in (pairs.first, pairs.second, pairs.cost))
    merged = number[first] == number[second]
    far = merged & (cost > stats.chi2.ppf(0.9, 2))
    apart = np.flatnonzero(~merged)
    frames_of: dict[int, set[int]] = {}
    for track, frame in zip(number.tolist(), s.frames.tolist(), strict=True):
        frames_of.setdefault(track, set()).add(frame)
    free = [i for i in apart.tolist() if not frames_of[int(number[first[i]])] & frames_of[int(number[second[i]])]]
    chosen = [(i, Doubt.FAR) for i in np.flatnonzero(far).tolist()] + [(i, Doubt.UNMERGED) for i in free]
    return tuple(
        AmbiguousPair(int(s.order[first[i]]), int(s.order[second[i]]), float(cost[i]), doubt)
        for i, doubt in sorted(chosen)
    )
