"""The fit of creatives and briefs."""

import sqlalchemy as sa
from alembic import op

from abkit.store.schema import UtcDateTime

revision = "0007_brief"
down_revision = "0006_ratings"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "brief_fit",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("encoder_fingerprint", sa.Text(), nullable=False),
        sa.Column("brief", sa.Text(), nullable=False),
        sa.Column("brief_sha256", sa.Text(), nullable=False),
        sa.Column("cosine", sa.Float(precision=53), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cosine >= -1.000001 AND cosine <= 1.000001", name=op.f("ck_brief_fit_cosine")),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_brief_fit_creative_id_creative")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_brief_fit_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brief_fit")),
        sa.UniqueConstraint(
            "creative_id", "encoder_fingerprint", "brief_sha256", name=op.f("uq_brief_fit_creative_id")
        ),
    )
    op.create_index(op.f("ix_brief_fit_run_id"), "brief_fit", ["run_id"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_brief_fit_run_id"), table_name="brief_fit")
    op.drop_table("brief_fit")
