"""The census: every table, listed in the GeoPackage; verdicts and verification samples only ever grow."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json, UtcTime
from counts.geopackage import Geometry, drop_container, register, write_container

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

LAYERS = (
    ("protected_areas", "Protected areas", ("boundary", "MULTIPOLYGON")),
    ("strata", "Strata", ("polygon", "MULTIPOLYGON")),
    ("exclusions", "Never flown over", ("polygon", "MULTIPOLYGON")),
    ("launch_sites", "Launch sites", ("point", "POINT")),
    ("transects", "Planned transects", ("line", "MULTILINESTRING")),
    ("sorties", "Sorties: tracks as flown", ("track", "LINESTRING")),
    ("footprints", "Footprints: ground seen", ("polygon", "POLYGON")),
    ("captures", "Captures: where the camera was", ("position", "POINT")),
    ("sightings", "Sightings: detections on the ground", ("point", "POINT")),
    ("individuals", "Individuals: one point per animal", ("point", "POINT")),
)

TABLES = (
    ("detectors", "Detectors"),
    ("surveys", "Surveys: one season each"),
    ("detection_runs", "Detection runs"),
    ("imports", "Imports"),
    ("skips", "Skipped items"),
    ("identity_runs", "Identity runs"),
    ("estimate_runs", "Estimate runs"),
    ("sortie_transects", "Transects of each sortie"),
    ("corrections", "Corrections"),
    ("detection_run_captures", "Captures a detection run has looked at"),
    ("detections", "Detections: boxes in pixels"),
    ("effort", "Effort: area searched per transect"),
    ("estimates", "Estimates"),
    ("verification_samples", "Frames checked by a person"),
    ("verdicts", "Verdicts of reviewers"),
)

APPEND_ONLY = ("verdicts", "verification_samples")


def upgrade() -> None:
    write_container(op.get_bind())
    _create_tables()
    for table, title, geometry in LAYERS:
        register(op.get_bind(), table, title, geometry)
    for table, title in TABLES:
        register(op.get_bind(), table, title)
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )


def downgrade() -> None:
    for table in (
        "verdicts",
        "sightings",
        "verification_samples",
        "footprints",
        "estimates",
        "effort",
        "detections",
        "detection_run_captures",
        "corrections",
        "sortie_transects",
        "individuals",
        "estimate_runs",
        "captures",
        "transects",
        "identity_runs",
        "strata",
        "sorties",
        "skips",
        "launch_sites",
        "imports",
        "exclusions",
        "detection_runs",
        "surveys",
        "protected_areas",
        "detectors",
    ):
        op.drop_table(table)
    drop_container(op.get_bind())


def _create_tables() -> None:
    op.create_table(
        "detectors",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("labels", Json(), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_detectors"),
        sa.UniqueConstraint("content_hash", name="uq_detectors_content_hash"),
    )
    op.create_table(
        "protected_areas",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("boundary", Geometry("MULTIPOLYGON"), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_protected_areas"),
        sa.UniqueConstraint("name", name="uq_protected_areas_name"),
    )
    op.create_table(
        "surveys",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("protected_area_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("season", sa.Text(), nullable=True),
        sa.Column("design_kind", sa.Text(), nullable=True),
        sa.Column("design_seed", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=True),
        sa.Column("heading_deg", sa.Double(), nullable=True),
        sa.Column("spacing_m", sa.Double(), nullable=True),
        sa.Column("strip_width_m", sa.Double(), nullable=True),
        sa.Column("camera", Json(), nullable=True),
        sa.Column("altitude_agl_m", sa.Double(), nullable=True),
        sa.Column("speed_mps", sa.Double(), nullable=True),
        sa.Column("trigger_distance_m", sa.Double(), nullable=True),
        sa.Column("gsd_cm", sa.Double(), nullable=True),
        sa.Column("front_overlap", sa.Double(), nullable=True),
        sa.Column("plan_hash", sa.Text(), nullable=True),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["protected_area_id"], ["protected_areas.fid"], name="fk_surveys_protected_area_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_surveys"),
        sa.UniqueConstraint("name", name="uq_surveys_name"),
    )
    op.create_index("ix_surveys_protected_area_id", "surveys", ["protected_area_id"])
    op.create_table(
        "detection_runs",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("detector_id", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["detector_id"], ["detectors.fid"], name="fk_detection_runs_detector_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_detection_runs_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_detection_runs"),
    )
    op.create_index("ix_detection_runs_detector_id", "detection_runs", ["detector_id"])
    op.create_index("ix_detection_runs_survey_id", "detection_runs", ["survey_id"])
    op.create_table(
        "exclusions",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_exclusions_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_exclusions"),
    )
    op.create_index("ix_exclusions_survey_id", "exclusions", ["survey_id"])
    op.create_table(
        "imports",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=True),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_imports_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_imports"),
    )
    op.create_index("ix_imports_survey_id", "imports", ["survey_id"])
    op.create_table(
        "launch_sites",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_launch_sites_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_launch_sites"),
    )
    op.create_index("ix_launch_sites_survey_id", "launch_sites", ["survey_id"])
    op.create_table(
        "skips",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_skips_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_skips"),
        sa.UniqueConstraint("survey_id", "stage", "item", "reason", name="uq_skips_survey_id"),
    )
    op.create_table(
        "sorties",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("planned_length_m", sa.Double(), nullable=True),
        sa.Column("planned_duration_s", sa.Double(), nullable=True),
        sa.Column("energy_share", sa.Double(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_utc", UtcTime(), nullable=True),
        sa.Column("ended_utc", UtcTime(), nullable=True),
        sa.Column("flown_length_m", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("track", Geometry("LINESTRING"), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_sorties_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_sorties"),
        sa.UniqueConstraint("survey_id", "identifier", name="uq_sorties_survey_id"),
    )
    op.create_table(
        "strata",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.Column("area_m2", sa.Double(), nullable=False),
        sa.Column("baseline_m", sa.Double(), nullable=True),
        sa.Column("possible_transects", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_strata_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_strata"),
        sa.UniqueConstraint("survey_id", "name", name="uq_strata_survey_id"),
    )
    op.create_table(
        "identity_runs",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("detection_run_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["detection_run_id"], ["detection_runs.fid"], name="fk_identity_runs_detection_run_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_identity_runs_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_identity_runs"),
    )
    op.create_index("ix_identity_runs_detection_run_id", "identity_runs", ["detection_run_id"])
    op.create_index("ix_identity_runs_survey_id", "identity_runs", ["survey_id"])
    op.create_table(
        "transects",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("stratum_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("planned_length_m", sa.Double(), nullable=False),
        sa.Column("strip_area_m2", sa.Double(), nullable=False),
        sa.Column("line", Geometry("MULTILINESTRING"), nullable=False),
        sa.ForeignKeyConstraint(["stratum_id"], ["strata.fid"], name="fk_transects_stratum_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_transects_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_transects"),
        sa.UniqueConstraint("survey_id", "identifier", name="uq_transects_survey_id"),
    )
    op.create_index("ix_transects_stratum_id", "transects", ["stratum_id"])
    op.create_table(
        "captures",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("sortie_id", sa.Integer(), nullable=True),
        sa.Column("transect_id", sa.Integer(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=True),
        sa.Column("altitude_msl_m", sa.Double(), nullable=True),
        sa.Column("altitude_ellipsoid_m", sa.Double(), nullable=True),
        sa.Column("altitude_takeoff_m", sa.Double(), nullable=True),
        sa.Column("yaw_deg", sa.Double(), nullable=True),
        sa.Column("pitch_deg", sa.Double(), nullable=True),
        sa.Column("roll_deg", sa.Double(), nullable=True),
        sa.Column("horizontal_accuracy_m", sa.Double(), nullable=True),
        sa.Column("maker", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("camera", Json(), nullable=True),
        sa.Column("sources", Json(), nullable=False),
        sa.Column("unknown", Json(), nullable=False),
        sa.Column("findings", Json(), nullable=False),
        sa.Column("on_effort", sa.Boolean(), nullable=True),
        sa.Column("off_effort_reason", sa.Text(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("position", Geometry("POINT"), nullable=True),
        sa.ForeignKeyConstraint(["sortie_id"], ["sorties.fid"], name="fk_captures_sortie_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_captures_survey_id"),
        sa.ForeignKeyConstraint(["transect_id"], ["transects.fid"], name="fk_captures_transect_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_captures"),
        sa.UniqueConstraint("survey_id", "content_hash", name="uq_captures_survey_id"),
    )
    op.create_index("ix_captures_sortie_id", "captures", ["sortie_id"])
    op.create_index("ix_captures_transect_id", "captures", ["transect_id"])
    op.create_table(
        "estimate_runs",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=True),
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.Column("provenance_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["identity_run_id"], ["identity_runs.fid"], name="fk_estimate_runs_identity_run_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_estimate_runs_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_estimate_runs"),
    )
    op.create_index("ix_estimate_runs_identity_run_id", "estimate_runs", ["identity_run_id"])
    op.create_index("ix_estimate_runs_survey_id", "estimate_runs", ["survey_id"])
    op.create_table(
        "individuals",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("transect_id", sa.Integer(), nullable=True),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.ForeignKeyConstraint(["identity_run_id"], ["identity_runs.fid"], name="fk_individuals_identity_run_id"),
        sa.ForeignKeyConstraint(["transect_id"], ["transects.fid"], name="fk_individuals_transect_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_individuals"),
        sa.UniqueConstraint("identity_run_id", "number", name="uq_individuals_identity_run_id"),
    )
    op.create_index("ix_individuals_transect_id", "individuals", ["transect_id"])
    op.create_table(
        "sortie_transects",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("sortie_id", sa.Integer(), nullable=False),
        sa.Column("transect_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["sortie_id"], ["sorties.fid"], name="fk_sortie_transects_sortie_id"),
        sa.ForeignKeyConstraint(["transect_id"], ["transects.fid"], name="fk_sortie_transects_transect_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_sortie_transects"),
        sa.UniqueConstraint("sortie_id", "transect_id", name="uq_sortie_transects_sortie_id"),
    )
    op.create_index("ix_sortie_transects_transect_id", "sortie_transects", ["transect_id"])
    op.create_table(
        "corrections",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("estimate_run_id", sa.Integer(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("factor", sa.Double(), nullable=True),
        sa.Column("variance", sa.Double(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("details", Json(), nullable=False),
        sa.ForeignKeyConstraint(["estimate_run_id"], ["estimate_runs.fid"], name="fk_corrections_estimate_run_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_corrections"),
        sa.UniqueConstraint("estimate_run_id", "species", "kind", name="uq_corrections_estimate_run_id"),
    )
    op.create_table(
        "detection_run_captures",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("detections", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_detection_run_captures_capture_id"),
        sa.ForeignKeyConstraint(["run_id"], ["detection_runs.fid"], name="fk_detection_run_captures_run_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_detection_run_captures"),
        sa.UniqueConstraint("run_id", "capture_id", name="uq_detection_run_captures_run_id"),
    )
    op.create_index("ix_detection_run_captures_capture_id", "detection_run_captures", ["capture_id"])
    op.create_table(
        "detections",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("x_min_px", sa.Double(), nullable=False),
        sa.Column("y_min_px", sa.Double(), nullable=False),
        sa.Column("x_max_px", sa.Double(), nullable=False),
        sa.Column("y_max_px", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_detections_capture_id"),
        sa.ForeignKeyConstraint(["run_id"], ["detection_runs.fid"], name="fk_detections_run_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_detections"),
    )
    op.create_index("ix_detections_capture_id", "detections", ["capture_id"])
    op.create_index("ix_detections_run_capture", "detections", ["run_id", "capture_id"])
    op.create_table(
        "effort",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("estimate_run_id", sa.Integer(), nullable=False),
        sa.Column("transect_id", sa.Integer(), nullable=False),
        sa.Column("area_searched_m2", sa.Double(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=False),
        sa.Column("captures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["estimate_run_id"], ["estimate_runs.fid"], name="fk_effort_estimate_run_id"),
        sa.ForeignKeyConstraint(["transect_id"], ["transects.fid"], name="fk_effort_transect_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_effort"),
        sa.UniqueConstraint("estimate_run_id", "transect_id", name="uq_effort_estimate_run_id"),
    )
    op.create_index("ix_effort_transect_id", "effort", ["transect_id"])
    op.create_table(
        "estimates",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("estimate_run_id", sa.Integer(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("stratum_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("se", sa.Double(), nullable=True),
        sa.Column("lower", sa.Double(), nullable=True),
        sa.Column("upper", sa.Double(), nullable=True),
        sa.Column("cv", sa.Double(), nullable=True),
        sa.Column("df", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("possible_units", sa.Double(), nullable=True),
        sa.Column("individuals", sa.Integer(), nullable=False),
        sa.Column("area_m2", sa.Double(), nullable=True),
        sa.Column("area_searched_m2", sa.Double(), nullable=True),
        sa.Column("limits_form", sa.Text(), nullable=True),
        sa.Column("limits_reason", sa.Text(), nullable=True),
        sa.Column("components", Json(), nullable=False),
        sa.Column("notes", Json(), nullable=False),
        sa.Column("provenance_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["estimate_run_id"], ["estimate_runs.fid"], name="fk_estimates_estimate_run_id"),
        sa.ForeignKeyConstraint(["stratum_id"], ["strata.fid"], name="fk_estimates_stratum_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_estimates"),
        sa.UniqueConstraint("estimate_run_id", "species", "stratum_id", "method", name="uq_estimates_estimate_run_id"),
    )
    op.create_index("ix_estimates_stratum_id", "estimates", ["stratum_id"])
    op.create_table(
        "footprints",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("altitude_agl_m", sa.Double(), nullable=True),
        sa.Column("gsd_cm", sa.Double(), nullable=True),
        sa.Column("height_source", sa.Text(), nullable=True),
        sa.Column("polygon", Geometry("POLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_footprints_capture_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_footprints"),
        sa.UniqueConstraint("capture_id", name="uq_footprints_capture_id"),
    )
    op.create_table(
        "verification_samples",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("sample_stratum", sa.Text(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("true_count", sa.Integer(), nullable=False),
        sa.Column("census_count", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_verification_samples_capture_id"),
        sa.ForeignKeyConstraint(
            ["identity_run_id"], ["identity_runs.fid"], name="fk_verification_samples_identity_run_id"
        ),
        sa.PrimaryKeyConstraint("fid", name="pk_verification_samples"),
        sa.UniqueConstraint(
            "identity_run_id", "capture_id", "species", "who", name="uq_verification_samples_identity_run_id"
        ),
    )
    op.create_index("ix_verification_samples_capture_id", "verification_samples", ["capture_id"])
    op.create_table(
        "sightings",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=False),
        sa.Column("detection_id", sa.Integer(), nullable=False),
        sa.Column("individual_id", sa.Integer(), nullable=True),
        sa.Column("variance_east_m2", sa.Double(), nullable=True),
        sa.Column("variance_north_m2", sa.Double(), nullable=True),
        sa.Column("covariance_m2", sa.Double(), nullable=True),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.ForeignKeyConstraint(["detection_id"], ["detections.fid"], name="fk_sightings_detection_id"),
        sa.ForeignKeyConstraint(["identity_run_id"], ["identity_runs.fid"], name="fk_sightings_identity_run_id"),
        sa.ForeignKeyConstraint(["individual_id"], ["individuals.fid"], name="fk_sightings_individual_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_sightings"),
        sa.UniqueConstraint("identity_run_id", "detection_id", name="uq_sightings_identity_run_id"),
    )
    op.create_index("ix_sightings_detection_id", "sightings", ["detection_id"])
    op.create_index("ix_sightings_individual_id", "sightings", ["individual_id"])
    op.create_table(
        "verdicts",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("detection_id", sa.Integer(), nullable=True),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", Json(), nullable=True),
        sa.Column("after", Json(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_verdicts_capture_id"),
        sa.ForeignKeyConstraint(["detection_id"], ["detections.fid"], name="fk_verdicts_detection_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_capture_id", "verdicts", ["capture_id"])
    op.create_index("ix_verdicts_detection_id", "verdicts", ["detection_id"])
