"""From the facts of a survey to what its report says, in the order that it says it."""

from __future__ import annotations

from collections.abc import Collection

from counts.report.caveats import caveats, gravest
from counts.report.change import change_section
from counts.report.checked import corrections_section, detector_section
from counts.report.disturbance import signs_section
from counts.report.document import Block, Bullets, Document, MapFigure, Paragraph, Section, Terms, Walk
from counts.report.effort import effort_by_stratum, effort_section
from counts.report.estimates import estimates_section, herds_section, uncertainty_section
from counts.report.facts import Facts
from counts.report.methods import methods
from counts.report.mosaics import counts_for_ground, mosaic_terms
from counts.report.summary import Truth, answers, first_season, glance, lede, simulated, why_no_estimate
from counts.report.walk import walk
from counts.report.where import map_figures, where_sections
from counts.report.words import Words
from flightplan.plan import SurveyPlan

FIELD_CARDS, FIELD_CAVEATS = 3, 4


def whole_report(
    facts: Facts,
    say: Words,
    *,
    truth: Truth | None = None,
    sensitive: Collection[str] = (),
    plan: SurveyPlan | None = None,
) -> Document:
    """Return the whole report of a survey."""
    effort = effort_by_stratum(facts)
    sections = [
        *where_sections(facts, map_figures(facts, say, sensitive=sensitive), say, sensitive=sensitive),
        *estimates_section(facts, say),
        *uncertainty_section(facts, say, sensitive=sensitive),
        *change_section(facts, say),
        *herds_section(facts, say),
        *signs_section(facts, say),
        effort_section(facts, effort, say),
        *corrections_section(facts, say),
        *detector_section(facts, say),
        Section(say._("How to read this"), (_terms(facts, say),)),
    ]
    told = methods(facts, say)
    if told:
        sections.append(Section(say._("Methods"), tuple(Paragraph(text) for text in told)))
    kept = caveats(facts, say, plan, sensitive=sensitive)
    if kept:
        sections.append(Section(say._("Keep in mind"), (Bullets(kept),)))
    text = say._("Every number above follows from these, and from nothing else. The census file holds them all.")
    steps = Walk(walk(facts, say))
    sections.append(Section(say._("From the number to the pixels"), (Paragraph(text, "soft"), steps)))
    opening: tuple[Block, ...] = (
        *answers(facts, truth, say),
        *first_season(facts, say),
        *why_no_estimate(facts, say),
        *simulated(facts, truth, say),
    )
    return _document(facts, "report", opening, tuple(sections), say)


def field_summary(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> Document:
    """Return the one page for the wall: the numbers, the map, and what to keep in mind."""
    maps: tuple[MapFigure, ...] = map_figures(facts, say, sensitive=sensitive)[:1]
    opening = (*answers(facts, None, say, most=FIELD_CARDS), *why_no_estimate(facts, say))
    sections = []
    if maps:
        sections.append(Section(say._("Where"), maps))
    kept = gravest(facts, say)[:FIELD_CAVEATS]
    reading = say._(
        "The numbers are of animals visible from the air in the whole area, worked out from the part that was "
        "searched. Quote the limits with the number, always."
    )
    blocks: list[Block] = [Paragraph(reading if facts.mosaics is None else counts_for_ground(say))]
    if kept:
        blocks.append(Bullets(kept))
    sections.append(Section(say._("Keep in mind"), tuple(blocks)))
    return _document(facts, "field", opening, tuple(sections), say)


def _document(
    facts: Facts, layout: str, opening: tuple[Block, ...], sections: tuple[Section, ...], say: Words
) -> Document:
    survey = facts.survey
    place = survey.protected_area or survey.name
    eyebrow = [say._("Aerial wildlife survey"), *([survey.season] if survey.season else []), survey.name]
    written = (
        say._("Written by overfly from the census, version {version}.", version=survey.code_version)
        if survey.code_version
        else say._("Written by overfly from the census.")
    )
    mark = facts.counting.provenance_hash if facts.counting else facts.captures.hash
    return Document(
        language=say.language,
        layout=layout,
        title=say._("{place}, {season}: wildlife survey report", place=place, season=survey.season or survey.name),
        eyebrow=" · ".join(eyebrow),
        heading=place,
        lede=lede(facts, say),
        glance=glance(facts, effort_by_stratum(facts), say),
        opening=opening,
        sections=sections,
        footer=written,
        stands_alone=say._("This page needs no network and loads nothing."),
        running=f"{survey.name} · {mark}",
        # Filled by whoever sets the pages.
        page_of=say._("page {page} of {pages}"),
    )


def _terms(facts: Facts, say: Words) -> Terms:
    own = _terms_of_samples(say) if facts.mosaics is None else mosaic_terms(say)
    return Terms(
        (
            *own,
            (
                say._("Comparing surveys"),
                say._(
                    "Only over the same area with the same methods; a difference smaller than the limits of both allow "
                    "is no change that could be shown."
                ),
            ),
            (
                say._("“–” and “none”"),
                say._("Not known; the reason stands beside it. Unknown is never written as 0."),
            ),
        )
    )


def _terms_of_samples(say: Words) -> tuple[tuple[str, str], ...]:
    return (
        (
            say._("Estimate"),
            say._(
                "The number of animals visible from the air in the whole area, worked out from the part that was "
                "searched. It is not a count of every animal."
            ),
        ),
        (
            say._("Limits"),
            say._(
                "Where the same survey, done again and again with other random lines, would put the true number "
                "between its limits 95 times in 100. Quote them with the number, always."
            ),
        ),
        (
            say._("CV"),
            say._(
                "The standard error in per cent of the estimate: the smaller, the more precise. Twice the effort "
                "makes it about 30 % smaller."
            ),
        ),
        (
            say._("Seen"),
            say._(
                "Individuals found in the pictures on effort, each once within its transect. The estimate scales "
                "this up to the area, and corrects it."
            ),
        ),
        (say._("Sampled"), say._("Area searched over area of the stratum.")),
    )
