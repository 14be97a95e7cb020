"""The allocation by the platform is spelled `optimized`."""

from alembic import op

revision = "0009_optimized"
down_revision = "0008_novelty"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.execute("UPDATE experiment SET allocation = 'optimized' WHERE allocation = 'optimised'")


def downgrade() -> None:
    """Back."""
    op.execute("UPDATE experiment SET allocation = 'optimised' WHERE allocation = 'optimized'")
