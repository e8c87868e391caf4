"""What a report says of a census counted from orthomosaics: what they show, what they do not, and what they hide."""

from __future__ import annotations

from collections.abc import Iterator

from counts.report.document import Block, Column, Heading, Row, Table
from counts.report.facts import Facts
from counts.report.words import UNKNOWN, Words

_LARGE_M2 = 1e6


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


def area(value_m2: float | None, say: Words) -> str:
    """An area as large as a colony, or as a park."""
    if value_m2 is None:
        return UNKNOWN
    if value_m2 >= _LARGE_M2:
        return say._("{area} km²", area=say.square_km(value_m2))
    return say._("{area} m²", area=say.whole(value_m2))


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
