"""Two observers of the same ground: Lincoln-Petersen and Chapman.

Both take every animal to be equally visible. Where some are harder to see for both observers, they come out too low:
the estimate is of animals that at least one of them could see.
"""

from __future__ import annotations

from dataclasses import dataclass

from counts.estimators.estimate import Component, Estimate, estimate
from counts.estimators.limits import LimitForm
from flightplan.errors import EstimateError


@dataclass(frozen=True)
class DoubleObserver:
    """Chapman's estimate beside Lincoln-Petersen's, with each observer's probability of detection."""

    estimate: Estimate
    lincoln_petersen: float | None
    detection_first: float | None
    detection_second: float | None
    detection_either: float | None


def double_observer(
    first: int, second: int, both: int, *, confidence: float = 0.95, form: LimitForm = LimitForm.LOGNORMAL_UNSEEN
) -> DoubleObserver:
    """Estimate from what the first saw, the second saw, and both saw (Chapman 1951; variance Seber 1970)."""
    if not 0 <= both <= min(first, second):
        raise EstimateError(f"{both} seen by both of {first} and {second}", where="double observer")
    seen = first + second - both
    value = (first + 1) * (second + 1) / (both + 1) - 1
    variance = (first + 1) * (second + 1) * (first - both) * (second - both) / ((both + 1) ** 2 * (both + 2))
    chapman = estimate(
        value,
        (Component("detection", variance),),
        method="Chapman double observer",
        units=2,
        seen=seen,
        confidence=confidence,
        form=form,
        reason=None if variance > 0 else "one observer saw all that the other saw: the error is not measurable",
        notes=("animals that neither observer could see are not in it: with unequal visibility it is too low",),
    )
    if both == 0:
        return DoubleObserver(chapman, None, None, None, None)
    p1, p2 = both / second, both / first
    return DoubleObserver(chapman, first * second / both, p1, p2, 1 - (1 - p1) * (1 - p2))
