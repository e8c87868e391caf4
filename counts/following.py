"""Follow a group of animals from frame to frame: which sighting is whose, within one component of near sightings.

A frame's pose error moves all its boxes alike, and a herd walks as one. So each frame is first registered on the
animals followed so far: the offset on which most of them agree is found, weighed against what the errors allow, and
taken out. What remains per animal is small, and neighbours are told apart that stand closer than the pose error. Those
that fit no common offset are then matched on their own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats
from scipy.optimize import linear_sum_assignment

from counts.likelihood import least_gate, mahalanobis_squared, not_seen, strangers_near
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

MOST_OFFSETS_TRIED = 24
_FINEST_GRID = 512
_CELLS_AT_ONCE = 500_000
LEAST_TELLING = 10.0
"""A likeness of whole groups tells this many times more than that of one animal."""
OWN_WAY = 0.3
"""The part of a herd's walking that a member does on its own."""

LEAST_AGREEMENT = 0.6
"""A frame is registered where this share of the animals that should show in it, and could be found, do."""

SURE_AGREEMENT = 0.85
"""Where strangers must be told apart, this share of at least `FEWEST_SURE` animals."""

FEWEST_SURE = 5
CHANCE_LIKENESS = 0.001
WELL_IN_VIEW = 0.8

STRAYING = 0.03
"""The chance that an animal does not move with those around it."""


@dataclass(frozen=True)
class Component:
    """Sightings of one label that might be one another's, ordered by frame in time; (N, ...) arrays.

    `own` is the error of a box within its frame, `shared` what all boxes of its frame have in common, both covariances.
    `drift_variance` is that of walking, m²/s²; `density` the animals per m² around each sighting; `detection` the
    chance that an animal in view is detected. `corners` (N, 4, 2) is the footprint of each sighting's frame,
    anticlockwise, or None.
    """

    points: Floats
    own: Floats
    shared: Floats
    times: Floats
    frames: Ints
    density: Floats
    drift_variance: float
    detection: float
    gate: float
    corners: Floats | None = None


@dataclass(frozen=True)
class Followed:
    """Sightings (N, ...) in their tracks: `track` is the row of the first sighting; no track holds two of one frame.

    `place` is where the track's animal stood, with the frames' errors against each other taken out, and `spread`
    the covariance of that against the others' places. Frames of one `series` were registered each on those before it.
    """

    track: Ints
    place: Floats
    spread: Floats
    series: Ints


def follow(c: Component, *, strangers_told: float = np.inf, sure: bool = False) -> Followed:
    """Follow the animals of a component from frame to frame.

    Sightings of a frame that cannot be registered are only matched where fewer strangers than `strangers_told` are to
    be expected where their animal may be. With `sure` none is registered by a likeness that strangers might have too.
    """
    track = np.arange(len(c.points), dtype=np.int64)
    series = np.zeros(len(c.points), dtype=np.int64)
    now_series = 0
    tracks = _Tracks.none()
    shift, previous = np.zeros(2), float(c.times[0])
    shared_before = c.shared[0]
    for frame in np.split(np.arange(len(c.points)), np.flatnonzero(np.diff(c.frames)) + 1):
        now, shared = float(c.times[frame[0]]), c.shared[frame].mean(axis=0)
        prior = shared + shared_before + np.eye(2) * c.drift_variance * (now - previous) ** 2
        step, spread = np.zeros(2), prior
        matched = np.empty((2, 0), dtype=np.int64)
        near = tracks.near(c, frame, shift, prior, now)
        if len(near.names):
            offset = c.points[frame][None] - near.place[:, None] - shift
            waited = (now - near.seen) ** 2 * c.drift_variance
            own = near.spread[:, None] + c.own[frame][None] + OWN_WAY**2 * waited[:, None, None, None] * np.eye(2)
            loose = own + prior + waited[:, None, None, None] * np.eye(2)
            density = np.sqrt(near.density[:, None] * c.density[frame][None])
            telling = np.median(strangers_near(own, density)) <= strangers_told * LEAST_TELLING
            views = _Views.of(c, near, frame, shift)
            found = _register(offset, own, loose, prior, c, views) if telling else None
            if found is not None and sure:
                chance = float(1 - np.exp(-c.gate / 2 * np.median(strangers_near(own, density))))
                if not _sure(found[2], chance, c):
                    found = None
            if found is None:
                now_series += 1
            else:
                step, spread, _ = found
                seen = _missed(c, near, frame, own + spread, shift + step)
                matched = _assign(offset - step, own + spread, density, seen, c.gate)
            missed = _missed(c, near, frame, loose, shift + step)
            if found is not None:
                # Where most agree, one that does not is rather another animal than one that went its own way.
                missed = missed / STRAYING
            if np.isfinite(strangers_told):
                missed = np.where(strangers_near(loose, density) <= strangers_told, missed, np.inf)
            matched = np.hstack([matched, _leftovers(matched, offset, loose, density, missed, c.gate)])
            track[frame[matched[1]]] = near.names[matched[0]]
            matched = np.vstack([near.rows_of[matched[0]], matched[1]])
        series[frame] = now_series
        shift = shift + step
        tracks = tracks.updated(c, frame, matched, shift, now, np.minimum(spread, shared))
        previous, shared_before = now, shared
    row = np.empty(len(c.points), dtype=np.int64)
    row[tracks.names] = np.arange(len(tracks.names))
    place = tracks.place[row[track]]
    return Followed(track, place + (c.points - place).mean(axis=0), tracks.spread[row[track]], series)


@dataclass(frozen=True)
class _Tracks:
    """Animals followed so far: names, place and spread in the first frame's coordinates, when and where last seen.

    `latest` is the row of the last sighting, `shift` what its frame was moved by, `rows_of` where they stand among all.
    """

    names: Ints
    place: Floats
    spread: Floats
    seen: Floats
    density: Floats
    latest: Ints
    shift: Floats
    rows_of: Ints

    @classmethod
    def none(cls) -> _Tracks:
        rows = np.empty(0, dtype=np.int64)
        return cls(rows, np.empty((0, 2)), np.empty((0, 2, 2)), np.empty(0), np.empty(0), rows, np.empty((0, 2)), rows)

    def near(self, c: Component, frame: Ints, shift: Floats, prior: Floats, now: float) -> _Tracks:
        """Those that the frame could show or whose animal it could have: a herd may be far larger than a frame."""
        ground = c.points[frame] if c.corners is None else np.vstack([c.points[frame], c.corners[frame[0]]])
        low, high = ground.min(axis=0) - shift, ground.max(axis=0) - shift
        away = np.maximum(np.maximum(low - self.place, self.place - high), 0.0)
        spread = np.trace(self.spread, axis1=1, axis2=2) + np.trace(c.own[frame], axis1=1, axis2=2).max()
        spread = spread + np.trace(prior) + (2 + 2 * OWN_WAY**2) * (now - self.seen) ** 2 * c.drift_variance
        rows = np.flatnonzero((away**2).sum(axis=1) <= c.gate * spread)
        return _Tracks(*(getattr(self, f.name)[rows] for f in fields(self)))

    def updated(
        self, c: Component, frame: Ints, matched: Ints, shift: Floats, now: float, uncertain: Floats
    ) -> _Tracks:
        rows, sightings = matched[0], frame[matched[1]]
        place, spread, seen, density = self.place.copy(), self.spread.copy(), self.seen.copy(), self.density.copy()
        latest = self.latest.copy()
        waited = (now - seen[rows]) ** 2 * c.drift_variance * OWN_WAY**2
        before = spread[rows] + waited[:, None, None] * np.eye(2)
        gain = before @ np.linalg.inv(before + c.own[sightings])
        surprise = c.points[sightings] - shift - place[rows]
        place[rows] += (gain @ surprise[:, :, None])[:, :, 0]
        spread[rows] = before - gain @ before
        seen[rows], density[rows], latest[rows] = now, c.density[sightings], sightings
        moved = self.shift.copy()
        moved[rows] = shift
        fresh = frame[_others(len(frame), matched[1])]
        return _Tracks(
            np.concatenate([self.names, fresh]),
            np.concatenate([place, c.points[fresh] - shift]),
            np.concatenate([spread, c.own[fresh] + (uncertain if len(self.names) else 0.0)]),
            np.concatenate([seen, np.full(len(fresh), now)]),
            np.concatenate([density, c.density[fresh]]),
            np.concatenate([latest, fresh]),
            np.concatenate([moved, np.broadcast_to(shift, (len(fresh), 2))]),
            np.arange(len(self.names) + len(fresh)),
        )


@dataclass(frozen=True)
class _Views:
    """What decides whether a track should show in a frame, and a sighting in the frame before it, at an offset."""

    places: Floats
    points: Floats
    here: Floats | None
    before: Floats | None
    spread: Floats

    @classmethod
    def of(cls, c: Component, tracks: _Tracks, frame: Ints, shift: Floats) -> _Views:
        points = c.points[frame] - shift
        if c.corners is None:
            return cls(tracks.place, points, None, None, c.own[frame[:1]])
        # What stands within the frame's error of its edge may show or not.
        last = int(np.argmax(tracks.seen))
        before = c.corners[tracks.latest[last]] - tracks.shift[last]
        return cls(tracks.place, points, c.corners[frame[0]] - shift, before, (c.own + c.shared)[frame[:1]])

    def expected(self, offset: Floats) -> tuple[Floats, Floats]:
        """The chance (..., T), (..., n) that a track is in view of the frame, and a sighting was of the one before.

        Of offsets (..., 1, 2).
        """
        shown = 1 - not_seen(1.0, self.places + offset, self.spread, None if self.here is None else self.here[None])
        was = 1 - not_seen(1.0, self.points - offset, self.spread, None if self.before is None else self.before[None])
        return shown, was


def _register(
    offset: Floats, own: Floats, loose: Floats, prior: Floats, c: Component, views: _Views
) -> tuple[Floats, Floats, _Agreed] | None:
    """The offset (2,) that explains tracks and sightings best, its covariance, and how well they agree; or None.

    A pair that agrees speaks for an offset, d² below the gate; a track that should show in the frame and does not,
    or a sighting that the frame before should have shown, against it, as twice the log of the chance to miss an animal.
    """
    gate = c.gate
    if min(offset.shape[:2]) < 2 or np.trace(prior) < 1e-9:
        return None
    distance = mahalanobis_squared(offset, loose)
    near = distance <= gate
    if near.sum() < 2:
        return None
    tried = np.vstack([np.zeros((1, 2)), peaks(offset[near], float(np.sqrt(np.trace(own[near].mean(axis=0)) / 2)))])
    inverse = np.linalg.inv(prior)
    against = min(-2 * np.log(max(1 - c.detection, 1e-3)), gate / 2)
    best, score, agreed = np.zeros(2), 0.0, _Agreed(0.0, 0)
    at_once = max(1, _CELLS_AT_ONCE // near.size)
    for some in np.split(tried, range(at_once, len(tried), at_once)):
        gain = np.maximum(gate - mahalanobis_squared(offset - some[:, None, None], own), 0.0)
        shown, was = views.expected(some[:, None])
        by_track, by_sighting = gain.max(axis=2), gain.max(axis=1)
        forward = by_track.sum(axis=1) - against * (shown * (by_track <= 0)).sum(axis=1)
        backward = by_sighting.sum(axis=1) - against * (was * (by_sighting <= 0)).sum(axis=1)
        value = np.minimum(forward, backward) - ((some @ inverse) * some).sum(axis=1)
        i = int(np.argmax(value))
        if value[i] > score:
            best, score = some[i], float(value[i])
            agreed = min(_agreed(shown[i], by_track[i] > 0), _agreed(was[i], by_sighting[i] > 0))
    if score <= 0 or agreed.share < LEAST_AGREEMENT * c.detection:
        return None
    weight = np.linalg.inv(own)
    spread = prior
    for _ in range(3):
        cost = mahalanobis_squared(offset - best, own + spread * (0.0 if spread is not prior else 0.05))
        rows, columns = linear_sum_assignment(np.minimum(cost - gate, 0.0))
        inlier = cost[rows, columns] <= gate
        rows, columns = rows[inlier], columns[inlier]
        if len(rows) < 2:
            return None
        spread = np.linalg.inv(inverse + weight[rows, columns].sum(axis=0))
        best = spread @ (weight[rows, columns] @ offset[rows, columns][:, :, None]).sum(axis=0)[:, 0]
    return best, spread, agreed


class _Agreed(NamedTuple):
    """The share that was found of the animals that are well in view, 1 where none is, and how many those are."""

    share: float
    animals: int


def _agreed(expected: Floats, found: npt.NDArray[np.bool_]) -> _Agreed:
    well = expected > WELL_IN_VIEW
    return _Agreed(float(found[well].mean()) if well.any() else 1.0, int(well.sum()))


def _sure(agreed: _Agreed, chance: float, c: Component) -> bool:
    """Whether a likeness is more than strangers have, of whom one agrees with `chance` at any offset that is tried."""
    if agreed.animals < FEWEST_SURE or agreed.share < SURE_AGREEMENT * c.detection:
        return False
    alike = stats.binom.sf(np.ceil(agreed.share * agreed.animals) - 1, agreed.animals, chance)
    return bool(alike * (1 + MOST_OFFSETS_TRIED) <= CHANCE_LIKENESS)


def peaks(offsets: Floats, sigma_m: float) -> Floats:
    """Offsets (K, 2) on which many pairs agree within `sigma_m`: the true one is shared by most, others by chance."""
    low = offsets.min(axis=0)
    step = max(sigma_m, float((offsets.max(axis=0) - low).max()) / _FINEST_GRID, 1e-6)
    cell = ((offsets - low) / step).astype(np.int64)
    shape = tuple((cell.max(axis=0) + 1).tolist())
    votes = np.bincount(np.ravel_multi_index(tuple(cell.T), shape), minlength=shape[0] * shape[1]).reshape(shape)
    # The difference of two places has √2 of the error of one.
    agreed = ndimage.gaussian_filter(votes.astype(np.float64), np.sqrt(2.0), mode="constant")
    highest = np.argwhere((agreed == ndimage.maximum_filter(agreed, 3, mode="constant")) & (agreed > 0))
    ranked = np.argsort(-agreed[tuple(highest.T)], kind="stable")[:MOST_OFFSETS_TRIED]
    middles: Floats = low + (highest[ranked] + 0.5) * step
    return middles


def _missed(c: Component, tracks: _Tracks, frame: Ints, covariance: Floats, shift: Floats) -> Floats:
    """The chance (T, n) that track and sighting, if two animals, were each not seen in the other's frame."""
    points = c.points[frame] - shift
    here = None if c.corners is None else c.corners[frame[:1]] - shift
    there = None if c.corners is None else (c.corners[tracks.latest] - tracks.shift[:, None])[:, None]
    track = not_seen(c.detection, tracks.place, covariance.mean(axis=1), here)
    shape = covariance.shape[:2]
    sighting = not_seen(c.detection, np.broadcast_to(points, (*shape, 2)), covariance, there)
    return track[:, None] * sighting


def _assign(offset: Floats, covariance: Floats, density: Floats, missed: Floats, gate: float) -> Ints:
    """Rows and columns (2, K) of the least total cost, one-to-one, each likelier one animal than two."""
    cost = mahalanobis_squared(offset, covariance) - least_gate(covariance, density, missed, gate)
    rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
    taken = cost[rows, columns] < 0
    return np.vstack([rows[taken], columns[taken]]).astype(np.int64)


def _leftovers(matched: Ints, offset: Floats, loose: Floats, density: Floats, missed: Floats, gate: float) -> Ints:
    """Match what registration left over, each on its own."""
    rows, columns = (_others(size, taken) for size, taken in zip(offset.shape[:2], matched, strict=True))
    if not len(rows) or not len(columns):
        return np.empty((2, 0), dtype=np.int64)
    part = np.ix_(rows, columns)
    found = _assign(offset[part], loose[part], density[part], missed[part], gate)
    return np.vstack([rows[found[0]], columns[found[1]]])


def _others(count: int, taken: Ints) -> Ints:
    free = np.ones(count, dtype=np.bool_)
    free[taken] = False
    return np.flatnonzero(free)
