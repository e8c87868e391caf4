"""Follow a group of animals from frame to frame: which sighting is whose, within one component of near sightings.

A frame's pose error moves all its boxes alike, and a herd walks as one. So each frame is first registered on the
animals followed so far: the offset on which most of them agree is found, weighed against what the errors allow, and
taken out. What remains per animal is small, and neighbours are told apart that stand closer than the pose error. Those
that fit no common offset are then matched on their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.optimize import linear_sum_assignment

from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

MOST_OFFSETS_TRIED = 96
OWN_WAY = 0.3
"""The part of a herd's walking that a member does on its own."""

MOST_STRANGERS = 2.0

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


def follow(c: Component) -> Ints:
    """The track (N,) of each sighting: the row of its first sighting. No track holds two sightings of one frame."""
    track = np.arange(len(c.points), dtype=np.int64)
    tracks = _Tracks.none()
    shift, previous = np.zeros(2), float(c.times[0])
    shared_before = c.shared[0]
    for frame in np.split(np.arange(len(c.points)), np.flatnonzero(np.diff(c.frames)) + 1):
        now, shared = float(c.times[frame[0]]), c.shared[frame].mean(axis=0)
        prior = shared + shared_before + np.eye(2) * c.drift_variance * (now - previous) ** 2
        step, spread = np.zeros(2), prior
        matched = np.empty((2, 0), dtype=np.int64)
        if len(tracks.names):
            offset = c.points[frame][None] - tracks.place[:, None] - shift
            waited = (now - tracks.seen) ** 2 * c.drift_variance
            own = tracks.spread[:, None] + c.own[frame][None] + OWN_WAY**2 * waited[:, None, None, None] * np.eye(2)
            loose = own + prior + waited[:, None, None, None] * np.eye(2)
            density = np.sqrt(tracks.density[:, None] * c.density[frame][None])
            missed = _missed(c, tracks, frame, loose, shift)
            found = _register(offset, own, loose, prior, c.gate)
            if found is not None:
                step, spread = found
                matched = _assign(offset - step, own + spread, density, missed, c.gate)
                # Where most agree, one that does not is rather another animal than one that went its own way.
                missed = missed / STRAYING
            matched = np.hstack([matched, _leftovers(matched, offset, loose, density, missed, c.gate)])
            track[frame[matched[1]]] = tracks.names[matched[0]]
        shift = shift + step
        tracks = tracks.updated(c, frame, matched, shift, now, np.minimum(spread, shared))
        previous, shared_before = now, shared
    return track


def least_gate(covariance: Floats, density: Floats, missed: Floats, gate: float) -> Floats:
    """The d² up to which two sightings are likelier one animal than two, each missed once; never above `gate`.

    One animal: N(d; 0, Σ). Two: each was not seen in the other's frame, with chance `missed` for both together, and a
    stranger stands there with chance `density`. So d² < −2·ln(missed·density·2π·√|Σ|) (the log-likelihood ratio of
    track-oriented association, Reid 1979). Where many stand within the error, which is whose cannot be told, but that
    most were seen twice can: the strangers are counted up to `MOST_STRANGERS`.
    """
    determinant = covariance[..., 0, 0] * covariance[..., 1, 1] - covariance[..., 0, 1] ** 2
    strangers = density * 2 * np.pi * np.sqrt(np.maximum(determinant, 1e-12))
    chance = np.maximum(missed, 1e-9) * np.minimum(strangers, MOST_STRANGERS)
    limit: Floats = np.clip(-2 * np.log(np.maximum(chance, 1e-300)), 0.0, gate)
    return limit


def not_seen(detection: float, points: Floats, covariance: Floats, corners: Floats | None) -> Floats:
    """The chance that an animal at `points` (..., 2) is not seen in the frame with `corners` (..., 4, 2).

    One less the chance of detection times that of being in view, the normal probability of its distance from the
    nearest edge; without corners it is taken to be in view.
    """
    if corners is None:
        return np.full(points.shape[:-1], 1.0 - detection)
    edge = np.roll(corners, -1, axis=-2) - corners
    inward = np.stack([-edge[..., 1], edge[..., 0]], axis=-1) / np.linalg.norm(edge, axis=-1, keepdims=True)
    depth = ((points[..., None, :] - corners) * inward).sum(axis=-1).min(axis=-1)
    spread = np.sqrt(np.trace(covariance, axis1=-2, axis2=-1) / 2)
    result: Floats = 1.0 - detection * special.ndtr(depth / np.maximum(spread, 1e-6))
    return result


def mahalanobis_squared(offset: Floats, covariance: Floats) -> Floats:
    """δᵀ Σ⁻¹ δ for offsets (..., 2) and covariances (..., 2, 2), in closed form."""
    a, b, d = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    x, y = offset[..., 0], offset[..., 1]
    squared: Floats = (d * x**2 - 2 * b * x * y + a * y**2) / (a * d - b**2)
    return squared


@dataclass(frozen=True)
class _Tracks:
    """Animals followed so far: names, place and spread in the first frame's coordinates, when and where last seen."""

    names: Ints
    place: Floats
    spread: Floats
    seen: Floats
    density: Floats
    latest: Ints

    @classmethod
    def none(cls) -> _Tracks:
        rows = np.empty(0, dtype=np.int64)
        return cls(rows, np.empty((0, 2)), np.empty((0, 2, 2)), np.empty(0), np.empty(0), rows)

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
        fresh = frame[np.setdiff1d(np.arange(len(frame)), matched[1])]
        return _Tracks(
            np.concatenate([self.names, fresh]),
            np.concatenate([place, c.points[fresh] - shift]),
            np.concatenate([spread, c.own[fresh] + (uncertain if len(self.names) else 0.0)]),
            np.concatenate([seen, np.full(len(fresh), now)]),
            np.concatenate([density, c.density[fresh]]),
            np.concatenate([latest, fresh]),
        )


def _register(offset: Floats, own: Floats, loose: Floats, prior: Floats, gate: float) -> tuple[Floats, Floats] | None:
    """The offset (2,) that most tracks and sightings agree on, and its covariance; None where too few do."""
    if min(offset.shape[:2]) < 2 or np.trace(prior) < 1e-9:
        return None
    distance = mahalanobis_squared(offset, loose)
    near = np.argwhere(distance <= gate)
    if len(near) < 2:
        return None
    ranked = near[np.argsort(distance[near[:, 0], near[:, 1]], kind="stable")]
    chosen = ranked[np.unique(np.linspace(0, len(ranked) - 1, MOST_OFFSETS_TRIED).astype(np.int64))]
    tried = np.vstack([np.zeros((1, 2)), offset[chosen[:, 0], chosen[:, 1]]])
    inverse = np.linalg.inv(prior)
    best, score = np.zeros(2), -np.inf
    for candidate in tried:
        gain = np.maximum(gate - mahalanobis_squared(offset - candidate, own), 0.0)
        value = min(gain.max(axis=0).sum(), gain.max(axis=1).sum()) - candidate @ inverse @ candidate
        if value > score:
            best, score = candidate, value
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
    return best, spread


def _missed(c: Component, tracks: _Tracks, frame: Ints, loose: Floats, shift: Floats) -> Floats:
    """The chance (T, n) that track and sighting, if two animals, were each not seen in the other's frame."""
    here = None if c.corners is None else c.corners[frame[:1]]
    there = None if c.corners is None else c.corners[tracks.latest][:, None]
    track = not_seen(c.detection, tracks.place + shift, loose.mean(axis=1), here)
    shape = loose.shape[:2]
    sighting = not_seen(c.detection, np.broadcast_to(c.points[frame], (*shape, 2)), loose, there)
    return track[:, None] * sighting


def _assign(offset: Floats, covariance: Floats, density: Floats, missed: Floats, gate: float) -> Ints:
    """Rows and columns (2, K) of the least total cost, one-to-one, each likelier one animal than two."""
    cost = mahalanobis_squared(offset, covariance) - least_gate(covariance, density, missed, gate)
    rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
    taken = cost[rows, columns] < 0
    return np.vstack([rows[taken], columns[taken]]).astype(np.int64)


def _leftovers(matched: Ints, offset: Floats, loose: Floats, density: Floats, missed: Floats, gate: float) -> Ints:
    """Match what registration left over, each on its own."""
    rows = np.setdiff1d(np.arange(offset.shape[0]), matched[0])
    columns = np.setdiff1d(np.arange(offset.shape[1]), matched[1])
    if not len(rows) or not len(columns):
        return np.empty((2, 0), dtype=np.int64)
    part = np.ix_(rows, columns)
    found = _assign(offset[part], loose[part], density[part], missed[part], gate)
    return np.vstack([rows[found[0]], columns[found[1]]])
