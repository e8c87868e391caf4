"""Effort, corrections and estimates: one run of `overfly count` is one layer."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from counts.columns import canonical_json, plain
from counts.estimators.estimate import Estimate as EstimatorResult
from counts.schema import Correction, Effort, Estimate, EstimateRun, Gap, Stratum, Transect
from counts.verification import Correction as VerifiedCorrection
from flightplan.errors import CensusError


@dataclass(frozen=True)
class EffortEntry:
    """What was really searched along one transect.

    Of `planned_area_m2` some is masked (water, cloud) and some no picture shows; None where that was not measured.
    What mosaics show belongs to no transect: it is told by `stratum`, or by neither where the survey has no area.
    """

    transect: str | None
    area_searched_m2: float
    length_m: float
    captures: int
    planned_area_m2: float | None = None
    masked_area_m2: float | None = None
    gap_area_m2: float | None = None
    stratum: str | None = None


@dataclass(frozen=True)
class GapEntry:
    """Planned ground (geographic) that no capture on effort shows, on which transect, and why where that is known."""

    polygon: Polygon | MultiPolygon
    area_m2: float
    transect: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class CorrectionEntry:
    """A factor the count is multiplied by. `factor` or `variance` None: not measured, and `reason` says why."""

    species: str
    kind: str
    factor: float | None
    variance: float | None
    method: str
    source: str
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, correction: VerifiedCorrection, *, species: str, **details: Any) -> CorrectionEntry:
        """Return a correction from verified captures as an entry; `details` are further figures worth keeping."""
        own = {
            "df": _finite(correction.degrees_of_freedom),
            "true_total": correction.true_total,
            "counted_total": correction.counted_total,
            "animals_verified": correction.verified,
            "response": correction.response,
            "notes": list(correction.notes),
        }
        return cls(
            species=species,
            kind=correction.name,
            factor=correction.factor,
            variance=correction.variance,
            method=correction.method,
            source=correction.source,
            reason=correction.reason,
            details={**own, **details},
        )


@dataclass(frozen=True)
class EstimateEntry:
    """A number of animals of one species in one stratum; `stratum` None is the sum of all strata.

    `units` transects were flown of `possible_units`; `individuals` were seen in `area_searched_m2` of `area_m2`.
    Limits are at `confidence`; None, with `limits_reason`, where the data cannot carry them. `components` are the
    variances by source ("sampling", "detection", "availability"); `notes` are caveats to print beside the number.
    """

    species: str
    stratum: str | None
    method: str
    value: float | None
    se: float | None
    lower: float | None
    upper: float | None
    cv: float | None
    df: float | None
    units: int
    individuals: int
    possible_units: float | None = None
    area_m2: float | None = None
    area_searched_m2: float | None = None
    confidence: float = 0.95
    limits_form: str | None = None
    limits_reason: str | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        estimate: EstimatorResult,
        *,
        species: str,
        stratum: str | None,
        individuals: int,
        possible_units: float | None = None,
        area_m2: float | None = None,
        area_searched_m2: float | None = None,
    ) -> EstimateEntry:
        """Return an estimator's result as an entry; `individuals` is what the census counted, before any correction."""
        components: dict[str, float] = {}
        for part in estimate.components:
            components[part.name] = components.get(part.name, 0.0) + part.variance
        return cls(
            species=species,
            stratum=stratum,
            method=estimate.method,
            value=estimate.value,
            se=estimate.standard_error,
            lower=estimate.lower,
            upper=estimate.upper,
            cv=estimate.cv,
            df=_finite(estimate.degrees_of_freedom),
            units=estimate.units,
            individuals=individuals,
            possible_units=possible_units,
            area_m2=area_m2,
            area_searched_m2=area_searched_m2,
            confidence=estimate.confidence,
            limits_form=str(estimate.form),
            limits_reason=estimate.reason,
            components=components,
            notes=estimate.notes,
        )


@dataclass(frozen=True)
class EstimateRunInfo:
    """One counting: what it was made from, and the hash of all that it says."""

    estimate_run_id: int
    identity_run_id: int | None
    parameters: Mapping[str, Any]
    code_version: str | None
    provenance_hash: str


def add_estimate_run(
    session: Session,
    survey_id: int,
    *,
    identity_run_id: int | None,
    effort: Iterable[EffortEntry],
    corrections: Iterable[CorrectionEntry],
    estimates: Iterable[EstimateEntry],
    parameters: Mapping[str, Any],
    inputs_hash: str = "",
    code_version: str | None = None,
    gaps: Iterable[GapEntry] = (),
) -> EstimateRunInfo:
    """Write one counting as a new layer, unless it says what the newest layer says already.

    `inputs_hash` is the caller's hash of everything the numbers came from; it goes into each estimate's own hash
    together with the effort, the corrections, the parameters and the code version.
    """
    efforts, factors, numbers = tuple(effort), tuple(corrections), tuple(estimates)
    said = {
        "inputs": inputs_hash,
        "identity_run": identity_run_id,
        "effort": [{k: v for k, v in _document(e).items() if v is not None} for e in efforts],
        "corrections": [_document(c) for c in factors],
        "parameters": dict(parameters),
        "code": code_version,
    }
    whole = _sha256({**said, "estimates": [_document(e) for e in numbers]})
    newest = latest_estimate_run(session, survey_id)
    if newest is not None and newest.provenance_hash == whole:
        return newest
    run = EstimateRun(
        survey_id=survey_id,
        identity_run_id=identity_run_id,
        parameters=dict(parameters),
        code_version=code_version,
        provenance_hash=whole,
    )
    session.add(run)
    session.flush()
    _add_effort(session, run.fid, survey_id, efforts)
    _add_gaps(session, run.fid, survey_id, gaps)
    if factors:
        session.execute(
            insert(Correction),
            [{**_document(c), "estimate_run_id": run.fid} for c in factors],
        )
    _add_estimates(session, run.fid, survey_id, numbers, _sha256(said))
    return read_estimate_run(session, run.fid)


def latest_estimate_run(session: Session, survey_id: int) -> EstimateRunInfo | None:
    """Return the survey's newest counting, None when it was never counted."""
    run_id = session.scalars(select(func.max(EstimateRun.fid)).where(EstimateRun.survey_id == survey_id)).one()
    return None if run_id is None else read_estimate_run(session, run_id)


def read_estimate_run(session: Session, estimate_run_id: int) -> EstimateRunInfo:
    """Return a counting by its key."""
    row = session.get(EstimateRun, estimate_run_id)
    if row is None:
        raise CensusError(f"the census has no estimate run {estimate_run_id}")
    return EstimateRunInfo(row.fid, row.identity_run_id, row.parameters, row.code_version, row.provenance_hash)


def read_effort(session: Session, estimate_run_id: int) -> tuple[EffortEntry, ...]:
    """Return the effort of each transect, of each stratum for mosaics, in the order it was written."""
    rows = session.execute(
        select(Effort, Transect.identifier, Stratum.name)
        .outerjoin(Transect, Effort.transect_id == Transect.fid)
        .outerjoin(Stratum, Effort.stratum_id == Stratum.fid)
        .where(Effort.estimate_run_id == estimate_run_id)
        .order_by(Effort.fid)
    )
    names = [f.name for f in dataclasses.fields(EffortEntry) if f.name not in ("transect", "stratum")]
    return tuple(
        EffortEntry(transect, **{n: getattr(row, n) for n in names}, stratum=stratum) for row, transect, stratum in rows
    )


def read_gaps(session: Session, estimate_run_id: int) -> tuple[GapEntry, ...]:
    """Return the gaps of a counting, in the order they were written."""
    rows = session.execute(
        select(Gap, Transect.identifier)
        .outerjoin(Transect, Gap.transect_id == Transect.fid)
        .where(Gap.estimate_run_id == estimate_run_id)
        .order_by(Gap.fid)
    )
    return tuple(GapEntry(row.polygon, row.area_m2, transect, row.reason) for row, transect in rows)


def read_corrections(session: Session, estimate_run_id: int) -> tuple[CorrectionEntry, ...]:
    """Return the corrections in the order they were written."""
    rows = session.scalars(
        select(Correction).where(Correction.estimate_run_id == estimate_run_id).order_by(Correction.fid)
    )
    names = [f.name for f in dataclasses.fields(CorrectionEntry)]
    return tuple(CorrectionEntry(**{name: getattr(row, name) for name in names}) for row in rows)


def read_estimates(session: Session, estimate_run_id: int) -> tuple[EstimateEntry, ...]:
    """Return the estimates in the order they were written."""
    rows = session.execute(
        select(Estimate, Stratum.name)
        .outerjoin(Stratum, Estimate.stratum_id == Stratum.fid)
        .where(Estimate.estimate_run_id == estimate_run_id)
        .order_by(Estimate.fid)
    )
    names = [f.name for f in dataclasses.fields(EstimateEntry) if f.name not in ("stratum", "notes")]
    return tuple(
        EstimateEntry(stratum=stratum, notes=tuple(row.notes), **{n: getattr(row, n) for n in names})
        for row, stratum in rows
    )


def _add_effort(session: Session, run_id: int, survey_id: int, efforts: tuple[EffortEntry, ...]) -> None:
    ids = _transect_ids(session, survey_id, [e.transect for e in efforts if e.transect is not None])
    strata = _stratum_ids(session, survey_id, [e.stratum for e in efforts if e.stratum is not None])
    rows = []
    for entry in efforts:
        document = _document(entry)
        transect, stratum = document.pop("transect"), document.pop("stratum")
        rows.append(
            {
                **document,
                "estimate_run_id": run_id,
                "transect_id": None if transect is None else ids[transect],
                "stratum_id": None if stratum is None else strata[stratum],
            }
        )
    if rows:
        session.execute(insert(Effort), rows)


def _add_gaps(session: Session, run_id: int, survey_id: int, gaps: Iterable[GapEntry]) -> None:
    coming = tuple(gaps)
    ids = _transect_ids(session, survey_id, [g.transect for g in coming if g.transect is not None])
    rows = [
        {
            "estimate_run_id": run_id,
            "transect_id": None if gap.transect is None else ids[gap.transect],
            "area_m2": float(gap.area_m2),
            "reason": gap.reason,
            "polygon": gap.polygon,
        }
        for gap in coming
    ]
    if rows:
        session.execute(insert(Gap), rows)


def _transect_ids(session: Session, survey_id: int, wanted: Iterable[str]) -> dict[str, int]:
    ids = dict(session.execute(select(Transect.identifier, Transect.fid).where(Transect.survey_id == survey_id)).all())
    missing = [name for name in wanted if name not in ids]
    if missing:
        raise CensusError(f"the survey has no transect {missing[0]!r}", hint="Add the survey with its plan first")
    return ids


def _stratum_ids(session: Session, survey_id: int, wanted: Iterable[str]) -> dict[str, int]:
    ids = dict(session.execute(select(Stratum.name, Stratum.fid).where(Stratum.survey_id == survey_id)).all())
    missing = [name for name in wanted if name not in ids]
    if missing:
        raise CensusError(f"the survey has no stratum {missing[0]!r}", hint="Add the survey with its plan first")
    return ids


def _add_estimates(
    session: Session, run_id: int, survey_id: int, numbers: tuple[EstimateEntry, ...], inputs_hash: str
) -> None:
    ids = _stratum_ids(session, survey_id, [e.stratum for e in numbers if e.stratum is not None])
    rows = []
    for entry in numbers:
        if (entry.lower is None or entry.upper is None) and not entry.limits_reason:
            raise CensusError(
                f"the estimate of {entry.species} has no limits and no reason for it", hint="Say why in limits_reason"
            )
        document = _document(entry)
        stratum = document.pop("stratum")
        rows.append(
            {
                **document,
                "estimate_run_id": run_id,
                "stratum_id": None if stratum is None else ids[stratum],
                "provenance_hash": _sha256([inputs_hash, stratum, document]),
            }
        )
    if rows:
        session.execute(insert(Estimate), rows)


def _finite(value: float | None) -> float | None:
    """Degrees of freedom without end (a normal quantile) are kept as None."""
    return value if value is not None and math.isfinite(value) else None


def _document(entry: EffortEntry | CorrectionEntry | EstimateEntry) -> dict[str, Any]:
    """Return an entry as JSON has it: Python's own numbers, lists for tuples, dicts for mappings."""
    values = {f.name: plain(getattr(entry, f.name)) for f in dataclasses.fields(entry)}
    return {
        name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _sha256(document: Any) -> str:
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()
