"""Counting a survey by its orthomosaics: what is found is counted once where it lies, and parts are checked at random.

A mosaic shows every place once, so nobody has to be told apart, and a count of all that is shown has no sampling error:
its limits come from the parts that people checked, or there are none. Lines that were planned are not the units here,
and what of the area no mosaic shows is not in the number: it is a gap, and named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy.orm import Session

import overfly
from counts.availability import Availability
from counts.census import Census
from counts.columns import canonical_json
from counts.herds import herds_of, sizes
from counts.population import Estimation, SampleEstimator
from counts.store import (
    CorrectionEntry,
    IdentityEntry,
    TransectAssignment,
    add_estimate_run,
    assign_transects,
    read_detections,
)
from counts.store.detections import DetectionRunInfo, DetectionTable
from counts.store.samples import checked_sample_of
from counts.verification import Correction
from detect.sources import shown as shown_path
from flightplan.errors import EstimateError
from overfly.chain.counted import Counted
from overfly.chain.estimating import availability_entries
from overfly.chain.ground import Ints, Sightings, place_detections
from overfly.chain.mosaic_estimates import LEAST_GAP_M2, availability_in_parts, effort_of, estimate_in_parts, gaps_of
from overfly.chain.mosaic_ground import MosaicsShown
from overfly.chain.resolving import write_identity
from overfly.chain.verifying import Checkable, Verification, Verifier, checked_sample, corrections, fits, verify

ONE_LOOK = "each place is shown once, by an orthomosaic"
"""How sightings became individuals."""

PARTS = "parts of the orthomosaics"
NOTHING_OF_IT = "it shows nothing of the area"
NO_FOOTPRINT = "its footprint on the ground is unknown"


@dataclass(frozen=True)
class Sampling:
    """How a sample is drawn and checked, in one counting."""

    verifier: Verifier | None
    who: str
    positive: int
    zero: int
    seed: int


def count_mosaics(
    census: Census,
    run: DetectionRunInfo,
    shown: MosaicsShown,
    table: DetectionTable,
    *,
    species: Sequence[str],
    sampling: Sampling,
    how: Estimation | None = None,
    availability: Availability | None = None,
    left: int = 0,
) -> Counted:
    """Count what `table`, the reviewed detections, has on the ground that mosaics show.

    `left` captures of the survey were not looked at. Raises EstimateError for an estimator of samples, which a mosaic
    is not.
    """
    if how is not None and how.estimator not in (None, SampleEstimator.TOTAL):
        raise EstimateError(
            f"{how.estimator} expands a sample of lines, and an orthomosaic shows a place whole",
            hint="Count without --estimator: the total count",
        )
    ground, parts = shown.ground, shown.parts
    sightings = place_detections(ground, table)
    part = shown.parts_of(sightings)
    members = np.flatnonzero(part >= 0)
    labels, part = sightings.labels[members], part[members]
    herd = herds_of(sightings.local_m[members], labels, np.zeros(len(members), dtype=np.int64))
    told = {**_told(shown), "notes": [*_of_all(shown)]}
    parameters = {"captures": run.captures_done, "detections": len(table), "mosaics": told}
    per_part = {name: np.bincount(part[labels == name], minlength=len(parts)).astype(np.int64) for name in species}
    checkable = Checkable.of_parts(shown)
    notes = _notes(shown)
    with census.writing() as session:
        _write_assignment(session, shown)
        layer = _identity(table, sightings, members, herd)
        identity_run_id = write_identity(session, run, parameters, layer, method=ONE_LOOK)
        detected = shown.detected(read_detections(session, run.run_id))
        checked, unfit = _checked(session, run, identity_run_id, shown, checkable, detected, per_part, sampling)
    factors: dict[str, Correction] = {}
    if checked is not None:
        factors = corrections(checked, detected, per_part, np.ones(len(parts), dtype=bool), units=PARTS)
    available = {} if availability is None else availability_in_parts(shown, part, labels, species, availability)
    estimates = tuple(
        entry
        for name in species
        for entry in estimate_in_parts(
            shown, name, part[labels == name], checked, factors.get(name), how, available.get(name), notes
        )
    )
    entries = (*(CorrectionEntry.of(c, species=n) for n, c in factors.items()), *availability_entries(available))
    if how is not None:
        parameters = {**parameters, "estimation": asdict(how)}
    inputs = {
        "plan": ground.info.plan_hash,
        "detector": run.detector.content_hash,
        "threshold": run.threshold,
        "captures": ground.captures.content_hashes,
        "verified": None if checked is None else {k: v.tolist() for k, v in checked.seen.items()},
    }
    effort_notes = tuple(n for own in notes for n in own)
    told = {**told, "notes": [*told["notes"], *unfit]}
    parameters = {**parameters, "mosaics": told}
    with census.writing() as session:
        estimate_run = add_estimate_run(
            session,
            ground.info.survey_id,
            identity_run_id=identity_run_id,
            effort=effort_of(shown),
            corrections=entries,
            estimates=estimates,
            gaps=gaps_of(shown),
            parameters={**parameters, "effort_notes": list(effort_notes)},
            inputs_hash=hashlib.sha256(canonical_json(inputs).encode()).hexdigest(),
            code_version=overfly.__version__,
        )
    off = _off_effort(shown)
    return Counted(
        survey=ground.info.name,
        detection_run_id=run.run_id,
        identity_run_id=identity_run_id,
        estimate_run_id=estimate_run.estimate_run_id,
        captures=len(ground.captures),
        on_effort=len(ground.captures) - len(off),
        off_effort={reason: list(off.values()).count(reason) for reason in dict.fromkeys(off.values())},
        detections=len(table),
        sightings=len(sightings),
        individuals=len(members),
        individuals_off_design=len(sightings) - len(members),
        ambiguous_pairs=0,
        merge_counts={},
        untold={},
        area_searched_m2=float(shown.shown_m2.sum()),
        effort_notes=effort_notes,
        flown=(),
        corrections=entries,
        estimates=estimates,
        verified_frames=0 if checked is None else len(checked.frames),
        provenance_hash=estimate_run.provenance_hash,
        not_looked_at=left,
        herds=sizes(herd, labels),
        mosaics=told,
    )


def _told(shown: MosaicsShown) -> dict[str, Any]:
    """What a report and a person are told of the mosaics."""
    captures = [shown.ground.captures[row].capture for row in shown.rows.tolist()]
    own_m2 = np.bincount(shown.parts.mosaic, shown.parts.areas_m2, minlength=len(captures))
    return {
        "shown_m2": round(float(shown.shown_m2.sum()), 1),
        "area_m2": round(sum(s.area_m2 for s in shown.strata), 1) if shown.ground.searchable else None,
        "doubled_m2": round(shown.shared.doubled_m2, 1),
        "parts": len(shown.parts),
        "part_side_m": shown.parts.side_m,
        "planned_lines": len(shown.ground.transects),
        "mosaics": [
            {
                "name": shown_path(capture.path).rsplit("/", 1)[-1],
                "gsd_cm": round(capture.georeference.gsd_cm, 2) if capture.georeference else None,
                "shown_m2": round(float(area), 1),
            }
            for capture, area in zip(captures, own_m2, strict=True)
        ],
    }


def _notes(shown: MosaicsShown) -> list[tuple[str, ...]]:
    """What is missing of each stratum (S,)."""
    notes: list[tuple[str, ...]] = []
    for stratum, seen_m2, gap in zip(shown.strata, shown.shown_m2.tolist(), shown.gaps, strict=True):
        missing_m2 = float(shapely.area(gap))
        if missing_m2 < LEAST_GAP_M2:
            notes.append(())
            continue
        share = seen_m2 / stratum.area_m2 if stratum.area_m2 else 0.0
        notes.append(
            (
                f"{stratum.name}: the mosaics show {share:.1%} of it; {missing_m2:.0f} m² that none shows are not in "
                "the number",
            )
        )
    return notes


def _of_all(shown: MosaicsShown) -> tuple[str, ...]:
    notes = []
    if shown.shared.doubled_m2 >= LEAST_GAP_M2:
        notes.append(
            f"{shown.shared.doubled_m2:.0f} m² are shown by more than one mosaic: the one with the finer ground "
            "resolution counts there, of equals the one brought in last"
        )
    if shown.ground.transects:
        notes.append(f"{len(shown.ground.transects)} lines were planned: they are not the units of a count by mosaic")
    return tuple(notes)


def _off_effort(shown: MosaicsShown) -> dict[int, str]:
    """Why a capture, by its row, counts for nothing."""
    used = set(shown.rows[np.unique(shown.parts.mosaic)].tolist())
    placed = set(shown.rows.tolist())
    return {
        row: NOTHING_OF_IT if row in placed else NO_FOOTPRINT
        for row in range(len(shown.ground.captures))
        if row not in used
    }


def _write_assignment(session: Session, shown: MosaicsShown) -> None:
    off = _off_effort(shown)
    keys = shown.ground.captures.capture_id.tolist()
    entries = [TransectAssignment(key, None, row not in off, off.get(row)) for row, key in enumerate(keys)]
    assign_transects(session, shown.ground.info.survey_id, entries)


def _identity(table: DetectionTable, sightings: Sightings, members: Ints, herd: Ints) -> IdentityEntry:
    individual = np.full(len(sightings), -1, dtype=np.int64)
    individual[members] = np.arange(len(members))
    names, which = np.unique(sightings.labels[members], return_inverse=True)
    of = [str(name) for name in names]
    return IdentityEntry(
        detection_id=table.detection_id[sightings.detection],
        sighting_lonlat=sightings.lonlat,
        covariance_m2=sightings.covariance_m2,
        individual=individual,
        species=tuple(of[i] for i in which.tolist()),
        individual_lonlat=sightings.lonlat[members],
        transect=(None,) * len(members),
        herd=herd,
    )


def _checked(
    session: Session,
    run: DetectionRunInfo,
    identity_run_id: int,
    shown: MosaicsShown,
    checkable: Checkable,
    detected: Ints,
    per_part: Mapping[str, Ints],
    sampling: Sampling,
) -> tuple[Verification | None, tuple[str, ...]]:
    """The checked sample, and what to say of one that does not fit."""
    if sampling.verifier is not None:
        return (
            verify(
                session,
                run,
                identity_run_id,
                shown.ground,
                checkable,
                detected,
                per_part,
                sampling.verifier,
                who=sampling.who,
                positive=sampling.positive,
                zero=sampling.zero,
                seed=sampling.seed,
            ),
            (),
        )
    earlier = checked_sample_of(session, run.run_id)
    if earlier is None:
        return None, ()
    if not fits(session, earlier, checkable):
        return None, ("a sample was checked of other ground than is counted now, and corrects nothing: draw another",)
    return checked_sample(session, earlier, identity_run_id, shown.ground, checkable, per_part), ()
