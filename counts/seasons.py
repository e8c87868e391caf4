"""Seasons: the change between two surveys, and the trend of several.

Estimates must come from the same area and protocol. Errors that two estimates share (one recall for both) cancel in
their ratio; give them as shared variance, or the comparison is too cautious.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from flightplan.errors import EstimateError


@dataclass(frozen=True)
class Change:
    """The change from a first to a second survey on the linear and the log scale; report the one chosen beforehand."""

    difference: float
    difference_se: float
    d: float
    p_linear: float
    ratio: float
    ratio_lower: float
    ratio_upper: float
    z_log: float
    p_log: float


def change(
    first: float,
    first_variance: float,
    second: float,
    second_variance: float,
    *,
    shared_cv: float = 0.0,
    confidence: float = 0.95,
) -> Change:
    """Compare two estimates: d = (Y₂−Y₁)/√(V₁+V₂), and z = ln(Y₂/Y₁)/√(ln(1+CV₁²)+ln(1+CV₂²)).

    `shared_cv` is the coefficient of variation of a correction both were multiplied by: it is taken out of both CVs on
    the log scale, and its covariance 2·Y₁·Y₂·CV² out of the difference. Raises EstimateError where nothing was seen in
    a survey.
    """
    if not (first > 0 and second > 0):
        raise EstimateError("a ratio needs animals in both surveys", where="season comparison")
    shared = shared_cv**2
    variance = first_variance + second_variance - 2 * first * second * shared
    cv_squared = first_variance / first**2 - shared, second_variance / second**2 - shared
    if not variance > 0 or min(cv_squared) < 0 or not max(cv_squared) > 0:
        raise EstimateError("the shared error is larger than an estimate's whole error", where="season comparison")
    d = (second - first) / math.sqrt(variance)
    log_ratio, log_se = math.log(second / first), math.sqrt(sum(math.log1p(c) for c in cv_squared))
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    return Change(
        difference=second - first,
        difference_se=math.sqrt(variance),
        d=d,
        p_linear=_two_sided(d),
        ratio=second / first,
        ratio_lower=math.exp(log_ratio - quantile * log_se),
        ratio_upper=math.exp(log_ratio + quantile * log_se),
        z_log=log_ratio / log_se,
        p_log=_two_sided(log_ratio / log_se),
    )


@dataclass(frozen=True)
class Trend:
    """Log-linear trend: growth per year λ = exp(slope), with known variances."""

    intercept_log: float
    slope_log_per_year: float
    slope_se: float
    growth: float
    growth_lower: float
    growth_upper: float
    p_two_sided: float
    residual_dispersion: float | None


def trend(
    years: npt.ArrayLike, estimates: npt.ArrayLike, variances: npt.ArrayLike, *, confidence: float = 0.95
) -> Trend:
    """Weighted least squares of ln N on the year, weights 1/ln(1 + CV²), error of the slope from those known variances.

    Years are taken from the first one: the intercept is ln N in that year. Dispersion is None for two surveys.
    """
    year, n = np.asarray(years, dtype=np.float64), np.asarray(estimates, dtype=np.float64)
    variance = np.asarray(variances, dtype=np.float64)
    if not len(year) == len(n) == len(variance) or len(np.unique(year)) < 2:
        raise EstimateError("a trend needs surveys of at least two years, each with its variance", where="trend")
    if np.any(~(n > 0)) or np.any(~(variance > 0)):
        raise EstimateError("a trend on the log scale needs positive estimates and variances", where="trend")
    x, y, w = year - year[0], np.log(n), 1 / np.log1p(variance / n**2)
    x_mean, y_mean = float(np.average(x, weights=w)), float(np.average(y, weights=w))
    spread = float((w * (x - x_mean) ** 2).sum())
    slope = float((w * (x - x_mean) * (y - y_mean)).sum()) / spread
    intercept, error = y_mean - slope * x_mean, math.sqrt(1 / spread)
    residual = y - intercept - slope * x
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    return Trend(
        intercept_log=intercept,
        slope_log_per_year=slope,
        slope_se=error,
        growth=math.exp(slope),
        growth_lower=math.exp(slope - quantile * error),
        growth_upper=math.exp(slope + quantile * error),
        p_two_sided=_two_sided(slope / error),
        residual_dispersion=float((w * residual**2).sum()) / (len(x) - 2) if len(x) > 2 else None,
    )


def _two_sided(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))
