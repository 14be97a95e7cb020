"""Imported tables of A over B are called `comparisons`."""

from alembic import op

revision = "0010_comparisons"
down_revision = "0009_optimized"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.execute("UPDATE rating_import SET kind = 'comparisons' WHERE kind = 'choices'")


def downgrade() -> None:
    """Back."""
    op.execute("UPDATE rating_import SET kind = 'choices' WHERE kind = 'comparisons'")
