"""Which rows count: why a row is left out, which ads are the same, and what a segment breaks down.

Rows that are there are settled after the last migration, by the code of that version: see `env.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012_counts_once"
down_revision = "0011_vocabulary"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("segment", sa.Column("breakdown", sa.Text(), nullable=True))
    op.add_column("ad", sa.Column("same_as", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_ad_same_as"), "ad", ["same_as"], unique=False)
    op.add_column("kpi", sa.Column("left_out", sa.Text(), nullable=False, server_default=""))
    some = sa.text("left_out <> ''")
    op.create_index("ix_kpi_left_out", "kpi", ["left_out", "ad_id"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_kpi_left_out", table_name="kpi")
    op.drop_column("kpi", "left_out")
    op.drop_index(op.f("ix_ad_same_as"), table_name="ad")
    op.drop_column("ad", "same_as")
    op.drop_column("segment", "breakdown")
