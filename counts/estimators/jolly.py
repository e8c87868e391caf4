"""Counts in sampled units: Jolly's three methods and the total count (Jolly 1969; Norton-Griffiths 1978, ch. 3).

Counts are animals per sampled unit, units in spatial order along the baseline. The finite-population correction uses
`possible_units`, the number of units that could have been drawn.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from counts.estimators.encounter_rate import EncounterVariance, encounter_rate_variance, spread_freedom
from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from counts.estimators.limits import LimitForm
from flightplan.errors import EstimateError
from flightplan.frames import Floats

_ROUNDING = 1e-9
"""An area over a mean unit is no whole number to the last digit; what is left over is no part not searched."""


class RatioVariance(StrEnum):
    """The two published conventions for the variance of Jolly's method 2; they agree only when N = Z / mean(z)."""

    N_FORM = "N(N-n)/n"
    Z_FORM = "Z²(1-n/N)/(n·z̄²)"


def jolly1(
    counts: npt.ArrayLike,
    possible_units: float,
    *,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
) -> Estimate:
    """Units of equal size (Jolly 1969, method 1): N·ȳ, variance N(N−n)/n·s², n − 1 degrees of freedom."""
    y = _counts(counts)
    n, method = len(y), "Jolly 1"
    if n == 0:
        return no_estimate("no unit was sampled", method=method, units=0)
    big_n = max(float(possible_units), float(n))
    variance = _expansion(big_n, n) * float(y.var(ddof=1)) if n > 1 else 0.0
    return _sampled(big_n * float(y.mean()), variance, y, big_n, method, confidence, form)


def jolly2(
    counts: npt.ArrayLike,
    areas: npt.ArrayLike,
    stratum_area: float,
    possible_units: float | None = None,
    *,
    convention: RatioVariance = RatioVariance.N_FORM,
    spread: EncounterVariance | None = None,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
) -> Estimate:
    """Units of unequal size (Jolly 1969, method 2; the standard for transects): Y = Z·Σy/Σz.

    Variance: N(N−n)/n·(s_y² − 2R·s_zy + R²·s_z²), or its linearised Z-form (`survey::svyratio`). `areas` and
    `stratum_area` share one unit. `possible_units` is Z over the mean unit when None. `spread` replaces the variance
    of a simple random sample by one for systematic lines (Fewster et al. 2009), `EncounterVariance.SUCCESSIVE` being
    the successive difference of the residuals y − R·z; the counts must then be in spatial order.
    """
    y, z = _counts(counts), np.asarray(areas, dtype=np.float64)
    if z.shape != y.shape:
        raise EstimateError(f"{len(y)} counts but {len(z)} areas", where="Jolly 2")
    if np.any(~np.isfinite(z)) or np.any(z < 0):
        raise EstimateError("an area searched is negative or unknown", where="Jolly 2")
    if np.any((z == 0) & (y > 0)):
        raise EstimateError("animals were counted in a unit whose area searched is 0", where="Jolly 2")
    searched = z > 0
    y, z = y[searched], z[searched]
    n = len(y)
    method = f"Jolly 2, {convention.name[0]}-form" + (f", {spread.value} variance" if spread else "")
    if n == 0:
        return no_estimate("no unit was searched", method=method, units=0)
    ratio = float(y.sum() / z.sum())
    value = stratum_area * ratio
    big_n = max(stratum_area / float(z.mean()) if possible_units is None else float(possible_units), float(n))
    variance = 0.0
    if n > 1:
        residual = y - ratio * z
        if spread is None:
            spread_squared = float((residual**2).sum() / (n - 1))
        elif spread is EncounterVariance.SUCCESSIVE:
            spread_squared = float((np.diff(residual) ** 2).sum() / (2 * (n - 1)))
        else:
            spread_squared = encounter_rate_variance(y, z / z.mean(), spread) * n
        if convention is RatioVariance.N_FORM:
            variance = _expansion(big_n, n) * spread_squared
        else:
            variance = stratum_area**2 * (1 - n / big_n) / (n * float(z.mean()) ** 2) * spread_squared
    return _sampled(value, variance, y, big_n, method, confidence, form, spread_freedom(spread, n))


def jolly3(
    counts: npt.ArrayLike,
    areas: npt.ArrayLike,
    stratum_area: float,
    *,
    confidence: float = 0.95,
    form: LimitForm = LimitForm.T,
) -> Estimate:
    """Units drawn with probability proportional to size, with replacement (Jolly 1969, method 3): Z·mean(y/z)."""
    y, z = _counts(counts), np.asarray(areas, dtype=np.float64)
    if z.shape != y.shape or np.any(~(z > 0)):
        raise EstimateError("each count needs one area larger than 0", where="Jolly 3")
    n, method = len(y), "Jolly 3"
    if n == 0:
        return no_estimate("no unit was sampled", method=method, units=0)
    density = y / z
    variance = stratum_area**2 / n * float(density.var(ddof=1)) if n > 1 else 0.0
    return _sampled(stratum_area * float(density.mean()), variance, y, math.inf, method, confidence, form)


def total_count(counts: npt.ArrayLike, *, gaps: tuple[str, ...] = ()) -> Estimate:
    """Everything was searched: Σy, without sampling variance (African Elephant Database, category A).

    Limits can only come from detection: None with that reason until a correction is applied. `gaps` are the parts that
    were meant to be searched and were not.
    """
    y = _counts(counts)
    if len(y) == 0:
        return no_estimate("no unit was searched", method="total count", units=0)
    value = float(y.sum())
    return estimate(
        value,
        (Component("sampling", 0.0),),
        method="total count",
        units=len(y),
        seen=value,
        reason="a total count has no sampling error, and its detection was not measured",
        notes=tuple(f"not searched: {gap}" for gap in gaps),
    )


def _counts(counts: npt.ArrayLike) -> Floats:
    y = np.asarray(counts, dtype=np.float64)
    if y.ndim != 1:
        raise EstimateError(f"counts are one row of numbers, not an array of {y.ndim} dimensions")
    if np.any(~np.isfinite(y)) or np.any(y < 0):
        raise EstimateError("a count is negative or unknown", hint="Leave out units that were not searched.")
    return y


def _expansion(possible: float, sampled: int) -> float:
    return possible * (possible - sampled) / sampled


def _sampled(
    value: float,
    variance: float,
    y: Floats,
    possible: float,
    method: str,
    confidence: float,
    form: LimitForm,
    degrees_of_freedom: float | None = None,
) -> Estimate:
    n, seen = len(y), float(y.sum())
    df = float(n - 1 if degrees_of_freedom is None else degrees_of_freedom)
    reason = None
    components: tuple[Component, ...] = ()
    if seen == 0:
        reason = f"none seen in {n} units: their spread says nothing about what was missed"
    elif possible - n <= _ROUNDING * n:
        reason = "every possible unit was searched: no sampling error, and detection was not measured"
        components = (Component("sampling", 0.0),)
    elif n < 2:
        reason = "one unit has no spread: limits need at least two"
    elif not variance > 0:
        reason = f"all {n} units gave the same density, so the sample holds no measure of its error"
    else:
        components = (Component("sampling", variance, df),)
    return estimate(
        value,
        components,
        method=method,
        units=n,
        seen=seen,
        confidence=confidence,
        form=form,
        reason=reason,
    )
