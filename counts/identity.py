"""Sightings to individuals: the same animal seen in several frames of one transect is counted once.

Pairs of sightings in different frames are candidates when their distance fits their combined covariance and the way an
animal can walk between the exposures. Errors common to a pass (a boresight, a satellite receiver's offset) cancel
between its frames, so covariances here are those of the independent part. Candidates form components; within one, each
frame in order of time is registered on the animals followed so far (`counts.following`) and its sightings are given to
them one-to-one at least total cost, so that two boxes of one frame are never one animal. Nothing is merged across
transects: in a sample each unit counts what it saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from scipy import stats
from scipy.spatial import KDTree

from counts.following import Component as Following
from counts.following import components, density_within, follow, least_gate, mahalanobis_squared, not_seen
from counts.observed import Observed
from counts.passes import Passes, Tracks, join
from flightplan.errors import EstimateError
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

    Of `untold` it cannot be told whether another pass saw them too: the animals walk too far between the passes, and
    each pass was counted on its own ground.
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
    Ordered by transect, label and time, whatever the order of the input. Those `left` stood on ground that another pass
    answers for, and are not counted.
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

    def __len__(self) -> int:
        return len(self.sightings)


def resolve(
    points: npt.ArrayLike,
    covariances: npt.ArrayLike,
    times_s: npt.ArrayLike,
    frame_ids: npt.ArrayLike,
    transect_ids: npt.ArrayLike,
    labels: Sequence[str] | npt.NDArray[np.str_],
    scores: npt.ArrayLike,
    *,
    speed_limit_mps: Mapping[str, float] | float = 1.5,
    gate_probability: float = 0.997,
    longest_gap_s: float = 60.0,
    detection_probability: float = 0.9,
    shared_within_frame: float = 0.8,
    footprints: npt.ArrayLike | None = None,
    common_covariance: npt.ArrayLike | None = None,
    passes: Passes | None = None,
) -> Individuals:
    """Resolve sightings into individuals within each transect and label.

    `points` (N, 2) metres; `covariances` (N, 2, 2) m², the part independent between frames; `times_s` (N,) seconds, one
    per frame; `frame_ids`, `transect_ids` (N,) of any sortable kind. `speed_limit_mps` is the speed that 95 % of
    animals do not exceed, by label or for all. `gate_probability` is the share of true pairs the gate keeps. Frames
    further apart in time than `longest_gap_s` are not compared. `detection_probability` is the chance that an animal in
    view is found (recall); in a dense herd it decides whether two sightings are one animal or two that were missed once
    each. `shared_within_frame` is the share of the variance in `covariances` that all boxes of a frame have in common
    (its pose, against the box itself). `footprints` (N,), the polygon of each sighting's frame in metres or None, tell
    animals that another frame could not show from those it missed: give them wherever they are known.
    `common_covariance` (2, 2) is added to the individuals' covariances at the end. With `passes` the sightings of one
    transect id come from several lines over the same ground, and are joined as `counts.passes` says.

    Raises EstimateError for arrays that do not match, a position or covariance that is not finite, a covariance that is
    not positive definite, or a frame with two times.
    """
    s = Observed.checked(points, covariances, times_s, frame_ids, transect_ids, labels, scores, speed_limit_mps, passes)
    if footprints is not None:
        s = replace(s, corners=_corners(footprints, len(s))[s.order])
    options = _Options.checked(gate_probability, detection_probability, shared_within_frame)
    first, second, cost = _candidates(s, options.gate, longest_gap_s)
    track, place, spread = _tracks(s, first, second, cost, options)
    left, apart = np.zeros(len(s), dtype=np.bool_), np.zeros(len(first), dtype=np.bool_)
    if passes is not None and len(s):
        track, left, pairs = _joined(s, track, (place, spread), passes, options)
        first, second = np.concatenate([first, pairs[0]]), np.concatenate([second, pairs[1]])
        cost, apart = np.concatenate([cost, pairs[2]]), np.concatenate([apart, pairs[3]])
    return _individuals(s, track, _Pairs(first, second, cost, apart), left, common_covariance)


@dataclass(frozen=True)
class _Options:
    gate: float
    detection_probability: float
    shared_within_frame: float

    @classmethod
    def checked(cls, gate: float, detection: float, shared: float) -> _Options:
        for what, value in (("gate probability", gate), ("detection probability", detection)):
            if not 0 < value < 1:
                raise EstimateError(f"the {what} is between 0 and 1, not {value:g}", where="identity")
        if not 0 <= shared < 1:
            raise EstimateError(f"the share of error within a frame is 0 to below 1, not {shared:g}", where="identity")
        return cls(float(stats.chi2.ppf(gate, 2)), detection, shared)


def _candidates(s: Observed, gate: float, longest_gap_s: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of one group and different frames within the gate, first before second in the fixed order, and d²."""
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    bounds = np.flatnonzero(np.diff(s.groups, prepend=-1, append=-1))
    for start, stop in pairwise(bounds):
        if stop - start < 2:
            continue
        inside = slice(start, stop)
        gap = min(longest_gap_s, float(s.times[inside].max() - s.times[inside].min()))
        largest = float(np.trace(s.covariances[inside], axis1=1, axis2=2).max())
        reach = np.sqrt(gate * (2 * largest + s.drift_variance[start] * gap**2))
        pairs = KDTree(s.points[inside]).query_pairs(reach, output_type="ndarray").astype(np.int64) + start
        firsts.append(pairs.min(axis=1))
        seconds.append(pairs.max(axis=1))
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    lag = s.times[second] - s.times[first]
    keep = (s.frames[first] != s.frames[second]) & (lag <= longest_gap_s)
    first, second = first[keep], second[keep]
    cost = mahalanobis_squared(s.points[second] - s.points[first], _combined(s, first, second))
    near = cost <= gate
    order = np.lexsort((second[near], first[near]))
    return first[near][order], second[near][order], cost[near][order]


def _tracks(s: Observed, first: Ints, second: Ints, cost: Floats, options: _Options) -> tuple[Ints, Floats, Floats]:
    """One track number per sighting (in the fixed order), where its animal stood, and how sure that is.

    Where several animals were followed together the frames' errors are taken out of both.
    """
    component = components(len(s), first, second)
    density = density_within(s.points, s.layers)
    track = np.arange(len(s), dtype=np.int64)
    ordered = np.lexsort((track, s.frames, s.times, component))
    size = np.bincount(component, minlength=1)
    simple = _chains(s, component, ordered, density, options)
    heads = ordered[np.flatnonzero(np.diff(component[ordered], prepend=-1))]
    track = np.where(simple[component], heads[component], track)
    place, spread = s.points.copy(), s.covariances.copy()
    alone = simple[component] | (size[component] <= 2)
    spread[alone] /= np.bincount(track, minlength=len(s))[track][alone, None, None]
    bounds = np.concatenate([[0], np.cumsum(size)])
    for index in np.flatnonzero(~simple & (size > 2)):
        inside = ordered[bounds[index] : bounds[index + 1]]
        own = (1 - options.shared_within_frame) * s.covariances[inside]
        followed = follow(
            Following(
                points=s.points[inside],
                own=own,
                shared=s.covariances[inside] - own,
                times=s.times[inside],
                frames=s.frames[inside],
                density=density[inside],
                drift_variance=float(s.drift_variance[inside[0]]),
                detection=options.detection_probability,
                gate=options.gate,
                corners=None if s.corners is None else s.corners[inside],
            )
        )
        track[inside], place[inside], spread[inside] = inside[followed.track], followed.place, followed.spread
    return track, place, spread


def _chains(s: Observed, component: Ints, ordered: Ints, density: Floats, options: _Options) -> npt.NDArray[np.bool_]:
    """Components that are plainly one animal: one sighting a frame, each more likely the next one's than not."""
    simple = np.ones(int(component.max()) + 1 if len(s) else 0, dtype=np.bool_)
    a, b = ordered[:-1], ordered[1:]
    inside = component[a] == component[b]
    a, b = a[inside], b[inside]
    combined, p = _combined(s, a, b), options.detection_probability
    missed = not_seen(p, s.points[a], combined, None if s.corners is None else s.corners[b])
    missed *= not_seen(p, s.points[b], combined, None if s.corners is None else s.corners[a])
    limit = least_gate(combined, np.sqrt(density[a] * density[b]), missed, options.gate)
    apart = mahalanobis_squared(s.points[b] - s.points[a], combined) > limit
    simple[component[a][apart | (s.frames[a] == s.frames[b])]] = False
    return simple


def _corners(footprints: npt.ArrayLike, count: int) -> Floats:
    """Anticlockwise corners (N, 4, 2) of the least rectangle around each sighting's footprint."""
    polygons = np.asarray(footprints, dtype=object)
    if polygons.shape != (count,):
        raise EstimateError(f"{count} points but {len(polygons)} footprints", where="identity")
    # Where a footprint is not known, every animal is taken to be in view.
    unknown = shapely.is_missing(polygons) | shapely.is_empty(polygons)
    polygons = np.where(unknown, shapely.box(-1e7, -1e7, 1e7, 1e7), polygons)
    distinct, which = np.unique(shapely.to_wkb(polygons), return_inverse=True)
    rings = shapely.get_exterior_ring(shapely.oriented_envelope(shapely.from_wkb(distinct)))
    rings = np.where(shapely.is_ccw(rings), rings, shapely.reverse(rings))
    corners: Floats = shapely.get_coordinates(rings).reshape(-1, 5, 2)[:, :4][which]
    return corners


@dataclass(frozen=True)
class _Pairs:
    """Pairs of sightings that could be one animal; `apart` are those that nothing but their ground can settle."""

    first: Ints
    second: Ints
    cost: Floats
    apart: npt.NDArray[np.bool_]


def _joined(
    s: Observed, track: Ints, at: tuple[Floats, Floats], passes: Passes, options: _Options
) -> tuple[Ints, npt.NDArray[np.bool_], tuple[Ints, Ints, Floats, npt.NDArray[np.bool_]]]:
    """Join the tracks of each unit's passes; returns tracks, sightings left to another pass, and pairs."""
    heads, number = np.unique(track, return_inverse=True)
    looks = np.bincount(number).astype(np.int64)
    points = np.column_stack([np.bincount(number, weights=at[0][:, axis]) for axis in (0, 1)]) / looks[:, None]
    shared = options.shared_within_frame
    mean = np.zeros((len(heads), 2, 2))
    np.add.at(mean, number, s.covariances)
    mean /= looks[:, None, None]
    tracks = Tracks(
        points=points,
        own=at[1][heads],
        # Frames of a pass share some of their error, so that many looks tell less of it than their number says.
        shared=mean * (shared / np.sqrt(looks))[:, None, None],
        times=np.bincount(number, weights=s.times) / looks,
        passes=s.passes[heads],
        looks=looks,
    )
    unit = s.groups[heads] // len(passes.corners)
    joined, left = heads.copy(), np.zeros(len(s), dtype=np.bool_)
    pairs: list[tuple[Ints, Ints, Floats, npt.NDArray[np.bool_]]] = []
    for value in np.unique(unit).tolist():
        rows = np.flatnonzero(unit == value)
        found = join(
            tracks.rows(rows),
            passes,
            drift_variance=float(s.drift_variance[heads[rows[0]]]),
            detection=options.detection_probability,
            gate=options.gate,
        )
        joined[rows] = heads[rows[found.animal]]
        left[heads[rows]] = found.left
        pairs.append((heads[rows[found.first]], heads[rows[found.second]], found.cost, found.apart))
    # An individual goes by its first sighting in the fixed order.
    animal = joined[number]
    first = np.full(len(s), len(s), dtype=np.int64)
    np.minimum.at(first, animal, np.arange(len(s)))
    columns = [np.concatenate(column) for column in zip(*pairs, strict=True)]
    return first[animal], left[heads][number], (columns[0], columns[1], columns[2], columns[3])


def _individuals(
    s: Observed, track: Ints, pairs: _Pairs, left: npt.NDArray[np.bool_], common: npt.ArrayLike | None
) -> Individuals:
    heads, number = np.unique(track, return_inverse=True)
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
        counts=_counts(s, number, pairs, left[heads]),
        ambiguous=_ambiguous(s, number, pairs),
        left=left[heads],
    )


def _counts(s: Observed, number: Ints, pairs: _Pairs, left: npt.NDArray[np.bool_]) -> dict[str, Counts]:
    component = components(len(s), pairs.first, pairs.second)
    _, per_frame = np.unique(np.column_stack([component, s.frames]), axis=0, return_counts=True)
    key = np.unique(np.column_stack([component, s.frames]), axis=0)[:, 0]
    fewest = np.zeros(int(component.max()) + 1 if len(s) else 0, dtype=np.int64)
    np.maximum.at(fewest, key, per_frame)
    untold = np.zeros(len(left), dtype=np.bool_)
    untold[number[pairs.first[pairs.apart]]] = True
    untold[number[pairs.second[pairs.apart]]] = True
    result = {}
    for label in np.unique(s.labels):
        mine = s.labels == label
        animals = np.unique(number[mine])
        result[str(label)] = Counts(
            chosen=int((~left[animals]).sum()),
            merge_all=int(fewest[np.unique(component[mine])].sum()),
            merge_none=int(mine.sum()),
            untold=int((untold | left)[animals].sum()),
        )
    return result


def _ambiguous(s: Observed, number: Ints, pairs: _Pairs) -> tuple[AmbiguousPair, ...]:
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


def _combined(s: Observed, first: Ints, second: Ints) -> Floats:
    """Covariance of the distance between two sightings of one animal: both errors, and its walking."""
    lag = s.times[second] - s.times[first]
    return s.covariances[first] + s.covariances[second] + _isotropic(s.drift_variance[first] * lag**2)


def _isotropic(variance: Floats) -> Floats:
    result: Floats = np.asarray(variance)[:, None, None] * np.eye(2)
    return result
