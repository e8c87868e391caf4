"""The newest detection run is the one that was asked for last, be it an old one taken up again."""

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("detection_runs", sa.Column("asked", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE detection_runs SET asked = fid")


def downgrade() -> None:
    op.drop_column("detection_runs", "asked")
