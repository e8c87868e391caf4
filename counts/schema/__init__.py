"""The census: its tables, as SQLAlchemy 2 models.

    protected_areas;  people ── grants
    └─ surveys ── exclusions, launch_sites, obstacles, airspaces, kept_clear, masks, plan_warnings
       │          imports, skips, flight_findings
       ├─ strata ── transects ─┐
       ├─ sorties ─────────────┴─ captures ── footprints, pose_repairs
       ├─ detection_runs (detectors) ── detection_run_captures, detections ── verdicts, review_states;  tallies
       ├─ samples ── sample_frames ── sample_assignments, sample_counts
       ├─ identity_runs ── individuals ── sightings;  ambiguous_pairs, pair_decisions;  verification_samples
       └─ estimate_runs ── effort, gaps, corrections, estimates
    received_sources ── taxa, tracked_animals ── animal_fixes;  camera_deployments ── camera_observations;  patrols,
    │                   reported_sightings
    outbox_items ── outbox_attempts, outbox_receipts
    audit

Runs are layers: a new run never overwrites an old one. What people decide (verdicts, pair decisions, sample counts,
verification samples, grants), findings, repairs and the audit are append-only.
Unknown is NULL. Geometries are longitude, latitude on WGS 84. Every table has an integer key `fid`, as a GeoPackage
wants it.
"""

from counts.schema.audit import AuditEntry
from counts.schema.base import Base
from counts.schema.outbox import OutboxAttempt, OutboxItem, OutboxReceipt
from counts.schema.people import Grant, Person
from counts.schema.pictures import (
    Capture,
    Detection,
    DetectionRun,
    DetectionRunCapture,
    Detector,
    Footprint,
)
from counts.schema.received import (
    AnimalFix,
    CameraDeployment,
    CameraObservation,
    Patrol,
    ReceivedSource,
    ReportedSighting,
    Taxon,
    TrackedAnimal,
)
from counts.schema.repairs import FlightFinding, PoseRepair
from counts.schema.results import (
    Correction,
    Effort,
    Estimate,
    EstimateRun,
    Gap,
    IdentityRun,
    Individual,
    Sighting,
    VerificationSample,
)
from counts.schema.review import (
    AmbiguousPair,
    PairDecision,
    ReviewState,
    Sample,
    SampleAssignment,
    SampleCount,
    SampleFrame,
    Tally,
    Verdict,
)
from counts.schema.surroundings import Airspace, KeptClear, Mask, Obstacle, PlanWarning
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
    "Airspace",
    "AmbiguousPair",
    "AnimalFix",
    "AuditEntry",
    "Base",
    "CameraDeployment",
    "CameraObservation",
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
    "Gap",
    "Grant",
    "IdentityRun",
    "Import",
    "Individual",
    "KeptClear",
    "LaunchSite",
    "Mask",
    "Obstacle",
    "OutboxAttempt",
    "OutboxItem",
    "OutboxReceipt",
    "PairDecision",
    "Patrol",
    "Person",
    "PlanWarning",
    "PoseRepair",
    "ProtectedArea",
    "ReceivedSource",
    "ReportedSighting",
    "ReviewState",
    "Sample",
    "SampleAssignment",
    "SampleCount",
    "SampleFrame",
    "Sighting",
    "SkippedItem",
    "Sortie",
    "SortieTransect",
    "Stratum",
    "Survey",
    "Tally",
    "Taxon",
    "TrackedAnimal",
    "Transect",
    "Verdict",
    "VerificationSample",
]
