"""Where an estimate's uncertainty comes from: how unevenly transects saw the animals, and shares of the variance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from counts.report.facts import Facts
from counts.report.words import listed, percent, plural

SOURCES = {
    "sampling": "the sample of transects",
    "detection": "the detection correction",
    "availability": "availability",
}


@dataclass(frozen=True)
class Strip:
    """The transects of one stratum in spatial order: `path` has one bar each, 1 wide, up to 100 high."""

    stratum: str
    transects: int
    path: str


@dataclass(frozen=True)
class Spread:
    """One species: animals seen on each transect, and what the variance is made of."""

    species: str
    mark: int
    most: int
    largest_share: float
    strips: tuple[Strip, ...]
    text: str


def spreads(facts: Facts) -> tuple[Spread, ...]:
    """Return the spread of each species with an estimate; empty without individuals."""
    table = facts.individuals
    if table is None or not facts.estimates or not facts.strata:
        return ()
    seen = Counter(zip(table.species.tolist(), table.transect, strict=True))
    found = []
    for number, species in enumerate(facts.species):
        counts = {s.name: [seen[species, t.identifier] for t in s.transects] for s in facts.strata}
        every = [count for own in counts.values() for count in own]
        most = max(every, default=0)
        if most == 0:
            continue
        strips = tuple(Strip(name, len(own), _bars(own, most)) for name, own in counts.items())
        found.append(Spread(species, number % 6, most, most / sum(every), strips, _text(facts, species, every)))
    return tuple(found)


def _bars(counts: list[int], most: int) -> str:
    heights = [round(100 * count / most, 1) for count in counts]
    return "".join(f"M{i + 0.12:.2f} 100v-{h:g}h.76v{h:g}z" for i, h in enumerate(heights) if h > 0)


def _text(facts: Facts, species: str, counts: list[int]) -> str:
    total, empty = sum(counts), counts.count(0)
    text = f"{max(counts):,} on the busiest transect ({percent(max(counts) / total)} of those seen)"
    text += f", none on {empty} of {plural(len(counts), 'transect')}. " if empty else ". "
    whole = next((e for e in facts.totals() if e.species == species), None)
    parts = {} if whole is None else {name: float(v) for name, v in whole.components.items()}
    if sum(parts.values()) > 0:
        whole_variance = sum(parts.values())
        largest_first = sorted(parts.items(), key=lambda part: -part[1])
        shares = [f"{percent(v / whole_variance)} from {SOURCES.get(name, name)}" for name, v in largest_first]
        text += f"The variance comes {listed(shares)}."
    return text
