"""The methods statement: how the survey was done, written from what is in the census and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from counts.herds import CHAIN_M, sizes
from counts.report.facts import Facts
from counts.report.mosaics import mosaic_methods
from counts.report.words import Words


def methods(facts: Facts, say: Words) -> tuple[str, ...]:
    """Return the methods statement, a paragraph for each part of the survey that was done."""
    parts = (_design, _flying, _detecting, _identity, _effort, _estimating)
    return (*(" ".join(told) for part in parts if (told := list(part(facts, say)))), *_correcting(facts, say))


def _design(facts: Facts, say: Words) -> Iterator[str]:
    survey, strata = facts.survey, facts.strata
    if not strata:
        return
    names = [say._("{stratum} ({area} km²)", stratum=s.name, area=say.square_km(s.area_m2)) for s in strata]
    yield say.ngettext(
        "{place} ({area} km²) was surveyed as {count} stratum: {strata}.",
        "{place} ({area} km²) was surveyed in {count} strata: {strata}.",
        len(strata),
        place=survey.protected_area or survey.name,
        area=say.square_km(sum(s.area_m2 for s in strata)),
        strata=say.listed(names),
    )
    if facts.mosaics is not None:
        return
    if survey.design_seed is None:
        yield say._("The lines are those that were flown, read from where the pictures were taken.")
        if survey.design_kind == "full":
            yield say._("Their strips touch or overlap.")
        else:
            yield say._("They are taken as parallel transects from a random start; whether they were is not known.")
    elif survey.design_kind == "systematic":
        yield say._(
            "The design is parallel transects at equal spacing, with one random start in each stratum (seed {seed}).",
            seed=survey.design_seed,
        )
    elif survey.design_kind == "full":
        yield say._(
            "The design is full coverage by strips that touch or overlap (seed {seed}).", seed=survey.design_seed
        )
    else:
        yield say._(
            "The design is of the kind “{kind}” (seed {seed}).",
            kind=say.stored_value(survey.design_kind or ""),
            seed=survey.design_seed,
        )
    yield say.ngettext(
        "{count} transect heads {heading}° from north, its strip {width} m wide.",
        "{count} transects head {heading}° from north, {spacing} m apart, with strips {width} m wide.",
        sum(len(s.transects) for s in strata),
        heading=say.whole(survey.heading_deg),
        spacing=say.whole(survey.spacing_m),
        width=say.whole(survey.strip_width_m),
    )
    if survey.design_kind != "full":
        yield say._("A transect is the sampling unit.")
    elif facts.estimates and all(e.method.startswith("total count") for e in facts.estimates):
        yield say._("All of the area was to be seen: the number is a count, and nothing is scaled up.")
    masked_m2 = sum(e.masked_area_m2 or 0.0 for e in facts.effort)
    if facts.masks and masked_m2 > 0:
        yield say._(
            "Ground that is no habitat or could not be seen was left out, in the strips {area} km².",
            area=say.square_km(masked_m2),
        )


def _flying(facts: Facts, say: Words) -> Iterator[str]:
    flown = [f for f in facts.flights if f.started_utc and f.ended_utc]
    survey = facts.survey
    if not flown:
        return
    first, last = min(f.started_utc for f in flown if f.started_utc), max(f.ended_utc for f in flown if f.ended_utc)
    if first.date() == last.date():
        yield say.ngettext(
            "{count} flight was made on {day} (UTC).", "{count} flights were made on {day} (UTC).", len(flown),
            day=say.day(first),
        )  # fmt: skip
    else:
        yield say.ngettext(
            "{count} flight was made from {first} to {last} (UTC).",
            "{count} flights were made from {first} to {last} (UTC).",
            len(flown),
            first=say.day(first),
            last=say.day(last),
        )
    camera = (survey.camera or {}).get("name")
    if camera:
        yield say._("The camera was {camera}.", camera=camera)
    yield say._(
        "Planned were {height} m above ground, a ground sampling distance of {gsd} cm, and one picture every "
        "{distance} m.",
        height=say.whole(survey.altitude_agl_m),
        gsd=say.decimal(survey.gsd_cm, 1),
        distance=say.whole(survey.trigger_distance_m),
    )


def _detecting(facts: Facts, say: Words) -> Iterator[str]:
    run = facts.detection
    if run is None:
        return
    yield say.ngettext(
        "{count} picture was searched by the detector {name}.",
        "{count} pictures were searched by the detector {name}.",
        run.captures_done,
        name=run.detector.name,
    )
    given = run.detections
    if run.threshold is not None:
        yield say.ngettext(
            "At a score of {threshold} or more it gave {count} detection.",
            "At a score of {threshold} or more it gave {count} detections.",
            given,
            threshold=say.significant(run.threshold),
        )
    else:
        yield say.ngettext("It gave {count} detection.", "It gave {count} detections.", given)
    if facts.reviewing and facts.reviewing.detections < given:
        yield say.ngettext(
            "{count} of them is in a picture that was left out.",
            "{count} of them are in pictures that were left out.",
            given - facts.reviewing.detections,
        )


def _identity(facts: Facts, say: Words) -> Iterator[str]:
    if facts.identity is None or facts.individuals is None:
        return
    table = facts.individuals
    if facts.mosaics is not None:
        yield from mosaic_methods(facts, say)
        yield from _merging(facts, say)
        return
    yield say._("Detections were placed on the ground from the position and attitude of the camera.")
    yield say._(
        "Sightings of one animal in several pictures of a transect were merged ({method}).",
        method=say.stored_value(facts.identity.method),
    )
    yield say._(
        "Sightings: {sightings}; individuals: {individuals}.",
        sightings=say.whole(int(table.sightings.sum())),
        individuals=say.whole(len(table)),
    )
    outside = len(table) - (facts.individuals_counted or 0)
    if outside:
        yield say.ngettext(
            "{count} of them stands outside the strips and is not counted.",
            "{count} of them stand outside the strips and are not counted.",
            outside,
        )
    if facts.survey.design_kind == "full":
        yield say._(
            "Animals seen from two lines were merged too, because the design covers the whole area; herds that walk "
            "too far between two lines to be known again are counted by how often their ground was looked at."
        )
    else:
        yield say._("Nothing was merged across transects: in a sample each transect counts what it saw.")
    untold = facts.identity.parameters.get("untold")
    if isinstance(untold, dict) and untold:
        names = [f"{say.whole(number)} {name}" for name, number in sorted(untold.items())]
        yield say._(
            "That could not be told of {animals} (tracks, of which one animal may have several).",
            animals=say.listed(names),
        )
    yield from _merging(facts, say)


def _merging(facts: Facts, say: Words) -> Iterator[str]:
    """What the count would have been otherwise, and what walking does to it."""
    assert facts.identity is not None
    merging = facts.identity.parameters.get("merging")
    if isinstance(merging, dict) and merging:
        counts = [
            say._(
                "{species} {chosen} ({fewest} to {most})",
                species=name,
                chosen=say.whole(chosen),
                fewest=say.whole(fewest),
                most=say.whole(most),
            )
            for name, (chosen, fewest, most) in sorted(merging.items())
        ]
        everywhere = facts.individuals is not None and len(facts.individuals) > (facts.individuals_counted or 0)
        if everywhere:
            yield say._(
                "Told apart were {counts}, those outside the strips among them; in brackets, if all sightings that "
                "could be one animal were, and if none were.",
                counts=say.listed(counts),
            )
        else:
            yield say._(
                "Counted were {counts}; in brackets, if all sightings that could be one animal were, and if none were.",
                counts=say.listed(counts),
            )
    if facts.individuals is not None:
        herds = sizes(facts.individuals.herd, facts.individuals.species)
        stood = [
            say.ngettext(
                "{count} herd of {species}, of {largest}",
                "{count} herds of {species}, the largest of {largest}",
                h.herds,
                species=name,
                largest=say.whole(h.largest),
            )
            for name, h in herds.items()
        ]
        if stood:
            yield say._(
                "They stood in {herds} (within {distance} m of one another).",
                herds=say.listed(stood),
                distance=say.whole(CHAIN_M),
            )
    movement = facts.counting.parameters.get("movement") if facts.counting else None
    for name, walked in sorted(movement.items()) if isinstance(movement, dict) else ():
        bias = say.signed_percent(walked["bias"], 1)
        if walked["bias_error"] is not None:
            bias = f"{bias} ± {say.percent(walked['bias_error'], 1)}"
        yield say._(
            "Of {worlds} simulated surveys over {species} of which 95 % walk slower than {speed} m/s the mean was "
            "{bias} off; the count is not corrected for that.",
            worlds=say.whole(walked["worlds"]),
            species=name,
            speed=say.significant(walked["speed_mps"]),
            bias=bias,
        )


def _effort(facts: Facts, say: Words) -> Iterator[str]:
    if facts.effort and facts.mosaics is None:
        yield say._(
            "The area searched ({area} km²) is the ground inside the strata that the footprints of the pictures on "
            "effort really cover, each piece counted once.",
            area=say.square_km(sum(e.area_searched_m2 for e in facts.effort)),
        )


def _estimating(facts: Facts, say: Words) -> Iterator[str]:
    if not facts.estimates:
        return
    names = dict.fromkeys(e.method for e in facts.estimates if e.stratum is not None)
    names = names or dict.fromkeys(e.method for e in facts.estimates)
    yield say._("Estimator: {names}.", names=say.listed([say.stored_value(name) for name in names]))
    if any("Jolly 2" in e.method for e in facts.estimates):
        yield say._("Jolly 2 is the ratio estimator for transects of unequal size (Jolly 1969, method 2).")
    if any(e.stratum is None for e in facts.estimates):
        yield say._(
            "Strata were summed as independent, errors shared by all of them counted once, with Satterthwaite's "
            "degrees of freedom."
        )
    forms = list(dict.fromkeys(e.limits_form for e in facts.estimates if e.limits_form))
    confidence = say.percent(facts.estimates[0].confidence)
    if forms:
        yield say._(
            "Limits hold at {confidence} (form: {forms}).",
            confidence=confidence,
            forms=say.listed([say.stored_value(form) for form in forms]),
        )
    else:
        yield say._("Limits hold at {confidence}.", confidence=confidence)


def _correcting(facts: Facts, say: Words) -> Iterator[str]:
    for line in facts.corrections:
        if line.factor is not None:
            yield say._(
                "{species}: the correction for {kind} is {factor} ({method}; {source}).",
                species=line.species,
                kind=say.stored_value(line.kind),
                factor=say.decimal(line.factor, 3),
                method=say.stored_value(line.method),
                source=say.stored(line.source),
            )
