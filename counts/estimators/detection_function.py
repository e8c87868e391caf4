"""Detection functions of line transects: how the chance of being seen falls with distance (Buckland et al. 2001, 2015).

Half-normal, hazard-rate and uniform keys, cosine or Hermite adjustments, left and right truncation, distances exact or
in bins, covariates of the scale. Straight-down imagery that shows its whole strip needs none of this: there detection
comes from a checked sample. Oblique cameras and observers do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from numpy.polynomial import hermite_e
from scipy import optimize

from flightplan.errors import EstimateError
from flightplan.frames import Floats

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_LARGEST_SHAPE = math.log(40.0)
_WHERE = "detection function"


class Key(StrEnum):
    """The main shape: exp(−x²/2σ²), 1 − exp(−(x/σ)^−b), or flat."""

    HALF_NORMAL = "half-normal"
    HAZARD_RATE = "hazard-rate"
    UNIFORM = "uniform"


class Adjustment(StrEnum):
    """Terms that bend the key: cos(jπx/w), or Hermite polynomials of x/w."""

    COSINE = "cosine"
    HERMITE = "hermite"


@dataclass(frozen=True)
class DetectionModel:
    """A key with its adjustment terms; `orders` such as (2, 3) for cosine on a half-normal, (4,) for Hermite."""

    key: Key = Key.HALF_NORMAL
    adjustment: Adjustment | None = None
    orders: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.adjustment is None) != (not self.orders):
            raise EstimateError("adjustment terms need both a kind and their orders", where=_WHERE)
        if any(order < 1 for order in self.orders) or len(set(self.orders)) < len(self.orders):
            raise EstimateError(f"orders of adjustment terms are {self.orders}", where=_WHERE)

    def __str__(self) -> str:
        terms = f" with {self.adjustment} {', '.join(map(str, self.orders))}" if self.orders else ""
        return f"{self.key}{terms}"


@dataclass(frozen=True)
class DetectionFunction:
    """A fitted detection function.

    `parameters` (q,): ln of the hazard-rate's shape b, then ln of the scale σ (and its slopes on the covariates), then
    the adjustment terms; `covariance` (q, q) from the products of first derivatives of the log-likelihood (Buckland et
    al. 2001, p. 62; mrds). Distances and `left`, `width` are in one unit. `probability` is the mean chance of being
    seen within the strip, n / Σ(1/p), with the standard error its parameters give.
    """

    model: DetectionModel
    left: float
    width: float
    parameters: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    sightings: int
    log_likelihood: float
    probability: float
    probability_se: float
    bins: tuple[float, ...] | None = None
    covariates: int = 0
    notes: tuple[str, ...] = ()

    @property
    def aic(self) -> float:
        """Akaike's criterion; compare only fits to the same distances in the same bins."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood

    @property
    def effective_half_width(self) -> float:
        """Width of a strip on one side in which as many would be seen if nothing were missed."""
        return self.probability * (self.width - self.left)

    def detection(self, distances: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Floats:
        """The chance g(x) of being seen at each distance (m,), 1 on the line."""
        x = np.asarray(distances, dtype=np.float64)
        design = _design(covariates, len(x), self.covariates)
        return _shape(self.model, self.parameters, x[:, None], design, self.width)[:, 0]

    def covered(self, weights: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> tuple[Floats, float]:
        """Animals in the strips per sighting, weight/p (m,), and the variance of their sum by the delta method."""
        w = np.asarray(weights, dtype=np.float64)
        design = _design(covariates, len(w), self.covariates)

        def inverse(theta: Floats) -> Floats:
            spread = _integral(self.model, theta, design, self.left, self.width, self.width)
            return np.asarray(w * (self.width - self.left) / spread)

        slopes = _jacobian(inverse, self.parameters).sum(axis=1)
        return inverse(self.parameters), float(slopes @ self.covariance @ slopes)


def fit_detection_function(
    distances: npt.ArrayLike,
    width: float,
    model: DetectionModel | None = None,
    *,
    left: float = 0.0,
    bins: Sequence[float] | None = None,
    covariates: npt.ArrayLike | None = None,
) -> DetectionFunction:
    """Fit a detection function by maximum likelihood to the distances (n,) within `left` to `width`.

    `bins` are cut points from `left` to `width`: only the bin of each distance is then used. `covariates` (n, c), one
    row per distance, act on ln σ (Marques & Buckland 2003); factors come as columns of 0 and 1, and centred columns
    fit best. Adjusted functions are held to fall with distance, as mrds holds them.

    Raises EstimateError for distances that are negative or unknown, for fewer sightings than parameters and one, and
    for a function that the distances do not determine.
    """
    model = model or DetectionModel()
    x = np.asarray(distances, dtype=np.float64)
    if x.ndim != 1 or np.any(~np.isfinite(x)) or np.any(x < 0):
        raise EstimateError("a distance is negative or unknown", where=_WHERE)
    if not 0 <= left < width or not math.isfinite(width):
        raise EstimateError(f"the strip from {left:g} to {width:g} has no width", where=_WHERE)
    rows = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    if rows is not None and (rows.ndim != 2 or len(rows) != len(x) or np.any(~np.isfinite(rows))):
        raise EstimateError("covariates need one row of known numbers per distance", where=_WHERE)
    inside = (x >= left) & (x <= width)
    x, rows = x[inside], None if rows is None else rows[inside]
    count = 0 if rows is None else rows.shape[1]
    if count and (model.key is Key.UNIFORM or model.orders):
        raise EstimateError("covariates need a half-normal or hazard-rate key without adjustments", where=_WHERE)
    cuts = None if bins is None else _cut_points(bins, left, width)
    start, bounds = _start(model, x, count, width)
    if len(x) <= len(start):
        raise EstimateError(f"{len(x)} sightings cannot carry {len(start)} parameters", where=_WHERE)
    design = _design(rows, len(x), count)

    def score(theta: Floats) -> Floats:
        spread = _integral(model, theta, design, left, width, width)
        if cuts is None:
            density = _shape(model, theta, x[:, None], design, width)[:, 0]
        else:
            at = np.clip(np.searchsorted(cuts, x, side="left"), 1, len(cuts) - 1)
            density = _integral(model, theta, design, cuts[at - 1], cuts[at], width)
        return np.asarray(np.log(np.maximum(density, 1e-300)) - np.log(np.maximum(spread, 1e-300)))

    theta, notes = _maximise(model, score, start, bounds, left, width)
    slopes = _jacobian(score, theta)
    information = slopes @ slopes.T
    if len(theta) and not np.linalg.cond(information) < 1e12:
        raise EstimateError(
            f"the distances do not determine a {model} function", where=_WHERE, hint="Try fewer terms or a wider strip."
        )
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    fitted = DetectionFunction(
        model, left, width, theta, covariance, len(x), float(score(theta).sum()), 1.0, 0.0,
        None if cuts is None else tuple(cuts), count, notes,
    )  # fmt: skip
    inverse, variance = fitted.covered(np.ones(len(x)), rows)
    mean = len(x) / float(inverse.sum())
    return DetectionFunction(
        model, left, width, theta, covariance, len(x), fitted.log_likelihood, mean,
        mean**2 * math.sqrt(variance) / len(x), fitted.bins, count, notes,
    )  # fmt: skip


def select_detection_function(
    distances: npt.ArrayLike,
    width: float,
    models: Sequence[DetectionModel],
    *,
    left: float = 0.0,
    bins: Sequence[float] | None = None,
    covariates: npt.ArrayLike | None = None,
) -> tuple[DetectionFunction, ...]:
    """Fit each model and return those that could be fitted, the lowest AIC first; ties keep the order given.

    `covariates` are those of `fit_detection_function`. Raises EstimateError when none could be fitted.
    """
    fits: list[DetectionFunction] = []
    reasons: list[str] = []
    for model in models:
        try:
            fits.append(fit_detection_function(distances, width, model, left=left, bins=bins, covariates=covariates))
        except EstimateError as error:
            reasons.append(f"{model}: {error.what}")
    if not fits:
        raise EstimateError("; ".join(reasons) or "no model was asked for", where=_WHERE)
    return tuple(sorted(fits, key=lambda fit: fit.aic))


def _cut_points(bins: Sequence[float], left: float, width: float) -> Floats:
    cuts = np.asarray(bins, dtype=np.float64)
    if len(cuts) < 3 or np.any(np.diff(cuts) <= 0) or cuts[0] != left or cuts[-1] != width:
        raise EstimateError(f"bins must rise from {left:g} to {width:g}, at least two of them", where=_WHERE)
    return cuts


def _design(covariates: npt.ArrayLike | None, rows: int, expected: int) -> Floats:
    """Rows of the model of ln σ: one for all without covariates, else one per sighting."""
    given = 0 if covariates is None else np.atleast_2d(np.asarray(covariates, dtype=np.float64)).shape[1]
    if given != expected:
        raise EstimateError(f"{given} covariates where the function was fitted with {expected}", where=_WHERE)
    if not expected:
        return np.ones((1, 1))
    return np.column_stack([np.ones(rows), np.asarray(covariates, dtype=np.float64)])


def _start(model: DetectionModel, x: Floats, covariates: int, width: float) -> tuple[Floats, list[tuple[float, float]]]:
    """Starting values from the distances themselves, and bounds that keep the scale within sight of the strip."""
    start: list[float] = []
    bounds: list[tuple[float, float]] = []
    scale = math.log(max(float(np.sqrt((x**2).mean())) if len(x) else width, width / 50))
    if model.key is Key.HAZARD_RATE:
        start, bounds = [math.log(2.5)], [(0.0, _LARGEST_SHAPE)]
    if model.key is not Key.UNIFORM:
        start += [scale] + [0.0] * covariates
        bounds += [(math.log(width) - 7, math.log(width) + 7)] + [(-20.0, 20.0)] * covariates
    return np.array(start + [0.0] * len(model.orders)), bounds + [(-2.0, 2.0)] * len(model.orders)


def _shape(model: DetectionModel, theta: Floats, x: Floats, design: Floats, width: float) -> Floats:
    """g(x) scaled to 1 on the line: x (m or 1, k), design (m or 1, 1 + c), result (m, k)."""
    terms = len(model.orders)
    hazard = 1 if model.key is Key.HAZARD_RATE else 0
    if model.key is Key.UNIFORM:
        value = np.ones(np.broadcast_shapes(x.shape, (len(design), 1)))
    else:
        scale = np.exp(design @ theta[hazard : len(theta) - terms])[:, None]
        if hazard:
            with np.errstate(over="ignore"):
                value = -np.expm1(-((np.maximum(x, 1e-12 * width) / scale) ** -math.exp(theta[0])))
        else:
            value = np.exp(-((x / scale) ** 2) / 2)
    if not terms:
        return np.asarray(value)
    bend, at_line = np.ones_like(x), 1.0
    for order, weight in zip(model.orders, theta[-terms:], strict=True):
        bend = bend + weight * _term(model.adjustment, order, x / width)
        at_line += weight * float(_term(model.adjustment, order, np.zeros(1))[0])
    return np.asarray(value * bend / at_line)


def _term(kind: Adjustment | None, order: int, share: Floats) -> Floats:
    if kind is Adjustment.COSINE:
        return np.asarray(np.cos(order * math.pi * share))
    return np.asarray(hermite_e.hermeval(share, np.eye(order + 1)[order]))


def _integral(
    model: DetectionModel,
    theta: Floats,
    design: Floats,
    low: float | Floats,
    high: float | Floats,
    width: float,
) -> Floats:
    """∫ g between bounds, one per row, by Gauss-Legendre."""
    a, b = np.atleast_1d(np.asarray(low, dtype=np.float64)), np.atleast_1d(np.asarray(high, dtype=np.float64))
    x = a[:, None] + (b - a)[:, None] * (_NODES + 1) / 2
    return np.asarray((b - a) / 2 * (_shape(model, theta, x, design, width) @ _WEIGHTS))


def _jacobian(function: Callable[[Floats], Floats], theta: Floats) -> Floats:
    """First derivatives (q, m) by central differences."""
    step = 1e-5
    rows = [(function(theta + step * unit) - function(theta - step * unit)) / (2 * step) for unit in np.eye(len(theta))]
    if not rows:
        return np.zeros((0, len(function(theta))))
    return np.array([np.atleast_1d(row) for row in rows])


def _maximise(
    model: DetectionModel,
    score: Callable[[Floats], Floats],
    start: Floats,
    bounds: list[tuple[float, float]],
    left: float,
    width: float,
) -> tuple[Floats, tuple[str, ...]]:
    if not len(start):
        return start, ()

    def loss(theta: Floats) -> float:
        return -float(score(theta).mean())

    # Downhill first: far from the answer the likelihood is flat, and a gradient leads nowhere.
    rough = optimize.minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-3, "fatol": 1e-6})
    options = {"maxiter": 500, "ftol": 1e-15, "gtol": 1e-9}
    found = optimize.minimize(loss, rough.x, method="L-BFGS-B", jac="3-point", bounds=bounds, options=options)
    theta, notes = np.asarray(found.x if found.fun <= rough.fun else rough.x, dtype=np.float64), []
    if model.orders:
        grid = np.linspace(left, width, 40)[None, :]

        def falls(theta: Floats) -> Floats:
            shape = _shape(model, theta, grid, np.ones((1, 1)), width)[0]
            return np.append(-np.diff(shape), shape[-1])

        if falls(theta).min() < -1e-9:
            held = optimize.minimize(
                loss, start, method="SLSQP", bounds=bounds, constraints={"type": "ineq", "fun": falls},
                options={"maxiter": 500, "ftol": 1e-12},
            )  # fmt: skip
            theta = np.asarray(held.x, dtype=np.float64)
            notes.append("held to fall with distance: its standard error is an approximation")
    at_bound = [min(v - low, high - v) < 1e-6 for v, (low, high) in zip(theta, bounds, strict=True)]
    if any(at_bound):
        notes.append("a parameter lies at the edge of what is sensible: another key may fit better")
    return theta, tuple(notes)
