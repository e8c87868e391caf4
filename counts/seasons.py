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

from counts.estimators.limits import satterthwaite, t_quantile
from flightplan.errors import EstimateError

# Where less than this part of a variance is left once what is shared is taken out, rounding is all that is left.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Change:
    """The change from a first to a second survey on the linear and the log scale; report the one chosen beforehand."""

    difference: float
    difference_se: float
    difference_lower: float
    difference_upper: float
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
    first_df: float = math.inf,
    second_df: float = math.inf,
    confidence: float = 0.95,
) -> Change:
    """Compare two estimates: d = (Y₂−Y₁)/√(V₁+V₂), and z = ln(Y₂/Y₁)/√(ln(1+CV₁²)+ln(1+CV₂²)).

    `shared_cv` is the coefficient of variation of a correction both were multiplied by: it is taken out of both CVs on
    the log scale, and its covariance 2·Y₁·Y₂·CV² out of the difference. Limits and tests use Student's t with the
    degrees of freedom of the two after Satterthwaite (Buckland et al. 2001, §3.6.5), the normal without end.
    Raises EstimateError where nothing was seen in a survey, and where no error is left that the two do not share: a
    zero width is not a measurement.
    """
    if not (first > 0 and second > 0):
        raise EstimateError("a ratio needs animals in both surveys", where="season comparison")
    variance = first_variance + second_variance - 2 * first * second * shared_cv**2
    if not variance > _ROUNDING * (first_variance + second_variance):
        raise EstimateError("the shared error is larger than an estimate's whole error", where="season comparison")
    log_parts = _own_log_variances((first_variance / first**2, second_variance / second**2), shared_cv)
    df = satterthwaite([first_variance, second_variance], [first_df, second_df])
    log_df = satterthwaite(log_parts, [first_df, second_df])
    difference, error = second - first, math.sqrt(variance)
    log_ratio, log_se = math.log(second / first), math.sqrt(sum(log_parts))
    reach, log_reach = t_quantile(df, confidence) * error, t_quantile(log_df, confidence) * log_se
    return Change(
        difference=difference,
        difference_se=error,
        difference_lower=difference - reach,
        difference_upper=difference + reach,
        d=difference / error,
        p_linear=_two_sided(difference / error, df),
        ratio=second / first,
        ratio_lower=math.exp(log_ratio - log_reach),
        ratio_upper=math.exp(log_ratio + log_reach),
        z_log=log_ratio / log_se,
        p_log=_two_sided(log_ratio / log_se, log_df),
    )


@dataclass(frozen=True)
class DetectableChange:
    """The smallest decline and growth, as shares of the first number, that two such surveys would have shown."""

    decline: float
    growth: float
    power: float
    significance: float


def detectable_change(
    first_cv: float,
    second_cv: float,
    *,
    shared_cv: float = 0.0,
    first_df: float = math.inf,
    second_df: float = math.inf,
    power: float = 0.8,
    significance: float = 0.05,
) -> DetectableChange:
    """Return what change could have been seen: |ln(Y₂/Y₁)| = (t₁₋α/₂ + t_power)·√(ln(1+CV₁²)+ln(1+CV₂²)).

    The test of `change` on the log scale, two-sided, with both CVs as they were found, whatever the change (Gerrodette
    1987 for CVs that do not depend on abundance; quantiles of t after Zar 2010, ch. 8). It depends on the errors alone
    and not on the change that was found. Raises EstimateError for CVs that are not positive or all shared.
    """
    if not (0.5 < power < 1 and 0 < significance < 1):
        raise EstimateError(f"power {power:g} at significance {significance:g}", where="detectable change")
    parts = _own_log_variances((first_cv**2, second_cv**2), shared_cv)
    df = satterthwaite(parts, [first_df, second_df])
    quantiles = t_quantile(df, 1 - significance) + t_quantile(df, 2 * power - 1)
    step = quantiles * math.sqrt(sum(parts))
    return DetectableChange(-math.expm1(-step), math.expm1(step), power, significance)


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
    years: npt.ArrayLike,
    estimates: npt.ArrayLike,
    variances: npt.ArrayLike,
    *,
    shared_cv: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Trend:
    """Weighted least squares of ln N on the year, weights 1/ln(1 + CV²), error of the slope from those known variances.

    `shared_cv` (k, k) holds the CV of the correction that each two surveys share, 0 for none (its diagonal is not
    read): the covariance of their logarithms is ln(1 + CV²) and the fit generalised least squares (Aitken 1935). What
    all surveys share then drops out of the slope. Years are taken from the first one: the intercept is ln N in that
    year. Dispersion is None for two surveys. Raises EstimateError where the errors are all shared.
    """
    year, n = np.asarray(years, dtype=np.float64), np.asarray(estimates, dtype=np.float64)
    variance = np.asarray(variances, dtype=np.float64)
    if not len(year) == len(n) == len(variance) or len(np.unique(year)) < 2:
        raise EstimateError("a trend needs surveys of at least two years, each with its variance", where="trend")
    if np.any(~(n > 0)) or np.any(~(variance > 0)):
        raise EstimateError("a trend on the log scale needs positive estimates and variances", where="trend")
    own = np.log1p(variance / n**2)
    spread = np.zeros((len(n), len(n))) if shared_cv is None else np.log1p(np.square(np.asarray(shared_cv, np.float64)))
    if spread.shape != (len(n), len(n)) or not np.allclose(spread, spread.T):
        raise EstimateError("shared errors are one symmetric table of surveys by surveys", where="trend")
    np.fill_diagonal(spread, own)
    if not float(np.linalg.eigvalsh(spread)[0]) > _ROUNDING * float(own.max()):
        raise EstimateError("the surveys share all of their error", where="trend")
    x, y, w = year - year[0], np.log(n), np.linalg.inv(spread)
    design = np.column_stack([np.ones(len(x)), x])
    covariance = np.linalg.inv(design.T @ w @ design)
    intercept, slope = (float(b) for b in covariance @ (design.T @ w @ y))
    error = math.sqrt(float(covariance[1, 1]))
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
        residual_dispersion=float(residual @ w @ residual) / (len(x) - 2) if len(x) > 2 else None,
    )


def _own_log_variances(squared_cvs: tuple[float, float], shared_cv: float) -> tuple[float, float]:
    """ln(1 + CV²) of each estimate without the error that both share."""
    own = [c - shared_cv**2 for c in squared_cvs]
    if any(left < -_ROUNDING * c for left, c in zip(own, squared_cvs, strict=True)):
        raise EstimateError("the shared error is larger than an estimate's whole error", where="season comparison")
    if not max(left - _ROUNDING * c for left, c in zip(own, squared_cvs, strict=True)) > 0:
        raise EstimateError("the two share all of their error, so it measures no change", where="season comparison")
    first, second = (math.log1p(max(left, 0.0)) for left in own)
    return first, second


def _two_sided(z: float, degrees_of_freedom: float = math.inf) -> float:
    if math.isinf(degrees_of_freedom):
        return float(2 * stats.norm.sf(abs(z)))
    return float(2 * stats.t.sf(abs(z), degrees_of_freedom))
