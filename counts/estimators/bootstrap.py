"""Bootstrap of whole transects, with multiplicity, within strata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from counts.estimators.estimate import Component, Estimate, estimate, no_estimate
from flightplan.errors import EstimateError
from flightplan.frames import Floats


def bootstrap_ratio(
    counts: Sequence[npt.ArrayLike],
    areas: Sequence[npt.ArrayLike],
    stratum_areas: Sequence[float],
    *,
    seed: int,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> tuple[Estimate, Floats]:
    """Σ_h Z_h·Σy/Σz with the spread and percentile limits of resampled transects, and the replicates (B,).

    One array of counts and of areas per stratum. Units are drawn with replacement and counted as often as they are
    drawn; the ratio is computed anew each time. No finite-population correction. Strata of fewer than two units have no
    limits.
    """
    y = [np.asarray(c, dtype=np.float64) for c in counts]
    z = [np.asarray(a, dtype=np.float64) for a in areas]
    if any(a.shape != b.shape or a.ndim != 1 for a, b in zip(y, z, strict=True)):
        raise EstimateError("each stratum needs one count and one area per transect", where="bootstrap")
    if any(not np.all(np.isfinite(a) & (a >= 0)) for a in y):
        raise EstimateError("a count is negative or unknown", where="bootstrap")
    if any(not np.all(np.isfinite(a) & (a > 0)) for a in z if len(a) and a.sum() != 0):
        raise EstimateError(
            "an area is not larger than 0", where="bootstrap", hint="Leave out units that were not searched."
        )
    units, method = sum(map(len, y)), f"bootstrap of transects, {replicates} replicates, percentile limits"
    if any(not a.sum() > 0 for a in z):
        return no_estimate("a stratum was not searched", method=method, units=units), np.empty(0)
    value = float(sum(area * a.sum() / b.sum() for area, a, b in zip(stratum_areas, y, z, strict=True)))
    seen = float(sum(a.sum() for a in y))
    if min(map(len, y)) < 2 or seen == 0:
        reason = "none seen" if seen == 0 else "one unit has no spread: limits need at least two"
        return estimate(value, (), method=method, units=units, seen=seen, reason=reason), np.empty(0)
    rng = np.random.default_rng([seed, 0xB007])
    drawn: Floats = np.zeros(replicates)
    for area, a, b in zip(stratum_areas, y, z, strict=True):
        times = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), size=replicates)
        drawn += area * (times @ a) / (times @ b)
    tail = (1 - confidence) / 2
    lower, upper = (float(q) for q in np.quantile(drawn, [tail, 1 - tail]))
    spread = float(drawn.var(ddof=1))
    plain = estimate(value, (Component("sampling", spread),), method=method, units=units, seen=seen)
    if plain.standard_error is None:
        return plain, drawn
    return (
        Estimate(
            value,
            plain.standard_error,
            max(lower, seen),
            upper,
            plain.cv,
            None,
            method,
            units,
            seen=seen,
            confidence=confidence,
            components=plain.components,
        ),
        drawn,
    )
