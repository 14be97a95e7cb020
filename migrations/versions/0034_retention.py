"""KPI rows of days that are long over may leave the store for files."""

import sqlalchemy as sa
from alembic import op

revision = "0034_retention"
down_revision = "0033_tags"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "kpi_retention",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("before", sa.Date(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_kpi_retention_run_id_run"),
        sa.PrimaryKeyConstraint("id", name="pk_kpi_retention"),
        sa.UniqueConstraint("run_id", name="uq_kpi_retention_run_id"),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("kpi_retention")
