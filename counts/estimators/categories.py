"""Reliability categories of the African Elephant Database (africanelephantdatabase.org/reliability)."""

from __future__ import annotations

from dataclasses import dataclass

from counts.estimators.estimate import Estimate
from flightplan.errors import EstimateError


@dataclass(frozen=True)
class ReliabilityCategories:
    """Definite, probable and possible numbers of animals, and the category of the survey."""

    category: str
    definite: float
    probable: float
    possible: float


def reliability_categories(count: Estimate) -> ReliabilityCategories:
    """Split an estimate: a total count is category A, all definite; a sample count with 95 % limits is category B.

    B: definite = max(lower, seen); probable = estimate − definite; possible = upper − estimate.
    Raises EstimateError for a sample count without limits, or with limits of another confidence.
    """
    if count.value is None:
        raise EstimateError(f"there is no estimate: {count.reason}", where="reliability categories")
    if count.method.startswith("total count"):
        return ReliabilityCategories("A", count.value, 0.0, 0.0)
    if count.lower is None or count.upper is None:
        raise EstimateError(f"there are no limits: {count.reason}", where="reliability categories")
    if count.confidence != 0.95:
        raise EstimateError(
            f"limits of {count.confidence:.0%} where 95 % are asked for", where="reliability categories"
        )
    return sample_count_categories(count.value, count.lower, count.upper, count.seen)


def sample_count_categories(value: float, lower: float, upper: float, seen: float) -> ReliabilityCategories:
    """Category B from plain numbers."""
    definite = max(lower, seen)
    return ReliabilityCategories("B", definite, value - max(definite, 0.0), upper - value)
