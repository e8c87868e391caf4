"""What camera networks, patrols and other people saw, in the census; and a checklist's names of species."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shapely.geometry import MultiLineString, Point
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from counts.schema import CameraDeployment, CameraObservation, Patrol, ReceivedSource, ReportedSighting, Taxon
from counts.store.received import CHUNK


@dataclass(frozen=True)
class DeploymentEntry:
    """A camera trap at one place from `start_utc` to `end_utc`."""

    identifier: str
    longitude_deg: float
    latitude_deg: float
    start_utc: datetime
    end_utc: datetime
    location: str | None = None
    coordinate_uncertainty_m: float | None = None
    camera_model: str | None = None
    habitat: str | None = None


@dataclass(frozen=True)
class CameraEntry:
    """An observation of a camera trap: `kind` is animal, human, vehicle, blank, unknown or unclassified.

    `species` is what the source calls it, `scientific_name` what a checklist makes of that; `individual` is a mark.
    """

    identifier: str
    deployment: str
    start_utc: datetime
    end_utc: datetime
    level: str
    kind: str
    species: str | None = None
    scientific_name: str | None = None
    count: int | None = None
    individual: str | None = None
    method: str | None = None
    classified_by: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class PatrolEntry:
    """A patrol. `length_m` is along the track on the ellipsoid; None without a track."""

    identifier: str
    transport: str | None = None
    started_utc: datetime | None = None
    ended_utc: datetime | None = None
    length_m: float | None = None
    track: MultiLineString | None = None


@dataclass(frozen=True)
class ReportedEntry:
    """Animals that somebody else saw; `count` is None where it was not said."""

    identifier: str
    species: str
    longitude_deg: float
    latitude_deg: float
    scientific_name: str | None = None
    count: int | None = None
    time_utc: datetime | None = None
    observer: str | None = None
    remarks: str | None = None
    details: dict[str, str] | None = None


@dataclass(frozen=True)
class TaxonEntry:
    """A species: its accepted scientific name, what else it is called, its keys in ITIS (TSN) and GBIF's backbone.

    `listed` is what protects it or makes it sensitive, None for nothing.
    """

    scientific_name: str
    rank: str | None = None
    vernacular_names: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    tsn: int | None = None
    gbif_key: int | None = None
    kingdom: str | None = None
    family: str | None = None
    listed: str | None = None


_CAMERA = (
    "identifier", "start_utc", "end_utc", "level", "kind", "species", "scientific_name", "count", "individual",
    "method", "classified_by", "probability",
)  # fmt: skip
_DEPLOYMENT = (
    "identifier", "start_utc", "end_utc", "location", "coordinate_uncertainty_m", "camera_model", "habitat",
)  # fmt: skip
_PATROL = ("identifier", "transport", "started_utc", "ended_utc", "length_m", "track")
_REPORTED = ("identifier", "species", "scientific_name", "count", "time_utc", "observer", "remarks")


def known_identifiers(
    session: Session, table: type[CameraDeployment] | type[Patrol] | type[ReportedSighting], origin: str
) -> set[str]:
    """Return the identifiers that a table has of an origin."""
    return set(session.scalars(select(table.identifier).where(table.origin == origin)))


def add_deployments(session: Session, source_id: int, origin: str, entries: Iterable[DeploymentEntry]) -> None:
    """Add camera deployments that the census does not have."""
    rows = [
        {
            "source_id": source_id,
            "origin": origin,
            "point": Point(e.longitude_deg, e.latitude_deg),
            **{name: getattr(e, name) for name in _DEPLOYMENT},
        }
        for e in entries
    ]
    if rows:
        session.execute(insert(CameraDeployment), rows)


def known_camera_observations(session: Session, origin: str) -> set[tuple[str, str]]:
    """Return (deployment, observation) of all observations of an origin."""
    query = (
        select(CameraDeployment.identifier, CameraObservation.identifier)
        .join(CameraDeployment, CameraObservation.deployment_id == CameraDeployment.fid)
        .where(CameraDeployment.origin == origin)
    )
    return {(deployment, observation) for deployment, observation in session.execute(query)}


def add_camera_observations(session: Session, source_id: int, origin: str, entries: Iterable[CameraEntry]) -> None:
    """Add observations of deployments that the census has by now."""
    query = select(CameraDeployment.identifier, CameraDeployment.fid).where(CameraDeployment.origin == origin)
    keys: dict[str, int] = dict(session.execute(query).all())
    rows = [
        {"deployment_id": keys[e.deployment], "source_id": source_id, **{name: getattr(e, name) for name in _CAMERA}}
        for e in entries
    ]
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(CameraObservation), rows[start : start + CHUNK])


def read_deployments(session: Session) -> tuple[DeploymentEntry, ...]:
    """Return all camera deployments, by origin and identifier."""
    rows = session.scalars(select(CameraDeployment).order_by(CameraDeployment.origin, CameraDeployment.identifier))
    return tuple(
        DeploymentEntry(
            longitude_deg=r.point.x, latitude_deg=r.point.y, **{name: getattr(r, name) for name in _DEPLOYMENT}
        )
        for r in rows
    )


def read_camera_observations(session: Session) -> tuple[CameraEntry, ...]:
    """Return what all cameras saw, in order of time."""
    query = (
        select(CameraObservation, CameraDeployment.identifier)
        .join(CameraDeployment, CameraObservation.deployment_id == CameraDeployment.fid)
        .order_by(CameraObservation.start_utc, CameraObservation.fid)
    )
    return tuple(
        CameraEntry(deployment=deployment, **{name: getattr(r, name) for name in _CAMERA})
        for r, deployment in session.execute(query)
    )


def add_patrols(session: Session, source_id: int, origin: str, entries: Iterable[PatrolEntry]) -> None:
    """Add patrols that the census does not have."""
    rows = [{"source_id": source_id, "origin": origin, **{name: getattr(e, name) for name in _PATROL}} for e in entries]
    if rows:
        session.execute(insert(Patrol), rows)


def read_patrols(session: Session) -> tuple[PatrolEntry, ...]:
    """Return all patrols by their start, those without one first."""
    rows = session.scalars(select(Patrol).order_by(Patrol.fid)).all()
    found = [PatrolEntry(**{name: getattr(r, name) for name in _PATROL}) for r in rows]
    return tuple(sorted(found, key=lambda p: (p.started_utc.timestamp() if p.started_utc else 0.0, p.identifier)))


def add_reported(session: Session, source_id: int, origin: str, entries: Iterable[ReportedEntry]) -> None:
    """Add sightings of others that the census does not have."""
    rows = [
        {
            "source_id": source_id,
            "origin": origin,
            **{name: getattr(e, name) for name in _REPORTED},
            "details": dict(e.details or {}),
            "point": Point(e.longitude_deg, e.latitude_deg),
        }
        for e in entries
    ]
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(ReportedSighting), rows[start : start + CHUNK])


def read_reported(session: Session) -> tuple[ReportedEntry, ...]:
    """Return the sightings of others in the order they came."""
    return tuple(
        ReportedEntry(
            longitude_deg=r.point.x,
            latitude_deg=r.point.y,
            details=r.details,
            **{name: getattr(r, name) for name in _REPORTED},
        )
        for r in session.scalars(select(ReportedSighting).order_by(ReportedSighting.fid))
    )


def add_taxa(session: Session, source_id: int, entries: Iterable[TaxonEntry]) -> None:
    """Add the lines of a checklist."""
    rows = [
        {
            "source_id": source_id, "scientific_name": e.scientific_name, "rank": e.rank,
            "vernacular_names": list(e.vernacular_names), "synonyms": list(e.synonyms), "tsn": e.tsn,
            "gbif_key": e.gbif_key, "kingdom": e.kingdom, "family": e.family, "listed": e.listed,
        }
        for e in entries
    ]  # fmt: skip
    if rows:
        session.execute(insert(Taxon), rows)


def read_taxa(session: Session) -> tuple[TaxonEntry, ...]:
    """Return the checklist that was brought in last, in its own order; empty when there is none."""
    latest = select(func.max(ReceivedSource.fid)).where(ReceivedSource.standard == "checklist").scalar_subquery()
    return tuple(
        TaxonEntry(
            r.scientific_name, r.rank, tuple(r.vernacular_names), tuple(r.synonyms), r.tsn, r.gbif_key, r.kingdom,
            r.family, r.listed,
        )
        for r in session.scalars(select(Taxon).where(Taxon.source_id == latest).order_by(Taxon.fid))
    )  # fmt: skip
