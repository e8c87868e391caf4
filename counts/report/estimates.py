"""The numbers themselves: by stratum, by reliability, what their uncertainty is made of, and herds."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from counts.estimators.categories import ReliabilityCategories, sample_count_categories
from counts.herds import CHAIN_M
from counts.report.cells import limits
from counts.report.document import Block, Column, Heading, Paragraph, Picture, Pictures, Row, Section, Table
from counts.report.facts import Facts
from counts.report.figures import draw_strips
from counts.report.mosaics import strata_table
from counts.report.spread import source_name, spreads, variance_shares
from counts.report.words import UNKNOWN, Words
from counts.store import EstimateEntry

_ELEPHANTS = ("elephant", "éléphant", "elefante", "loxodonta", "tembo", "ndovu", "слон")
"""What a label of African elephants has in it, in the languages of the report."""


def estimates_section(facts: Facts, say: Words) -> Iterator[Section]:
    """The strata table of each species, else what was found."""
    if facts.estimates:
        by_stratum = _by_stratum if facts.mosaics is None else strata_table
        tables = [by_stratum(facts, species, say) for species in facts.species]
        note = say._(
            "Z area, N transects that were possible, n transects searched. SE standard error; CV standard error over "
            "estimate."
        )
        if facts.mosaics is not None:
            note = say._("SE standard error; CV standard error over estimate.")
        blocks: list[Block] = [table for table in tables if table.rows]
        yield Section(say._("By stratum"), (*blocks, Paragraph(note, "note"), *_reliability(facts, say)))
    elif facts.detections_by_label:
        yield Section(say._("What was found"), tuple(_found(facts, say)))


def uncertainty_section(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> Iterator[Section]:
    """Where the uncertainty comes from."""
    pictures = spread_pictures(facts, say, sensitive=sensitive)
    shares = variance_shares(facts)
    if not pictures and not shares:
        return
    text = say._(
        "Animals seen on each transect, in the order of the lines on the ground. The more unevenly they stand, the "
        "wider the limits."
    )
    blocks: list[Block] = [Paragraph(text, "soft"), Pictures(pictures)] if pictures else []
    if shares:
        sources = tuple(dict.fromkeys(name for own in shares for name, _ in own.shares))
        rows = (
            Row((own.species, *(say.percent(dict(own.shares).get(source, 0.0), 1) for source in sources)))
            for own in shares
        )
        names = (say._("Species"), *(source_name(source, say) for source in sources))
        blocks += [Heading(say._("Shares of the variance")), Table(tuple(map(Column.of, names)), tuple(rows))]
    yield Section(say._("Where the uncertainty comes from"), tuple(blocks))


def spread_pictures(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> tuple[Picture, ...]:
    """Return the animals seen on each transect as a drawing for each species; not which line saw a sensitive one."""
    return tuple(
        Picture(
            file_name=f"transects-{number}",
            svg=draw_strips(spread.strips, spread.mark),
            title=spread.species,
            caption=spread.text,
            described=say._("{species} seen on each transect", species=spread.species),
        )
        for number, spread in enumerate((s for s in spreads(facts, say) if s.species not in sensitive), start=1)
    )


def herds_section(facts: Facts, say: Words) -> Iterator[Section]:
    """Herds by species; nothing where no herd is known."""
    table = facts.individuals
    if table is None or not (table.herd >= 0).any():
        return
    rows = []
    for species in facts.labels:
        own = table.herd[(table.herd >= 0) & (table.species == species)]
        if not len(own):
            continue
        size = np.unique(own, return_counts=True)[1]
        rows.append(
            Row(
                (
                    species,
                    say.whole(len(size)),
                    say.whole(len(own)),
                    say.decimal(float(size.mean())),
                    say.decimal(float(np.median(size)), 0 if float(np.median(size)).is_integer() else 1),
                    say.whole(int(size.max())),
                    say.percent(float(size.max()) / len(own)),
                )
            )
        )
    columns = (
        say._("Species"), say._("Herds"), say._("Animals"), say._("Mean size"), say._("Median"), say._("Largest"),
        say._("Largest of all seen"),
    )  # fmt: skip
    note = say._(
        "Animals that stand within {distance} m of one another, or of others between, on one transect. A herd that "
        "stands across two lines is a part on each.",
        distance=say.whole(CHAIN_M),
    )
    yield Section(say._("Herds"), (Table(tuple(map(Column.of, columns)), tuple(rows)), Paragraph(note, "note")))


def categories_of(entry: EstimateEntry, facts: Facts) -> ReliabilityCategories | None:
    """The categories of the African Elephant Database: A a total count, B a sample count with 95 % limits.

    None where there is no such number, or it is of no elephants.
    """
    if entry.value is None or not _is_elephant(entry.species):
        return None
    whole = facts.survey.design_kind == "full" or facts.mosaics is not None
    if entry.method.startswith("total count") or (whole and entry.lower is None):
        return ReliabilityCategories("A", entry.value, 0.0, 0.0)
    if entry.lower is None or entry.upper is None or abs(entry.confidence - 0.95) > 1e-9:
        return None
    # The floor of the limits has done its work: what a detector counted is no number of animals that were seen.
    return sample_count_categories(entry.value, entry.lower, entry.upper, 0.0)


def _by_stratum(facts: Facts, species: str, say: Words) -> Table:
    columns = (
        Column.of(say._("Stratum")),
        Column(say._("Z, km²"), say._("Area Z, km²"), say._("area of the stratum")),
        Column(say._("N"), say._("Possible N"), say._("transects that were possible")),
        Column(say._("n"), say._("Transects n"), say._("transects searched")),
        Column.of(say._("Searched, km²")),
        Column.of(say._("Sampled")),
        Column.of(say._("Seen")),
        Column.of(say._("per km²")),
        Column.of(say._("Estimate")),
        Column.of(say._("SE")),
        Column.of(say._("CV")),
        Column.of(say._("Limits")),
    )
    return Table(
        columns, tuple(_stratum_row(e, say) for e in facts.estimates if e.species == species), species, wide=True
    )


def _stratum_row(entry: EstimateEntry, say: Words) -> Row:
    area, searched = entry.area_m2, entry.area_searched_m2
    possible = say.decimal(entry.possible_units)
    where = entry.stratum if entry.stratum is not None else say._("All strata")
    return Row(
        (
            where,
            say.square_km(area),
            "" if entry.stratum is None and entry.possible_units is None else possible,
            say.whole(entry.units),
            say.square_km(searched),
            say.percent(searched / area if area and searched is not None else None, 1),
            say.whole(entry.individuals),
            say.decimal(entry.value / area * 1e6 if area and entry.value is not None else None, 2),
            say.whole(entry.value),
            say.whole(entry.se),
            say.percent(entry.cv, 1),
            limits(entry, say),
        ),
        is_total=entry.stratum is None,
        reason=say._("{where}: {reason}", where=where, reason=say.stored(entry.limits_reason))
        if entry.limits_reason
        else "",
    )


def _is_elephant(label: str) -> bool:
    return any(name in label.casefold() for name in _ELEPHANTS)


def _reliability(facts: Facts, say: Words) -> Iterator[Block]:
    rows = []
    for entry in facts.totals():
        if entry.species in facts.signs or not _is_elephant(entry.species):
            continue
        own = categories_of(entry, facts)
        numbers = (None,) * 3 if own is None else (own.definite, own.probable, own.possible)
        rows.append(Row((entry.species, UNKNOWN if own is None else own.category, *map(say.whole, numbers))))
    if not rows:
        return
    columns = (say._("Species"), say._("Category"), say._("Definite"), say._("Probable"), say._("Possible"))
    yield Heading(say._("Categories of the African Elephant Database"))
    yield Table(tuple(map(Column.of, columns)), tuple(rows))
    yield Paragraph(
        say._(
            "A: a total count, all of it definite. B: a sample count with 95 % limits: definite is the lower limit, "
            "probable what is between it and the estimate, possible what is between the estimate and the upper limit."
        ),
        "note",
    )


def _found(facts: Facts, say: Words) -> Iterator[Block]:
    known = facts.individuals is not None
    columns = [say._("Label"), say._("Detections"), *([say._("Individuals")] if known else [])]
    rows = []
    for label, number in facts.detections_by_label.items():
        cells = [label, say.whole(number), *([say.whole(facts.individuals_of(label))] if known else [])]
        rows.append(Row(tuple(cells)))
    yield Table(tuple(map(Column.of, columns)), tuple(rows), words=True, stack=False)
    text = say._(
        "Detections are what the detector marked in the pictures, the same animal again in each picture that shows it. "
        "They are not a count of animals."
    )
    if known:
        text += " " + say._("Individuals are the animals that these are taken to be.")
    yield Paragraph(text, "note")
