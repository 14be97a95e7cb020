"""How far a scored creative is from the pictures that the version was trained on."""

import sqlalchemy as sa
from alembic import op

revision = "0008_novelty"
down_revision = "0007_brief"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("score", sa.Column("novelty", sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("score", "novelty")
