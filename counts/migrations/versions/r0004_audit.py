"""Who wrote what and when, in a chain of hashes for each writer that only ever grows."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json, UtcTime
from counts.geopackage import register, unregister

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None

# SQLite has them for these two since r0001.
APPEND_ONLY_ELSEWHERE = ("verdicts", "verification_samples")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.Column("details", Json(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("entry_hash", sa.Text(), nullable=False),
        sa.Column("merged_by", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_audit"),
        sa.ForeignKeyConstraint(["merged_by"], ["audit.fid"], name="fk_audit_merged_by"),
        sa.UniqueConstraint("writer", "sequence", name="uq_audit_writer"),
    )
    op.create_index("ix_audit_merged_by", "audit", ["merged_by"])
    register(op.get_bind(), "audit", "Audit: who wrote what and when")
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
            )
    elif op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION overfly_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        for table in ("audit", *APPEND_ONLY_ELSEWHERE):
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION overfly_append_only()"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("audit", *APPEND_ONLY_ELSEWHERE):
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute("DROP FUNCTION overfly_append_only()")
    unregister(op.get_bind(), "audit")
    op.drop_table("audit")
