"""Sharing effort out over strata: equally, by area, or by Neyman's rule from an earlier survey's variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flightplan.errors import DesignError

FEWEST_LINES = 2


@dataclass(frozen=True)
class EarlierStratum:
    """What an earlier survey found in a stratum: the variance of its estimated total, from `lines` lines.

    `sampled_share` is the share of the stratum that was searched, for the finite-population correction.
    """

    variance: float
    lines: int
    sampled_share: float = 0.0


def neyman_weights(earlier: Mapping[str, EarlierStratum]) -> dict[str, float]:
    """Return N·S of each stratum, by which its lines should go: √(variance · n / (1 - f)).

    A total's variance is N²·S²·(1 - f)/n (Cochran 1977, Sampling Techniques, eq. 5.27 for the optimum, 2.20 for the
    variance). Raises DesignError for a variance that is unknown or negative, or a stratum without lines.
    """
    weights = {}
    for name, found in earlier.items():
        if not (np.isfinite(found.variance) and found.variance >= 0):
            raise DesignError("the earlier survey's variance is not known", where=f"stratum {name}")
        if found.lines < FEWEST_LINES or not 0 <= found.sampled_share < 1:
            raise DesignError("a variance needs two lines or more, and a part not searched", where=f"stratum {name}")
        weights[name] = float(np.sqrt(found.variance * found.lines / (1 - found.sampled_share)))
    return weights


def allocate_lines(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Share a number of lines out by weight, in whole lines, two a stratum at least: a variance needs them.

    Equal weights share equally, areas in proportion, `neyman_weights` for the least variance of the total. Strata that
    would get fewer than two take two, the rest is shared among the others; largest remainders round (ties by name).
    """
    _check(weights)
    if total < FEWEST_LINES * len(weights):
        raise DesignError(f"{total} lines are not two for each of {len(weights)} strata", hint="Ask for more lines")
    given: dict[str, int] = {}
    while True:
        free = {n: w for n, w in weights.items() if n not in given}
        left, whole = total - sum(given.values()), sum(free.values())
        share = {n: left * w / whole if whole > 0 else left / len(free) for n, w in free.items()}
        short = [n for n, lines in share.items() if lines < FEWEST_LINES]
        if not short:
            break
        given.update(dict.fromkeys(short, FEWEST_LINES))
    lines = {n: int(v) for n, v in share.items()}
    spare = left - sum(lines.values())
    for name in sorted(share, key=lambda n: (lines[n] - share[n], n))[:spare]:
        lines[name] += 1
    return {n: given[n] if n in given else lines[n] for n in weights}


def allocate_length(total_m: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Share a length of line out by weight."""
    _check(weights)
    if not (total_m > 0 and np.isfinite(total_m)):
        raise DesignError(f"a length of {total_m:g} m is not one")
    whole = sum(weights.values())
    return {n: total_m * w / whole if whole > 0 else total_m / len(weights) for n, w in weights.items()}


def spacing_for_lines(baselines_m: Mapping[str, float], lines: Mapping[str, int]) -> dict[str, float]:
    """Return the spacing of parallel lines that gives each stratum its number: baseline over lines."""
    # A hair under the even division, so that no random start drops below the number asked for.
    return {n: baselines_m[n] / k * (1 - 1e-9) for n, k in lines.items()}


def spacing_for_length(areas_m2: Mapping[str, float], length_m: Mapping[str, float]) -> dict[str, float]:
    """Return the spacing of parallel lines expected to give each stratum its length: area over length."""
    return {n: areas_m2[n] / m for n, m in length_m.items()}


def _check(weights: Mapping[str, float]) -> None:
    if not weights or not all(np.isfinite(w) and w >= 0 for w in weights.values()):
        raise DesignError("effort is shared out by weights of 0 or more, one a stratum")
