"""Sharing effort out over strata: equally, by area, or by Neyman's rule from an earlier survey's variances.

A variance falls with the number of lines, and what is paid for is lines or their length. For a number of lines the
least variance of the total is had by N·S lines a stratum (N units it could have, S their standard deviation); for a
length of line by N·S·√c metres, since a line costs its length c (Cochran 1977, Sampling Techniques, eq. 5.26, 5.27).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flightplan.errors import DesignError

FEWEST_LINES = 2


BY_AREA, EQUALLY, NEYMAN = "area", "equal", "neyman"
ALLOCATIONS = (BY_AREA, EQUALLY, NEYMAN)


@dataclass(frozen=True)
class EarlierStratum:
    """What an earlier survey found in a stratum: the variance of its estimated total, from `lines` lines.

    `sampled_share` is the share of the stratum that was searched, for the finite-population correction; `estimate` the
    total itself, None where it was not said.
    """

    variance: float
    lines: int
    sampled_share: float = 0.0
    estimate: float | None = None


@dataclass(frozen=True)
class Room:
    """What a stratum has room for: its area, and its length across the lines."""

    area_m2: float
    baseline_m: float

    @property
    def line_m(self) -> float:
        """The mean length of a line across it."""
        return self.area_m2 / self.baseline_m


def length_weights(by: str, rooms: Mapping[str, Room], earlier: Mapping[str, EarlierStratum]) -> dict[str, float]:
    """Return the weights by which a length of line is shared out over strata."""
    if by == NEYMAN:
        return {n: w * float(np.sqrt(rooms[n].line_m)) for n, w in _earlier_weights(rooms, earlier).items()}
    return {n: room.area_m2 if by == BY_AREA else 1.0 for n, room in rooms.items()}


def line_weights(by: str, rooms: Mapping[str, Room], earlier: Mapping[str, EarlierStratum]) -> dict[str, float]:
    """Return the weights by which a number of lines is shared out over strata."""
    if by == NEYMAN:
        return _earlier_weights(rooms, earlier)
    return {n: room.area_m2 if by == BY_AREA else 1.0 for n, room in rooms.items()}


def expected_variances(
    earlier: Mapping[str, EarlierStratum], lines: Mapping[str, float], sampled_share: Mapping[str, float]
) -> dict[str, float]:
    """Return the variance of each stratum's total to expect of other effort, were the animals spread as they were.

    N²·S²·(1 - f)/n, from what the earlier survey found of N·S (Cochran 1977, eq. 2.20).
    """
    weights = neyman_weights(earlier)
    return {n: w**2 * max(0.0, 1 - sampled_share[n]) / lines[n] for n, w in weights.items()}


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


def allocate_lines(total: int, weights: Mapping[str, float], most: Mapping[str, int] | None = None) -> dict[str, int]:
    """Share a number of lines out by weight, in whole lines, two a stratum at least: a variance needs them.

    Equal weights share equally, areas in proportion, `neyman_weights` for the least variance of the total. Strata that
    would get fewer than two take two, those that would get more than `most` take that, and the rest is shared among the
    others; largest remainders round (ties by name).
    """
    _check(weights)
    if total < FEWEST_LINES * len(weights):
        raise DesignError(f"{total} lines are not two for each of {len(weights)} strata", hint="Ask for more lines")
    most = most or {}
    share = _shared(
        float(total),
        weights,
        dict.fromkeys(weights, float(FEWEST_LINES)),
        {n: float(max(FEWEST_LINES, most.get(n, total))) for n in weights},
        "lines",
    )
    lines = {n: int(v + 1e-9) for n, v in share.items()}
    room = [n for n in sorted(share, key=lambda n: (lines[n] - share[n], n)) if lines[n] < most.get(n, total)]
    for name in room[: total - sum(lines.values())]:
        lines[name] += 1
    return lines


def allocate_length(
    total_m: float,
    weights: Mapping[str, float],
    least_m: Mapping[str, float] | None = None,
    most_m: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Share a length of line out by weight; strata that would get less than their least or more than their most get it.

    Raises DesignError for a length below the sum of the least, or above that of the most.
    """
    _check(weights)
    if not (total_m > 0 and np.isfinite(total_m)):
        raise DesignError(f"a length of {total_m:g} m is not one")
    none, all_ = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, total_m)
    return _shared(total_m, weights, least_m or none, most_m or all_, "m of line")


def spacing_for_lines(baselines_m: Mapping[str, float], lines: Mapping[str, int]) -> dict[str, float]:
    """Return the spacing of parallel lines that gives each stratum its number: baseline over lines."""
    # A hair under the even division, so that no random start drops below the number asked for.
    return {n: baselines_m[n] / k * (1 - 1e-9) for n, k in lines.items()}


def spacing_for_length(areas_m2: Mapping[str, float], length_m: Mapping[str, float]) -> dict[str, float]:
    """Return the spacing of parallel lines expected to give each stratum its length: area over length."""
    return {n: areas_m2[n] / m for n, m in length_m.items()}


def _earlier_weights(rooms: Mapping[str, Room], earlier: Mapping[str, EarlierStratum]) -> dict[str, float]:
    missing = [n for n in rooms if n not in earlier]
    if missing:
        raise DesignError(
            f"the earlier survey says nothing of the strata {', '.join(missing)}",
            hint=f"It names {', '.join(earlier)}" if earlier else "Neyman's rule needs its variances (--earlier FILE)",
        )
    return neyman_weights({n: earlier[n] for n in rooms})


def _shared(
    total: float, weights: Mapping[str, float], least: Mapping[str, float], most: Mapping[str, float], what: str
) -> dict[str, float]:
    """Share a total by weight, each part held between its least and its most."""
    floor, ceiling = sum(least.values()), sum(most.values())
    if not floor - 1e-9 * floor <= total <= ceiling * (1 + 1e-9):
        raise DesignError(
            f"{total:g} {what} cannot be shared out: two lines a stratum are {floor:.6g}, and strips that touch"
            f" {ceiling:.6g}",
            hint="Ask for more" if total < floor else "Ask for less, or for full coverage",
        )
    given: dict[str, float] = {}
    while True:
        free = {n: w for n, w in weights.items() if n not in given}
        left, whole = total - sum(given.values()), sum(free.values())
        share = {n: left * w / whole if whole > 0 else left / len(free) for n, w in free.items()}
        short = {n: least[n] - v for n, v in share.items() if v < least[n]}
        over = {n: v - most[n] for n, v in share.items() if v > most[n]}
        if not short and not over:
            return {n: given.get(n, share.get(n, 0.0)) for n in weights}
        # Only the side that outweighs the other is sure to stay at its bound once the rest is shared out again.
        if sum(short.values()) >= sum(over.values()):
            given.update({n: least[n] for n in short})
        else:
            given.update({n: most[n] for n in over})


def _check(weights: Mapping[str, float]) -> None:
    if not weights or not all(np.isfinite(w) and w >= 0 for w in weights.values()):
        raise DesignError("effort is shared out by weights of 0 or more, one a stratum")
