"""What a plan warned of and what is doubted about flights keep what their sentences were made from."""

import sqlalchemy as sa
from alembic import op

from counts.columns import Json

revision = "r0011"
down_revision = "r0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("flight_findings", sa.Column("message", Json(), nullable=True))
    op.add_column("plan_warnings", sa.Column("message", Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("plan_warnings", "message")
    op.drop_column("flight_findings", "message")
