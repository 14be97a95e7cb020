"""Creatives that are one idea in several sizes."""

import sqlalchemy as sa
from alembic import op

revision = "0016_ideas"
down_revision = "0015_rows"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "idea",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_idea_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idea")),
    )
    op.create_table(
        "idea_creative",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("idea_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("source IN ('name','copy','hand','apart')", name=op.f("ck_idea_creative_source")),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_idea_creative_creative_id_creative")),
        sa.ForeignKeyConstraint(["idea_id"], ["idea.id"], name=op.f("fk_idea_creative_idea_id_idea")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_idea_creative_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idea_creative")),
        sa.UniqueConstraint("creative_id", name=op.f("uq_idea_creative_creative_id")),
    )
    op.create_index(op.f("ix_idea_creative_idea_id"), "idea_creative", ["idea_id"])


def downgrade() -> None:
    """Back."""
    op.drop_table("idea_creative")
    op.drop_table("idea")
