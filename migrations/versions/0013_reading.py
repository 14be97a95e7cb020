"""How the pixels of a creative came about; not known of those that an earlier release read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013_reading"
down_revision = "0012_counts_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    kind = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("creative", sa.Column("reading", kind, nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("creative", "reading")
