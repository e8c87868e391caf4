"""Two observers of the same lines, independent of each other, with distances (Laake & Borchers 2004; mrds "io").

What is certain on the line in plain line transects is measured here: the chance that at least one saw an animal on it.
Detector and person can be the two. Away from the line they need not be independent (point independence); animals that
neither could see are in no estimate of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import optimize

from flightplan.errors import EstimateError
from flightplan.frames import Floats

_WHERE = "two observers"


@dataclass(frozen=True)
class TwoObservers:
    """Logit of being seen by each observer, given that either saw: `coefficients` (q,) and their `covariance`.

    Terms in order: intercept, distance, observer (0 for the first, 1 for the second) and distance × observer where they
    were asked for, then the covariates.
    """

    coefficients: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    log_likelihood: float
    sightings: int
    observer: bool = False
    distance_by_observer: bool = False
    covariates: int = 0

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
        rows = [_rows(x, given, k, self.observer, self.distance_by_observer) for k in (0, 1)]
        _, either, slopes = _either(self.coefficients, rows)
        return either, slopes

    def on_the_line(self, count: int, covariates: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The same at distance 0 for `count` sightings."""
        return self.detection(np.zeros(count), covariates)


def fit_two_observers(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    distances: npt.ArrayLike,
    *,
    covariates: npt.ArrayLike | None = None,
    observer: bool = False,
    distance_by_observer: bool = False,
) -> TwoObservers:
    """Fit from who saw each animal: `first`, `second` (n,) 0 or 1, never both 0, with `distances` (n,).

    Maximum of the likelihood conditional on being seen by either. Raises EstimateError for animals that neither saw,
    unknown values, or sightings that do not determine the model (such as two observers that always agree).
    """
    y = [np.asarray(seen, dtype=np.float64) for seen in (first, second)]
    x = np.asarray(distances, dtype=np.float64)
    if x.ndim != 1 or any(seen.shape != x.shape or not np.all((seen == 0) | (seen == 1)) for seen in y):
        raise EstimateError("each animal was seen (1) or not (0) by each observer, at one distance", where=_WHERE)
    if np.any(~np.isfinite(x)) or np.any(x < 0):
        raise EstimateError("a distance is negative or unknown", where=_WHERE)
    if np.any(y[0] + y[1] == 0):
        raise EstimateError("an animal was seen by neither observer", where=_WHERE)
    given = _covariates(covariates, len(x))
    rows = [_rows(x, given, k, observer or distance_by_observer, distance_by_observer) for k in (0, 1)]

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
        b, covariance, -loss(b), len(x), observer or distance_by_observer, distance_by_observer, given.shape[1]
    )


def _covariates(covariates: npt.ArrayLike | None, count: int) -> Floats:
    given = np.empty((count, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    if given.ndim != 2 or len(given) != count or np.any(~np.isfinite(given)):
        raise EstimateError("covariates need one row of known numbers per animal", where=_WHERE)
    return given


def _rows(x: Floats, given: Floats, second: int, observer: bool, distance_by_observer: bool) -> Floats:
    columns = [np.ones_like(x), x]
    if observer:
        columns.append(np.full_like(x, second))
    if distance_by_observer:
        columns.append(x * second)
    return np.column_stack([*columns, given])


def _either(b: Floats, rows: list[Floats]) -> tuple[list[Floats], Floats, Floats]:
    """Chance of each observer, of either, and the derivatives of the latter."""
    p = [1 / (1 + np.exp(-np.clip(row @ b, -500, 500))) for row in rows]
    either = np.maximum(1 - (1 - p[0]) * (1 - p[1]), 1e-300)
    slopes = ((1 - p[1]) * p[0] * (1 - p[0]))[:, None] * rows[0] + ((1 - p[0]) * p[1] * (1 - p[1]))[:, None] * rows[1]
    return p, either, slopes
