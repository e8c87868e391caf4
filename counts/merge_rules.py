"""How rows of two copies of a census are known to be the same, and which of their fields can disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, tuple[str, ...]] = {
    "people": ("name",),
    "grants": ("person_id", "role", "who", "time_utc"),
    "protected_areas": ("name",),
    "detectors": ("content_hash",),
    "surveys": ("name",),
    "exclusions": ("survey_id", "polygon"),
    "launch_sites": ("survey_id", "name", "point"),
    "obstacles": ("survey_id", "name", "geometry"),
    "airspaces": ("survey_id", "name", "kind", "polygon"),
    "kept_clear": ("survey_id", "polygon"),
    "masks": ("survey_id", "kind", "name", "source", "polygon"),
    "plan_warnings": ("survey_id", "text"),
    "strata": ("survey_id", "name"),
    "transects": ("survey_id", "identifier"),
    "sorties": ("survey_id", "identifier"),
    "sortie_transects": ("sortie_id", "transect_id"),
    "imports": ("survey_id", "source", "time_utc"),
    "skips": ("survey_id", "stage", "item", "reason"),
    "flight_findings": ("survey_id", "kind", "text"),
    "captures": ("survey_id", "content_hash"),
    "pose_repairs": ("capture_id", "field", "kind", "after"),
    "footprints": ("capture_id",),
    "detection_runs": ("survey_id", "detector_id", "threshold", "parameters", "drawn_over_id"),
    "detection_run_captures": ("run_id", "capture_id"),
    "detections": ("run_id", "capture_id", "label", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px"),
    "verdicts": ("detection_id", "capture_id", "action", "who", "time_utc", "before", "after"),
    "identity_runs": ("detection_run_id", "method", "parameters"),
    "individuals": ("identity_run_id", "number"),
    "sightings": ("identity_run_id", "detection_id"),
    "ambiguous_pairs": ("identity_run_id", "first_id", "second_id"),
    "pair_decisions": ("first_id", "second_id", "answer", "who", "time_utc"),
    "samples": ("survey_id", "detection_run_id", "seed", "parameters"),
    "sample_frames": ("sample_id", "capture_id", "part"),
    "sample_assignments": ("sample_frame_id", "who"),
    "sample_counts": ("sample_frame_id", "species", "who", "time_utc"),
    "verification_samples": ("identity_run_id", "capture_id", "part", "species", "who"),
    "estimate_runs": ("survey_id", "identity_run_id", "provenance_hash", "parameters"),
    "effort": ("estimate_run_id", "transect_id", "stratum_id"),
    "gaps": ("estimate_run_id", "transect_id", "polygon"),
    "corrections": ("estimate_run_id", "species", "kind"),
    "estimates": ("estimate_run_id", "species", "stratum_id", "method"),
    "received_sources": ("standard", "content_hash"),
    "taxa": ("source_id", "scientific_name"),
    "tracked_animals": ("origin", "identifier"),
    "animal_fixes": ("animal_id", "time_utc"),
    "camera_deployments": ("origin", "identifier"),
    "camera_observations": ("deployment_id", "identifier"),
    "patrols": ("origin", "identifier"),
    "reported_sightings": ("origin", "identifier"),
    "outbox_items": ("target", "idempotency_key"),
    "outbox_attempts": ("item_id", "time_utc"),
    "outbox_receipts": ("item_id",),
}
"""What tells one row of a table from another, wherever it was written; in an order in which parents come first."""

PARENT_RUN: Mapping[str, tuple[str, ...]] = {
    "detections": ("run_id", "capture_id"),
    "individuals": ("identity_run_id",),
    "sightings": ("identity_run_id",),
    "ambiguous_pairs": ("identity_run_id",),
    "effort": ("estimate_run_id",),
    "gaps": ("estimate_run_id",),
    "corrections": ("estimate_run_id",),
    "estimates": ("estimate_run_id",),
}
"""Rows that belong to a run as a whole: where both copies have the run, they have the same rows of it."""

OURS: Mapping[str, frozenset[str]] = {
    "footprints": frozenset({"altitude_agl_m", "gsd_cm", "height_source", "polygon"}),
    "detection_runs": frozenset({"asked", "code_version"}),
    "detections": frozenset({"judged"}),
    "identity_runs": frozenset({"code_version", "findings"}),
    "people": frozenset({"secret"}),
    "samples": frozenset({"who", "time_utc"}),
    "estimate_runs": frozenset({"code_version"}),
    "detectors": frozenset({"name"}),
    "detection_run_captures": frozenset({"detections"}),
    "captures": frozenset({"path", "sortie_id", "transect_id", "on_effort", "off_effort_reason"}),
    "received_sources": frozenset({"name", "added", "skipped", "skips", "time_utc", "code_version"}),
    **dict.fromkeys(
        (
            "tracked_animals",
            "animal_fixes",
            "camera_deployments",
            "camera_observations",
            "patrols",
            "reported_sightings",
        ),
        frozenset({"source_id"}),
    ),
    "outbox_receipts": frozenset({"time_utc", "outcome", "status", "answer"}),
}
"""Fields that are worked out again, or mean something only where they were written: ours stay, and are no conflict."""

UNKNOWN: Mapping[str, Mapping[str, Any]] = {"sorties": {"status": "planned"}}
"""Values that say that something is not known yet."""
