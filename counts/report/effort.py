"""What was done in the air, and what of it counts: flights, strips, pictures, gaps, doubts and repairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from counts.report.document import Block, Column, Glance, Heading, Paragraph, Row, Section, Table
from counts.report.doubts import doubts
from counts.report.facts import Facts, FlownLine, mean_and_spread
from counts.report.mosaics import shown_tables
from counts.report.words import UNKNOWN, Words
from counts.store import EffortEntry

NAMED_SKIPS = 400
NAMED_GAPS = 40
NAMED_FLIGHTS = 60


@dataclass(frozen=True)
class StratumEffort:
    """The effort in one stratum, or in all (`name` None)."""

    name: str | None
    planned: int
    flown: int
    length_km: float
    captures: int
    area_searched_m2: float
    area_m2: float

    @property
    def share(self) -> float | None:
        """Searched over whole."""
        return self.area_searched_m2 / self.area_m2 if self.area_m2 else None


@dataclass(frozen=True)
class Flown:
    """All transects beside their plan; `lines` are those with gaps, the worst first, as many as a page can hold."""

    planned_km: float
    covered_km: float
    off_line_m: float | None
    worst_off_line_m: float | None
    lines: tuple[FlownLine, ...]
    lines_left: int

    @property
    def share(self) -> float | None:
        """Covered over planned."""
        return self.covered_km / self.planned_km if self.planned_km else None


def effort_by_stratum(facts: Facts) -> tuple[StratumEffort, ...]:
    """Return the effort in each stratum, and in all last where there are several; empty before counting.

    Empty also where orthomosaics were counted: they follow no line.
    """
    if not facts.effort or facts.mosaics is not None:
        return ()
    own: dict[str, EffortEntry] = {e.transect: e for e in facts.effort if e.transect is not None}
    rows = []
    for stratum in facts.strata:
        flown = [own[t.identifier] for t in stratum.transects if t.identifier in own]
        searched = [e for e in flown if e.area_searched_m2 > 0]
        rows.append(
            StratumEffort(
                name=stratum.name,
                planned=len(stratum.transects),
                flown=len(searched),
                length_km=sum(e.length_m for e in searched) / 1000,
                captures=sum(e.captures for e in searched),
                area_searched_m2=sum(e.area_searched_m2 for e in searched),
                area_m2=stratum.area_m2,
            )
        )
    total = StratumEffort(
        None,
        sum(r.planned for r in rows),
        sum(r.flown for r in rows),
        sum(r.length_km for r in rows),
        sum(r.captures for r in rows),
        sum(r.area_searched_m2 for r in rows),
        sum(r.area_m2 for r in rows),
    )
    return (*rows, total) if len(rows) > 1 else tuple(rows)


def beside_plan(facts: Facts) -> Flown | None:
    """Return what was flown beside what was planned; None where the counting did not compare them."""
    lines = facts.flown
    if not lines:
        return None
    off = [(line.off_line_m, line.captures) for line in lines if line.off_line_m is not None]
    pictures = sum(number for _, number in off)
    gaps = sorted((line for line in lines if line.gaps), key=lambda line: line.covered_m - line.planned_m)
    return Flown(
        planned_km=sum(line.planned_m for line in lines) / 1000,
        covered_km=sum(line.covered_m for line in lines) / 1000,
        off_line_m=(sum(metres**2 * number for metres, number in off) / pictures) ** 0.5 if pictures else None,
        worst_off_line_m=max((line.worst_off_line_m or 0.0 for line in lines), default=None) if pictures else None,
        lines=tuple(gaps[:NAMED_GAPS]),
        lines_left=max(0, len(gaps) - NAMED_GAPS),
    )


def effort_section(facts: Facts, effort: tuple[StratumEffort, ...], say: Words) -> Section:
    """The section on effort."""
    parts = (
        _by_stratum(effort, say), shown_tables(facts, say), _flights(facts, say), _planned_and_flown(facts, say),
        _left_out(facts, say),
    )  # fmt: skip
    blocks: list[Block] = [_glance(facts, effort, say)]
    for part in (*parts, doubts(facts, say)):
        blocks += part
    return Section(say._("Effort"), tuple(blocks))


def _glance(facts: Facts, effort: tuple[StratumEffort, ...], say: Words) -> Glance:
    on = facts.footprints.on_effort if facts.strata else slice(None)
    items = []
    if facts.flights:
        flown = say.ngettext(
            "{flown} of {count} planned", "{flown} of {count} planned", len(facts.flights),
            flown=say.whole(facts.sorties_flown),
        )  # fmt: skip
        items.append((say._("Flights"), flown))
    if facts.hours is not None:
        items.append((say._("Time in the air"), say._("{hours} h", hours=say.decimal(facts.hours))))
    if effort:
        items.append((say._("On effort"), say._("{length} km", length=say.decimal(effort[-1].length_km))))
    pictures = say.whole(facts.captures.total)
    if facts.strata:
        pictures = say._(
            "{number}, {on_effort} on effort", number=pictures, on_effort=say.whole(facts.captures.on_effort)
        )
    name = say._("Pictures") if facts.mosaics is None else say._("Orthomosaics")
    items.append((name, pictures))
    gsd = mean_and_spread(facts.footprints.gsd_cm[on].tolist())
    if gsd:
        items.append((say._("Ground sampling distance"), say._("{length} cm", length=say.plus_minus(*gsd))))
    height = mean_and_spread(facts.footprints.altitude_agl_m[on].tolist())
    if height:
        items.append((say._("Height above ground"), say._("{length} m", length=say.plus_minus(*height))))
    day = facts.captures.day
    if day is not None:
        hours = say._("{first} to {last}", first=say.clock(day.earliest), last=say.clock(day.latest))
        items.append((say._("Time of day (local solar)"), hours))
        sun = say._("{first} to {last}", first=say.whole(day.lowest_sun_deg), last=say.whole(day.highest_sun_deg))
        items.append((say._("Height of the sun, °"), sun))
    if facts.flights:
        items.append((say._("Weather"), say._("not recorded in the census")))
    return Glance(tuple(items))


def _by_stratum(effort: tuple[StratumEffort, ...], say: Words) -> Iterator[Block]:
    if not effort:
        return
    columns = (
        say._("Stratum"), say._("Transects flown"), say._("km on effort"), say._("Pictures"),
        say._("Searched, km²"), say._("Sampled"),
    )  # fmt: skip
    yield Heading(say._("Per stratum"))
    yield Table(
        tuple(map(Column.of, columns)),
        tuple(
            Row(
                (
                    e.name if e.name is not None else say._("All strata"),
                    say._("{number} of {whole}", number=say.whole(e.flown), whole=say.whole(e.planned)),
                    say.decimal(e.length_km),
                    say.whole(e.captures),
                    say.square_km(e.area_searched_m2),
                    say.percent(e.share, 1),
                ),
                is_total=e.name is None,
            )
            for e in effort
        ),
    )


def _flights(facts: Facts, say: Words) -> Iterator[Block]:
    if not facts.flights:
        return
    noted = any(f.note for f in facts.flights)
    columns = (
        say._("Flight"), say._("State"), say._("Start (UTC)"), say._("Minutes"), say._("Flown, km"),
        say._("Planned, km"), *([say._("Note")] if noted else []),
    )  # fmt: skip
    rows = []
    for f in facts.flights[:NAMED_FLIGHTS]:
        minutes = None
        start = UNKNOWN
        if f.started_utc:
            start = f"{say.day(f.started_utc)}, {say.clock(f.started_utc)}"
            minutes = (f.ended_utc - f.started_utc).total_seconds() / 60 if f.ended_utc else None
        rows.append(
            Row(
                (
                    f.sortie,
                    say.stored(f.status),
                    start,
                    say.decimal(minutes),
                    say.decimal(None if f.flown_length_m is None else f.flown_length_m / 1000),
                    say.decimal(None if f.planned_length_m is None else f.planned_length_m / 1000),
                    *([say.stored(f.note or "")] if noted else []),
                )
            )
        )
    yield Heading(say._("Flights"))
    yield Table(tuple(map(Column.of, columns)), tuple(rows), words=True)
    if len(facts.flights) > NAMED_FLIGHTS:
        yield Paragraph(
            say.ngettext(
                "And {count} more flight: all are in the census, table “sorties”.",
                "And {count} more flights: all are in the census, table “sorties”.",
                len(facts.flights) - NAMED_FLIGHTS,
            ),
            "note",
        )


def _planned_and_flown(facts: Facts, say: Words) -> Iterator[Block]:
    flown = beside_plan(facts)
    if flown is None:
        return
    yield Heading(say._("Planned and flown"))
    text = say._(
        "{covered} of {planned} km of planned line were seen ({share}).",
        covered=say.decimal(flown.covered_km),
        planned=say.decimal(flown.planned_km),
        share=say.percent(flown.share, 1),
    )
    if flown.off_line_m is not None:
        text += " " + say._(
            "Pictures on effort were {distance} m off their line (root mean square), {worst} m at worst.",
            distance=say.decimal(flown.off_line_m),
            worst=say.decimal(flown.worst_off_line_m),
        )
    yield Paragraph(text)
    if not flown.lines:
        return
    columns = (
        say._("Transect"), say._("Seen, m"), say._("Planned, m"), say._("Gaps, metres along the transect")
    )  # fmt: skip
    rows = (
        Row(
            (
                line.transect,
                say.whole(line.covered_m),
                say.whole(line.planned_m),
                ", ".join(
                    say._("{first} to {last}", first=say.whole(first), last=say.whole(last))
                    for first, last in line.gaps
                ),
            )
        )
        for line in flown.lines
    )
    yield Table(tuple(map(Column.of, columns)), tuple(rows), words=True)
    if flown.lines_left:
        yield Paragraph(
            say.ngettext(
                "And {count} more transect with shorter gaps: all are in the census, table “gaps”.",
                "And {count} more transects with shorter gaps: all are in the census, table “gaps”.",
                flown.lines_left,
            ),
            "note",
        )


def _left_out(facts: Facts, say: Words) -> Iterator[Block]:
    captures = facts.captures
    if captures.off_effort or captures.refused:
        rows = [*captures.off_effort.items(), *captures.refused.items()]
        yield Heading(say._("Pictures that do not count as searched, and why"))
        yield Table(
            (Column.of(say._("Reason")), Column.of(say._("Pictures"))),
            tuple(Row((say.stored(reason), say.whole(number))) for reason, number in rows),
            words=True,
            stack=False,
        )
    if facts.skips:
        yield Heading(say._("What could not be used"))
        columns = (say._("Item"), say._("Reason"), say._("At"))
        yield Table(
            tuple(map(Column.of, columns)),
            tuple(
                Row((skip.item, say.stored(skip.reason), say.stored(stage)))
                for stage, skip in facts.skips[:NAMED_SKIPS]
            ),
            words=True,
            stack=False,
        )
        if len(facts.skips) > NAMED_SKIPS:
            yield Paragraph(
                say.ngettext(
                    "And {count} more item: all are in the census, table “skips”.",
                    "And {count} more items: all are in the census, table “skips”.",
                    len(facts.skips) - NAMED_SKIPS,
                ),
                "note",
            )
