"""Parts of a mosaic are checked one by one, and what mosaics show is effort of a stratum, not of a line."""

import sqlalchemy as sa
from alembic import op

from counts.geopackage import guard

revision = "r0012"
down_revision = "r0011"
branch_labels = None
depends_on = None

# What is counted once: before, and now for each part of a picture.
KEYS = {
    "sample_frames": ("uq_sample_frames_sample_id", ["sample_id", "capture_id"], []),
    "verification_samples": (
        "uq_verification_samples_identity_run_id",
        ["identity_run_id", "capture_id"],
        ["species", "who"],
    ),
}
OF_PARTS = "SELECT fid FROM sample_frames WHERE part > 0"
LEFT_BEHIND = {
    "sample_counts": f"sample_frame_id IN ({OF_PARTS})",
    "sample_assignments": f"sample_frame_id IN ({OF_PARTS})",
    "verification_samples": "part > 0",
}


def upgrade() -> None:
    for table, (name, before, after) in KEYS.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("part", sa.Integer(), server_default="0", nullable=False))
            batch.drop_constraint(name, type_="unique")
            batch.create_unique_constraint(name, [*before, "part", *after])
    with op.batch_alter_table("effort") as batch:
        batch.add_column(sa.Column("stratum_id", sa.Integer(), nullable=True))
        batch.alter_column("transect_id", existing_type=sa.Integer(), nullable=True)
        batch.create_foreign_key("fk_effort_stratum_id", "strata", ["stratum_id"], ["fid"])
    op.create_index("ix_effort_stratum_id", "effort", ["stratum_id"])
    _guard_the_copy()


def downgrade() -> None:
    # Before, nothing told the parts of one picture from each other, and effort was of lines alone.
    for table, rows in LEFT_BEHIND.items():
        _guarded(table, False)
        op.execute(f"DELETE FROM {table} WHERE {rows}")  # noqa: S608
        _guarded(table, True)
    op.execute("DELETE FROM sample_frames WHERE part > 0")
    op.execute("DELETE FROM effort WHERE transect_id IS NULL")
    op.drop_index("ix_effort_stratum_id", "effort")
    with op.batch_alter_table("effort") as batch:
        batch.drop_constraint("fk_effort_stratum_id", type_="foreignkey")
        batch.drop_column("stratum_id")
        batch.alter_column("transect_id", existing_type=sa.Integer(), nullable=False)
    for table, (name, before, after) in KEYS.items():
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="unique")
            batch.drop_column("part")
            batch.create_unique_constraint(name, [*before, *after])
    _guard_the_copy()


def _guard_the_copy() -> None:
    """SQLite changes a table by copying it, and a copy has no triggers."""
    if op.get_bind().dialect.name == "sqlite":
        guard(op.get_bind(), "verification_samples")


def _guarded(table: str, again: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"ALTER TABLE {table} {'ENABLE' if again else 'DISABLE'} TRIGGER USER")
    elif again:
        guard(op.get_bind(), table)
    else:
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{change}")
