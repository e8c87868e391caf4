"""Estimates scored against the truth they were made from: bias, spread and coverage, each with its chance error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from sim.virtual.estimating import Result

_REPLICATES = 500


@dataclass(frozen=True)
class Score:
    """One estimator over `surveys` surveys, `n` of which it gave limits for.

    `bias` is the mean error over the mean truth, `cv` the standard deviation of the errors over it, `coverage` the
    share of limits that hold the truth, each with 95 % limits of what chance does to so many surveys (t; bootstrap;
    Clopper & Pearson 1934). `stated_cv` is the mean of what the estimator says its CV is, `mean_width` that of its
    limits over the truth. None where too few surveys tell, or nothing was there to count.
    """

    surveys: int
    n: int
    mean_truth: float
    mean_estimate: float | None
    bias: float | None
    bias_interval: tuple[float, float] | None
    cv: float | None
    cv_interval: tuple[float, float] | None
    coverage: float | None
    coverage_interval: tuple[float, float] | None
    truth_above_upper: int
    truth_below_lower: int
    stated_cv: float | None
    mean_width: float | None

    def document(self) -> dict[str, Any]:
        """The score as JSON has it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def score(results: Sequence[Result], seed: int = 1) -> Score:
    """Score the estimates of many surveys; `seed` is that of the bootstrap."""
    truth = np.array([r.truth for r in results], dtype=np.float64)
    value = np.array([np.nan if r.value is None else r.value for r in results], dtype=np.float64)
    limits = [(r.lower, r.upper, r.truth) for r in results if r.lower is not None and r.upper is not None]
    above, below = sum(t > u for _, u, t in limits), sum(t < low for low, _, t in limits)
    inside = len(limits) - above - below
    coverage = stats.binomtest(inside, len(limits)).proportion_ci(0.95) if limits else None
    known = np.isfinite(value) & bool(truth.mean() > 0)
    error = (value - truth)[known] / truth.mean() if known.any() else np.empty(0)
    cvs = [r.cv for r in results if r.cv is not None]
    widths = [(u - low) / t for low, u, t in limits if t > 0]
    several = len(error) > 1
    reach = float(stats.t.ppf(0.975, len(error) - 1) * error.std(ddof=1) / np.sqrt(len(error))) if several else 0.0
    bias = float(error.mean()) if len(error) else None
    return Score(
        surveys=len(results),
        n=len(limits),
        mean_truth=float(truth.mean()) if len(truth) else 0.0,
        mean_estimate=float(value[known].mean()) if known.any() else None,
        bias=bias,
        bias_interval=(bias - reach, bias + reach) if several and bias is not None else None,
        cv=float(error.std(ddof=1)) if several else None,
        cv_interval=_spread_interval(error, seed) if len(error) > 2 else None,
        coverage=inside / len(limits) if limits else None,
        coverage_interval=(float(coverage.low), float(coverage.high)) if coverage else None,
        truth_above_upper=above,
        truth_below_lower=below,
        stated_cv=float(np.mean(cvs)) if cvs else None,
        mean_width=float(np.mean(widths)) if widths else None,
    )


def _spread_interval(errors: np.typing.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Percentile limits of the standard deviation over resampled surveys."""
    rng = np.random.default_rng([seed, len(errors)])
    drawn = errors[rng.integers(0, len(errors), (_REPLICATES, len(errors)))].std(axis=1, ddof=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
