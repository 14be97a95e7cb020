"""What can be said of a creative's pixels in words; not known of those that were read before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025_properties"
down_revision = "0024_retrain"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("creative", sa.Column("properties", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("creative", "properties")
