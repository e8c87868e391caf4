"""Does a detection function fit its distances? (Buckland et al. 2004, ch. 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from counts.estimators.detection_function import DetectionFunction
from flightplan.errors import EstimateError
from flightplan.frames import Floats


@dataclass(frozen=True)
class GoodnessOfFit:
    """χ² over bins; Kolmogorov-Smirnov and Cramér-von Mises on exact distances, None with `reason` where not to be had.

    The p-values of the last two take the function as given; fitted to the same distances, it looks better than it is.
    """

    chi_squared: float | None
    degrees_of_freedom: int
    p_chi_squared: float | None
    kolmogorov_smirnov: float | None
    p_kolmogorov_smirnov: float | None
    cramer_von_mises: float | None
    p_cramer_von_mises: float | None
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    reason: str | None = None


def goodness_of_fit(function: DetectionFunction, distances: npt.ArrayLike, *, bins: int = 10) -> GoodnessOfFit:
    """Compare the distances within the strip with those the function leads one to expect.

    χ² uses the function's own bins, else `bins` equal ones; it has bins − 1 − parameters degrees of freedom and is None
    when that leaves none. Raises EstimateError for functions with covariates.
    """
    if function.covariates:
        raise EstimateError("goodness of fit is for functions without covariates", where="goodness of fit")
    x = np.asarray(distances, dtype=np.float64)
    x = x[(x >= function.left) & (x <= function.width)]
    if len(x) == 0:
        raise EstimateError("there is no distance within the strip", where="goodness of fit")
    cuts = np.array(function.bins or np.linspace(function.left, function.width, bins + 1))
    counts = np.bincount(np.clip(np.searchsorted(cuts, x) - 1, 0, len(cuts) - 2), minlength=len(cuts) - 1)
    expected = np.diff(_cumulative(function, cuts)) * len(x)
    df = len(counts) - 1 - len(function.parameters)
    chi = float(((counts - expected) ** 2 / expected).sum()) if df > 0 else None
    reason = None if df > 0 else f"{len(counts)} bins leave no degree of freedom for χ²"
    partial = GoodnessOfFit(
        chi, max(df, 0), None if chi is None else float(stats.chi2.sf(chi, df)), None, None, None, None,
        tuple(int(n) for n in counts), tuple(float(e) for e in expected), reason,
    )  # fmt: skip
    if function.bins is not None:
        return replace(partial, reason=reason or "tests of exact distances do not apply to bins")
    share = _cumulative(function, x)
    ks, cvm = stats.kstest(share, "uniform"), stats.cramervonmises(share, "uniform")
    return replace(
        partial,
        kolmogorov_smirnov=float(ks.statistic),
        p_kolmogorov_smirnov=float(ks.pvalue),
        cramer_von_mises=float(cvm.statistic),
        p_cramer_von_mises=float(cvm.pvalue),
    )


def _cumulative(function: DetectionFunction, x: Floats) -> Floats:
    """Expected share of sightings nearer than x, by the trapezium rule on a fine grid."""
    grid = np.linspace(function.left, function.width, 4001)
    g = function.detection(grid)
    area = np.append(0.0, np.cumsum((g[1:] + g[:-1]) / 2))
    return np.asarray(np.interp(x, grid, area / area[-1]))
