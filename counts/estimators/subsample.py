"""Totals from a verified random subsample: a cheap count known everywhere, the true one on a random part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm
from flightplan.errors import EstimateError
from flightplan.frames import Floats


class SubsampleMethod(StrEnum):
    """How the cheap count helps: not at all, by difference, by ratio, by regression."""

    EXPANSION = "expansion"
    DIFFERENCE = "difference"
    RATIO = "ratio"
    REGRESSION = "regression"


def subsample_moments(
    true_counts: Floats, cheap_counts: Floats, size: int, cheap_total: float, method: SubsampleMethod
) -> tuple[float, float, int]:
    """Return the total, its variance with finite-population correction, and its degrees of freedom.

    `true_counts` y and `cheap_counts` m (n,) on a simple random sample of `size` units N, `cheap_total` M = Σm over all
    N. Expansion N·ȳ; difference M + N·mean(y − m) (Cochran 1977, §7.1, slope fixed at 1); ratio M·Σy/Σm (§6.3), which
    is the difference where nothing was counted cheaply; regression N·(ȳ + b(M/N − m̄)) with residual variance on n − 2
    (§7.3). The variance is 0 for one unit: callers say that it is unknown.
    """
    y, m, n = true_counts, cheap_counts, len(true_counts)
    if method is SubsampleMethod.RATIO and m.sum() > 0:
        ratio = float(y.sum() / m.sum())
        scale = cheap_total / (size * float(m.mean()))
        value, residual, df = cheap_total * ratio, (y - ratio * m) * scale, n - 1
    elif method is SubsampleMethod.REGRESSION and n > 2 and np.ptp(m) > 0:
        slope = float(((m - m.mean()) * y).sum() / ((m - m.mean()) ** 2).sum())
        residual, df = y - y.mean() - slope * (m - m.mean()), n - 2
        value = size * (float(y.mean()) + slope * (cheap_total / size - float(m.mean())))
    elif method is SubsampleMethod.EXPANSION:
        value, residual, df = size * float(y.mean()), y - y.mean(), n - 1
    else:
        difference = y - m
        value, residual, df = cheap_total + size * float(difference.mean()), difference - difference.mean(), n - 1
    variance = size**2 * (1 - n / size) * float((residual**2).sum()) / df / n if df > 0 else 0.0
    return value, variance, df


def subsample_total(
    true_counts: npt.ArrayLike,
    size: int,
    *,
    cheap_counts: npt.ArrayLike | None = None,
    cheap_total: float = 0.0,
    method: SubsampleMethod = SubsampleMethod.DIFFERENCE,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
) -> Estimate:
    """Estimate a true total from a simple random subsample of units; the seen animals are those of the subsample."""
    y = np.asarray(true_counts, dtype=np.float64)
    if cheap_counts is None:
        method = SubsampleMethod.EXPANSION
    m = np.zeros_like(y) if cheap_counts is None else np.asarray(cheap_counts, dtype=np.float64)
    label = f"verified subsample, {method}"
    if y.shape != m.shape or y.ndim != 1:
        raise EstimateError(f"{y.size} true counts but {m.size} cheap ones", where=label)
    if len(y) > size:
        raise EstimateError(f"{len(y)} units verified of {size}", where=label)
    if len(y) == 0:
        return no_estimate("no unit was verified", method=label, units=0)
    value, variance, df = subsample_moments(y, m, size, cheap_total, method)
    reason = None
    components: tuple[Component, ...] = (Component("verification", variance, max(df, 1)),)
    if len(y) == 1 < size:
        reason, components = "one unit has no spread: limits need at least two", ()
    elif len(y) == size:
        reason, components = "every unit was verified: nothing is left to estimate", (Component("verification", 0.0),)
    elif not variance > 0:
        reason, components = "no error was found in the subsample: its spread says nothing about rare ones", ()
    return estimate(
        value,
        components,
        method=label,
        units=len(y),
        seen=float(y.sum()),
        confidence=confidence,
        form=form,
        reason=reason,
    )


def stratified_subsample_total(
    true_counts: Sequence[npt.ArrayLike],
    sizes: Sequence[int],
    *,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
) -> Estimate:
    """Stratified expansion, Σ N_h·ȳ_h, with n − H degrees of freedom (Cochran 1977, §5.3; `survey::svytotal`)."""
    parts = [
        subsample_moments(
            y := np.asarray(counts, dtype=np.float64), np.zeros_like(y), n, 0.0, SubsampleMethod.EXPANSION
        )
        for counts, n in zip(true_counts, sizes, strict=True)
    ]
    units = [len(np.asarray(counts)) for counts in true_counts]
    seen = math.fsum(float(np.sum(counts)) for counts in true_counts)
    thin = [i for i, (n, size) in enumerate(zip(units, sizes, strict=True)) if n < min(2, size)]
    variance = math.fsum(part[1] for part in parts)
    return estimate(
        math.fsum(part[0] for part in parts),
        () if thin else (Component("verification", variance, max(sum(units) - len(units), 1)),),
        method="verified subsample, stratified expansion",
        units=sum(units),
        seen=seen,
        confidence=confidence,
        form=form,
        reason=f"stratum {thin[0] + 1} has fewer than two verified units" if thin else None,
    )
