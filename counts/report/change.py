"""Change since the last survey of the area, and the trend over its seasons."""

from __future__ import annotations

from collections.abc import Iterator

from counts.protocols import Difference
from counts.report.document import Block, Bullets, Column, Heading, Paragraph, Picture, Pictures, Row, Section, Table
from counts.report.facts import Facts
from counts.report.figures import draw_seasons
from counts.report.history import History
from counts.report.words import UNKNOWN, Words


def change_section(facts: Facts, say: Words) -> Iterator[Section]:
    """The section on change; nothing where no earlier survey of the area was counted."""
    history = facts.history
    if history is None:
        return
    parts = (_changes(facts, history, say), _trends(history, say), _unlike(history, say))
    blocks: list[Block] = []
    pictures = season_pictures(facts, say)
    if pictures:
        blocks.append(Pictures(pictures))
        text = say._("Estimates over the whole area with their limits, in the order of time.")
        if any(not s.same_ground for own in history.estimates.values() for s in own):
            text += " " + say._("A hollow mark is of different ground: it is no measure of change.")
        blocks.append(Paragraph(text, "note"))
    for part in parts:
        blocks += part
    yield Section(say._("Change and trend"), tuple(blocks))


def season_pictures(facts: Facts, say: Words) -> tuple[Picture, ...]:
    """Return each species' seasons as a drawing; none for a species with a single one."""
    history = facts.history
    if history is None:
        return ()
    found: list[Picture] = []
    for mark, species in enumerate(facts.species):
        seasons = history.estimates.get(species, ())
        if len(seasons) < 2 or species in facts.signs:
            continue
        trend = history.trend_of(species)
        fitted = None if trend is None else trend.trend
        caption = ""
        if fitted is not None:
            caption = say._(
                "{growth} a year ({lower} to {upper}).",
                growth=say.signed_percent(fitted.growth - 1),
                lower=say.signed_percent(fitted.growth_lower - 1),
                upper=say.signed_percent(fitted.growth_upper - 1),
            )
        found.append(
            Picture(
                file_name=f"seasons-{len(found) + 1}",
                svg=draw_seasons(seasons, fitted, mark % 6, say),
                title=species,
                caption=caption,
                described=say._("{species} over the seasons", species=species),
            )
        )
    return tuple(found)


def _changes(facts: Facts, history: History, say: Words) -> Iterator[Block]:
    columns = (
        say._("Species"), say._("Stratum"), say._("Before"), say._("Now"), say._("Difference"), say._("Ratio"),
        say._("p"), say._("Could have seen"),
    )  # fmt: skip
    rows = []
    for c in history.comparison.changes:
        if c.second_survey != facts.survey.name:
            continue
        where = c.stratum if c.stratum is not None else say._("All strata")
        difference = ratio = p = power = UNKNOWN
        if c.change is not None:
            difference = say._(
                "{value} ({lower} to {upper})",
                value=_signed(c.change.difference, say),
                lower=_signed(c.change.difference_lower, say),
                upper=_signed(c.change.difference_upper, say),
            )
            ratio = say._(
                "{value} ({lower} to {upper})",
                value=say.decimal(c.change.ratio, 2),
                lower=say.decimal(c.change.ratio_lower, 2),
                upper=say.decimal(c.change.ratio_upper, 2),
            )
            p = say.decimal(c.change.p_log, 3)
        if c.detectable is not None:
            power = say._(
                "−{decline}, +{growth}",
                decline=say.percent(c.detectable.decline),
                growth=say.percent(c.detectable.growth),
            )
        rows.append(
            Row(
                (c.species, where, say.whole(c.first), say.whole(c.second), difference, ratio, p, power),
                is_total=c.stratum is None,
                reason=say._("{where}: {reason}", where=where, reason=say.stored(c.reason)) if c.reason else "",
            )
        )
    yield Heading(say._("From {first} to {second}", first=history.last, second=facts.survey.name))
    yield Table(tuple(map(Column.of, columns)), tuple(rows))
    yield Paragraph(
        say._(
            "Limits are at 95 %; p is that of the ratio, two-sided. Could have seen: the smallest fall and rise that "
            "two such surveys show with 80 % power at 5 %."
        ),
        "note",
    )


def _trends(history: History, say: Words) -> Iterator[Block]:
    if not history.comparison.trends:
        return
    columns = (say._("Species"), say._("Stratum"), say._("Growth a year"), say._("Limits"), say._("p"))
    rows = []
    for t in history.comparison.trends:
        where = t.stratum if t.stratum is not None else say._("All strata")
        growth = limits = p = UNKNOWN
        if t.trend is not None:
            growth = say.signed_percent(t.trend.growth - 1)
            limits = say._(
                "{lower} to {upper}",
                lower=say.signed_percent(t.trend.growth_lower - 1),
                upper=say.signed_percent(t.trend.growth_upper - 1),
            )
            p = say.decimal(t.trend.p_two_sided, 3)
        reason = say._("{where}: {reason}", where=where, reason=say.stored(t.reason)) if t.reason else ""
        rows.append(Row((t.species, where, growth, limits, p), is_total=t.stratum is None, reason=reason))
    yield Heading(
        say.ngettext(
            "Trend over {count} survey, {first} to {last}",
            "Trend over {count} surveys, {first} to {last}",
            len(history.surveys),
            first=history.surveys[0],
            last=history.surveys[-1],
        )
    )
    yield Table(tuple(map(Column.of, columns)), tuple(rows))


def _unlike(history: History, say: Words) -> Iterator[Block]:
    """What the surveys did not do alike, and what follows from that."""
    columns = (say._("What"), say._("Before"), say._("Now"))
    for pair in history.comparison.differences:
        yield Heading(say._("Not done alike: {first} and {second}", first=pair.first_survey, second=pair.second_survey))
        if not pair.differences:
            yield Paragraph(say._("The surveys have the same area and protocol."))
            continue
        yield Table(
            tuple(map(Column.of, columns)),
            tuple(
                Row((say.stored(d.what), say.stored_value(d.first), say.stored_value(d.second)))
                for d in pair.differences
            ),
            words=True,
            stack=False,
        )
    notes = [f"{say.stored(note)}." for note in history.comparison.notes]
    if history.undated:
        notes.append(
            say._(
                "Not compared, because no time is known of their pictures: {surveys}.",
                surveys=say.listed(list(history.undated)),
            )
        )
    if notes:
        yield Bullets(tuple(notes))


def _unlike_row(found: Difference, say: Words) -> Row:
    return Row((say.stored(found.what), say.stored_value(found.first), say.stored_value(found.second)))


def _signed(value: float, say: Words) -> str:
    rounded = round(value)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{say.whole(abs(rounded))}"
