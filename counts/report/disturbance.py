"""Signs of people, vehicles and fires, and carcasses, as a report tells them."""

from __future__ import annotations

from collections.abc import Iterator

from counts.report.cells import limits
from counts.report.document import Block, Column, Heading, Paragraph, Row, Section, Table
from counts.report.facts import Facts
from counts.report.signs import CARCASS, FIRE, PEOPLE, VEHICLE, CarcassRatio, Sign, carcass_ratios, signs
from counts.report.words import UNKNOWN, Words


def signs_section(facts: Facts, say: Words) -> Iterator[Section]:
    """The section on signs: what was seen of them, or that none of them was looked for."""
    if facts.individuals is None and not facts.detections_by_label:
        return
    found = signs(facts)
    title = say._("People, vehicles, fires, carcasses")
    if not found:
        yield Section(title, (Paragraph(_none(facts, say)),))
        return
    blocks: list[Block] = [_table(found, say), *_ratios(carcass_ratios(facts), say)]
    missing = [name for kind, name in kind_names(say).items() if all(s.kind != kind for s in found)]
    if missing:
        text = say._(
            "No label of this survey stands for: {kinds}. That is no sign that there were none.",
            kinds=say.listed(missing),
        )
        blocks.append(Paragraph(text, "note"))
    yield Section(title, tuple(blocks))


def kind_names(say: Words) -> dict[str, str]:
    """The kinds of signs as a reader knows them."""
    return {
        CARCASS: say._("carcass"),
        PEOPLE: say._("people"),
        VEHICLE: say._("vehicle"),
        FIRE: say._("fire"),
    }


def _none(facts: Facts, say: Words) -> str:
    return say._(
        "None of them has a label in this survey ({labels}), so nothing is known of them. A label is taken as a sign "
        "by its name, or by --signs carcass=LABEL.",
        labels=say.listed(list(facts.labels)) or say._("none"),
    )


def _table(found: tuple[Sign, ...], say: Words) -> Table:
    columns = (
        say._("Sign"), say._("Label"), say._("Seen"), say._("per hour flown"), say._("per km² searched"),
        say._("Estimate"), say._("Limits"),
    )  # fmt: skip
    names = kind_names(say)
    rows = (
        Row(
            (
                names[s.kind],
                s.label,
                say.whole(s.seen),
                say.significant(s.per_hour),
                say.significant(s.per_searched_km2),
                say.whole(s.estimate.value) if s.estimate else UNKNOWN,
                limits(s.estimate, say) if s.estimate else UNKNOWN,
            )
        )
        for s in found
    )
    return Table(tuple(map(Column.of, columns)), tuple(rows))


def _ratios(found: tuple[CarcassRatio, ...], say: Words) -> Iterator[Block]:
    if not found:
        return
    columns = (
        say._("Species"), say._("Dead"), say._("Alive"), say._("Carcass ratio"), say._("Limits"),
        say._("Carcasses per live animal"), say._("Numbers are"),
    )  # fmt: skip
    rows = []
    for r in found:
        told = say._("none")
        if r.lower is not None and r.upper is not None:
            told = say._("{lower} to {upper}", lower=say.percent(r.lower, 1), upper=say.percent(r.upper, 1))
        rows.append(
            Row(
                (
                    r.species if r.species is not None else say._("all animals"),
                    say.whole(r.dead),
                    say.whole(r.alive),
                    say.percent(r.ratio, 1),
                    told,
                    say.significant(r.per_live),
                    say._("estimates") if r.estimated else say._("animals seen"),
                )
            )
        )
    yield Heading(say._("Carcass ratio"))
    yield Table(tuple(map(Column.of, columns)), tuple(rows))
    yield Paragraph(
        say._(
            "The carcass ratio is dead over dead and alive. Limits take both numbers as independent, on the logit "
            "scale. Carcasses are harder to see than animals that move, and lie for years: compare it only with "
            "ratios that were found in the same way."
        ),
        "note",
    )
