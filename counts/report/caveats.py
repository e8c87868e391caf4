"""What to keep in mind with a report's numbers, from the data itself: gaps, few units, what was not measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from counts.marks import CAMERAS
from counts.marks import NAME as MARKS
from counts.report.coarse import coarse_text
from counts.report.facts import Facts, mean_and_spread
from counts.report.mosaics import mosaic_caveats
from counts.report.spread import spreads
from counts.report.words import Words
from counts.store.surveys import hash_plan
from flightplan.plan import SurveyPlan

FEW_TRANSECTS = 12
FEW_SEEN = 30
LARGE_CORRECTION = 1.4
BESIDE = frozenset((MARKS, CAMERAS))


def caveats(
    facts: Facts, say: Words, plan: SurveyPlan | None = None, *, sensitive: Collection[str] = ()
) -> tuple[str, ...]:
    """Return what to keep in mind, each thing once; what the plan warned of before take-off comes last."""
    parts = (mosaic_caveats, _gaps, _few, _not_measured, _of_estimates, _leaning, _of_corrections)
    found = [text for part in parts for text in part(facts, say)]
    found += [coarse_text(name, say) for name in facts.labels if name in sensitive and facts.individuals_of(name)]
    return tuple(dict.fromkeys([*found, *_of_plan(facts, say, plan)]))


def gravest(facts: Facts, say: Words) -> tuple[str, ...]:
    """Return those of the caveats that change how a number may be used at all, for a page with room for few."""
    parts = (mosaic_caveats, _not_measured, _leaning, _few)
    return tuple(dict.fromkeys(text for part in parts for text in part(facts, say)))


def _gaps(facts: Facts, say: Words) -> Iterator[str]:
    notes = facts.counting.parameters.get("effort_notes") if facts.counting else None
    if isinstance(notes, list) and notes:
        yield say._("Gaps: {gaps}.", gaps=say.in_turn([say.stored(str(note).rstrip(".")) for note in notes]))
    missing = [f.sortie for f in facts.flights if f.status != "flown"]
    if missing:
        yield say._("Not flown to the end: {sorties}.", sorties=say.listed(missing))
    searched = {e.transect for e in facts.effort if e.area_searched_m2 > 0}
    blind = [t.identifier for s in facts.strata for t in s.transects if t.identifier not in searched]
    if facts.effort and blind and facts.mosaics is None:
        yield say.ngettext(
            "{count} transect without any area searched: {transects}.",
            "{count} transects without any area searched: {transects}.",
            len(blind),
            transects=say.listed(blind[:12]),
        )
    if facts.skips:
        yield say.ngettext(
            "{count} item could not be used, named above; what it would have shown is not in the area searched.",
            "{count} items could not be used, each named above; what they would have shown is not in the area "
            "searched.",
            len(facts.skips),
        )
    if facts.captures.without_position:
        yield say.ngettext(
            "{count} picture without a position counts for nothing.",
            "{count} pictures without a position count for nothing.",
            facts.captures.without_position,
        )
    height = mean_and_spread(facts.footprints.altitude_agl_m[facts.footprints.on_effort].tolist())
    planned = facts.survey.altitude_agl_m
    if height and planned and abs(height[0] / planned - 1) > 0.1:
        yield say._(
            "Flown {flown} m above ground on average, planned were {planned} m.",
            flown=say.whole(height[0]),
            planned=say.whole(planned),
        )


def _few(facts: Facts, say: Words) -> Iterator[str]:
    for stratum in facts.strata if facts.mosaics is None else ():
        lines = len(stratum.transects)
        if facts.estimates and facts.survey.design_kind != "full" and lines < FEW_TRANSECTS:
            yield say.ngettext(
                "{stratum} has {count} transect: with fewer than {few}, limits for clumped animals hold less often "
                "than they say.",
                "{stratum} has {count} transects: with fewer than {few}, limits for clumped animals hold less often "
                "than they say.",
                lines,
                stratum=stratum.name,
                few=say.whole(FEW_TRANSECTS),
            )
    for entry in facts.totals():
        if 0 < entry.individuals < FEW_SEEN:
            yield say.ngettext(
                "Only {count} {species} was seen: the estimate rests on few animals.",
                "Only {count} {species} were seen: the estimate rests on few animals.",
                entry.individuals,
                species=entry.species,
            )
    for spread in spreads(facts, say):
        if spread.largest_share > 0.5:
            yield say._(
                "More than half of the {species} seen were on one transect: the limits rest on one place.",
                species=spread.species,
            )


def _not_measured(facts: Facts, say: Words) -> Iterator[str]:
    if not facts.estimates:
        return
    kinds = {line.kind for line in facts.corrections if line.factor is not None}
    # Marked animals measure detection and availability in one.
    if not kinds & {"detection", MARKS}:
        yield say._(
            "Missed animals and false alarms of the detector were not measured in this survey: the numbers are not "
            "corrected for them."
        )
    if not kinds & {"availability", MARKS}:
        yield say._(
            "The numbers are of animals visible from the air. Animals hidden under trees, in burrows or under water "
            "are not in them: availability was not measured."
        )
    for line in facts.corrections:
        # What stands beside a count and was not to correct it is told in the table of corrections.
        if line.factor is None and line.kind not in BESIDE:
            yield say._(
                "{species}: the correction for {kind} could not be made ({reason}).",
                species=line.species,
                kind=say.stored(line.kind),
                reason=say.stored(line.reason or ""),
            )
    if facts.verification and any("simulat" in who.lower() for who in facts.verification.who):
        yield say._("The frames were checked against a simulation's truth, not by a person.")


def _of_estimates(facts: Facts, say: Words) -> Iterator[str]:
    noted: dict[str, list[str]] = {}
    gaps = facts.counting.parameters.get("effort_notes") if facts.counting and facts.mosaics else None
    for entry in facts.estimates:
        stratum = entry.stratum if entry.stratum is not None else say._("all strata")
        where = f"{entry.species}, {stratum}"
        # Of mosaics the gaps are told above, whatever the species.
        for note in (n for n in dict.fromkeys(entry.notes) if n not in (gaps or ())):
            noted.setdefault(note, []).append(where)
        if entry.limits_reason and entry.stratum is not None:
            yield say._("{where}: no limits, because {reason}.", where=where, reason=say.stored(entry.limits_reason))
    for note, places in noted.items():
        every = len(places) == len(facts.estimates) > 1
        where = say._("All estimates") if every else say.in_turn(places)
        yield say._("{where}: {note}.", where=where, note=say.stored(note))


def _leaning(facts: Facts, say: Words) -> Iterator[str]:
    """Corrections so large that the estimate rests on the checked frames more than on the detector."""
    for line in facts.corrections:
        # A large share that cannot be seen says nothing against the detector.
        if line.kind != "detection" or line.factor is None:
            continue
        if 1 / LARGE_CORRECTION <= line.factor <= LARGE_CORRECTION:
            continue
        about = {
            "species": line.species, "kind": say.stored(line.kind), "factor": say.decimal(line.factor, 2)
        }  # fmt: skip
        if line.factor < 1:
            yield say._(
                "{species}: the correction for {kind} is {factor}. The detector marks more than there is, so the "
                "estimate leans on the frames that were checked.",
                **about,
            )
        else:
            yield say._(
                "{species}: the correction for {kind} is {factor}. The detector misses much of what there is, so the "
                "estimate leans on the frames that were checked.",
                **about,
            )


def _of_corrections(facts: Facts, say: Words) -> Iterator[str]:
    for line in facts.corrections:
        for note in line.details.get("notes") or ():
            yield say._(
                "{where}: {note}.", where=f"{line.species}, {say.stored(line.kind)}", note=say.stored(str(note))
            )


def _of_plan(facts: Facts, say: Words, plan: SurveyPlan | None) -> Iterator[str]:
    """What the survey's plan warned of; a plan of another survey is not quoted, and that is said."""
    if plan is None:
        return
    if facts.survey.plan_hash != hash_plan(plan):
        yield say._(
            "The plan in the survey's folder is not the one that this survey was brought in with: not quoted here."
        )
        return
    for warning in plan.warnings:
        yield say._("The plan warned: {warning}.", warning=say.stored(warning.rstrip(".")))
    if plan.species and not any("forced" in warning for warning in plan.warnings):
        yield say._("Flown no lower than what studies found {species} to bear.", species=say.listed(list(plan.species)))
