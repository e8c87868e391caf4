"""Which variance between transects fits the design that was recorded, and why (docs/decisions/0006)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from counts.estimators import EncounterVariance
from flightplan.design import FULL, RANDOM, SEGMENTED, SYSTEMATIC, ZIGZAGS

TREND_P = 0.01
"""A trend is evident where lines without one would be so well in order in one survey of a hundred."""

FEWEST_FOR_A_TREND = 8


def spread_of(
    design_kind: str | None, counts: npt.ArrayLike, areas: npt.ArrayLike, *, follow_trend: bool = False
) -> tuple[EncounterVariance | None, str | None]:
    """Return the form for units with `counts` (n,) on `areas` (n,) in spatial order, and why; None: a random sample's.

    Where density rises or falls across systematic lines evidently, by Spearman's rank correlation, a random sample's
    limits are wider than they need be, and those of neighbouring lines (O2; Fewster et al. 2009) tighter and a little
    too narrow: `follow_trend` takes them. Elsewhere both are as wide, and a random sample's holds better.
    """
    if design_kind is None or design_kind == FULL:
        return None, None
    if design_kind == RANDOM:
        return None, "variance between lines: a random sample's, as the lines were drawn"
    if design_kind in ZIGZAGS or design_kind == SEGMENTED:
        what = "segments" if design_kind == SEGMENTED else "legs"
        return None, f"variance between {what}: a random sample's, which is on the safe side where neighbours are alike"
    if design_kind != SYSTEMATIC:
        return None, "variance between transects: a random sample's, for how they were chosen is not known"
    found = trend(counts, areas)
    if found is None:
        return None, f"variance between lines: a random sample's, for fewer than {FEWEST_FOR_A_TREND} show no trend"
    correlation, p = found
    if p < TREND_P:
        which = "rises" if correlation > 0 else "falls"
        evidence = f"density {which} across them (rank correlation {correlation:.2f}, p {p:.2g})"
        if follow_trend:
            return EncounterVariance.O2, f"variance between neighbouring lines (O2), for {evidence}"
        return None, f"variance between lines: a random sample's, whose limits are on the safe side, for {evidence}"
    return None, "variance between lines: a random sample's, for no trend across them is evident"


def trend(counts: npt.ArrayLike, areas: npt.ArrayLike) -> tuple[float, float] | None:
    """Return Spearman's correlation of density with the order of units (n,), and its p; None where too few tell.

    Units that were not searched are left out. Ranks keep one large herd from making a trend.
    """
    y, z = np.asarray(counts, dtype=np.float64), np.asarray(areas, dtype=np.float64)
    searched = np.flatnonzero(z > 0)
    density = y[searched] / z[searched]
    if len(searched) < FEWEST_FOR_A_TREND or not np.ptp(density) > 0:
        return None
    found = stats.spearmanr(searched, density)
    return float(found.statistic), float(found.pvalue)
