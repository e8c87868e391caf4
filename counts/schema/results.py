"""Who is who, how much was searched, and how many there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shapely.geometry import MultiPolygon, Point
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, parent


class IdentityRun(Base):
    """One way of placing a run's detections on the ground and deciding which are one animal.

    `findings` is what the method says of itself: counts under "merge all" and "merge none", bias by simulation.
    """

    __tablename__ = "identity_runs"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    detection_run_id: Mapped[int] = parent("detection_runs", index=True)
    method: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]
    findings: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class Individual(Base):
    """The sightings judged to be one animal within its sampling unit; those of one `herd` stood together."""

    __tablename__ = "individuals"
    __table_args__ = (UniqueConstraint("identity_run_id", "number"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = parent("identity_runs")
    number: Mapped[int]
    species: Mapped[str]
    transect_id: Mapped[int | None] = parent("transects", index=True)
    sightings: Mapped[int]
    herd: Mapped[int | None]
    point: Mapped[Point]


class Sighting(Base):
    """A detection placed on the ground, with the covariance of its place in metres east and north."""

    __tablename__ = "sightings"
    __table_args__ = (UniqueConstraint("identity_run_id", "detection_id"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = parent("identity_runs")
    detection_id: Mapped[int] = parent("detections", index=True)
    individual_id: Mapped[int | None] = parent("individuals", index=True)
    variance_east_m2: Mapped[float | None]
    variance_north_m2: Mapped[float | None]
    covariance_m2: Mapped[float | None]
    point: Mapped[Point]


class VerificationSample(Base):
    """What a person counted in the core zone of a sampled frame, beside what the census has there. Append-only.

    `part` is the number of the part of a mosaic that was checked, 0 for a frame.
    """

    __tablename__ = "verification_samples"
    __table_args__ = (UniqueConstraint("identity_run_id", "capture_id", "part", "species", "who"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = parent("identity_runs")
    capture_id: Mapped[int] = parent("captures", index=True)
    part: Mapped[int] = mapped_column(server_default="0")
    sample_stratum: Mapped[str]
    species: Mapped[str]
    true_count: Mapped[int]
    census_count: Mapped[int]
    who: Mapped[str]
    time_utc: Mapped[datetime]


class EstimateRun(Base):
    """One counting of one identity run: its effort, its corrections, its estimates."""

    __tablename__ = "estimate_runs"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    identity_run_id: Mapped[int | None] = parent("identity_runs", index=True)
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]
    provenance_hash: Mapped[str]


class Effort(Base):
    """What was really searched along one transect; NULL where masks or gaps were not measured.

    What mosaics show belongs to no line: of that there is one row for a stratum, or one with neither where the survey
    has no area.
    """

    __tablename__ = "effort"
    __table_args__ = (UniqueConstraint("estimate_run_id", "transect_id"),)
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = parent("estimate_runs")
    transect_id: Mapped[int | None] = parent("transects", index=True)
    stratum_id: Mapped[int | None] = parent("strata", index=True)
    area_searched_m2: Mapped[float]
    length_m: Mapped[float]
    captures: Mapped[int]
    planned_area_m2: Mapped[float | None]
    masked_area_m2: Mapped[float | None]
    gap_area_m2: Mapped[float | None]


class Gap(Base):
    """Ground of the plan's strips that no capture on effort shows, and why where that is known."""

    __tablename__ = "gaps"
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = parent("estimate_runs", index=True)
    transect_id: Mapped[int | None] = parent("transects", index=True)
    area_m2: Mapped[float]
    reason: Mapped[str | None]
    polygon: Mapped[MultiPolygon]


class Correction(Base):
    """A factor that the count is multiplied by, with its variance and where it comes from."""

    __tablename__ = "corrections"
    __table_args__ = (UniqueConstraint("estimate_run_id", "species", "kind"),)
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = parent("estimate_runs")
    species: Mapped[str]
    kind: Mapped[str]
    factor: Mapped[float | None]
    variance: Mapped[float | None]
    method: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any]]


class Estimate(Base):
    """A number of animals of one species in one stratum, or in all of them when the stratum is NULL."""

    __tablename__ = "estimates"
    __table_args__ = (UniqueConstraint("estimate_run_id", "species", "stratum_id", "method"),)
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = parent("estimate_runs")
    species: Mapped[str]
    stratum_id: Mapped[int | None] = parent("strata", index=True)
    method: Mapped[str]
    value: Mapped[float | None]
    se: Mapped[float | None]
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    cv: Mapped[float | None]
    df: Mapped[float | None]
    confidence: Mapped[float]
    units: Mapped[int]
    possible_units: Mapped[float | None]
    individuals: Mapped[int]
    area_m2: Mapped[float | None]
    area_searched_m2: Mapped[float | None]
    limits_form: Mapped[str | None]
    limits_reason: Mapped[str | None]
    components: Mapped[dict[str, Any]]
    notes: Mapped[list[str]]
    provenance_hash: Mapped[str]
