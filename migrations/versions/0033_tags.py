"""Creatives have tags."""

import sqlalchemy as sa
from alembic import op

revision = "0033_tags"
down_revision = "0032_sketches"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "creative_tag",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name="fk_creative_tag_creative_id_creative"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_creative_tag_run_id_run"),
        sa.PrimaryKeyConstraint("id", name="pk_creative_tag"),
        sa.UniqueConstraint("creative_id", "tag", name="uq_creative_tag_creative_id"),
    )
    op.create_index("ix_creative_tag_tag", "creative_tag", ["tag"])


def downgrade() -> None:
    """Back."""
    op.drop_table("creative_tag")
