"""How a figure is read from what a benchmark printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Read = Callable[[Any], float]


def at(*keys: str | int) -> Read:
    """Read what lies under these keys."""

    def read(document: Any) -> float:
        for key in keys:
            document = document[key]
        return float(document)

    return read


def over(numerator: Read, denominator: Read) -> Read:
    """The one divided by the other."""
    return lambda document: numerator(document) / denominator(document)


def wilson(hits: float, tried: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z = 1.959964
    middle = (hits + z * z / 2) / (tried + z * z)
    half = z / (tried + z * z) * np.sqrt(hits * (tried - hits) / tried + z * z / 4)
    return float(middle - half), float(middle + half)


def share(hits: Read, tried: Read) -> dict[str, Any]:
    """A share with Wilson's interval, as arguments of a figure."""
    return {"of": over(hits, tried), "interval": lambda document: wilson(hits(document), tried(document))}


def worst_inside(rows: Sequence[Mapping[str, Any]]) -> float:
    """The 95 % ellipses' worst case: how far the share inside is from 0.95."""
    return max(abs(row["inside_95"] - 0.95) for row in rows)


def of_faults(key: str) -> Read:
    return lambda document: sum(fault[key] for fault in document["faults"].values())


def kills(document: Any) -> float:
    return float(sum(verb["kills"] for verb in document["verbs"].values()))


def sound(document: Any) -> float:
    return kills(document) - sum(len(verb["faults"]) for verb in document["verbs"].values())


def told_within(document: Any) -> tuple[float, float]:
    """Cells that are within the limits or say that they cannot tell, and all cells."""
    rows = document["cells"]
    fine = 0
    for row in rows:
        limit = max((0.02 if row["walk_mps"] == 0 else 0.05) * row["truth"], 1)
        fine += abs(row["chosen"] - row["truth"]) <= limit or row["flagged"]
    return float(fine), float(len(rows))


def error(document: Any, counted: str) -> float:
    return float(np.median([abs(row[counted] / row["truth"] - 1) for row in document["cells"]]))


def rows(document: Any) -> list[Any]:
    """The rows of a script that prints a line each, without the document that gathers them."""
    if isinstance(document, Mapping):
        return list(document["rows"])
    return [row for row in document if "rows" not in row]


def peak(document: Any, megapixels: float) -> float:
    found = [
        row["peak_rss_mb"]
        for row in document["pictures"]
        if round(row["megapixels"]) == megapixels and row["kind"] == "tiled.tif"
    ]
    return float(found[0])


def of_settings(document: Any, which: str) -> float:
    """Of the surveys of all settings and species, how many limits hold the truth ("coverage"), or there are ("all")."""
    scored = [species["chosen"] for setting in document["found"].values() for species in setting.values()]
    return float(sum(one["n"] * (one["coverage"] if which == "coverage" else 1) for one in scored))
