"""What people decide: verdicts that can be taken back, pairs, blind samples, and who may do what."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json, UtcTime
from counts.geopackage import guard, register, unregister

revision = "r0006"
down_revision = "r0005"
branch_labels = None
depends_on = None

TABLES = {
    "people": "People who work on the census",
    "grants": "Roles people were given",
    "review_states": "What the verdicts on each detection come to",
    "tallies": "Detections by label, score and state",
    "ambiguous_pairs": "Detections that may be one animal",
    "pair_decisions": "Answers of people whether two are one",
    "samples": "Random samples of frames to check",
    "sample_frames": "Frames of each sample",
    "sample_assignments": "Who is to check which frame",
    "sample_counts": "What people counted in sampled frames",
}
APPEND_ONLY = ("grants", "pair_decisions", "sample_assignments", "sample_counts")

# Written as SQLite has it, which cannot add a key later; PostgreSQL reads it too.
COLUMNS = {
    "detection_runs": {
        "drawn_over_id": "INTEGER CONSTRAINT fk_detection_runs_drawn_over_id REFERENCES detection_runs (fid)"
    },
    "detections": {"outline_px": "TEXT", "judged": "BOOLEAN DEFAULT FALSE NOT NULL"},
    "verdicts": {
        "person_id": "INTEGER CONSTRAINT fk_verdicts_person_id REFERENCES people (fid)",
        "batch": "TEXT",
        "request": "TEXT",
        "undoes_id": "INTEGER CONSTRAINT fk_verdicts_undoes_id REFERENCES verdicts (fid)",
        "note": "TEXT",
    },
}
INDEXES = {
    "detection_runs": ("drawn_over_id",),
    "verdicts": ("person_id", "batch", "request", "undoes_id"),
}


def upgrade() -> None:
    _create_tables()
    for table, columns in COLUMNS.items():
        for name, definition in columns.items():
            op.execute(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")
    for table, names in INDEXES.items():
        for name in names:
            op.create_index(f"ix_{table}_{name}", table, [name])
    op.drop_index("ix_detections_run_capture", "detections")
    op.create_index("ix_detections_run", "detections", ["run_id", "fid"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_index(
        "ix_detections_unseen",
        "detections",
        ["run_id", "label", "score", "fid"],
        sqlite_where=sa.text("judged IS 0") if sqlite else None,
        postgresql_where=None if sqlite else sa.text("judged IS false"),
    )
    for table, title in TABLES.items():
        register(op.get_bind(), table, title)
    for table in APPEND_ONLY:
        guard(op.get_bind(), table)
    _review_what_is_there()


def downgrade() -> None:
    # A drawn animal is a run's only here: before, nothing told it from what a detector found.
    op.drop_index("ix_detections_unseen", "detections")
    op.drop_index("ix_detections_run", "detections")
    for table, names in INDEXES.items():
        for name in names:
            op.drop_index(f"ix_{table}_{name}", table)
    for table, columns in COLUMNS.items():
        for name in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    for table in reversed(TABLES):
        unregister(op.get_bind(), table)
        op.drop_table(table)
    op.create_index("ix_detections_run_capture", "detections", ["run_id", "capture_id"])


def _create_tables() -> None:
    op.create_table(
        "people",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_people"),
        sa.UniqueConstraint("name", name="uq_people_name"),
    )
    op.create_table(
        "grants",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.fid"], name="fk_grants_person_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_grants"),
    )
    op.create_index("ix_grants_person_id", "grants", ["person_id"])
    op.create_table(
        "tallies",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detections", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["detection_runs.fid"], name="fk_tallies_run_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_tallies"),
        sa.UniqueConstraint("run_id", "label", "percent", "state", name="uq_tallies_run_id"),
    )
    op.create_table(
        "samples",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("detection_run_id", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("parameters", Json(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["detection_run_id"], ["detection_runs.fid"], name="fk_samples_detection_run_id"),
        sa.ForeignKeyConstraint(["identity_run_id"], ["identity_runs.fid"], name="fk_samples_identity_run_id"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_samples_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_samples"),
        sa.UniqueConstraint("survey_id", "detection_run_id", "seed", "parameters", name="uq_samples_survey_id"),
    )
    op.create_index("ix_samples_detection_run_id", "samples", ["detection_run_id"])
    op.create_index("ix_samples_identity_run_id", "samples", ["identity_run_id"])
    op.create_table(
        "sample_frames",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("sample_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sample_stratum", sa.Text(), nullable=False),
        sa.Column("zone_px", Json(), nullable=True),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_sample_frames_capture_id"),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.fid"], name="fk_sample_frames_sample_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_sample_frames"),
        sa.UniqueConstraint("sample_id", "capture_id", name="uq_sample_frames_sample_id"),
    )
    op.create_index("ix_sample_frames_capture_id", "sample_frames", ["capture_id"])
    op.create_table(
        "ambiguous_pairs",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("identity_run_id", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("second_id", sa.Integer(), nullable=False),
        sa.Column("together", sa.Boolean(), nullable=False),
        sa.Column("distance_m", sa.Double(), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["first_id"], ["detections.fid"], name="fk_ambiguous_pairs_first_id"),
        sa.ForeignKeyConstraint(["identity_run_id"], ["identity_runs.fid"], name="fk_ambiguous_pairs_identity_run_id"),
        sa.ForeignKeyConstraint(["second_id"], ["detections.fid"], name="fk_ambiguous_pairs_second_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_ambiguous_pairs"),
        sa.UniqueConstraint("identity_run_id", "first_id", "second_id", name="uq_ambiguous_pairs_identity_run_id"),
    )
    op.create_index("ix_ambiguous_pairs_first_id", "ambiguous_pairs", ["first_id"])
    op.create_index("ix_ambiguous_pairs_second_id", "ambiguous_pairs", ["second_id"])
    op.create_table(
        "pair_decisions",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("second_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("undoes_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["first_id"], ["detections.fid"], name="fk_pair_decisions_first_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.fid"], name="fk_pair_decisions_person_id"),
        sa.ForeignKeyConstraint(["second_id"], ["detections.fid"], name="fk_pair_decisions_second_id"),
        sa.ForeignKeyConstraint(["undoes_id"], ["pair_decisions.fid"], name="fk_pair_decisions_undoes_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_pair_decisions"),
    )
    op.create_index("ix_pair_decisions_pair", "pair_decisions", ["first_id", "second_id"])
    op.create_index("ix_pair_decisions_person_id", "pair_decisions", ["person_id"])
    op.create_index("ix_pair_decisions_request", "pair_decisions", ["request"])
    op.create_index("ix_pair_decisions_second_id", "pair_decisions", ["second_id"])
    op.create_index("ix_pair_decisions_undoes_id", "pair_decisions", ["undoes_id"])
    op.create_table(
        "sample_assignments",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("sample_frame_id", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_frame_id"], ["sample_frames.fid"], name="fk_sample_assignments_sample_frame_id"
        ),
        sa.PrimaryKeyConstraint("fid", name="pk_sample_assignments"),
        sa.UniqueConstraint("sample_frame_id", "who", name="uq_sample_assignments_sample_frame_id"),
    )
    op.create_table(
        "sample_counts",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("sample_frame_id", sa.Integer(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("true_count", sa.Integer(), nullable=False),
        sa.Column("marks_px", Json(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.fid"], name="fk_sample_counts_person_id"),
        sa.ForeignKeyConstraint(["sample_frame_id"], ["sample_frames.fid"], name="fk_sample_counts_sample_frame_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_sample_counts"),
    )
    op.create_index("ix_sample_counts_frame", "sample_counts", ["sample_frame_id", "who", "species"])
    op.create_index("ix_sample_counts_person_id", "sample_counts", ["person_id"])
    op.create_index("ix_sample_counts_request", "sample_counts", ["request"])
    op.create_table(
        "review_states",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("detection_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("verdict_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("x_min_px", sa.Double(), nullable=False),
        sa.Column("y_min_px", sa.Double(), nullable=False),
        sa.Column("x_max_px", sa.Double(), nullable=False),
        sa.Column("y_max_px", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_review_states_capture_id"),
        sa.ForeignKeyConstraint(["detection_id"], ["detections.fid"], name="fk_review_states_detection_id"),
        sa.ForeignKeyConstraint(["run_id"], ["detection_runs.fid"], name="fk_review_states_run_id"),
        sa.ForeignKeyConstraint(["verdict_id"], ["verdicts.fid"], name="fk_review_states_verdict_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_review_states"),
        sa.UniqueConstraint("detection_id", name="uq_review_states_detection_id"),
    )
    op.create_index("ix_review_states_capture_id", "review_states", ["capture_id"])
    op.create_index("ix_review_states_page", "review_states", ["run_id", "label", "score", "detection_id"])
    op.create_index("ix_review_states_verdict_id", "review_states", ["verdict_id"])


def _review_what_is_there() -> None:
    """Work out states and tallies from the verdicts that are there."""
    # A cast cuts off in SQLite, which may have no floor(), and rounds in PostgreSQL.
    percent = "d.score * 100" if op.get_bind().dialect.name == "sqlite" else "floor(d.score * 100)"
    op.execute(
        "INSERT INTO review_states (detection_id, run_id, capture_id, verdict_id, action, label, score,"
        " x_min_px, y_min_px, x_max_px, y_max_px)"
        " SELECT d.fid, d.run_id, d.capture_id, v.fid, v.action, d.label, d.score,"
        " d.x_min_px, d.y_min_px, d.x_max_px, d.y_max_px"
        " FROM verdicts v JOIN detections d ON v.detection_id = d.fid"
        " WHERE v.fid IN (SELECT max(fid) FROM verdicts GROUP BY detection_id)"
    )
    op.execute("UPDATE detections SET judged = TRUE WHERE fid IN (SELECT detection_id FROM review_states)")
    op.execute(
        "INSERT INTO tallies (run_id, label, percent, state, detections)"  # noqa: S608
        f" SELECT d.run_id, d.label, CAST({percent} AS INTEGER), coalesce(s.action, 'unseen'), count(*)"
        " FROM detections d JOIN captures c ON d.capture_id = c.fid LEFT JOIN review_states s ON s.detection_id = d.fid"
        " WHERE c.refused IS NULL GROUP BY 1, 2, 3, 4"
    )
