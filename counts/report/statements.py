"""What a report says in sentences: how the survey was done, what to keep in mind, and where each number comes from."""

from __future__ import annotations

import numpy as np

from counts.herds import CHAIN_M, sizes
from counts.report.facts import Facts, mean_and_spread
from counts.report.spread import spreads
from counts.report.words import decimal, listed, percent, plural, square_km, whole
from counts.store.surveys import hash_plan
from flightplan.plan import SurveyPlan

FEW_TRANSECTS = 12
FEW_SEEN = 30
LARGE_CORRECTION = 1.4


def methods(facts: Facts) -> tuple[str, ...]:
    """The methods statement, written from what is in the census and from nothing else."""
    return tuple(
        text
        for text in (
            _design(facts),
            _flying(facts),
            _detecting(facts),
            _identity(facts),
            _effort(facts),
            _estimating(facts),
            *_correcting(facts),
        )
        if text
    )


def caveats(facts: Facts) -> tuple[str, ...]:
    """What to keep in mind, from the data itself: gaps, few units, what was not measured."""
    found = [*_gaps(facts), *_few(facts), *_not_measured(facts)]
    for entry in facts.estimates:
        where = f"{entry.species}, {entry.stratum or 'all strata'}"
        found += [f"{where}: {note}." for note in entry.notes]
        if entry.limits_reason and entry.stratum is not None:
            found.append(f"{where}: no limits, because {entry.limits_reason}.")
    found += _leaning(facts)
    for line in facts.corrections:
        notes = line.details.get("notes") or ()
        found += [f"{line.species}, {line.kind}: {note}." for note in notes]
    return tuple(dict.fromkeys(found))


def plan_caveats(facts: Facts, plan: SurveyPlan | None) -> tuple[str, ...]:
    """What the survey's plan warned of before take-off; a plan of another survey is not quoted, and that is said."""
    if plan is None:
        return ()
    if facts.survey.plan_hash != hash_plan(plan):
        return (
            "The plan in the survey's folder is not the one that this survey was brought in with: not quoted here.",
        )
    found = [f"The plan warned: {warning.rstrip('.')}." for warning in plan.warnings]
    if plan.species and not any("forced" in warning for warning in plan.warnings):
        found.append(f"Flown no lower than what studies found {listed(list(plan.species))} to bear.")
    return tuple(dict.fromkeys(found))


def why_no_estimate(facts: Facts) -> str | None:
    """Say why there is no estimate, None when there is one."""
    if facts.estimates:
        return None
    if not facts.strata:
        return (
            "These pictures were brought in without a survey design. Nobody drew the places they were taken at with a "
            "known probability, so what they show cannot be scaled up to an area: no estimate is possible, only what "
            "was found in them."
        )
    if facts.captures.total == 0:
        return "The survey was planned, but no picture is in the census yet."
    if facts.detection is None:
        return "The pictures have not been looked at yet: run `overfly detect`, then `overfly count`."
    return "The survey has not been counted yet: run `overfly count`."


def provenance(facts: Facts) -> tuple[tuple[str, str, str], ...]:
    """The walk from the published number back to the pixels: (step, what it was, its hash or version)."""
    steps: list[tuple[str, str, str]] = []
    if facts.counting:
        steps.append(("Estimates", f"run {facts.counting.estimate_run_id}", facts.counting.provenance_hash))
    if facts.verification:
        frames = sum(facts.verification.frames.values())
        who = listed(facts.verification.who)
        steps.append(("Checked by", f"{who}: {plural(frames, 'frame')}", "append-only in the census"))
    if facts.identity:
        parameters = ", ".join(f"{k} {_short(v)}" for k, v in sorted(facts.identity.parameters.items()) if _plain(v))
        steps.append(("Individuals", f"run {facts.identity.run_id}, {facts.identity.method}", parameters))
    if facts.detection:
        run = facts.detection
        threshold = "" if run.threshold is None else f", score {run.threshold:g} and above"
        steps.append(("Detections", f"run {run.run_id}, {run.detector.name}{threshold}", run.detector.content_hash))
    steps.append(("Pictures", plural(facts.captures.total, "picture"), facts.captures.hash))
    if facts.survey.plan_hash:
        steps.append(("Plan", f"seed {facts.survey.design_seed}", facts.survey.plan_hash))
    versions = dict.fromkeys(
        v
        for v in (
            facts.survey.code_version,
            facts.detection.code_version if facts.detection else None,
            facts.identity.code_version if facts.identity else None,
            facts.counting.code_version if facts.counting else None,
        )
        if v
    )
    steps.append(
        ("Software", f"overfly {listed(list(versions)) or 'version not recorded'}", f"schema {facts.revision}")
    )
    return tuple(steps)


def _design(facts: Facts) -> str:
    survey, strata = facts.survey, facts.strata
    if not strata:
        return ""
    area = square_km(sum(s.area_m2 for s in strata))
    lines = sum(len(s.transects) for s in strata)
    names = listed([f"{s.name} ({square_km(s.area_m2)} km²)" for s in strata])
    kind = {
        "systematic": "parallel transects at equal spacing, with one random start in each stratum",
        "full": "full coverage by strips that touch or overlap",
    }.get(survey.design_kind or "", f"a design of the kind “{survey.design_kind}”")
    return (
        f"{survey.protected_area or 'The area'} ({area} km²) was surveyed in "
        f"{plural(len(strata), 'stratum', 'strata')}: {names}. The design is {kind} (seed {survey.design_seed}): "
        f"{lines} transects heading {decimal(survey.heading_deg, 0)}° from north, {decimal(survey.spacing_m, 0)} m "
        f"apart, with strips {decimal(survey.strip_width_m, 0)} m wide. A transect is the sampling unit."
    )


def _flying(facts: Facts) -> str:
    flown = [f for f in facts.flights if f.started_utc and f.ended_utc]
    if not flown:
        return ""
    first, last = min(f.started_utc for f in flown if f.started_utc), max(f.ended_utc for f in flown if f.ended_utc)
    days = f"on {first:%d %B %Y}" if first.date() == last.date() else f"from {first:%d %B %Y} to {last:%d %B %Y}"
    camera = (facts.survey.camera or {}).get("name")
    survey = facts.survey
    return (
        f"{plural(len(flown), 'flight')} {days} (UTC) at {decimal(survey.altitude_agl_m, 0)} m above ground"
        f"{f' with the camera {camera}' if camera else ''}, at a ground sampling distance of "
        f"{decimal(survey.gsd_cm, 1)} cm, one picture every {decimal(survey.trigger_distance_m, 0)} m."
    )


def _detecting(facts: Facts) -> str:
    run = facts.detection
    if run is None:
        return ""
    threshold = f" at a score of {run.threshold:g} or more" if run.threshold is not None else ""
    return (
        f"{plural(run.captures_done, 'picture')} were searched by the detector {run.detector.name}{threshold}; it gave "
        f"{plural(run.detections, 'detection')}."
    )


def _identity(facts: Facts) -> str:
    if facts.identity is None or facts.individuals is None:
        return ""
    across = (
        " Animals seen from two lines were merged too, because the design covers the whole area; herds that walk too "
        "far between two lines to be known again are counted by how often their ground was looked at."
        if facts.survey.design_kind == "full"
        else " Nothing was merged across transects: in a sample each transect counts what it saw."
    )
    untold = facts.identity.parameters.get("untold")
    if isinstance(untold, dict) and untold:
        names = listed([f"{number} {name}" for name, number in sorted(untold.items())])
        across += f" That could not be told of {names} (tracks, of which one animal may have several)."
    across += _merging(facts)
    sightings = int(facts.individuals.sightings.sum())
    outside = len(facts.individuals) - (facts.individuals_counted or 0)
    beyond = f" {outside} of them stand outside the strips and are not counted." if outside else ""
    return (
        "Detections were placed on the ground from the position and attitude of the camera. Sightings of one animal "
        f"in several pictures of a transect were merged ({facts.identity.method}): "
        f"{plural(sightings, 'sighting')} are {plural(len(facts.individuals), 'individual')}.{beyond}{across}"
    )


def _merging(facts: Facts) -> str:
    """What the count would have been otherwise, and what walking does to it."""
    assert facts.identity is not None
    said = ""
    merging = facts.identity.parameters.get("merging")
    if isinstance(merging, dict) and merging:
        counts = [f"{name} {chosen} ({fewest} to {most})" for name, (chosen, fewest, most) in sorted(merging.items())]
        said += (
            f" Counted were {listed(counts)}; in brackets, if all sightings that could be one animal were, and if none"
            " were."
        )
    if facts.individuals is not None:
        herds = sizes(facts.individuals.herd, facts.individuals.species)
        stood = [f"{plural(h.herds, 'herd')} of {name}, the largest of {h.largest}" for name, h in herds.items()]
        said += f" They stood in {listed(stood)} (within {CHAIN_M:.0f} m of one another)." if stood else ""
    movement = facts.counting.parameters.get("movement") if facts.counting else None
    for name, walked in sorted(movement.items()) if isinstance(movement, dict) else ():
        error = "" if walked["bias_error"] is None else f" ± {walked['bias_error']:.1%}"
        said += (
            f" Of {walked['worlds']} simulated surveys over {name} of which 95 % walk slower than"
            f" {walked['speed_mps']:g} m/s the mean was {walked['bias']:+.1%}{error} off; the count is not corrected"
            " for that."
        )
    return said


def _effort(facts: Facts) -> str:
    if not facts.effort:
        return ""
    area = sum(e.area_searched_m2 for e in facts.effort)
    return (
        f"The area searched ({square_km(area)} km²) is the ground inside the strata that the footprints of the "
        "pictures on effort really cover, each piece counted once."
    )


def _estimating(facts: Facts) -> str:
    if not facts.estimates:
        return ""
    names = dict.fromkeys(e.method for e in facts.estimates if e.stratum is not None)
    forms = listed(list(dict.fromkeys(e.limits_form for e in facts.estimates if e.limits_form)))
    total = (
        " Strata were summed as independent, errors shared by all of them counted once, with Satterthwaite's degrees "
        "of freedom."
        if any(e.stratum is None for e in facts.estimates)
        else ""
    )
    confidence = percent(facts.estimates[0].confidence)
    source = (
        " (Jolly 1969, method 2: the ratio estimator for transects of unequal size)" if _uses(facts, "Jolly 2") else ""
    )
    return (
        f"Estimator: {listed(list(names)) or listed(list(dict.fromkeys(e.method for e in facts.estimates)))}{source}."
        f"{total} Limits hold at {confidence}{f' (form: {forms})' if forms else ''}."
    )


def _correcting(facts: Facts) -> list[str]:
    return [
        f"The {line.kind} correction of {line.species} is {decimal(line.factor, 3)} ({line.method}; {line.source})."
        for line in facts.corrections
        if line.factor is not None
    ]


def _gaps(facts: Facts) -> list[str]:
    notes = _notes_of_effort(facts)
    found = [f"Gaps: {'; '.join(notes)}."] if notes else []
    missing = [f.sortie for f in facts.flights if f.status != "flown"]
    if missing:
        found.append(f"Not flown to the end: {listed(missing)}.")
    searched = {e.transect for e in facts.effort if e.area_searched_m2 > 0}
    blind = [t.identifier for s in facts.strata for t in s.transects if t.identifier not in searched]
    if facts.effort and blind:
        found.append(f"{plural(len(blind), 'transect')} without any area searched: {listed(blind[:12])}.")
    if facts.skips:
        found.append(
            f"{plural(len(facts.skips), 'item')} could not be used, each named above; what they would have shown is "
            "not in the area searched."
        )
    if facts.captures.without_position:
        found.append(f"{plural(facts.captures.without_position, 'picture')} without a position count for nothing.")
    height = mean_and_spread(facts.footprints.altitude_agl_m[facts.footprints.on_effort].tolist())
    planned = facts.survey.altitude_agl_m
    if height and planned and abs(height[0] / planned - 1) > 0.1:
        found.append(f"Flown {decimal(height[0], 0)} m above ground on average, planned were {decimal(planned, 0)} m.")
    return found


def _notes_of_effort(facts: Facts) -> list[str]:
    notes = facts.counting.parameters.get("effort_notes") if facts.counting else None
    return [str(note).rstrip(".") for note in notes] if isinstance(notes, list) else []


def _few(facts: Facts) -> list[str]:
    found = []
    for stratum in facts.strata:
        lines = len(stratum.transects)
        if facts.estimates and facts.survey.design_kind != "full" and lines < FEW_TRANSECTS:
            found.append(
                f"{stratum.name} has {plural(lines, 'transect')}: with fewer than {FEW_TRANSECTS}, limits for clumped "
                "animals hold less often than they say."
            )
    found += [
        f"Only {whole(entry.individuals)} {entry.species} were seen: the estimate rests on few animals."
        for entry in facts.totals()
        if 0 < entry.individuals < FEW_SEEN
    ]
    found += [
        f"More than half of the {spread.species} seen were on one transect: the limits rest on one place."
        for spread in spreads(facts)
        if spread.largest_share > 0.5
    ]
    return found


def _leaning(facts: Facts) -> list[str]:
    """Name corrections so large that the estimate rests on the checked frames more than on the detector."""
    found = []
    for line in facts.corrections:
        if line.factor is None or 1 / LARGE_CORRECTION <= line.factor <= LARGE_CORRECTION:
            continue
        what = "marks more than there is" if line.factor < 1 else "misses much of what there is"
        found.append(
            f"{line.species}: the {line.kind} correction is {decimal(line.factor, 2)}. The detector {what}, so the "
            "estimate leans on the frames that were checked."
        )
    return found


def _not_measured(facts: Facts) -> list[str]:
    if not facts.estimates:
        return []
    found = []
    kinds = {line.kind for line in facts.corrections if line.factor is not None}
    if "detection" not in kinds:
        found.append(
            "Missed animals and false alarms of the detector were not measured in this survey: the numbers are not "
            "corrected for them."
        )
    if "availability" not in kinds:
        found.append(
            "The numbers are of animals visible from the air. Animals hidden under trees, in burrows or under water "
            "are not in them: availability was not measured."
        )
    found += [
        f"{line.species}: the {line.kind} correction could not be made ({line.reason})."
        for line in facts.corrections
        if line.factor is None
    ]
    if facts.verification and any("simulat" in who.lower() for who in facts.verification.who):
        found.append("The frames were checked against a simulation's truth, not by a person.")
    return found


def _uses(facts: Facts, name: str) -> bool:
    return any(name in e.method for e in facts.estimates)


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
