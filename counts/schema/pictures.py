"""What was photographed, and what is in the pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shapely.geometry import Point, Polygon
from sqlalchemy import Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, parent


class Capture(Base):
    """One exposure. `refused` says why it is not used at all, `off_effort_reason` why it does not count as searched."""

    __tablename__ = "captures"
    __table_args__ = (UniqueConstraint("survey_id", "content_hash"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    sortie_id: Mapped[int | None] = parent("sorties", index=True)
    transect_id: Mapped[int | None] = parent("transects", index=True)
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
    georeference: Mapped[dict[str, Any] | None]
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
    capture_id: Mapped[int] = parent("captures", unique=True)
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
    """One detector at one threshold over one survey. The one with the highest `asked` was asked for last.

    What people drew while they reviewed a run is a run of its own, with `drawn_over_id` the one they reviewed.
    """

    __tablename__ = "detection_runs"
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys", index=True)
    detector_id: Mapped[int] = parent("detectors", index=True)
    threshold: Mapped[float | None]
    parameters: Mapped[dict[str, Any]]
    code_version: Mapped[str | None]
    asked: Mapped[int] = mapped_column(server_default="0")
    drawn_over_id: Mapped[int | None] = parent("detection_runs", index=True)


class DetectionRunCapture(Base):
    """A capture that a run has looked at, be it with nothing found. What is not here is still to be done."""

    __tablename__ = "detection_run_captures"
    __table_args__ = (UniqueConstraint("run_id", "capture_id"),)
    fid: Mapped[Key]
    run_id: Mapped[int] = parent("detection_runs")
    capture_id: Mapped[int] = parent("captures", index=True)
    detections: Mapped[int]


class Detection(Base):
    """A box in pixels: the pixel in the top-left corner of the image covers 0 to 1.

    `outline_px` is the oriented box or outline, a list of [x, y], where the detector gave one. `judged` is worked out
    from the verdicts: what is not judged is still to be seen.
    """

    __tablename__ = "detections"
    fid: Mapped[Key]
    run_id: Mapped[int] = parent("detection_runs")
    capture_id: Mapped[int] = parent("captures", index=True)
    label: Mapped[str]
    score: Mapped[float]
    x_min_px: Mapped[float]
    y_min_px: Mapped[float]
    x_max_px: Mapped[float]
    y_max_px: Mapped[float]
    outline_px: Mapped[list[Any] | None]
    judged: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        Index("ix_detections_run", "run_id", "fid"),
        Index(
            "ix_detections_unseen",
            "run_id",
            "label",
            "score",
            "fid",
            sqlite_where=judged.is_(false()),
            postgresql_where=judged.is_(false()),
        ),
    )
