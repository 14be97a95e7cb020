"""What a version scored in months that are over is kept with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0032_sketches"
down_revision = "0031_leaderboard"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "reference_sketch",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name="fk_reference_sketch_model_version_id_model_version"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_reference_sketch_run_id_run"),
        sa.PrimaryKeyConstraint("id", name="pk_reference_sketch"),
        sa.UniqueConstraint("model_version_id", name="uq_reference_sketch_model_version_id"),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("reference_sketch")
