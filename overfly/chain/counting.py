"""Detections into sightings, sightings into individuals, individuals into estimates: one counting of a survey."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import shapely

import overfly
from counts.agreement import LineAgreement, compare_with_plan
from counts.availability import Availability
from counts.census import Census
from counts.columns import canonical_json
from counts.effort import Effort, core_zones, measure_effort
from counts.herds import sizes
from counts.population import Estimation, SampleEstimator
from counts.segments import surface_of
from counts.store import (
    CorrectionEntry,
    EffortEntry,
    EstimateEntry,
    GapEntry,
    add_estimate_run,
    answers_for,
    find_survey,
    latest_detection_run,
    latest_survey,
)
from counts.store.detections import DetectionRunInfo, count_by_capture, read_reviewed
from counts.store.looking import count_not_looked_at, looked_at
from counts.store.samples import checked_sample_of
from counts.verification import Correction
from flightplan.errors import CensusError
from flightplan.terrain import Terrain
from overfly.chain.checked_recall import checked_recall
from overfly.chain.counted import Counted
from overfly.chain.estimating import (
    Resolved,
    availability_classes,
    availability_entries,
    counts_by_capture,
    estimate_species,
)
from overfly.chain.ground import Ints, SurveyGround, place_detections, read_ground
from overfly.chain.marking import Marked, marks_classes, marks_entries, read_marked, resighted
from overfly.chain.mosaic_ground import mosaics_shown
from overfly.chain.mosaics import Sampling, count_mosaics
from overfly.chain.passes_flown import LONGEST_GAP_S
from overfly.chain.resolving import (
    herds_in,
    identity_entry,
    pairs_to_ask,
    resolve_individuals,
    transects_of,
    write_assignment,
    write_identity,
)
from overfly.chain.verifying import Checkable, Verification, Verifier, ask, checked_sample, corrections, fits
from overfly.chain.walking import SPEED_LIMIT_MPS, movement_of, walking_speeds

VERIFY_POSITIVE = 80
VERIFY_ZERO = 60

LEAST_GAP_M2 = 1.0
"""Less planned ground that nobody saw is rounding, not a gap."""

SLIVER_SHARE = 0.02
"""Half the width, as a share of the strip's, of what is only the weaving of a strip and no gap on a map."""


def count_survey(
    census: Census,
    *,
    survey: str | None = None,
    species: Sequence[str] | None = None,
    verifier: Verifier | None = None,
    who: str = "",
    verify_positive: int = VERIFY_POSITIVE,
    verify_zero: int = VERIFY_ZERO,
    seed: int = 1,
    speed_limit_mps: float = SPEED_LIMIT_MPS,
    ground_msl_m: float | None = None,
    terrain: Terrain | None = None,
    how: Estimation | None = None,
    availability: Availability | None = None,
    worlds: int | None = None,
    by_marks: bool = False,
) -> Counted:
    """Count a survey from its newest detection run: individuals, effort, corrections, estimates.

    What people decided about detections holds. `species` are the labels to estimate, all of the detector's when None:
    one never seen gets an estimate of 0. `terrain` is the elevation model that the pictures were brought in with.
    Without a `verifier`, a sample that people checked before corrects. The same counting again adds nothing to the
    census. `worlds` surveys are simulated for what walking does to the count: see `overfly.chain.walking`. `by_marks`
    divides by the share of collared animals in the pictures that were found: that is detection and availability in one.
    Raises CensusError when nothing was detected yet.
    """
    with census.reading() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        run = latest_detection_run(session, info.survey_id)
        if run is None:
            raise CensusError(
                f"nothing was looked for in the survey {info.name!r} yet",
                where=census.where,
                hint="Run first: overfly detect",
            )
        seen = looked_at(session, run.run_id)
        ground = read_ground(session, info, ground_msl_m=ground_msl_m, terrain=terrain, looked_at=seen)
        left = count_not_looked_at(session, run.run_id)
        detected = ground.by_capture(*count_by_capture(session, run.run_id))
        table = read_reviewed(session, run.run_id)
        answers = answers_for(session, run.run_id)
        speeds = walking_speeds(session, sorted(set(table.labels)), speed_limit_mps)
        marked = read_marked(session, sorted(set(table.labels)))
    names = tuple(species or dict.fromkeys((*run.detector.labels, *table.labels)))
    if ground.by_mosaic:
        if by_marks:
            raise CensusError(
                "nobody knows when a place in an orthomosaic was photographed, so no collar can be found in it",
                where=census.where,
                hint="Count without --marks",
            )
        return count_mosaics(
            census, run, mosaics_shown(ground), table, species=names,
            sampling=Sampling(verifier, who, verify_positive, verify_zero, seed),
            how=how, availability=availability, left=left,
        )  # fmt: skip
    sightings = place_detections(ground, table)
    sample = Sampling(verifier, who, verify_positive, verify_zero, seed)
    sample_id, checkable = _checked(census, run, ground, detected, names, sample)
    seen_by_people = {}
    if sample_id is not None:
        with census.reading() as session:
            seen_by_people = checked_recall(session, sample_id, table)
    told = resolve_individuals(ground, sightings, speeds, answers, table.detection_id, seen_by_people)
    individuals, members = told.individuals, told.members
    transect = transects_of(ground, individuals)
    walked = movement_of(ground, sightings, told, speeds, worlds)
    parameters = {
        "speed_limit_mps": speed_limit_mps,
        "longest_gap_s": LONGEST_GAP_S,
        "captures": run.captures_done,
        "detections": len(table),
        "merging": {k: [v.chosen, v.merge_all, v.merge_none] for k, v in individuals.counts.items()},
        "untold": {k: v.untold for k, v in individuals.counts.items() if v.untold},
        "recall": {k: asdict(v) for k, v in told.recall.items()},
        "error": {k: [round(v.error, 2), round(v.passed, 2)] for k, v in individuals.counts.items()},
        **({"speeds_mps": speeds} if any(v != speed_limit_mps for v in speeds.values()) else {}),
        **({"answers": len(answers)} if answers else {}),
    }
    herd = herds_in(ground, individuals, transect)
    layer = identity_entry(ground, table.detection_id, sightings, individuals, members, transect, herd)
    # Only now, so that nobody else waits to write while animals are told apart.
    with census.writing() as session:
        write_assignment(session, ground)
        pairs = pairs_to_ask(told, sightings, table.detection_id)
        identity_run_id = write_identity(session, run, parameters, layer, pairs)
    counted = _estimate(
        census,
        Resolved(info, run, identity_run_id, ground, detected, len(table), sightings, individuals, transect, names),
        sample_id=sample_id,
        checkable=checkable,
        parameters={**parameters, "movement": {k: asdict(v) for k, v in walked.items()}} if walked else parameters,
        left=left,
        how=how,
        availability=availability,
        marked=marked,
        by_marks=by_marks,
    )
    return replace(
        counted,
        herds=sizes(herd, individuals.labels),
        movement=walked,
        identity=individuals.counts,
        recall=told.recall,
        pair_answers=len(answers),
        pairs_contradicting=len(individuals.contradict),
    )


def _checked(
    census: Census,
    run: DetectionRunInfo,
    ground: SurveyGround,
    detected: Ints,
    species: Sequence[str],
    sample: Sampling,
) -> tuple[int | None, Checkable | None]:
    """The sample that people have checked, now where there is a verifier, and the frames that it was drawn from."""
    if not ground.planned:
        return None, None
    with census.reading() as session:
        earlier = checked_sample_of(session, run.run_id)
    if sample.verifier is None and earlier is None:
        return None, None
    # Polygons of the part that each capture answers for: a large survey without a sample has no use for them.
    zones = core_zones(ground.footprints, ground.assignment, ground.lines, ground.land)
    checkable = Checkable.of_frames(ground, zones)
    if sample.verifier is None:
        with census.reading() as session:
            return (earlier if earlier is not None and fits(session, earlier, checkable) else None), checkable
    with census.writing() as session:
        write_assignment(session, ground)
        sample_id = ask(
            session, run, ground, checkable, detected, species, sample.verifier,
            who=sample.who, positive=sample.positive, zero=sample.zero, seed=sample.seed,
        )  # fmt: skip
    return sample_id, checkable


def _estimate(
    census: Census,
    count: Resolved,
    *,
    sample_id: int | None,
    checkable: Checkable | None,
    parameters: Mapping[str, Any],
    left: int,
    how: Estimation | None,
    availability: Availability | None,
    marked: Marked,
    by_marks: bool,
) -> Counted:
    ground = count.ground
    effort = measure_effort(
        ground.footprints, ground.assignment, ground.lines, ground.land, planned_width_m=count.info.strip_width_m
    )
    per_capture = counts_by_capture(count)
    checked: Verification | None = None
    if sample_id is not None and checkable is not None:
        with census.writing() as session:
            checked = checked_sample(session, sample_id, count.identity_run_id, ground, checkable, per_capture)
    factors: dict[str, Correction] = {}
    if checked is not None:
        factors = corrections(checked, count.detected, per_capture, ground.assignment.transect >= 0)
    available = availability_classes(count, availability) if availability is not None and ground.planned else {}
    marks = resighted(count, marked) if ground.planned else {}
    if by_marks:
        if factors or available:
            raise CensusError(
                "marked animals measure detection and availability in one, and one of them is corrected for already",
                where=census.where,
                hint="Count without --marks, or in a census without a checked sample",
            )
        available = marks_classes(marks, count.species, count)
    estimates: tuple[EstimateEntry, ...] = ()
    if ground.planned:
        surface = None
        if how is not None and how.estimator is SampleEstimator.DENSITY_SURFACE:
            zones = core_zones(ground.footprints, ground.assignment, ground.lines, ground.land)
            surface = surface_of(
                ground.assignment, zones, ground.lines, ground.habitat, strip_width_m=count.info.strip_width_m or 0.0
            )
        estimates = estimate_species(count, effort, checked, factors, how=how, available=available, surface=surface)
    entries = (
        *(CorrectionEntry.of(c, species=name) for name, c in factors.items()),
        *availability_entries(available),
        *marks_entries(marks, marked, count, applied=by_marks),
    )
    flown = compare_with_plan(
        ground.assignment, ground.lines, effort,
        heights_agl_m=ground.heights_agl_m, land=ground.land or None, planned_width_m=count.info.strip_width_m,
    )  # fmt: skip
    if how is not None:
        parameters = {**parameters, "estimation": asdict(how)}
    return replace(_write(census, count, effort, flown, checked, entries, estimates, parameters), not_looked_at=left)


def _write(
    census: Census,
    count: Resolved,
    effort: Effort,
    flown: tuple[LineAgreement, ...],
    checked: Verification | None,
    entries: tuple[CorrectionEntry, ...],
    estimates: tuple[EstimateEntry, ...],
    parameters: Mapping[str, Any],
) -> Counted:
    ground = count.ground
    masked = _masked_m2(ground)
    efforts = tuple(
        EffortEntry(
            transect=t.identifier,
            area_searched_m2=float(effort.area_m2[i]),
            length_m=float(effort.area_m2[i] / count.info.strip_width_m) if count.info.strip_width_m else t.length_m,
            captures=int(effort.captures[i]),
            planned_area_m2=t.strip_area_m2,
            masked_area_m2=masked[i],
            gap_area_m2=float(effort.gaps_m2[i]),
        )
        for i, t in enumerate(ground.transects)
    )
    # A strip that weaves leaves slivers along its sides: their area counts, but they are no place to fly again.
    sliver_m = SLIVER_SHARE * (count.info.strip_width_m or 0.0)
    wide = shapely.buffer(shapely.buffer(effort.gaps, -sliver_m), sliver_m, join_style="mitre")
    gaps = [
        GapEntry(ground.frame.delocalise(polygon), float(polygon.area), ground.transects[i].identifier)
        for i, polygon in enumerate(wide)
        if polygon.area >= LEAST_GAP_M2
    ]
    inputs = {
        "plan": count.info.plan_hash,
        "detector": count.run.detector.content_hash,
        "threshold": count.run.threshold,
        "captures": ground.captures.content_hashes,
        "verified": None if checked is None else {k: v.tolist() for k, v in checked.seen.items()},
    }
    with census.writing() as session:
        run = add_estimate_run(
            session,
            count.info.survey_id,
            identity_run_id=count.identity_run_id,
            effort=efforts,
            corrections=entries,
            estimates=estimates,
            gaps=gaps,
            parameters={
                **parameters,
                "effort_notes": list(effort.notes),
                "flown": [_rounded(line) for line in flown],
            },
            inputs_hash=hashlib.sha256(canonical_json(inputs).encode()).hexdigest(),
            code_version=overfly.__version__,
        )
    on_effort = int((ground.assignment.transect >= 0).sum())
    tally = {k: v for k, v in ground.assignment.tally.items() if k != "on effort"} if ground.planned else {}
    return Counted(
        survey=count.info.name,
        detection_run_id=count.run.run_id,
        identity_run_id=count.identity_run_id,
        estimate_run_id=run.estimate_run_id,
        captures=len(ground.captures),
        on_effort=on_effort,
        off_effort=tally,
        detections=count.detections,
        sightings=len(count.sightings),
        individuals=int((count.transect >= 0).sum()) if ground.planned else int((~count.individuals.left).sum()),
        individuals_off_design=int((count.transect < 0).sum()) if ground.planned else 0,
        ambiguous_pairs=len(count.individuals.ambiguous),
        merge_counts={k: (v.chosen, v.merge_all, v.merge_none) for k, v in count.individuals.counts.items()},
        untold={k: v.untold for k, v in count.individuals.counts.items() if v.untold},
        area_searched_m2=float(effort.area_m2.sum()) if ground.planned else _seen_m2(ground),
        effort_notes=effort.notes,
        flown=flown,
        corrections=entries,
        estimates=estimates,
        verified_frames=0 if checked is None else len(checked.frames),
        provenance_hash=run.provenance_hash,
        reason=None
        if ground.planned
        else "the survey has no design: there is no telling what share of the area was seen",
    )


def _seen_m2(ground: SurveyGround) -> float:
    """All ground that any capture shows, once: what was searched where no design says what was to be."""
    return float(shapely.area(shapely.union_all([outline for outline in ground.footprints if outline is not None])))


def _masked_m2(ground: SurveyGround) -> list[float | None]:
    """What masks took of each transect's footprints, None where the survey has no masks."""
    found: list[float | None] = [0.0 if ground.masked else None] * len(ground.transects)
    for i, hidden in enumerate(ground.masked):
        mine = ground.footprints[ground.assignment.transect == i]
        found[i] = float(shapely.area(shapely.intersection(shapely.union_all(mine), hidden))) if len(mine) else 0.0
    return found


def _rounded(line: LineAgreement) -> dict[str, Any]:
    """A line of the comparison as JSON has it, to the centimetre."""
    document = asdict(line)
    document["gaps"] = [[round(gap.from_m, 2), round(gap.to_m, 2)] for gap in line.gaps]
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in document.items()}
