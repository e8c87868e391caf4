"""Confidence limits: symmetric t, log-normal, log-normal on the unseen part, and the floor at what was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from scipy import stats


class LimitForm(StrEnum):
    """How limits are drawn around an estimate."""

    T = "t"
    LOGNORMAL = "lognormal"
    LOGNORMAL_UNSEEN = "lognormal-unseen"
    WONG = "wong"


@lru_cache(maxsize=4096)
def t_quantile(degrees_of_freedom: float, confidence: float = 0.95) -> float:
    """Two-sided quantile of Student's t: `confidence` 0.95 asks for the 0.975 point, never the 0.95 one."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, not {confidence}")
    upper_tail = (1 + confidence) / 2
    if math.isinf(degrees_of_freedom):
        return float(stats.norm.ppf(upper_tail))
    return float(stats.t.ppf(upper_tail, degrees_of_freedom))


def limits(
    value: float,
    standard_error: float,
    degrees_of_freedom: float = math.inf,
    *,
    form: LimitForm = LimitForm.T,
    confidence: float = 0.95,
    seen: float | None = None,
) -> tuple[float, float]:
    """Lower and upper limit of an estimate.

    Forms: t, value ∓ t·SE; log-normal, [value/C, value·C] with C = exp(t·sqrt(ln(1 + CV²))) (Buckland et al. 2001,
    eq. 3.72 ff.); log-normal-unseen, the same on value − seen; wong, the log-normal times sqrt(1 + CV²) (Wong 1996).
    With `seen` the lower limit is never under the animals really seen (African Elephant Database, category B).

    Raises ValueError for a standard error that is not positive: a zero width is not a measurement.
    """
    if not standard_error > 0 or not math.isfinite(standard_error):
        raise ValueError(f"limits need a positive standard error, not {standard_error}")
    quantile = t_quantile(degrees_of_freedom, confidence)
    floor = 0.0 if seen is None else float(seen)
    if form is LimitForm.LOGNORMAL_UNSEEN and value > floor:
        factor = _lognormal_factor(standard_error / (value - floor), quantile)
        lower, upper = floor + (value - floor) / factor, floor + (value - floor) * factor
    elif form in (LimitForm.LOGNORMAL, LimitForm.WONG) and value > 0:
        cv = standard_error / value
        factor = _lognormal_factor(cv, quantile)
        centre = value * math.sqrt(1 + cv**2) if form is LimitForm.WONG else value
        lower, upper = centre / factor, centre * factor
    else:
        lower, upper = value - quantile * standard_error, value + quantile * standard_error
    return (lower if seen is None else max(lower, floor)), upper


def satterthwaite(variances: Sequence[float], degrees_of_freedom: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances: V² / Σ(V_h² / df_h) (Satterthwaite 1946)."""
    total = math.fsum(variances)
    share = math.fsum(v**2 / df for v, df in zip(variances, degrees_of_freedom, strict=True) if v > 0)
    return total**2 / share if share > 0 else math.inf


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927)."""
    result = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(result.low), float(result.high)


def _lognormal_factor(cv: float, quantile: float) -> float:
    return math.exp(quantile * math.sqrt(math.log1p(cv**2)))
