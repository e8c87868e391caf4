"""What others observed: collars, camera networks, patrols, sightings, and the names of species.

None of it belongs to a survey: a collar reports for years, and a camera stands between two seasons. Rows are only
added. `origin` says within what an identifier means one thing: a Movebank study, a camera project, a park's SMART.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shapely.geometry import MultiLineString, Point
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, Whole, parent


class ReceivedSource(Base):
    """A file or package of others, known by the SHA-256 of what is in it. `skips` has the first thousand."""

    __tablename__ = "received_sources"
    __table_args__ = (UniqueConstraint("standard", "content_hash"),)
    fid: Mapped[Key]
    standard: Mapped[str]
    name: Mapped[str]
    origin: Mapped[str]
    content_hash: Mapped[str]
    version: Mapped[str | None]
    licence: Mapped[str | None]
    found: Mapped[int]
    added: Mapped[int]
    skipped: Mapped[int]
    skips: Mapped[list[str]]
    time_utc: Mapped[datetime]
    code_version: Mapped[str | None]


class TrackedAnimal(Base):
    """An animal that wears collars. `taxon` is what its source calls its kind."""

    __tablename__ = "tracked_animals"
    __table_args__ = (UniqueConstraint("origin", "identifier"),)
    fid: Mapped[Key]
    source_id: Mapped[int] = parent("received_sources", index=True)
    origin: Mapped[str]
    identifier: Mapped[str]
    taxon: Mapped[str | None]


class AnimalFix(Base):
    """Where a tracked animal was at one moment, and the tag it wore."""

    __tablename__ = "animal_fixes"
    __table_args__ = (UniqueConstraint("animal_id", "time_utc"),)
    fid: Mapped[Key]
    animal_id: Mapped[int] = parent("tracked_animals")
    source_id: Mapped[int] = parent("received_sources", index=True)
    time_utc: Mapped[datetime]
    tag: Mapped[str | None]
    point: Mapped[Point]


class CameraDeployment(Base):
    """A camera trap at one place from its start to its end: the effort of a camera network."""

    __tablename__ = "camera_deployments"
    __table_args__ = (UniqueConstraint("origin", "identifier"),)
    fid: Mapped[Key]
    source_id: Mapped[int] = parent("received_sources", index=True)
    origin: Mapped[str]
    identifier: Mapped[str]
    location: Mapped[str | None]
    start_utc: Mapped[datetime]
    end_utc: Mapped[datetime]
    coordinate_uncertainty_m: Mapped[float | None]
    camera_model: Mapped[str | None]
    habitat: Mapped[str | None]
    point: Mapped[Point]


class CameraObservation(Base):
    """What a camera trap saw. `individual` is a mark: an animal that somebody knows by its looks."""

    __tablename__ = "camera_observations"
    __table_args__ = (UniqueConstraint("deployment_id", "identifier"),)
    fid: Mapped[Key]
    deployment_id: Mapped[int] = parent("camera_deployments")
    source_id: Mapped[int] = parent("received_sources", index=True)
    identifier: Mapped[str]
    start_utc: Mapped[datetime]
    end_utc: Mapped[datetime]
    level: Mapped[str]
    kind: Mapped[str]
    species: Mapped[str | None]
    scientific_name: Mapped[str | None]
    count: Mapped[int | None]
    individual: Mapped[str | None]
    method: Mapped[str | None]
    classified_by: Mapped[str | None]
    probability: Mapped[float | None]


class Patrol(Base):
    """A patrol as it was walked, driven or flown; no track where its source has none."""

    __tablename__ = "patrols"
    __table_args__ = (UniqueConstraint("origin", "identifier"),)
    fid: Mapped[Key]
    source_id: Mapped[int] = parent("received_sources", index=True)
    origin: Mapped[str]
    identifier: Mapped[str]
    transport: Mapped[str | None]
    started_utc: Mapped[datetime | None]
    ended_utc: Mapped[datetime | None]
    length_m: Mapped[float | None]
    track: Mapped[MultiLineString | None]


class ReportedSighting(Base):
    """Animals that somebody else saw. `species` is as it was said, `scientific_name` what a checklist makes of it."""

    __tablename__ = "reported_sightings"
    __table_args__ = (UniqueConstraint("origin", "identifier"),)
    fid: Mapped[Key]
    source_id: Mapped[int] = parent("received_sources", index=True)
    origin: Mapped[str]
    identifier: Mapped[str]
    species: Mapped[str]
    scientific_name: Mapped[str | None]
    count: Mapped[int | None]
    time_utc: Mapped[datetime | None]
    observer: Mapped[str | None]
    remarks: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    point: Mapped[Point]


class Taxon(Base):
    """A line of a checklist: a species with its names, and its keys in ITIS (TSN) and in GBIF's backbone."""

    __tablename__ = "taxa"
    __table_args__ = (UniqueConstraint("source_id", "scientific_name"),)
    fid: Mapped[Key]
    source_id: Mapped[int] = parent("received_sources")
    scientific_name: Mapped[str]
    rank: Mapped[str | None]
    vernacular_names: Mapped[list[str]]
    synonyms: Mapped[list[str]]
    tsn: Mapped[int | None] = mapped_column(Whole)
    gbif_key: Mapped[int | None] = mapped_column(Whole)
    kingdom: Mapped[str | None]
    family: Mapped[str | None]
    listed: Mapped[str | None]
