"""Sightings to individuals: the same animal seen in several frames of one transect is counted once.

Pairs of sightings in different frames are candidates when their distance fits their combined covariance and the way an
animal can walk between the exposures. Errors common to a pass (a boresight, a satellite receiver's offset) cancel
between its frames, so covariances here are those of the independent part. Candidates form components; within one, each
frame in order of time is registered on the animals followed so far (`counts.following`) and its sightings are given to
them one-to-one at least total cost, so that two boxes of one frame are never one animal. Nothing is merged across
transects: in a sample each unit counts what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from scipy import stats

from counts.by_looks import left_out, walked
from counts.decided import Decided
from counts.following import Component as Following
from counts.following import follow
from counts.individuals import AmbiguousPair, Counts, Doubt, Individuals, Pairs, Told, individuals_of
from counts.likelihood import (
    components,
    density_within,
    least_gate,
    likely_one,
    mahalanobis_squared,
    not_seen,
)
from counts.nearby import near_pairs, nearest_pairs
from counts.observed import Observed
from counts.passes import Passes, Tracks, join
from counts.resting import Rested, at_rest, rested
from counts.steady import steady
from counts.two_frames import in_two_frames, match_two
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

__all__ = ["AmbiguousPair", "Counts", "Doubt", "Individuals", "resolve"]


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
    detection_probability: Mapping[str, float] | float = 0.9,
    detection_error: Mapping[str, float] | float = 0.0,
    shared_within_frame: float = 0.8,
    footprints: npt.ArrayLike | None = None,
    common_covariance: npt.ArrayLike | None = None,
    passes: Passes | None = None,
    same: Iterable[tuple[int, int]] = (),
    different: Iterable[tuple[int, int]] = (),
    only: npt.ArrayLike | None = None,
) -> Individuals:
    """Resolve sightings into individuals within each transect and label.

    `points` (N, 2) metres; `covariances` (N, 2, 2) m², the part independent between frames; `times_s` (N,) seconds, one
    per frame; `frame_ids`, `transect_ids` (N,) of any sortable kind. `speed_limit_mps` is the speed that 95 % of
    animals do not exceed, by label or for all. `gate_probability` is the share of true pairs the gate keeps. Frames
    further apart in time than `longest_gap_s` are not compared. `detection_probability` is the chance that an animal in
    view is found (recall), by label or for all, and `detection_error` its standard error; in a dense herd it decides
    whether two sightings are one animal or two that were missed once each. `shared_within_frame` is the share of the
    variance in `covariances` that all boxes of a frame have in common (its pose, against the box itself). `footprints`
    (N,), the polygon of each sighting's frame in metres or None, tell animals that another frame could not show from
    those it missed: give them wherever they are known. `common_covariance` (2, 2) is added to the individuals'
    covariances at the end. With `passes` the sightings of one transect id come from several lines over the same ground,
    and are joined as `counts.passes` and, for animals at rest, `counts.resting` say. `same` and `different` are pairs
    of rows of which a person said so, and stand above all else. Where `only` some rows matter, herds without any of
    them may be left as they are, each sighting an animal, and no pairs are asked about.

    Raises EstimateError for arrays that do not match, a position or covariance that is not finite, a covariance that is
    not positive definite, or a frame with two times.
    """
    options = _Options.checked(gate_probability, shared_within_frame)
    s = Observed.checked(
        points,
        covariances,
        times_s,
        frame_ids,
        transect_ids,
        labels,
        scores,
        speed_limit_mps,
        passes,
        shared_within_frame,
        detection_probability,
    )
    if footprints is not None:
        s = replace(s, corners=_corners(footprints, s))
    reported = s
    if passes is not None and len(s):
        s, passes = steady(s, passes)
    decided = Decided.checked(s, same, different)
    track, untold, left = np.arange(len(s)), np.zeros(len(s), dtype=np.bool_), np.zeros(len(s), dtype=np.bool_)
    none = np.empty(0, dtype=np.int64)
    pairs = Pairs(none, none, np.empty(0), np.empty(0), np.empty(0))
    error: dict[str, float] = {}
    passed: dict[str, float] = {}
    resting = np.zeros(len(s), dtype=np.bool_) if passes is None else at_rest(s, passes)
    matters = np.ones(len(s), dtype=np.bool_) if only is None or passes is not None else np.isin(s.order, only)
    if resting.any() and passes is not None:
        unit = s.groups // len(passes.corners)
        for value in np.unique(unit[resting]).tolist():
            rows = np.flatnonzero(resting & (unit == value))
            label = str(s.labels[rows[0]])
            unsure = detection_error[label] if isinstance(detection_error, Mapping) else detection_error
            rest = rested(s.rows(rows), passes, float(s.detection[rows[0]]), unsure)
            track[rows], untold[rows], left[rows] = rows[rest.track], rest.untold, rest.left
            error[label] = float(np.hypot(error.get(label, 0.0), rest.error))
            pairs = pairs.with_more(_resting_pairs(s, rows, rest, options))
    rows = np.flatnonzero(~resting)
    if len(rows):
        track[rows], untold[rows], left[rows], more = _walking(
            s.rows(rows), passes, longest_gap_s, options, matters[rows]
        )
        track[rows] = rows[track[rows]]
        pairs = pairs.with_more(replace(more, first=rows[more.first], second=rows[more.second]))
    track = decided.heeded(s, track)
    if passes is not None and len(s):
        number = np.unique(track, return_inverse=True)[1]
        untold, left = (np.bincount(number, weights=~a) == 0 for a in (untold, left))
        untold, left = untold[number], left[number]
        walking = untold & ~resting
        others, swayed = left_out(s, reported, track, walking, passes)
        left = np.where(walking, others, left)
        found = walked(s, track, walking, left, passes, detection_error)
        for label, (off, past) in found.items():
            off = float(np.hypot(off, swayed.get(label, 0.0)))
            error[label], passed[label] = float(np.hypot(error.get(label, 0.0), off)), past
    return individuals_of(s, Told(track, untold, left, decided, error, passed), pairs, common_covariance)


def _walking(
    s: Observed, passes: Passes | None, longest_gap_s: float, options: _Options, matters: Bools
) -> tuple[Ints, Bools, Bools, Pairs]:
    """Tracks of animals that may walk, sightings untold and left, and the pairs that could be one animal."""
    first, second, cost = _candidates(s, options.gate, longest_gap_s)
    track, place, spread = _tracks(s, first, second, cost, options, matters, placed=passes is not None)
    if not matters.all():
        first, second, cost = first[:0], second[:0], cost[:0]
    pairs = Pairs(first, second, cost, *_probability(s, first, second, cost))
    untold = left = np.zeros(len(s), dtype=np.bool_)
    if passes is not None:
        track, untold, left, across = _joined(s, track, (place, spread), passes, options)
        pairs = pairs.with_more(across)
    return track, untold, left, pairs


def _resting_pairs(s: Observed, rows: Ints, found: Rested, options: _Options) -> Pairs:
    """Pairs of sightings at rest that could be one animal, once frames lie on each other."""
    reach = float(np.sqrt(options.gate * 2 * found.variance.max()))

    def cost(first: Ints, second: Ints) -> Floats:
        squared = ((found.points[second] - found.points[first]) ** 2).sum(axis=1)
        free = s.frames[rows[first]] != s.frames[rows[second]]
        return np.where(free, squared / (found.variance[first] + found.variance[second]), np.inf)

    if found.untold.any():
        # Nobody is asked who is who in a crowd; a few neighbours say what hangs together.
        first, second, d2 = nearest_pairs(found.points, reach, cost, options.gate)
    else:
        first, second, d2 = near_pairs(found.points, reach, cost, options.gate)
    density = density_within(s.points, s.layers)[rows]
    missed = np.full(len(first), (1 - s.detection[rows[0]]) ** 2)
    spread = _isotropic(found.variance[first] + found.variance[second])
    likely = likely_one(d2, spread, np.sqrt(density[first] * density[second]), missed)
    return Pairs(rows[first], rows[second], d2, *likely)


@dataclass(frozen=True)
class _Options:
    gate: float

    @classmethod
    def checked(cls, gate: float, shared: float) -> _Options:
        if not 0 < gate < 1:
            raise EstimateError(f"the gate probability is between 0 and 1, not {gate:g}", where="identity")
        if not 0 <= shared < 1:
            raise EstimateError(f"the share of error within a frame is 0 to below 1, not {shared:g}", where="identity")
        return cls(float(stats.chi2.ppf(gate, 2)))


def _candidates(s: Observed, gate: float, longest_gap_s: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of one group and different frames within the gate, first before second in the fixed order, and d²."""
    parts = []
    bounds = np.flatnonzero(np.diff(s.groups, prepend=-1, append=-1))
    for start, stop in pairwise(bounds.tolist()):
        inside = slice(start, stop)
        gap = min(longest_gap_s, float(s.times[inside].max() - s.times[inside].min()))
        largest = float(np.trace(s.covariances[inside], axis1=1, axis2=2).max())
        reach = float(np.sqrt(gate * (2 * largest + s.drift_variance[start] * gap**2)))

        def cost(first: Ints, second: Ints, start: int = start) -> Floats:
            first, second = first + start, second + start
            d2 = mahalanobis_squared(s.points[second] - s.points[first], _combined(s, first, second))
            free = (s.frames[first] != s.frames[second]) & (s.times[second] - s.times[first] <= longest_gap_s)
            return np.where(free, d2, np.inf)

        first, second, d2 = near_pairs(s.points[inside], reach, cost, gate)
        parts.append((first + start, second + start, d2))
    none = np.empty(0, dtype=np.int64)
    first, second, d2 = (np.concatenate(c) for c in zip((none, none, np.empty(0)), *parts, strict=True))
    return first, second, d2


def _tracks(
    s: Observed, first: Ints, second: Ints, cost: Floats, options: _Options, matters: Bools, *, placed: bool
) -> tuple[Ints, Floats, Floats]:
    """One track number per sighting (in the fixed order), where its animal stood, and how sure that is.

    Where several animals were followed together the frames' errors are taken out of both, if they are to be `placed`.
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
    several = ~simple & (size > 2) & (np.bincount(component, weights=matters, minlength=len(size)) > 0)
    if not placed:
        two, before = in_two_frames(s.frames[ordered], bounds, several)
        rows = ordered[np.repeat(two, size)]
        one, other = match_two(s, density, rows, before[two], (size - before)[two], options.gate)
        track[other] = one
        several &= ~two
    for index in np.flatnonzero(several):
        inside = ordered[bounds[index] : bounds[index + 1]]
        own = s.own[inside]
        followed = follow(
            Following(
                points=s.points[inside],
                own=own,
                shared=s.covariances[inside] - own,
                times=s.times[inside],
                frames=s.frames[inside],
                density=density[inside],
                drift_variance=float(s.drift_variance[inside[0]]),
                detection=float(s.detection[inside[0]]),
                gate=options.gate,
                corners=None if s.corners is None else s.corners[inside],
            )
        )
        track[inside], place[inside], spread[inside] = inside[followed.track], followed.place, followed.spread
    return track, place, spread


def _chains(s: Observed, component: Ints, ordered: Ints, density: Floats, options: _Options) -> Bools:
    """Components that are plainly one animal: one sighting a frame, each more likely the next one's than not."""
    simple = np.ones(int(component.max()) + 1 if len(s) else 0, dtype=np.bool_)
    a, b = ordered[:-1], ordered[1:]
    inside = component[a] == component[b]
    a, b = a[inside], b[inside]
    combined, p = _combined(s, a, b), s.detection[a]
    missed = not_seen(p, s.points[a], combined, None if s.corners is None else s.corners[b])
    missed *= not_seen(p, s.points[b], combined, None if s.corners is None else s.corners[a])
    limit = least_gate(combined, np.sqrt(density[a] * density[b]), missed, options.gate)
    apart = mahalanobis_squared(s.points[b] - s.points[a], combined) > limit
    simple[component[a][apart | (s.frames[a] == s.frames[b])]] = False
    return simple


def _probability(s: Observed, first: Ints, second: Ints, cost: Floats) -> tuple[Floats, Floats]:
    """The probability that each pair is one animal, and the strangers near."""
    density = density_within(s.points, s.layers)
    combined = _combined(s, first, second)
    detection = s.detection[first]
    missed = not_seen(detection, s.points[first], combined, None if s.corners is None else s.corners[second])
    missed *= not_seen(detection, s.points[second], combined, None if s.corners is None else s.corners[first])
    return likely_one(cost, combined, np.sqrt(density[first] * density[second]), missed)


def _corners(footprints: npt.ArrayLike, s: Observed) -> Floats:
    """Anticlockwise corners (N, 4, 2) of the least rectangle around the footprint of each sighting's frame."""
    polygons = np.asarray(footprints, dtype=object)
    if polygons.shape != (len(s),):
        raise EstimateError(f"{len(s)} points but {len(polygons)} footprints", where="identity")
    _, first, which = np.unique(s.frames, return_index=True, return_inverse=True)
    polygons = polygons[s.order[first]]
    # Where a footprint is not known, every animal is taken to be in view.
    unknown = shapely.is_missing(polygons) | shapely.is_empty(polygons)
    polygons = np.where(unknown, shapely.box(-1e7, -1e7, 1e7, 1e7), polygons)
    rings = shapely.get_exterior_ring(shapely.oriented_envelope(polygons))
    rings = np.where(shapely.is_ccw(rings), rings, shapely.reverse(rings))
    corners: Floats = shapely.get_coordinates(rings).reshape(-1, 5, 2)[:, :4][which]
    return corners


def _joined(
    s: Observed, track: Ints, at: tuple[Floats, Floats], passes: Passes, options: _Options
) -> tuple[Ints, Bools, Bools, Pairs]:
    """Join the tracks of each unit's passes; returns tracks, sightings untold and left, and pairs."""
    heads, number = np.unique(track, return_inverse=True)
    looks = np.bincount(number).astype(np.int64)
    points = np.column_stack([np.bincount(number, weights=at[0][:, axis]) for axis in (0, 1)]) / looks[:, None]
    box, pose = np.zeros((2, len(heads), 2, 2))
    np.add.at(box, number, s.own / looks[number, None, None])
    np.add.at(pose, number, (s.covariances - s.own) / looks[number, None, None])
    tracks = Tracks(
        points=points,
        own=at[1][heads],
        # Frames of a pass share some of their error, so that many looks tell less of it than their number says.
        shared=pose / np.sqrt(looks)[:, None, None],
        box=box,
        times=np.bincount(number, weights=s.times) / looks,
        passes=s.passes[heads],
        looks=looks,
    )
    unit = s.groups[heads] // len(passes.corners)
    joined = heads.copy()
    untold, left = np.zeros((2, len(s)), dtype=np.bool_)
    pairs: list[Pairs] = []
    for value in np.unique(unit).tolist():
        rows = np.flatnonzero(unit == value)
        found = join(
            tracks.rows(rows),
            passes,
            drift_variance=float(s.drift_variance[heads[rows[0]]]),
            detection=float(s.detection[heads[rows[0]]]),
            gate=options.gate,
        )
        joined[rows] = heads[rows[found.animal]]
        untold[heads[rows]], left[heads[rows]] = found.untold, found.left
        of = (heads[rows[found.first]], heads[rows[found.second]])
        pairs.append(Pairs(*of, found.cost, found.probability, found.strangers))
    # An individual goes by its first sighting in the fixed order.
    animal = joined[number]
    first = np.full(len(s), len(s), dtype=np.int64)
    np.minimum.at(first, animal, np.arange(len(s)))
    return first[animal], untold[heads][number], left[heads][number], reduce(Pairs.with_more, pairs)


def _combined(s: Observed, first: Ints, second: Ints) -> Floats:
    """Covariance of the distance between two sightings of one animal: both errors, and its walking."""
    lag = s.times[second] - s.times[first]
    return s.covariances[first] + s.covariances[second] + _isotropic(s.drift_variance[first] * lag**2)


def _isotropic(variance: Floats) -> Floats:
    result: Floats = np.asarray(variance)[:, None, None] * np.eye(2)
    return result
