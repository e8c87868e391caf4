"""Two observers of the same ground, independent of each other, with distances and covariates or without.

With distances (Laake & Borchers 2004; mrds "io"), what is certain on the line in plain line transects is measured here:
the chance that at least one saw an animal on it. Away from the line they need not be independent (point independence),
or are held to be (full independence). Without distances it is Huggins' closed population (Huggins 1989, 1991). Detector
and person can be the two. Animals that neither could see are in no estimate of either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import optimize

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm
from flightplan.errors import EstimateError
from flightplan.frames import Floats

_WHERE = "two observers"
_NODES = 32


@dataclass(frozen=True)
class TwoObservers:
    """Logit of being seen by each observer, given that either saw: `coefficients` (q,) and their `covariance`.

    Terms in order: intercept, distance (if there are any), observer (0 for the first, 1 for the second) and distance ×
    observer where they were asked for, then the covariates.
    """

    coefficients: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    log_likelihood: float
    sightings: int
    observer: bool = False
    distance_by_observer: bool = False
    covariates: int = 0
    distances: bool = True

    @property
    def aic(self) -> float:
        """Akaike's criterion of this part; that of the detection function adds to it."""
        return 2 * len(self.coefficients) - 2 * self.log_likelihood

    def detection(self, distances: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return the chance (n,) that at least one saw, and its derivatives (n, q) by the coefficients."""
        x = np.asarray(distances, dtype=np.float64)
        given = _covariates(covariates, len(x))
        if given.shape[1] != self.covariates:
            raise EstimateError(f"{given.shape[1]} covariates where the model has {self.covariates}", where=_WHERE)
        at = x if self.distances else None
        rows = [_rows(at, given, k, self.observer, self.distance_by_observer) for k in (0, 1)]
        _, either, slopes = _either(self.coefficients, rows)
        return either, slopes

    def on_average(
        self, count: int, left: float, width: float, covariates: npt.ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        """The same, averaged over distances spread evenly from `left` to `width` (Gauss-Legendre, 32 nodes)."""
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        at = left + (width - left) * (nodes + 1) / 2
        mean, slopes = np.zeros(count), np.zeros((count, len(self.coefficients)))
        for x, weight in zip(at.tolist(), (weights / 2).tolist(), strict=True):
            either, slope = self.detection(np.full(count, x), covariates)
            mean += weight * either
            slopes += weight * slope
        return mean, slopes

    def on_the_line(self, count: int, covariates: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The same at distance 0 for `count` sightings."""
        return self.detection(np.zeros(count), covariates)


def fit_two_observers(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    distances: npt.ArrayLike | None = None,
    *,
    covariates: npt.ArrayLike | None = None,
    observer: bool = False,
    distance_by_observer: bool = False,
) -> TwoObservers:
    """Fit from who saw each animal: `first`, `second` (n,) 0 or 1, never both 0, with `distances` (n,) if known.

    Maximum of the likelihood conditional on being seen by either. Raises EstimateError for animals that neither saw,
    unknown values, or sightings that do not determine the model (such as two observers that always agree).
    """
    y = [np.asarray(seen, dtype=np.float64) for seen in (first, second)]
    x = np.zeros(y[0].shape) if distances is None else np.asarray(distances, dtype=np.float64)
    if x.ndim != 1 or any(seen.shape != x.shape or not np.all((seen == 0) | (seen == 1)) for seen in y):
        raise EstimateError("each animal was seen (1) or not (0) by each observer, at one distance", where=_WHERE)
    if distances is None and distance_by_observer:
        raise EstimateError("there are no distances for the observers to differ by", where=_WHERE)
    if np.any(~np.isfinite(x)) or np.any(x < 0):
        raise EstimateError("a distance is negative or unknown", where=_WHERE)
    if np.any(y[0] + y[1] == 0):
        raise EstimateError("an animal was seen by neither observer", where=_WHERE)
    given = _covariates(covariates, len(x))
    at = None if distances is None else x
    rows = [_rows(at, given, k, observer or distance_by_observer, distance_by_observer) for k in (0, 1)]

    def loss(b: Floats) -> float:
        p, either, _ = _either(b, rows)
        parts = [np.where(seen == 1, q, 1 - q) for seen, q in zip(y, p, strict=True)]
        return -float(np.log(np.maximum(parts[0] * parts[1], 1e-300)).sum() - np.log(either).sum())

    def slope(b: Floats) -> Floats:
        p, either, slopes = _either(b, rows)
        own = sum((seen - q) @ row for seen, q, row in zip(y, p, rows, strict=True))
        return np.asarray((slopes / either[:, None]).sum(axis=0) - own)

    size = rows[0].shape[1]
    if len(x) <= size:
        raise EstimateError(f"{len(x)} sightings cannot carry {size} parameters", where=_WHERE)
    # Means, and distances in their own spread: sums and raw units make first steps that lead nowhere.
    scale = np.maximum(np.abs(rows[1]).max(axis=0), 1e-12)
    found = optimize.minimize(
        lambda b: loss(b / scale) / len(x),
        np.zeros(size),
        jac=lambda b: slope(b / scale) / scale / len(x),
        method="BFGS",
        options={"gtol": 1e-9, "maxiter": 500},
    )
    b = np.asarray(found.x / scale, dtype=np.float64)
    step = 1e-5
    information = np.array([(slope(b + step * unit) - slope(b - step * unit)) / (2 * step) for unit in np.eye(size)])
    information = (information + information.T) / 2
    if np.abs(b).max() > 1e3 or not np.all(np.linalg.eigvalsh(information) > 1e-6):
        raise EstimateError("the sightings do not determine the model", where=_WHERE, hint="Try fewer terms.")
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return TwoObservers(
        b, covariance, -loss(b), len(x), observer or distance_by_observer, distance_by_observer, given.shape[1],
        distances is not None,
    )  # fmt: skip


@dataclass(frozen=True)
class FullIndependence:
    """Two observers taken as independent at every distance: a detection function for `line_transects`.

    No shape is fitted to the distances: animals are spread evenly from `left` to `width`, and the chance that either
    sees one at each distance is the observers' own (mrds "io.fi"). Where something that both depend on is not among the
    covariates it comes out too high, and the number of animals too low (Laake & Borchers 2004, §6.2).
    """

    observers: TwoObservers
    left: float
    width: float
    notes: tuple[str, ...] = (
        "full independence of the observers was assumed: what makes animals hard to see for both makes it too low",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.left < self.width or not math.isfinite(self.width):
            raise EstimateError(f"the strip from {self.left:g} to {self.width:g} has no width", where=_WHERE)

    @property
    def model(self) -> str:
        """What stands in the method of an estimate."""
        return "two observers, full independence"

    @property
    def sightings(self) -> int:
        """The sightings it was fitted to."""
        return self.observers.sightings

    @property
    def parameters(self) -> Floats:
        """Those of the observers."""
        return self.observers.coefficients

    def detection(self, distances: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Floats:
        """The chance (m,) that at least one sees an animal at each distance."""
        return self.observers.detection(distances, covariates)[0]

    def covered(self, weights: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> tuple[Floats, float]:
        """Animals in the strips per sighting, weight/p (m,), and the variance of their sum by the delta method."""
        w = np.asarray(weights, dtype=np.float64)
        mean, slopes = self.observers.on_average(len(w), self.left, self.width, covariates)
        slope = -(w / mean**2) @ slopes
        return w / mean, float(slope @ self.observers.covariance @ slope)


def huggins(
    observers: TwoObservers,
    *,
    sizes: npt.ArrayLike | None = None,
    covariates: npt.ArrayLike | None = None,
    count: int | None = None,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.LOGNORMAL_UNSEEN,
) -> Estimate:
    """Estimate the animals of one stratum that either could have seen: N = Σ s/p (Huggins 1989).

    One row for each sighting of the stratum: `sizes` (n,) of groups, 1 when None, and the `covariates` (n, c) of the
    model; `count` is n where there is neither. Variance: Σ s²(1 − p)/p² for who was seen, and the model's own error,
    which is one for all strata that share the model. Raises EstimateError for a model with distances.
    """
    method = "double observer with covariates (Huggins)"
    if observers.distances:
        raise EstimateError("the model has distances: they belong to line transects", where=method)
    given = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    rows = next((len(np.asarray(v)) for v in (sizes, given) if v is not None), count or 0)
    size = np.ones(rows) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if size.ndim != 1 or np.any(~(size > 0)):
        raise EstimateError("a group has no size", where=method)
    if rows == 0:
        return no_estimate("neither observer saw one", method=method, units=2)
    p, slopes = observers.detection(np.zeros(rows), given)
    slope = -(size / p**2) @ slopes
    return estimate(
        float((size / p).sum()),
        (
            Component("detection", float((size**2 * (1 - p) / p**2).sum())),
            Component(
                "detection",
                float(slope @ observers.covariance @ slope),
                source=f"two observers of {observers.sightings} sightings",
            ),
        ),
        method=method,
        units=2,
        seen=float(size.sum()),
        confidence=confidence,
        form=form,
        notes=("animals that neither observer could see are not in it: with unequal visibility it is too low",),
    )


def _covariates(covariates: npt.ArrayLike | None, count: int) -> Floats:
    given = np.empty((count, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    if given.ndim != 2 or len(given) != count or np.any(~np.isfinite(given)):
        raise EstimateError("covariates need one row of known numbers per animal", where=_WHERE)
    return given


def _rows(x: Floats | None, given: Floats, second: int, observer: bool, distance_by_observer: bool) -> Floats:
    columns = [np.ones(len(given))]
    if x is not None:
        columns.append(x)
    if observer:
        columns.append(np.full(len(given), float(second)))
    if x is not None and distance_by_observer:
        columns.append(x * second)
    return np.column_stack([*columns, given])


def _either(b: Floats, rows: list[Floats]) -> tuple[list[Floats], Floats, Floats]:
    """Chance of each observer, of either, and the derivatives of the latter."""
    p = [1 / (1 + np.exp(-np.clip(row @ b, -500, 500))) for row in rows]
    either = np.maximum(1 - (1 - p[0]) * (1 - p[1]), 1e-300)
    slopes = ((1 - p[1]) * p[0] * (1 - p[0]))[:, None] * rows[0] + ((1 - p[0]) * p[1] * (1 - p[1]))[:, None] * rows[1]
    return p, either, slopes
