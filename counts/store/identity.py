"""Sightings, individuals and the frames a person checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from counts.bulk import ROWS_AT_A_TIME, insert_points
from counts.geopackage import decode_points, encode_points, raw
from counts.schema import Base, DetectionRun, IdentityRun, Individual, Transect, VerificationSample
from counts.store.captures import Keys
from flightplan.errors import CensusError
from flightplan.frames import Floats


@dataclass(frozen=True)
class IdentityEntry:
    """Who is who.

    N sightings: `detection_id` (N,), `sighting_lonlat` (N, 2), `covariance_m2` (N, 2, 2) in east, north (NaN where
    unknown), `individual` (N,) the row of the individual, -1 for none. K individuals: `species` (K,),
    `individual_lonlat` (K, 2), `transect` (K,) the transect's identifier or None, `herd` (K,) the number of the herd
    that it stood in, -1 for none; None where herds were not told apart.
    """

    detection_id: Keys
    sighting_lonlat: Floats
    covariance_m2: Floats
    individual: Keys
    species: Sequence[str]
    individual_lonlat: Floats
    transect: Sequence[str | None]
    herd: Keys | None = None


@dataclass(frozen=True)
class IndividualTable:
    """Individuals as arrays, in their numbers' order. `transect` is None off the design, `herd` -1 for none known."""

    individual_id: Keys
    number: Keys
    species: npt.NDArray[np.str_]
    lonlat: Floats
    sightings: Keys
    transect: tuple[str | None, ...]
    herd: Keys

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True)
class VerificationEntry:
    """What somebody counted of one species in the core zone of one frame, beside what the census has there.

    `part` is the number of a part of a mosaic, 0 for a frame.
    """

    capture_id: int
    sample_stratum: str
    species: str
    true_count: int
    census_count: int
    part: int = 0


def add_identity_run(
    session: Session,
    detection_run_id: int,
    entry: IdentityEntry,
    *,
    method: str,
    parameters: Mapping[str, Any],
    code_version: str | None = None,
    findings: Mapping[str, Any] | None = None,
) -> int:
    """Write one resolution of a detection run as a new layer, and return its key.

    `findings` is what the method says of itself: counts under other choices, bias by simulation.
    """
    survey_id = session.get_one(DetectionRun, detection_run_id).survey_id
    run = IdentityRun(
        survey_id=survey_id,
        detection_run_id=detection_run_id,
        method=method,
        parameters=dict(parameters),
        code_version=code_version,
        findings=dict(findings or {}),
    )
    session.add(run)
    session.flush()
    keys = _add_individuals(session, run.fid, survey_id, entry)
    _add_sightings(session, run.fid, keys, entry)
    return run.fid


def read_findings_of(session: Session, identity_run_id: int) -> Mapping[str, Any]:
    """Return what the method of an identity run says of itself."""
    return session.get_one(IdentityRun, identity_run_id).findings


def latest_identity_run(session: Session, survey_id: int) -> int | None:
    """Return the key of the survey's newest identity run, None when there is none."""
    return session.scalars(select(func.max(IdentityRun.fid)).where(IdentityRun.survey_id == survey_id)).one()


def read_individuals(session: Session, identity_run_id: int) -> IndividualTable:
    """Return the individuals of a run."""
    rows = session.execute(
        select(
            Individual.fid,
            Individual.number,
            Individual.species,
            Individual.sightings,
            Transect.identifier,
            raw(Individual.point),
            Individual.herd,
        )
        .outerjoin(Transect, Individual.transect_id == Transect.fid)
        .where(Individual.identity_run_id == identity_run_id)
        .order_by(Individual.number)
    ).all()
    return IndividualTable(
        individual_id=np.array([r[0] for r in rows], dtype=np.int64),
        number=np.array([r[1] for r in rows], dtype=np.int64),
        species=np.array([r[2] for r in rows], dtype=np.str_),
        lonlat=decode_points([r[5] for r in rows]),
        sightings=np.array([r[3] for r in rows], dtype=np.int64),
        transect=tuple(r[4] for r in rows),
        herd=np.array([-1 if r[6] is None else r[6] for r in rows], dtype=np.int64),
    )


def add_verification(
    session: Session,
    identity_run_id: int,
    entries: Iterable[VerificationEntry],
    *,
    who: str,
    time_utc: datetime,
) -> None:
    """Write what a person counted in sampled frames. Append-only: what is there already is not written twice."""
    known = set(
        session.execute(
            select(VerificationSample.capture_id, VerificationSample.part, VerificationSample.species).where(
                VerificationSample.identity_run_id == identity_run_id, VerificationSample.who == who
            )
        )
    )
    rows = [
        {
            "identity_run_id": identity_run_id,
            "capture_id": int(e.capture_id),
            "part": e.part,
            "sample_stratum": e.sample_stratum,
            "species": e.species,
            "true_count": int(e.true_count),
            "census_count": int(e.census_count),
            "who": who,
            "time_utc": time_utc,
        }
        for e in entries
        if (e.capture_id, e.part, e.species) not in known
    ]
    if rows:
        session.execute(insert(VerificationSample), rows)


def read_verification(session: Session, identity_run_id: int) -> tuple[VerificationEntry, ...]:
    """Return the checked frames of a run in the order they were written."""
    rows = session.scalars(
        select(VerificationSample)
        .where(VerificationSample.identity_run_id == identity_run_id)
        .order_by(VerificationSample.fid)
    )
    return tuple(
        VerificationEntry(r.capture_id, r.sample_stratum, r.species, r.true_count, r.census_count, r.part) for r in rows
    )


def _add_individuals(session: Session, run_id: int, survey_id: int, entry: IdentityEntry) -> Keys:
    transects = dict(
        session.execute(select(Transect.identifier, Transect.fid).where(Transect.survey_id == survey_id)).all()
    )
    unknown = sorted({name for name in entry.transect if name is not None and name not in transects})
    if unknown:
        raise CensusError(f"the survey has no transect {unknown[0]!r}", hint="Add the survey with its plan first")
    per_animal = np.bincount(entry.individual[entry.individual >= 0], minlength=len(entry.species))
    if not len(entry.species):
        return np.empty(0, dtype=np.int64)
    insert_points(
        session,
        Base.metadata.tables["individuals"],
        "point",
        ("identity_run_id", "number", "species", "transect_id", "sightings", "herd", "point"),
        _individual_rows(run_id, transects, per_animal, entry),
        np.asarray(entry.individual_lonlat, dtype=np.float64).reshape(-1, 2),
    )
    keys = session.scalars(
        select(Individual.fid).where(Individual.identity_run_id == run_id).order_by(Individual.number)
    )
    return np.array(keys.all(), dtype=np.int64)


def _individual_rows(
    run_id: int, transects: Mapping[str, int], per_animal: Keys, entry: IdentityEntry
) -> Iterator[tuple[Any, ...]]:
    """Give the rows some at a time, as those of sightings."""
    herds = np.full(len(entry.species), -1) if entry.herd is None else entry.herd
    for start in range(0, len(entry.species), ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        points = encode_points(entry.individual_lonlat[part])
        yield from zip(
            repeat(run_id, len(points)),
            range(start + 1, start + 1 + len(points)),
            map(str, entry.species[part]),
            (None if name is None else transects[name] for name in entry.transect[part]),
            per_animal[part].tolist(),
            (None if herd < 0 else herd for herd in herds[part].tolist()),
            points,
            strict=True,
        )


def _add_sightings(session: Session, run_id: int, keys: Keys, entry: IdentityEntry) -> None:
    covariance = np.asarray(entry.covariance_m2, dtype=np.float64).reshape(-1, 2, 2)
    insert_points(
        session,
        Base.metadata.tables["sightings"],
        "point",
        (
            "identity_run_id",
            "detection_id",
            "individual_id",
            "variance_east_m2",
            "variance_north_m2",
            "covariance_m2",
            "point",
        ),
        _sighting_rows(run_id, keys, entry, covariance),
        np.asarray(entry.sighting_lonlat, dtype=np.float64).reshape(-1, 2),
    )


def _sighting_rows(run_id: int, keys: Keys, entry: IdentityEntry, covariance: Floats) -> Iterator[tuple[Any, ...]]:
    """Give the rows some at a time: as Python's own numbers they take ten times the room."""
    lonlat = np.asarray(entry.sighting_lonlat, dtype=np.float64).reshape(-1, 2)
    for start in range(0, len(entry.detection_id), ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        owner = entry.individual[part].tolist()
        yield from zip(
            repeat(run_id, len(owner)),
            entry.detection_id[part].tolist(),
            [int(keys[i]) if i >= 0 else None for i in owner],
            _none_for_nan(covariance[part, 0, 0]),
            _none_for_nan(covariance[part, 1, 1]),
            _none_for_nan(covariance[part, 0, 1]),
            encode_points(lonlat[part]),
            strict=True,
        )


def _none_for_nan(values: Floats) -> list[float | None]:
    return [value if value == value else None for value in values.tolist()]
