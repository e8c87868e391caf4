"""What others observed (collars, cameras, patrols, sightings, names of species), and what is on its way to them."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json, UtcTime
from counts.geopackage import Geometry, register, unregister
from counts.layer_styles import style, unstyle

revision = "r0008"
down_revision = "r0007"
branch_labels = None
depends_on = None

LAYERS = {
    "animal_fixes": ("Collars: where tracked animals were", ("point", "POINT")),
    "camera_deployments": ("Camera traps", ("point", "POINT")),
    "patrols": ("Patrols of others", ("track", "MULTILINESTRING")),
    "reported_sightings": ("Sightings of others", ("point", "POINT")),
}
STYLES = {
    "animal_fixes": ("marker", {"name": "circle", "color": "120,80,150,160", "outline_style": "no", "size": "1"}),
    "camera_deployments": ("marker", {"name": "square", "color": "60,110,90,255", "outline_style": "no", "size": "2"}),
    "patrols": ("line", {"line_color": "60,110,90,255", "line_width": "0.3", "line_style": "dot"}),
    "reported_sightings": ("marker", {"name": "cross", "color": "150,110,30,255", "size": "2"}),
}
TABLES = {
    "received_sources": "Sources of others",
    "taxa": "Checklist: names of species and their keys",
    "tracked_animals": "Tracked animals",
    "camera_observations": "What camera traps saw",
    "outbox_items": "Outbox: what is to be sent",
    "outbox_attempts": "Outbox: requests begun",
    "outbox_receipts": "Outbox: how they ended",
}
APPEND_ONLY = ("outbox_items", "outbox_attempts", "outbox_receipts")
Whole = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _create_tables()
    for table, (title, geometry) in LAYERS.items():
        register(op.get_bind(), table, title, geometry)
        style(op.get_bind(), table, geometry[0], *STYLES[table])
    for table, title in TABLES.items():
        register(op.get_bind(), table, title)
    for table in APPEND_ONLY:
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
    for table in (
        "outbox_receipts",
        "outbox_attempts",
        "outbox_items",
        "reported_sightings",
        "patrols",
        "camera_observations",
        "camera_deployments",
        "animal_fixes",
        "tracked_animals",
        "taxa",
        "received_sources",
    ):
        if table in STYLES:
            unstyle(op.get_bind(), table)
        unregister(op.get_bind(), table)
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "received_sources",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("skips", Json(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_received_sources"),
        sa.UniqueConstraint("standard", "content_hash", name="uq_received_sources_standard"),
    )
    op.create_table(
        "taxa",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("scientific_name", sa.Text(), nullable=False),
        sa.Column("rank", sa.Text(), nullable=True),
        sa.Column("vernacular_names", Json(), nullable=False),
        sa.Column("synonyms", Json(), nullable=False),
        sa.Column("tsn", Whole, nullable=True),
        sa.Column("gbif_key", Whole, nullable=True),
        sa.Column("kingdom", sa.Text(), nullable=True),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("listed", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_taxa"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_taxa_source_id"),
        sa.UniqueConstraint("source_id", "scientific_name", name="uq_taxa_source_id"),
    )
    op.create_table(
        "tracked_animals",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("taxon", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_tracked_animals"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_tracked_animals_source_id"),
        sa.UniqueConstraint("origin", "identifier", name="uq_tracked_animals_origin"),
    )
    op.create_index("ix_tracked_animals_source_id", "tracked_animals", ["source_id"])
    op.create_table(
        "animal_fixes",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("animal_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_animal_fixes"),
        sa.ForeignKeyConstraint(["animal_id"], ["tracked_animals.fid"], name="fk_animal_fixes_animal_id"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_animal_fixes_source_id"),
        sa.UniqueConstraint("animal_id", "time_utc", name="uq_animal_fixes_animal_id"),
    )
    op.create_index("ix_animal_fixes_source_id", "animal_fixes", ["source_id"])
    op.create_table(
        "camera_deployments",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("start_utc", UtcTime(), nullable=False),
        sa.Column("end_utc", UtcTime(), nullable=False),
        sa.Column("coordinate_uncertainty_m", sa.Double(), nullable=True),
        sa.Column("camera_model", sa.Text(), nullable=True),
        sa.Column("habitat", sa.Text(), nullable=True),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_camera_deployments"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_camera_deployments_source_id"),
        sa.UniqueConstraint("origin", "identifier", name="uq_camera_deployments_origin"),
    )
    op.create_index("ix_camera_deployments_source_id", "camera_deployments", ["source_id"])
    op.create_table(
        "camera_observations",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("start_utc", UtcTime(), nullable=False),
        sa.Column("end_utc", UtcTime(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("species", sa.Text(), nullable=True),
        sa.Column("scientific_name", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("individual", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("classified_by", sa.Text(), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_camera_observations"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["camera_deployments.fid"], name="fk_camera_observations_deployment_id"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_camera_observations_source_id"),
        sa.UniqueConstraint("deployment_id", "identifier", name="uq_camera_observations_deployment_id"),
    )
    op.create_index("ix_camera_observations_source_id", "camera_observations", ["source_id"])
    op.create_table(
        "patrols",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("started_utc", UtcTime(), nullable=True),
        sa.Column("ended_utc", UtcTime(), nullable=True),
        sa.Column("length_m", sa.Double(), nullable=True),
        sa.Column("track", Geometry("MULTILINESTRING"), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_patrols"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_patrols_source_id"),
        sa.UniqueConstraint("origin", "identifier", name="uq_patrols_origin"),
    )
    op.create_index("ix_patrols_source_id", "patrols", ["source_id"])
    op.create_table(
        "reported_sightings",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("species", sa.Text(), nullable=False),
        sa.Column("scientific_name", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("time_utc", UtcTime(), nullable=True),
        sa.Column("observer", sa.Text(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("details", Json(), nullable=False),
        sa.Column("point", Geometry("POINT"), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_reported_sightings"),
        sa.ForeignKeyConstraint(["source_id"], ["received_sources.fid"], name="fk_reported_sightings_source_id"),
        sa.UniqueConstraint("origin", "identifier", name="uq_reported_sightings_origin"),
    )
    op.create_index("ix_reported_sightings_source_id", "reported_sightings", ["source_id"])
    op.create_table(
        "outbox_items",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_outbox_items"),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_outbox_items_survey_id"),
        sa.UniqueConstraint("target", "idempotency_key", name="uq_outbox_items_target"),
    )
    op.create_index("ix_outbox_items_survey_id", "outbox_items", ["survey_id"])
    op.create_table(
        "outbox_attempts",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("fid", name="pk_outbox_attempts"),
        sa.ForeignKeyConstraint(["item_id"], ["outbox_items.fid"], name="fk_outbox_attempts_item_id"),
    )
    op.create_index("ix_outbox_attempts_item_id", "outbox_attempts", ["item_id"])
    op.create_table(
        "outbox_receipts",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("time_utc", UtcTime(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fid", name="pk_outbox_receipts"),
        sa.ForeignKeyConstraint(["item_id"], ["outbox_items.fid"], name="fk_outbox_receipts_item_id"),
        sa.UniqueConstraint("item_id", name="uq_outbox_receipts_item_id"),
    )
