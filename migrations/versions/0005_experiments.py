"""A/B tests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from abkit.store.schema import UtcDateTime

revision = "0005_experiments"
down_revision = "0004_daemon"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "experiment",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_experiment_campaign_id_campaign")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_experiment_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sa.UniqueConstraint("key", name=op.f("uq_experiment_key")),
    )
    op.create_table(
        "experiment_result",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("result", JSON, nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.id"], name=op.f("fk_experiment_result_experiment_id_experiment")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_experiment_result_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_result")),
        sa.UniqueConstraint("experiment_id", "kind", "sequence", name=op.f("uq_experiment_result_experiment_id")),
    )
    op.create_table(
        "variant",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("share", sa.Float(precision=53), nullable=False),
        sa.Column("ad_id", sa.BigInteger(), nullable=True),
        sa.Column("creative_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["ad_id"], ["ad.id"], name=op.f("fk_variant_ad_id_ad")),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_variant_creative_id_creative")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiment.id"], name=op.f("fk_variant_experiment_id_experiment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
        sa.UniqueConstraint("experiment_id", "key", name=op.f("uq_variant_experiment_id")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("variant")
    op.drop_table("experiment_result")
    op.drop_table("experiment")
