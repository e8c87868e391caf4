"""What a report says of a census counted from orthomosaics: what they show, what they do not, and what they hide."""

from __future__ import annotations

from collections.abc import Iterator

from counts.report.cells import area, limits
from counts.report.document import Block, Column, Heading, Row, Table
from counts.report.facts import Facts
from counts.report.words import UNKNOWN, Words


def shown_tables(facts: Facts, say: Words) -> Iterator[Block]:
    """What of each stratum the mosaics show, and the mosaics themselves."""
    shown = facts.mosaics
    if shown is None:
        return
    columns = (
        say._("Stratum"), say._("Area"), say._("Shown"), say._("Share shown"), say._("Not shown"), say._("Masked"),
        say._("Orthomosaics"),
    )  # fmt: skip
    rows = [
        Row(
            (
                e.stratum if e.stratum is not None else say._("All that is shown"),
                area(None if e.stratum is None else e.planned_area_m2, say),
                area(e.area_searched_m2, say),
                UNKNOWN
                if e.stratum is None or not e.planned_area_m2
                else say.percent(e.area_searched_m2 / e.planned_area_m2, 1),
                area(None if e.stratum is None else e.gap_area_m2, say),
                area(e.masked_area_m2, say),
                say.whole(e.captures),
            )
        )
        for e in facts.effort
    ]
    yield Heading(say._("What the orthomosaics show"))
    yield Table(tuple(map(Column.of, columns)), tuple(rows))
    names = (say._("Orthomosaic"), say._("Ground sampling distance"), say._("Counted on"))
    yield Table(
        tuple(map(Column.of, names)),
        tuple(
            Row((m.name, say._("{length} cm", length=say.decimal(m.gsd_cm, 2)), area(m.shown_m2, say)))
            for m in shown.mosaics
        ),
        words=True,
    )


def strata_table(facts: Facts, species: str, say: Words) -> Table:
    """One species by stratum: counted where, on how much ground, in how many parts."""
    columns = (
        Column.of(say._("Stratum")), Column.of(say._("Area")), Column.of(say._("Shown")),
        Column.of(say._("Share shown")), Column.of(say._("Parts")), Column.of(say._("Counted")),
        Column.of(say._("per hectare")), Column.of(say._("Estimate")), Column.of(say._("SE")), Column.of(say._("CV")),
        Column.of(say._("Limits")),
    )  # fmt: skip
    rows = []
    for entry in (e for e in facts.estimates if e.species == species):
        where = entry.stratum if entry.stratum is not None else say._("All strata")
        seen_m2 = entry.area_searched_m2
        known = entry.value is not None and seen_m2
        rows.append(
            Row(
                (
                    where,
                    area(entry.area_m2, say),
                    area(seen_m2, say),
                    say.percent(seen_m2 / entry.area_m2 if entry.area_m2 and seen_m2 is not None else None, 1),
                    say.whole(entry.units),
                    say.whole(entry.individuals),
                    say.decimal((entry.value or 0.0) / (seen_m2 or 1.0) * 1e4 if known else None, 1),
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
        )
    return Table(columns, tuple(rows), species, wide=True)


def mosaic_terms(say: Words) -> tuple[tuple[str, str], ...]:
    """The words of a count by mosaic."""
    return (
        (
            say._("Estimate"),
            say._(
                "The number of animals on the ground that the orthomosaics show, corrected for what the detector "
                "missed and made up where people measured that. Ground that is not shown adds nothing to it."
            ),
        ),
        (
            say._("Limits"),
            say._(
                "Where the same count, with other parts drawn at random and checked, would put the true number between "
                "its limits 95 times in 100. Quote them with the number, always."
            ),
        ),
        (
            say._("CV"),
            say._("The standard error in per cent of the estimate: the smaller, the more precise."),
        ),
        (say._("Counted"), say._("What was found with its middle inside the area, each place once.")),
    )


def counts_for_ground(say: Words) -> str:
    """What the numbers are of, for a page with room for one sentence."""
    return say._(
        "The numbers are of animals on the ground that the orthomosaics show. Quote the limits with the number, always."
    )


def mosaic_caveats(facts: Facts, say: Words) -> Iterator[str]:
    """What nobody can tell from a mosaic, and what of the area is not in it."""
    shown = facts.mosaics
    if shown is None:
        return
    if shown.share is not None and shown.share < 0.995:
        yield say._(
            "The orthomosaics show {share} of the area. The numbers are of that ground alone: nothing is added for the "
            "rest.",
            share=say.percent(shown.share, 1),
        )
    for note in shown.notes:
        yield say._("{where}: {note}.", where=say._("Orthomosaics"), note=say.stored(note))
    yield say._(
        "An orthomosaic is made of pictures taken one after the other: an animal that moved meanwhile is in it once, "
        "twice, in part or not at all. That cannot be seen in it, and is in no limit."
    )


def mosaic_methods(facts: Facts, say: Words) -> Iterator[str]:
    """How it was counted."""
    shown = facts.mosaics
    if shown is None:
        return
    yield say.ngettext(
        "{count} orthomosaic was counted: it shows each place once, so no animal had to be told from another.",
        "{count} orthomosaics were counted, each place in one of them, so no animal had to be told from another.",
        len(shown.mosaics),
    )
    yield say._(
        "What has its middle inside the area, outside of exclusions and on valid pixels counts; the area searched is "
        "what the orthomosaics show of it ({area}).",
        area=area(shown.shown_m2, say),
    )
    yield say._(
        "To measure the detector's error the ground shown was cut into {parts} parts of {side} m, of which people "
        "check a random sample; an animal belongs to the part that holds its middle.",
        parts=say.whole(shown.parts),
        side=say.decimal(shown.part_side_m),
    )
