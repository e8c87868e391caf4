"""Orthomosaics are captures that say themselves where their pixels lie."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json

revision = "r0010"
down_revision = "r0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("captures", sa.Column("georeference", Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("captures", "georeference")
