"""Variance of the encounter rate for random and systematic lines (Fewster et al. 2009, Biometrics 65:225-236)."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from flightplan.errors import EstimateError
from flightplan.frames import Floats


class EncounterVariance(StrEnum):
    """R: lines at random; S: neighbouring lines as strata; O: overlapping pairs; successive difference."""

    R2 = "R2"
    R3 = "R3"
    R4 = "R4"
    S1 = "S1"
    S2 = "S2"
    O1 = "O1"
    O2 = "O2"
    O3 = "O3"
    SUCCESSIVE = "successive difference"


def encounter_rate_variance(counts: npt.ArrayLike, lengths: npt.ArrayLike, kind: EncounterVariance) -> float:
    """Variance of Σn/Σl for lines in spatial order; without a finite-population correction.

    `counts` (k,), `lengths` (k,) in any unit (or areas): the result is per unit squared. S and O forms depend on the
    order. R4 alone depends on the unit, as published: its exponent holds the logarithm of a length in kilometres.

    Raises EstimateError for fewer than two lines.
    """
    n, length = np.asarray(counts, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    if n.shape != length.shape or n.ndim != 1:
        raise EstimateError("each line needs one count and one length", where="encounter rate")
    if len(n) < 2:
        raise EstimateError("the spread of fewer than two lines is unknown", where="encounter rate")
    if np.any(~(length > 0)):
        raise EstimateError("a line has no length", where="encounter rate")
    return float(_FORMS[kind](n, length))


def spread_freedom(kind: EncounterVariance | None, lines: int) -> float:
    """Degrees of freedom of the variance between n lines; `kind` None is that of a simple random sample.

    R: n − 1. S: one for each pair, two for three lines. O and successive differences: 2(n−1)²/(3n−4), for neighbouring
    differences share a line (von Neumann et al. 1941): with n − 1 their limits would hold less often than they say.
    `line_transects` keeps R Distance's n − 1 for them, so that it gives the same limits.
    """
    if kind in (EncounterVariance.S1, EncounterVariance.S2):
        return float(lines - lines // 2)
    if kind is None or kind.name.startswith("R"):
        return float(lines - 1)
    return 2 * (lines - 1) ** 2 / max(3 * lines - 4, 1)


def _r2(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    return float(k / (total**2 * (k - 1)) * (length**2 * (n / length - n.sum() / total) ** 2).sum())


def _r3(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    return float(1 / (total * (k - 1)) * (length * (n / length - n.sum() / total) ** 2).sum())


def _r4(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    if np.allclose(length, length[0], rtol=1e-12):
        if k == 2:
            return _r2(n, length)
        phi = (2 - 2 / k) / (1 - 2 / k)
    else:
        squares, cubes = (length**2).sum(), (length**3).sum()
        log = np.log(length)
        d1, d2, d3 = ((length**m * log).sum() for m in (1, 2, 3))
        slope = total * squares * d1 - 2 * squares * d2 + 2 * total * d3 - total**2 * d2
        if not abs(slope) > 1e-9 * total**2 * squares:
            raise EstimateError("R4 is not defined for these lengths", where="encounter rate", hint="Use R2 or O2.")
        phi = 2 + 2 * (squares**2 - total * cubes) / slope
    scale = 1 / (length**phi * (total / length - 1)).sum()
    return float(scale * (length**phi * (n / length - n.sum() / total) ** 2).sum())


def _s1(n: Floats, length: Floats) -> float:
    total = length.sum()
    rate = n.sum() / total
    parts = []
    for group in _pairs(len(n)):
        k = len(group)
        deviation = n[group] - n[group].mean() - rate * (length[group] - length[group].mean())
        parts.append(k / (k - 1) * (deviation**2).sum())
    return math.fsum(parts) / float(total**2)


def _s2(n: Floats, length: Floats) -> float:
    total = length.sum()
    parts = []
    for group in _pairs(len(n)):
        k = len(group)
        rate = n[group].sum() / length[group].sum()
        parts.append(k / (k - 1) * (length[group] ** 2 * (n[group] / length[group] - rate) ** 2).sum())
    return math.fsum(parts) / float(total**2)


def _o1(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    residual = n - n.sum() / total * length
    return float(k / (2 * total**2 * (k - 1)) * (np.diff(residual) ** 2).sum())


def _o2(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    weight = length[:-1] * length[1:] / (length[:-1] + length[1:])
    return float(2 * k / (total**2 * (k - 1)) * (weight**2 * np.diff(n / length) ** 2).sum())


def _o3(n: Floats, length: Floats) -> float:
    k, total = len(n), length.sum()
    weight = length[:-1] * length[1:] / (length[:-1] + length[1:])
    return float(1 / (total * (k - 1)) * (weight * np.diff(n / length) ** 2).sum())


def _successive(n: Floats, length: Floats) -> float:
    return _o1(n, length)


def _pairs(k: int) -> list[npt.NDArray[np.int64]]:
    starts = list(range(0, k - 1, 2)) if k % 2 == 0 else list(range(0, k - 2, 2))
    groups = [np.arange(s, s + 2) for s in starts]
    if k % 2:
        groups[-1:] = [np.arange(starts[-1], k)] if starts else [np.arange(k)]
    return groups


_FORMS = {
    EncounterVariance.R2: _r2,
    EncounterVariance.R3: _r3,
    EncounterVariance.R4: _r4,
    EncounterVariance.S1: _s1,
    EncounterVariance.S2: _s2,
    EncounterVariance.O1: _o1,
    EncounterVariance.O2: _o2,
    EncounterVariance.O3: _o3,
    EncounterVariance.SUCCESSIVE: _successive,
}
