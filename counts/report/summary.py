"""The first page: each species' number, how far it can be trusted, and how it changed since the last survey."""

from __future__ import annotations

import math
from collections.abc import Mapping

from counts.comparison import SeasonChange
from counts.report.cells import area, limits
from counts.report.document import Box, Card, Cards, Column, Glance, Paragraph, Row, Scale, Table
from counts.report.effort import StratumEffort
from counts.report.facts import Facts
from counts.report.words import UNKNOWN, Words
from counts.store import EstimateEntry

ROUGH = 0.5
MOST_CARDS = 6
TOTAL = "total"
Truth = Mapping[str, Mapping[str, int]]


def sentence(entry: EstimateEntry, say: Words) -> str:
    """Say one estimate as a sentence, without its full stop."""
    if entry.value is None:
        return say._("{species}: no estimate ({reason})", species=entry.species, reason=_reason(entry, say))
    number = say._("{number} {species}", number=say.whole(entry.value), species=entry.species)
    if entry.lower is None or entry.upper is None:
        return say._("{number}, without limits: {reason}", number=number, reason=_reason(entry, say))
    return say._(
        "{number}, between {lower} and {upper} ({confidence} limits)",
        number=number,
        lower=say.whole(entry.lower),
        upper=say.whole(entry.upper),
        confidence=say.percent(entry.confidence),
    )


def meaning(entry: EstimateEntry, say: Words) -> str:
    """Say in words how far an estimate can be trusted."""
    if entry.value is None:
        return say._("No estimate: {reason}.", reason=_reason(entry, say))
    if entry.cv is None or entry.lower is None or entry.upper is None:
        return say._("No limits: {reason}.", reason=_reason(entry, say))
    if entry.cv > ROUGH:
        return _precision(entry.cv, say)
    told = say._(
        "Two surveys as precise as this one would have to differ by about {share} before the difference could be told "
        "from chance.",
        share=say.percent(1.96 * math.sqrt(2) * entry.cv),
    )
    return f"{_precision(entry.cv, say)} {told}"


def change_told(found: SeasonChange | None, say: Words) -> str:
    """Say a change since the survey before, or why there is none to tell; nothing without one before."""
    if found is None:
        return ""
    if found.change is None:
        return say._(
            "Since {survey}: not compared, because {reason}.",
            survey=found.first_survey,
            reason=say.stored(found.reason or ""),
        )
    told = {
        "survey": found.first_survey,
        "change": say.signed_percent(found.change.ratio - 1),
        "lower": say.signed_percent(found.change.ratio_lower - 1),
        "upper": say.signed_percent(found.change.ratio_upper - 1),
    }
    if found.change.ratio_lower <= 1 <= found.change.ratio_upper:
        return say._("Since {survey}: {change} ({lower} to {upper}), which can be chance.", **told)
    return say._("Since {survey}: {change} ({lower} to {upper}), more than chance.", **told)


def lede(facts: Facts, say: Words) -> str:
    """The sentence under the title."""
    totals = _animals(facts)
    if totals:
        told = say._("Estimated: {estimates}.", estimates=say.in_turn([sentence(e, say) for e in totals[:3]]))
        if len(totals) <= 3:
            return told
        return f"{told} " + say.ngettext("{count} more species below.", "{count} more species below.", len(totals) - 3)
    pictures = say.ngettext("{count} picture", "{count} pictures", facts.captures.total)
    if facts.detection is None:
        return say._("{pictures}. No estimate.", pictures=pictures)
    found = say.ngettext("{count} detection", "{count} detections", facts.detection.detections)
    return say._("{pictures}, {detections}. No estimate.", pictures=pictures, detections=found)


def glance(facts: Facts, effort: tuple[StratumEffort, ...], say: Words) -> Glance:
    """The survey in figures."""
    items = []
    first, last = facts.captures.first_utc, facts.captures.last_utc
    if first and last:
        flown = say.day(first)
        if last.date() != first.date():
            flown = say._("{first} to {last}", first=flown, last=say.day(last))
        items.append((say._("Flown"), flown))
    if effort:
        whole = effort[-1]
        searched = say._(
            "{area} km² ({share})", area=say.square_km(whole.area_searched_m2), share=say.percent(whole.share)
        )
        items.append((say._("Area"), say._("{area} km²", area=say.square_km(whole.area_m2))))
        items.append((say._("Searched"), searched))
        transects = say._("{number} of {whole}", number=say.whole(whole.flown), whole=say.whole(whole.planned))
        items.append((say._("Transects"), transects))
    shown = facts.mosaics
    if shown is not None:
        if shown.area_m2 is not None:
            items.append((say._("Area"), area(shown.area_m2, say)))
        seen = area(shown.shown_m2, say)
        if shown.share is not None:
            seen = say._("{area} ({share})", area=seen, share=say.percent(shown.share, 1))
        items.append((say._("Shown"), seen))
        items.append((say._("Orthomosaics"), say.whole(len(shown.mosaics))))
    else:
        items.append((say._("Pictures"), say.whole(facts.captures.total)))
    if facts.individuals_counted is not None:
        items.append((say._("Individuals seen"), say.whole(facts.individuals_counted)))
    return Glance(tuple(items))


def answers(facts: Facts, truth: Truth | None, say: Words, *, most: int = MOST_CARDS) -> tuple[Cards | Table, ...]:
    """Return a card for each species, or a table where they are more than `most`: too many for one page."""
    totals = _animals(facts)
    if not totals:
        return ()
    if len(totals) <= most:
        marks = {species: number % 6 for number, species in enumerate(facts.species)}
        return (Cards(tuple(_card(e, marks[e.species], facts, truth, say) for e in totals)),)
    columns = (say._("Species"), say._("Estimate"), say._("Limits"), say._("CV"), say._("Seen"), say._("Change"))
    rows = tuple(
        Row(
            (
                e.species, say.whole(e.value), limits(e, say), say.percent(e.cv), say.whole(e.individuals),
                _short_change(facts, e.species, say),
            )
        )
        for e in totals
    )  # fmt: skip
    return (Table(tuple(map(Column.of, columns)), rows),)


def first_season(facts: Facts, say: Words) -> tuple[Paragraph, ...]:
    """Say what the changes stand against, or that there is nothing yet to stand against."""
    if not facts.estimates:
        return ()
    if facts.history is None:
        return (Paragraph(say._("The census has no earlier counted survey of this area to compare with."), "note"),)
    return (
        Paragraph(
            say._(
                "Changes are since {survey}, with 95 % limits of the ratio; what the surveys did not do alike is named "
                "below.",
                survey=facts.history.last,
            ),
            "note",
        ),
    )  # fmt: skip


def simulated(facts: Facts, truth: Truth | None, say: Words) -> tuple[Box, ...]:
    """The box with what a simulator really had; nothing for a survey of the field."""
    if truth is None:
        return ()
    columns = (
        say._("Species"), say._("Really there"), say._("Estimate"), say._("Limits"), say._("Truth within limits")
    )  # fmt: skip
    rows = []
    for entry in _animals(facts):
        real = _real(truth, entry.species)
        within = UNKNOWN
        if real is not None and entry.lower is not None and entry.upper is not None:
            within = say._("yes") if entry.lower <= real <= entry.upper else say._("no")
        rows.append(Row((entry.species, say.whole(real), say.whole(entry.value), limits(entry, say), within)))
    text = say._(
        "No animal was counted in the field. Because this survey was simulated, the true numbers are known; they were "
        "not used for the estimates, except where a simulated person checked a sample of frames. A diamond marks them "
        "above."
    )
    table = Table(tuple(map(Column.of, columns)), tuple(rows))
    return (Box(say._("A simulation: what the simulator really had"), "simulated", (Paragraph(text), table)),)


def why_no_estimate(facts: Facts, say: Words) -> tuple[Box, ...]:
    """Say why there is no estimate; nothing where there is one."""
    if facts.estimates:
        return ()
    if not facts.strata:
        text = say._(
            "These pictures were brought in without a survey design. Nobody drew the places they were taken at with a "
            "known probability, so what they show cannot be scaled up to an area: no estimate is possible, only what "
            "was found in them."
        )
    elif facts.captures.total == 0:
        text = say._("The survey was planned, but no picture is in the census yet.")
    elif facts.detection is None:
        text = say._("The pictures have not been looked at yet: run `overfly detect`, then `overfly count`.")
    else:
        text = say._("The survey has not been counted yet: run `overfly count`.")
    return (Box(say._("No estimate"), "stop", (Paragraph(text),)),)


def _animals(facts: Facts) -> list[EstimateEntry]:
    """The totals of animals: signs of people and carcasses have a section of their own."""
    return [e for e in facts.totals() if e.species not in facts.signs]


def _card(entry: EstimateEntry, mark: int, facts: Facts, truth: Truth | None, say: Words) -> Card:
    counted = say.whole(entry.individuals)
    if facts.mosaics is None:
        seen = say.ngettext(
            "{seen} seen on {count} transect", "{seen} seen on {count} transects", entry.units, seen=counted
        )
    else:
        seen = say.ngettext(
            "{seen} counted in {count} orthomosaic",
            "{seen} counted in {count} orthomosaics",
            len(facts.mosaics.mosaics),
            seen=counted,
        )
    has_limits = entry.lower is not None and entry.upper is not None
    told = ""
    if has_limits:
        told = say._("between {lower} and {upper}", lower=say.whole(entry.lower), upper=say.whole(entry.upper))
    elif entry.value is not None:
        told = say._("no limits")
    return Card(
        mark=mark,
        species=entry.species,
        number=say._("no estimate") if entry.value is None else say.whole(entry.value),
        is_known=entry.value is not None,
        limits=told,
        confidence=say._("({confidence} limits)", confidence=say.percent(entry.confidence)) if has_limits else "",
        scale=_scale(entry, None if truth is None else _real(truth, entry.species), say),
        precision=seen if entry.cv is None else say._("CV {cv} · {seen}", cv=say.percent(entry.cv), seen=seen),
        meaning=meaning(entry, say),
        change=change_told(facts.history.change_of(entry.species), say) if facts.history else "",
    )


def _scale(entry: EstimateEntry, real: int | None, say: Words) -> Scale | None:
    """Where the number and its limits lie on a line from 0."""
    if entry.value is None:
        return None
    top = max(v for v in (entry.upper, entry.value, real, 1.0) if v is not None) * 1.08

    def share(value: float | None) -> float | None:
        return None if value is None else round(min(max(value / top, 0.0), 1.0) * 100, 2)

    described = say._("Estimate {number}, limits {limits}", number=say.whole(entry.value), limits=limits(entry, say))
    if real is not None:
        described = say._("{estimate}; the simulator had {truth}", estimate=described, truth=say.whole(real))
    return Scale(
        at=share(entry.value) or 0.0,
        low=share(entry.lower),
        high=share(entry.upper),
        ends=(say.whole(entry.lower), say.whole(entry.upper)),
        truth=share(real),
        described=described,
    )


def _short_change(facts: Facts, species: str, say: Words) -> str:
    found = facts.history.change_of(species) if facts.history else None
    return UNKNOWN if found is None or found.change is None else say.signed_percent(found.change.ratio - 1)


def _real(truth: Truth, species: str) -> int | None:
    own = truth.get(species)
    if own is None:
        return None
    return own[TOTAL] if TOTAL in own else sum(own.values())


def _reason(entry: EstimateEntry, say: Words) -> str:
    return say.stored(entry.limits_reason or "")


def _precision(cv: float, say: Words) -> str:
    if cv <= 0.10:
        return say._("A precise estimate.")
    if cv <= 0.20:
        return say._("A good estimate, fit for following a trend.")
    if cv <= 0.35:
        return say._("A fair estimate: it shows large changes only.")
    return say._("A rough estimate: read it as an order of magnitude.")
