"""What lies around a survey: obstacles, airspace, masks; the gaps in what was seen; what the plan warned of."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from counts.columns import Json
from counts.geopackage import Geometry, register, unregister
from counts.layer_styles import style, unstyle

revision = "r0007"
down_revision = "r0006"
branch_labels = None
depends_on = None

LAYERS = {
    "obstacles": ("Obstacles: masts, power lines", ("geometry", "GEOMETRY")),
    "airspaces": ("Airspace with limits", ("polygon", "MULTIPOLYGON")),
    "kept_clear": ("Ground that the plan keeps clear of", ("polygon", "MULTIPOLYGON")),
    "masks": ("Masks: ground where no animal could be seen", ("polygon", "MULTIPOLYGON")),
    "gaps": ("Gaps: planned ground that no picture shows", ("polygon", "MULTIPOLYGON")),
}
TABLES = {
    "plan_warnings": "What the plan warned of",
}
STYLES = {
    "obstacles": (
        "marker",
        {"name": "cross2", "color": "165,40,40,255", "outline_color": "165,40,40,255", "size": "3"},
    ),
    "airspaces": ("fill", {"color": "90,90,160,25", "outline_color": "90,90,160,255", "outline_style": "dash"}),
    "kept_clear": ("fill", {"color": "165,40,40,30", "outline_color": "165,40,40,160", "outline_style": "dot"}),
    "masks": ("fill", {"color": "120,160,190,90", "outline_color": "120,160,190,255", "outline_width": "0.2"}),
    "gaps": ("fill", {"color": "200,60,60,255", "outline_style": "no", "style": "f_diagonal"}),
}
COLUMNS: dict[str, dict[str, type[sa.types.TypeEngine[Any]]]] = {
    "effort": {"planned_area_m2": sa.Double, "masked_area_m2": sa.Double, "gap_area_m2": sa.Double},
    "individuals": {"herd": sa.Integer},
}


def upgrade() -> None:
    _create_tables()
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind(), nullable=True))
    op.add_column("identity_runs", sa.Column("findings", Json(), server_default="{}", nullable=False))
    for table, (title, geometry) in LAYERS.items():
        register(op.get_bind(), table, title, geometry)
        style(op.get_bind(), table, geometry[0], *STYLES[table])
    for table, title in TABLES.items():
        register(op.get_bind(), table, title)


def downgrade() -> None:
    for table in (
        "gaps",
        "masks",
        "plan_warnings",
        "kept_clear",
        "airspaces",
        "obstacles",
    ):
        if table in STYLES:
            unstyle(op.get_bind(), table)
        unregister(op.get_bind(), table)
        op.drop_table(table)
    op.drop_column("identity_runs", "findings")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)


def _create_tables() -> None:
    op.create_table(
        "airspaces",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lower_m", sa.Double(), nullable=True),
        sa.Column("lower_datum", sa.Text(), nullable=True),
        sa.Column("upper_m", sa.Double(), nullable=True),
        sa.Column("upper_datum", sa.Text(), nullable=True),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_airspaces_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_airspaces"),
    )
    op.create_index("ix_airspaces_survey_id", "airspaces", ["survey_id"])
    op.create_table(
        "kept_clear",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_kept_clear_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_kept_clear"),
    )
    op.create_index("ix_kept_clear_survey_id", "kept_clear", ["survey_id"])
    op.create_table(
        "masks",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_masks_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_masks"),
    )
    op.create_index("ix_masks_survey_id", "masks", ["survey_id"])
    op.create_table(
        "obstacles",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("top_m", sa.Double(), nullable=True),
        sa.Column("top_datum", sa.Text(), nullable=True),
        sa.Column("geometry", Geometry("GEOMETRY"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_obstacles_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_obstacles"),
    )
    op.create_index("ix_obstacles_survey_id", "obstacles", ["survey_id"])
    op.create_table(
        "plan_warnings",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.fid"], name="fk_plan_warnings_survey_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_plan_warnings"),
        sa.UniqueConstraint("survey_id", "text", name="uq_plan_warnings_survey_id"),
    )
    op.create_table(
        "gaps",
        sa.Column("fid", sa.Integer(), nullable=False),
        sa.Column("estimate_run_id", sa.Integer(), nullable=False),
        sa.Column("transect_id", sa.Integer(), nullable=True),
        sa.Column("area_m2", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("polygon", Geometry("MULTIPOLYGON"), nullable=False),
        sa.ForeignKeyConstraint(["estimate_run_id"], ["estimate_runs.fid"], name="fk_gaps_estimate_run_id"),
        sa.ForeignKeyConstraint(["transect_id"], ["transects.fid"], name="fk_gaps_transect_id"),
        sa.PrimaryKeyConstraint("fid", name="pk_gaps"),
    )
    op.create_index("ix_gaps_estimate_run_id", "gaps", ["estimate_run_id"])
    op.create_index("ix_gaps_transect_id", "gaps", ["transect_id"])
