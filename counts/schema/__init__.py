"""The census: its tables, as SQLAlchemy 2 models.

    protected_areas
    └─ surveys ── exclusions, launch_sites, imports, skips, flight_findings
       ├─ strata ── transects ─┐
       ├─ sorties ─────────────┴─ captures ── footprints, pose_repairs
       ├─ detection_runs (detectors) ── detection_run_captures, detections ── verdicts
       ├─ identity_runs ── individuals ── sightings;  verification_samples
       └─ estimate_runs ── effort, corrections, estimates
    audit

Runs are layers: a new run never overwrites an old one. Verdicts, verification samples, findings,
repairs and the audit are append-only.
Unknown is NULL. Geometries are longitude, latitude on WGS 84. Every table has an integer key `fid`, as a GeoPackage
wants it.
"""

from counts.schema.audit import AuditEntry
from counts.schema.base import Base
from counts.schema.pictures import Capture, Detection, DetectionRun, DetectionRunCapture, Detector, Footprint, Verdict
from counts.schema.repairs import FlightFinding, PoseRepair
from counts.schema.results import (
    Correction,
    Effort,
    Estimate,
    EstimateRun,
    IdentityRun,
    Individual,
    Sighting,
    VerificationSample,
)
from counts.schema.surveys import (
    Exclusion,
    Import,
    LaunchSite,
    ProtectedArea,
    SkippedItem,
    Sortie,
    SortieTransect,
    Stratum,
    Survey,
    Transect,
)

__all__ = [
    "AuditEntry",
    "Base",
    "Capture",
    "Correction",
    "Detection",
    "DetectionRun",
    "DetectionRunCapture",
    "Detector",
    "Effort",
    "Estimate",
    "EstimateRun",
    "Exclusion",
    "FlightFinding",
    "Footprint",
    "IdentityRun",
    "Import",
    "Individual",
    "LaunchSite",
    "PoseRepair",
    "ProtectedArea",
    "Sighting",
    "SkippedItem",
    "Sortie",
    "SortieTransect",
    "Stratum",
    "Survey",
    "Transect",
    "Verdict",
    "VerificationSample",
]
