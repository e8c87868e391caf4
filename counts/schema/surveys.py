"""What was planned and flown: areas, surveys, strata, transects, sorties, and where they were brought in from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shapely.geometry import LineString, MultiLineString, MultiPolygon, Point
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, Whole, parent


class ProtectedArea(Base):
    """A park: what surveys of different seasons have in common."""

    __tablename__ = "protected_areas"
    fid: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    boundary: Mapped[MultiPolygon | None]


class Survey(Base):
    """One season's survey. Design and flight figures are NULL when pictures were only brought in."""

    __tablename__ = "surveys"
    fid: Mapped[Key]
    protected_area_id: Mapped[int | None] = parent("protected_areas", index=True)
    name: Mapped[str] = mapped_column(unique=True)
    season: Mapped[str | None]
    design_kind: Mapped[str | None]
    design_seed: Mapped[int | None] = mapped_column(Whole)
    heading_deg: Mapped[float | None]
    spacing_m: Mapped[float | None]
    strip_width_m: Mapped[float | None]
    camera: Mapped[dict[str, Any] | None]
    altitude_agl_m: Mapped[float | None]
    speed_mps: Mapped[float | None]
    trigger_distance_m: Mapped[float | None]
    gsd_cm: Mapped[float | None]
    front_overlap: Mapped[float | None]
    plan_hash: Mapped[str | None]
    code_version: Mapped[str | None]


class Exclusion(Base):
    """Ground that is never flown over."""

    __tablename__ = "exclusions"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    polygon: Mapped[MultiPolygon]


class LaunchSite(Base):
    """A place to take off from and land at."""

    __tablename__ = "launch_sites"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    name: Mapped[str]
    point: Mapped[Point]


class Stratum(Base):
    """A part of the survey's area with an estimate of its own."""

    __tablename__ = "strata"
    __table_args__ = (UniqueConstraint("survey_id", "name"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    name: Mapped[str]
    polygon: Mapped[MultiPolygon]
    area_m2: Mapped[float]
    baseline_m: Mapped[float | None]
    possible_transects: Mapped[float | None]


class Transect(Base):
    """A line of the design: the sampling unit. `position` orders the lines of a stratum along its baseline."""

    __tablename__ = "transects"
    __table_args__ = (UniqueConstraint("survey_id", "identifier"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    stratum_id: Mapped[int] = parent("strata", index=True)
    identifier: Mapped[str]
    position: Mapped[int]
    planned_length_m: Mapped[float]
    strip_area_m2: Mapped[float]
    line: Mapped[MultiLineString]


class Sortie(Base):
    """One battery's flight: what was planned, and once flown, when and along which track."""

    __tablename__ = "sorties"
    __table_args__ = (UniqueConstraint("survey_id", "identifier"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    identifier: Mapped[str]
    planned_length_m: Mapped[float | None]
    planned_duration_s: Mapped[float | None]
    energy_share: Mapped[float | None]
    status: Mapped[str]
    started_utc: Mapped[datetime | None]
    ended_utc: Mapped[datetime | None]
    flown_length_m: Mapped[float | None]
    note: Mapped[str | None]
    track: Mapped[LineString | None]


class SortieTransect(Base):
    """Which transects a sortie flies, in order."""

    __tablename__ = "sortie_transects"
    __table_args__ = (UniqueConstraint("sortie_id", "transect_id"),)
    fid: Mapped[Key]
    sortie_id: Mapped[int] = parent("sorties")
    transect_id: Mapped[int] = parent("transects", index=True)
    sequence: Mapped[int]


class Import(Base):
    """A source that was brought in."""

    __tablename__ = "imports"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    source: Mapped[str]
    found: Mapped[int]
    added: Mapped[int]
    time_utc: Mapped[datetime | None]
    code_version: Mapped[str | None]


class SkippedItem(Base):
    """One item among many that could not be used, by name, and at which stage."""

    __tablename__ = "skips"
    __table_args__ = (UniqueConstraint("survey_id", "stage", "item", "reason"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    stage: Mapped[str]
    item: Mapped[str]
    reason: Mapped[str]
