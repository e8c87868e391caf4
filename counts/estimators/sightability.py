"""Sightability: groups seen from the air, each corrected for how hard it was to see (Steinhorst & Samuel 1989).

Trials with marked groups give a logistic model of being seen; its correction applies to groups of the survey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm, limits
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

_STEPS = 50


@dataclass(frozen=True)
class SightabilityModel:
    """Logit of being seen: `coefficients` (1 + c,), intercept first, and their `covariance`."""

    coefficients: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    trials: int

    def inflation(self, covariates: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Factors θ = 1 + exp(−x'b − x'Σx/2) (n,) and their covariances (n, n), b being normal (Wong 1996)."""
        rows = _rows(covariates, len(self.coefficients) - 1)
        linear, shared = rows @ self.coefficients, rows @ self.covariance @ rows.T
        own = np.diag(shared)
        pair = (own[:, None] + own[None, :]) / 2 + shared
        covariance = np.exp(-(linear[:, None] + linear[None, :]) - pair) * np.expm1(shared)
        return 1 + np.exp(-linear - own / 2), np.asarray(covariance)


@dataclass(frozen=True)
class SampledStratum:
    """Units that could have been drawn, and units drawn, of one stratum."""

    possible: int
    sampled: int


def fit_sightability(seen: npt.ArrayLike, covariates: npt.ArrayLike) -> SightabilityModel:
    """Fit the logistic model to trials: `seen` (n,) 0 or 1, `covariates` (n, c), by iterated weighted least squares.

    Raises EstimateError for trials that a model separates perfectly, or too few of them.
    """
    y = np.asarray(seen, dtype=np.float64)
    rows = _rows(covariates, None)
    if y.shape != (len(rows),) or not np.all((y == 0) | (y == 1)):
        raise EstimateError("each trial was seen (1) or not (0) and has its covariates", where="sightability")
    if len(y) <= rows.shape[1] or y.min() == y.max():
        raise EstimateError("the trials are too few, or all had the same outcome", where="sightability")
    b = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(rows @ b, -40, 40)))
        information = rows.T @ (rows * (p * (1 - p))[:, None])
        if not np.linalg.cond(information) < 1e14:
            break
        step = np.linalg.solve(information, rows.T @ (y - p))
        b = b + step
        if np.abs(step).max() < 1e-10 * (1 + np.abs(b).max()):
            covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
            return SightabilityModel(b, covariance, len(y))
    raise EstimateError(
        "the trials are separated perfectly, or the covariates depend on each other", where="sightability"
    )


def sightability_total(
    model: SightabilityModel,
    totals: npt.ArrayLike,
    covariates: npt.ArrayLike,
    strata: npt.ArrayLike,
    subunits: Sequence[object] | Ints,
    sampling: Sequence[SampledStratum],
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate τ = Σ_h N_h/n_h Σ m·θ from groups seen in sampled units.

    Per group seen (n,): `totals` m of animals, `covariates` (n, c), `strata` indices into `sampling`, `subunits` the
    unit of each; units without a group are in `sampling` only. Variance after Wong (1996): components "sampling",
    "detection" (which groups were seen) and "sightability model" (the trials' error). Limits are log-normal on the
    animals not seen, times sqrt(1 + CV²) (Wong 1996; Fieberg 2012).
    """
    m, at = np.asarray(totals, dtype=np.float64), np.asarray(strata, dtype=np.int64)
    method = "sightability model, Wong variance"
    possible = np.array([s.possible for s in sampling], dtype=np.float64)
    drawn = np.array([s.sampled for s in sampling], dtype=np.float64)
    if np.any(~(drawn >= 1)) or np.any(drawn > possible):
        raise EstimateError("a stratum has no sampled unit, or more than there are", where=method)
    if m.ndim != 1 or at.shape != m.shape or len(subunits) != len(m) or np.any(~(m > 0)):
        raise EstimateError("each group needs its animals, its stratum and its unit", where=method)
    units = int(drawn.sum())
    if len(m) == 0:
        return no_estimate(f"no group was seen in {units} units", method=method, units=units)
    if at.min() < 0 or at.max() >= len(sampling):
        raise EstimateError("a group lies in a stratum that was not sampled", where=method)
    unit = _units_of(at, subunits, drawn, method)
    theta, covariance = model.inflation(covariates)
    if len(theta) != len(m):
        raise EstimateError(f"{len(m)} groups but {len(theta)} rows of covariates", where=method)
    share = (drawn / possible)[at]
    raised = m / share
    value, seen = float((raised * theta).sum()), float(m.sum())
    thin = [h for h in range(len(sampling)) if drawn[h] < 2 and possible[h] > drawn[h]]
    if thin:
        reason = f"stratum {thin[0] + 1} has one sampled unit, which has no spread: limits need at least two"
        return estimate(value, (), method=method, units=units, seen=seen, confidence=confidence, reason=reason)
    weight = _weight_of_pairs(drawn, possible, at, unit)
    animals = m[:, None] * m[None, :]
    corrected = (m * theta)[:, None] * (m * theta)[None, :]
    missed = theta**2 - theta
    off_diagonal = covariance - np.diag(np.diag(covariance))
    sampling_variance = float((weight * (corrected - animals * off_diagonal)).sum())
    sampling_variance -= float(((1 - share) / share**2 * m**2 * missed).sum())
    sighting_variance = float((raised**2 * (missed - np.diag(covariance))).sum())
    model_variance = float(raised @ covariance @ raised)
    components = (
        Component("sampling", max(sampling_variance, 0.0)),
        Component("detection", max(sighting_variance, 0.0)),
        Component("sightability model", model_variance, source=f"sightability model of {model.trials} trials"),
    )
    plain = estimate(
        value, components, method=method, units=units, seen=seen, confidence=confidence,
        form=LimitForm.LOGNORMAL_UNSEEN,
    )  # fmt: skip
    if plain.standard_error is None or not value > seen:
        return plain
    lower, upper = limits(value - seen, plain.standard_error, math.inf, form=LimitForm.WONG, confidence=confidence)
    return replace(plain, lower=seen + lower, upper=seen + upper, form=LimitForm.WONG)


def _weight_of_pairs(drawn: Floats, possible: Floats, at: Ints, unit: Ints) -> Floats:
    """Weight (n, n) of each pair of groups, in strata `at` and units `unit` (n,), in the Horvitz-Thompson variance.

    The chance that two units of a stratum are drawn together, less that of independent draws, over both. Different
    strata are drawn independently and weigh 0.
    """
    share = (drawn / possible)[at]
    joint = drawn * (drawn - 1) / np.where(possible > 1, possible * (possible - 1), 1)
    apart = np.where(joint > 0, 1 / (drawn / possible) ** 2 - 1 / np.where(joint > 0, joint, 1), 0.0)
    same_unit, same_stratum = unit[:, None] == unit[None, :], at[:, None] == at[None, :]
    within = ((1 - share) / share**2)[:, None]
    return np.asarray(np.where(same_unit, within, np.where(same_stratum, apart[at][:, None], 0.0)))


def _units_of(at: Ints, subunits: Sequence[object] | Ints, drawn: Floats, method: str) -> Ints:
    """Return the unit (n,) of each group, numbered from 0 over all strata `at` (n,)."""
    keys = list(zip(at.tolist(), list(subunits), strict=True))
    names = {unit: i for i, unit in enumerate(dict.fromkeys(keys))}
    if np.any(np.bincount(np.array([h for h, _ in names]), minlength=len(drawn)) > drawn):
        raise EstimateError("groups lie in more units than were sampled", where=method)
    return np.array([names[key] for key in keys])


def _rows(covariates: npt.ArrayLike, expected: int | None) -> Floats:
    rows = np.asarray(covariates, dtype=np.float64)
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or np.any(~np.isfinite(rows)):
        raise EstimateError("a covariate is unknown", where="sightability")
    if expected is not None and rows.shape[1] != expected:
        raise EstimateError(f"{rows.shape[1]} covariates where the model has {expected}", where="sightability")
    return np.column_stack([np.ones(len(rows)), rows])
