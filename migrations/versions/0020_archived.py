"""Experiments can be archived: they stay in the store, out of lists, schedules and reports."""

import sqlalchemy as sa
from alembic import op

from abkit.store.schema import UtcDateTime

revision = "0020_archived"
down_revision = "0019_ad_sets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("experiment") as batch:
        batch.add_column(sa.Column("archived_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("experiment") as batch:
        batch.drop_column("archived_at")
