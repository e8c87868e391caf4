"""How likely two sightings are of one animal: by their places, who stands near, and what each frame could show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse, special
from scipy.spatial import KDTree

from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

MOST_STRANGERS = 2.0
_NEXT = [1, 2, 3, 0]


def least_gate(covariance: Floats, density: Floats, missed: Floats, gate: float) -> Floats:
    """The d² up to which two sightings are likelier one animal than two, each missed once; never above `gate`.

    One animal: N(d; 0, Σ). Two: each was not seen in the other's frame, with chance `missed` for both together, and a
    stranger stands there with chance `density`. So d² < −2·ln(missed·density·2π·√|Σ|) (the log-likelihood ratio of
    track-oriented association, Reid 1979). Where many stand within the error, which is whose cannot be told, but that
    most were seen twice can: the strangers are counted up to `MOST_STRANGERS`.
    """
    strangers = strangers_near(covariance, density)
    chance = np.maximum(missed, 1e-9) * np.minimum(strangers, MOST_STRANGERS)
    limit: Floats = np.clip(-2 * np.log(np.maximum(chance, 1e-300)), 0.0, gate)
    return limit


def likely_one(cost: Floats, covariance: Floats, density: Floats, missed: Floats) -> tuple[Floats, Floats]:
    """The probability (K,) that two sightings at d² are one animal, both seen as likely as not; and the strangers near.

    The likelihoods are those of `least_gate`; how many strangers there are to be expected says what place can tell.
    """
    strangers = strangers_near(covariance, density)
    odds = -0.5 * cost - np.log(np.maximum(missed, 1e-9) * np.maximum(strangers, 1e-300))
    return special.expit(odds), strangers


def strangers_near(covariance: Floats, density: Floats) -> Floats:
    """How many others are to be expected where an animal may be, given the covariance (..., 2, 2) of its place."""
    determinant = covariance[..., 0, 0] * covariance[..., 1, 1] - covariance[..., 0, 1] ** 2
    result: Floats = density * 2 * np.pi * np.sqrt(np.maximum(determinant, 1e-12))
    return result


def not_seen(detection: float | Floats, points: Floats, covariance: Floats, corners: Floats | None) -> Floats:
    """The chance that an animal at `points` (..., 2) is not seen in the frame with `corners` (..., 4, 2).

    One less the chance of detection times that of being in view, the normal probability of its distance from the
    nearest edge; without corners it is taken to be in view.
    """
    if corners is None:
        return np.broadcast_to(1.0 - np.asarray(detection, dtype=np.float64), points.shape[:-1]).copy()
    x, y = corners[..., 0], corners[..., 1]
    along_x, along_y = x[..., _NEXT] - x, y[..., _NEXT] - y
    offset_x, offset_y = points[..., None, 0] - x, points[..., None, 1] - y
    depth = ((along_x * offset_y - along_y * offset_x) / np.hypot(along_x, along_y)).min(axis=-1)
    spread = np.sqrt((covariance[..., 0, 0] + covariance[..., 1, 1]) / 2)
    result: Floats = 1.0 - detection * special.ndtr(depth / np.maximum(spread, 1e-6))
    return result


def mahalanobis_squared(offset: Floats, covariance: Floats) -> Floats:
    """δᵀ Σ⁻¹ δ for offsets (..., 2) and covariances (..., 2, 2), in closed form."""
    a, b, d = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    x, y = offset[..., 0], offset[..., 1]
    squared: Floats = (d * x**2 - 2 * b * x * y + a * y**2) / (a * d - b**2)
    return squared


def density_within(points: Floats, layer: Ints, neighbours: int = 3, lonely_m: float = 50.0) -> Floats:
    """Animals per m² around each point (N, 2), from its nearest neighbours in its own layer (a frame, a pass)."""
    if not len(points):
        return np.empty(0)
    # Layers are put far apart in a third direction, so that one tree serves all of them.
    tree = KDTree(np.column_stack([points, layer * (4 * lonely_m)]))
    distance, _ = tree.query(tree.data, k=neighbours + 1, distance_upper_bound=lonely_m)
    distance = np.atleast_2d(distance)[:, 1:]
    found = np.isfinite(distance).sum(axis=1)
    reach = np.where(found > 0, np.where(np.isfinite(distance), distance, 0.0).max(axis=1), lonely_m)
    density: Floats = np.maximum(found, 1) / (np.pi * np.maximum(reach, 0.1) ** 2)
    return density


def components(count: int, first: Ints, second: Ints) -> Ints:
    """A number (N,) that those have in common which pairs join, directly or through others."""
    graph = sparse.coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)
