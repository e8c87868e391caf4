"""Numbers as a reader wants them, and the sentences a report is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counts.store import EstimateEntry

UNKNOWN = "–"
ROUGH = 0.5
NO_BREAK = "\u00a0"


def whole(value: float | None) -> str:
    """A count: 1,240."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.0f}"


def decimal(value: float | None, digits: int = 1) -> str:
    """A measure with a fixed number of decimals: 1,240.5."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share: 23 %."""
    return UNKNOWN if share is None or not math.isfinite(share) else f"{share * 100:.{digits}f}{NO_BREAK}%"


def square_km(area_m2: float | None) -> str:
    """An area given in square metres, in km² with a sensible number of decimals."""
    if area_m2 is None or not math.isfinite(area_m2):
        return UNKNOWN
    km2 = area_m2 / 1e6
    return f"{km2:,.{0 if km2 >= 1000 else 1 if km2 >= 100 else 2}f}"


def listed(items: Sequence[str]) -> str:
    """Join words: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun: 1 flight, 2 flights."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def meaning(entry: EstimateEntry) -> str:
    """Say in words how far an estimate can be trusted."""
    if entry.value is None:
        return f"No estimate: {entry.limits_reason}."
    if entry.cv is None or entry.lower is None or entry.upper is None:
        return f"No limits: {entry.limits_reason}."
    if entry.cv > ROUGH:
        return _precision(entry.cv)
    change = 1.96 * math.sqrt(2) * entry.cv
    told = (
        f"Two surveys as precise as this one would have to differ by about {percent(change)} before the difference "
        "could be told from chance."
    )
    return f"{_precision(entry.cv)} {told}"


def sentence(entry: EstimateEntry) -> str:
    """Say one estimate as a sentence, without its full stop."""
    if entry.value is None:
        return f"{entry.species}: no estimate ({entry.limits_reason})"
    number = f"{whole(entry.value)} {entry.species}"
    if entry.lower is None or entry.upper is None:
        return f"{number}, without limits: {entry.limits_reason}"
    return f"{number}, between {whole(entry.lower)} and {whole(entry.upper)} ({percent(entry.confidence)} limits)"


def _precision(cv: float) -> str:
    for bound, words in (
        (0.10, "A precise estimate."),
        (0.20, "A good estimate, fit for following a trend."),
        (0.35, "A fair estimate: it shows large changes only."),
    ):
        if cv <= bound:
            return words
    return "A rough estimate: read it as an order of magnitude."
