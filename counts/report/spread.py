"""Where an estimate's uncertainty comes from: how unevenly transects saw the animals, and shares of the variance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from counts.report.facts import Facts
from counts.report.words import Words


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


@dataclass(frozen=True)
class VarianceShares:
    """One species: the share of the variance of its estimate over all strata that comes from each source."""

    species: str
    shares: tuple[tuple[str, float], ...]


def source_name(source: str, say: Words) -> str:
    """Say what a part of the variance comes from."""
    known = {
        "sampling": say._("the sample of transects"),
        "detection": say._("the detection correction"),
        "availability": say._("availability"),
    }
    return known.get(source) or say.stored(source)


def variance_shares(facts: Facts) -> tuple[VarianceShares, ...]:
    """Return what each species' variance is made of, the largest part first; without those that have none."""
    found = []
    for entry in facts.totals():
        parts = {name: float(value) for name, value in entry.components.items()}
        whole = sum(parts.values())
        if whole > 0:
            # A total count has no sampling variance: nothing is told of what is not there.
            own = ((name, value / whole) for name, value in parts.items() if value > 0)
            shares = sorted(own, key=lambda part: -part[1])
            found.append(VarianceShares(entry.species, tuple(shares)))
    return tuple(found)


def spreads(facts: Facts, say: Words) -> tuple[Spread, ...]:
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
        found.append(Spread(species, number % 6, most, most / sum(every), strips, _text(facts, species, every, say)))
    return tuple(found)


def _bars(counts: list[int], most: int) -> str:
    heights = [round(100 * count / most, 1) for count in counts]
    return "".join(f"M{i + 0.12:.2f} 100v-{h:g}h.76v{h:g}z" for i, h in enumerate(heights) if h > 0)


def _text(facts: Facts, species: str, counts: list[int], say: Words) -> str:
    total, empty = sum(counts), counts.count(0)
    busiest = {"most": say.whole(max(counts)), "share": say.percent(max(counts) / total)}
    if empty:
        text = say.ngettext(
            "{most} on the busiest transect ({share} of those seen), none on {empty} of {count} transect.",
            "{most} on the busiest transect ({share} of those seen), none on {empty} of {count} transects.",
            len(counts),
            empty=say.whole(empty),
            **busiest,
        )
    else:
        text = say._("{most} on the busiest transect ({share} of those seen).", **busiest)
    own = next((v for v in variance_shares(facts) if v.species == species), None)
    if own is None:
        return text
    shares = [
        say._("{share} from {source}", share=say.percent(share), source=source_name(name, say))
        for name, share in own.shares
    ]
    return say._("{text} The variance comes {shares}.", text=text, shares=say.listed(shares))
