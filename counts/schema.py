"""The census: its tables, as SQLAlchemy 2 models.

    protected_areas
    └─ surveys ── exclusions, launch_sites, imports, skips
       ├─ strata ── transects ─┐
       ├─ sorties ─────────────┴─ captures ── footprints
       ├─ detection_runs (detectors) ── detection_run_captures, detections ── verdicts
       ├─ identity_runs ── individuals ── sightings;  verification_samples
       └─ estimate_runs ── effort, corrections, estimates

Runs are layers: a new run never overwrites an old one. Verdicts and verification samples are append-only. Unknown is
NULL. Geometries are longitude, latitude on WGS 84. Every table has an integer key `fid`, as a GeoPackage wants it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from shapely.geometry import LineString, MultiLineString, MultiPolygon, Point, Polygon
from sqlalchemy import BigInteger, Double, ForeignKey, Index, Integer, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from counts.columns import Json, UtcTime
from counts.geopackage import Geometry

Key = Annotated[int, mapped_column(primary_key=True)]
Whole = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The tables of the census."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own hook)
        str: Text,
        float: Double,
        datetime: UtcTime,
        dict[str, Any]: Json,
        list[str]: Json,
        Point: Geometry("POINT"),
        Polygon: Geometry("POLYGON"),
        LineString: Geometry("LINESTRING"),
        MultiPolygon: Geometry("MULTIPOLYGON"),
        MultiLineString: Geometry("MULTILINESTRING"),
    }


def _parent(table: str, **options: Any) -> Any:
    return mapped_column(ForeignKey(f"{table}.fid"), **options)


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
    protected_area_id: Mapped[int | None] = _parent("protected_areas", index=True)
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
    survey_id: Mapped[int] = _parent("surveys", index=True)
    polygon: Mapped[MultiPolygon]


class LaunchSite(Base):
    """A place to take off from and land at."""

    __tablename__ = "launch_sites"
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys", index=True)
    name: Mapped[str]
    point: Mapped[Point]


class Stratum(Base):
    """A part of the survey's area with an estimate of its own."""

    __tablename__ = "strata"
    __table_args__ = (UniqueConstraint("survey_id", "name"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys")
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
    survey_id: Mapped[int] = _parent("surveys")
    stratum_id: Mapped[int] = _parent("strata", index=True)
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
    survey_id: Mapped[int] = _parent("surveys")
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
    sortie_id: Mapped[int] = _parent("sorties")
    transect_id: Mapped[int] = _parent("transects", index=True)
    sequence: Mapped[int]


class Capture(Base):
    """One exposure. `refused` says why it is not used at all, `off_effort_reason` why it does not count as searched."""

    __tablename__ = "captures"
    __table_args__ = (UniqueConstraint("survey_id", "content_hash"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys")
    sortie_id: Mapped[int | None] = _parent("sorties", index=True)
    transect_id: Mapped[int | None] = _parent("transects", index=True)
    content_hash: Mapped[str]
    path: Mapped[str]
    width_px: Mapped[int]
    height_px: Mapped[int]
    time_utc: Mapped[datetime | None]
    altitude_msl_m: Mapped[float | None]
    altitude_ellipsoid_m: Mapped[float | None]
    altitude_takeoff_m: Mapped[float | None]
    yaw_deg: Mapped[float | None]
    pitch_deg: Mapped[float | None]
    roll_deg: Mapped[float | None]
    horizontal_accuracy_m: Mapped[float | None]
    maker: Mapped[str | None]
    model: Mapped[str | None]
    camera: Mapped[dict[str, Any] | None]
    sources: Mapped[dict[str, Any]]
    unknown: Mapped[dict[str, Any]]
    findings: Mapped[list[str]]
    on_effort: Mapped[bool | None]
    off_effort_reason: Mapped[str | None]
    refused: Mapped[str | None]
    position: Mapped[Point | None]


class Footprint(Base):
    """The ground a capture shows, and the height above ground it was worked out with."""

    __tablename__ = "footprints"
    fid: Mapped[Key]
    capture_id: Mapped[int] = _parent("captures", unique=True)
    altitude_agl_m: Mapped[float | None]
    gsd_cm: Mapped[float | None]
    height_source: Mapped[str | None]
    polygon: Mapped[Polygon]


class Detector(Base):
    """A model, known by the SHA-256 of its file."""

    __tablename__ = "detectors"
    fid: Mapped[Key]
    content_hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    task: Mapped[str]
    labels: Mapped[list[str]]


class DetectionRun(Base):
    """One detector at one threshold over one survey. The one with the highest `asked` was asked for last."""

    __tablename__ = "detection_runs"
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys", index=True)
    detector_id: Mapped[int] = _parent("detectors", index=True)
    threshold: Mapped[float | None]
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]
    asked: Mapped[int] = mapped_column(server_default="0")


class DetectionRunCapture(Base):
    """A capture that a run has looked at, be it with nothing found. What is not here is still to be done."""

    __tablename__ = "detection_run_captures"
    __table_args__ = (UniqueConstraint("run_id", "capture_id"),)
    fid: Mapped[Key]
    run_id: Mapped[int] = _parent("detection_runs")
    capture_id: Mapped[int] = _parent("captures", index=True)
    detections: Mapped[int]


class Detection(Base):
    """A box in pixels: the pixel in the top-left corner of the image covers 0 to 1."""

    __tablename__ = "detections"
    __table_args__ = (Index("ix_detections_run_capture", "run_id", "capture_id"),)
    fid: Mapped[Key]
    run_id: Mapped[int] = _parent("detection_runs")
    capture_id: Mapped[int] = _parent("captures", index=True)
    label: Mapped[str]
    score: Mapped[float]
    x_min_px: Mapped[float]
    y_min_px: Mapped[float]
    x_max_px: Mapped[float]
    y_max_px: Mapped[float]


class Verdict(Base):
    """A person's decision about a detection. Append-only."""

    __tablename__ = "verdicts"
    fid: Mapped[Key]
    detection_id: Mapped[int | None] = _parent("detections", index=True)
    capture_id: Mapped[int] = _parent("captures", index=True)
    action: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    who: Mapped[str]
    time_utc: Mapped[datetime]


class IdentityRun(Base):
    """One way of placing a run's detections on the ground and deciding which are one animal."""

    __tablename__ = "identity_runs"
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys", index=True)
    detection_run_id: Mapped[int] = _parent("detection_runs", index=True)
    method: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]


class Individual(Base):
    """The sightings judged to be one animal within its sampling unit."""

    __tablename__ = "individuals"
    __table_args__ = (UniqueConstraint("identity_run_id", "number"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = _parent("identity_runs")
    number: Mapped[int]
    species: Mapped[str]
    transect_id: Mapped[int | None] = _parent("transects", index=True)
    sightings: Mapped[int]
    point: Mapped[Point]


class Sighting(Base):
    """A detection placed on the ground, with the covariance of its place in metres east and north."""

    __tablename__ = "sightings"
    __table_args__ = (UniqueConstraint("identity_run_id", "detection_id"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = _parent("identity_runs")
    detection_id: Mapped[int] = _parent("detections", index=True)
    individual_id: Mapped[int | None] = _parent("individuals", index=True)
    variance_east_m2: Mapped[float | None]
    variance_north_m2: Mapped[float | None]
    covariance_m2: Mapped[float | None]
    point: Mapped[Point]


class VerificationSample(Base):
    """What a person counted in the core zone of a sampled frame, beside what the census has there. Append-only."""

    __tablename__ = "verification_samples"
    __table_args__ = (UniqueConstraint("identity_run_id", "capture_id", "species", "who"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = _parent("identity_runs")
    capture_id: Mapped[int] = _parent("captures", index=True)
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
    survey_id: Mapped[int] = _parent("surveys", index=True)
    identity_run_id: Mapped[int | None] = _parent("identity_runs", index=True)
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]
    provenance_hash: Mapped[str]


class Effort(Base):
    """What was really searched along one transect."""

    __tablename__ = "effort"
    __table_args__ = (UniqueConstraint("estimate_run_id", "transect_id"),)
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = _parent("estimate_runs")
    transect_id: Mapped[int] = _parent("transects", index=True)
    area_searched_m2: Mapped[float]
    length_m: Mapped[float]
    captures: Mapped[int]


class Correction(Base):
    """A factor that the count is multiplied by, with its variance and where it comes from."""

    __tablename__ = "corrections"
    __table_args__ = (UniqueConstraint("estimate_run_id", "species", "kind"),)
    fid: Mapped[Key]
    estimate_run_id: Mapped[int] = _parent("estimate_runs")
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
    estimate_run_id: Mapped[int] = _parent("estimate_runs")
    species: Mapped[str]
    stratum_id: Mapped[int | None] = _parent("strata", index=True)
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


class Import(Base):
    """A source that was brought in."""

    __tablename__ = "imports"
    fid: Mapped[Key]
    survey_id: Mapped[int] = _parent("surveys", index=True)
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
    survey_id: Mapped[int] = _parent("surveys")
    stage: Mapped[str]
    item: Mapped[str]
    reason: Mapped[str]
