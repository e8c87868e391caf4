"""What stands in cells of several tables: limits, and areas of a colony or of a park."""

from __future__ import annotations

from counts.report.words import UNKNOWN, Words
from counts.store import EstimateEntry

_LARGE_M2 = 1e6


def limits(entry: EstimateEntry, say: Words) -> str:
    """Say both limits in a cell of a table."""
    if entry.lower is None or entry.upper is None:
        return say._("none")
    return say._("{lower} to {upper}", lower=say.whole(entry.lower), upper=say.whole(entry.upper))


def area(value_m2: float | None, say: Words) -> str:
    """An area as large as a colony, or as a park."""
    if value_m2 is None:
        return UNKNOWN
    if value_m2 >= _LARGE_M2:
        return say._("{area} km²", area=say.square_km(value_m2))
    return say._("{area} m²", area=say.whole(value_m2))
