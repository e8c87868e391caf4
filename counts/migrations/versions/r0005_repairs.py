"""What was found about the poses of a survey's flights, and which fields of captures were repaired, on what ground."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json
from counts.geopackage import register, unregister

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None

TABLES = {
    "flight_findings": "Findings: what is doubted about flights",
    "pose_repairs": "Repairs: fields of captures as they were and as they are",
}


def upgrade() -> None:
    op.create_table(
        "flight_findings",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("captures", Json(), nullable=False),
        sa.Column("is_proved", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_flight_findings"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_flight_findings_survey_id"),
        sa.UniqueConstraint("survey_id", "kind", "text", name="uq_flight_findings_survey_id"),
    )
    op.create_table(
        "pose_repairs",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("before", Json(), nullable=True),
        sa.Column("after", Json(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_pose_repairs"),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.fid"], name="fk_pose_repairs_capture_id"),
    )
    op.create_index("ix_pose_repairs_capture_id", "pose_repairs", ["capture_id"])
    for table, title in TABLES.items():
        register(op.get_bind(), table, title)
        if op.get_bind().dialect.name == "sqlite":
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        elif op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION overfly_append_only()"
            )


def downgrade() -> None:
    for table in reversed(TABLES):
        unregister(op.get_bind(), table)
        op.drop_table(table)
