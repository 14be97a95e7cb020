"""The appeal of creatives is kept: events over those expected, by run, metric and campaign."""

import sqlalchemy as sa
from alembic import op

revision = "0023_appeal"
down_revision = "0022_campaigns"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
METRICS = (
    "'ctr','cvr','conversions_per_impression','cpc','cpa','cpm','revenue_per_impression','revenue_per_conversion',"
    "'roas','margin'"
)


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "appeal",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("idea", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("window_start", sa.Date(), nullable=True),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("definition", sa.BigInteger(), nullable=False),
        sa.Column("comparable", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Float(53), nullable=False),
        sa.Column("expected", sa.Float(53), nullable=False),
        sa.Column("exposure", sa.Float(53), nullable=False),
        sa.Column("appeal", sa.Float(53), nullable=True),
        sa.Column("variance", sa.Float(53), nullable=True),
        sa.Column("ci_low", sa.Float(53), nullable=True),
        sa.Column("ci_high", sa.Float(53), nullable=True),
        sa.Column("shrunk", sa.Float(53), nullable=True),
        sa.Column("shrunk_sd", sa.Float(53), nullable=True),
        sa.Column("identified", sa.Boolean(), nullable=False),
        sa.Column("steered", sa.Boolean(), nullable=False),
        sa.Column("own", sa.Float(53), nullable=False),
        sa.Column("spread", sa.Float(53), nullable=False),
        sa.Column("spread_error", sa.Float(53), nullable=True),
        sa.Column("dispersion", sa.Float(53), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(f"metric IN ({METRICS})", name=op.f("ck_appeal_metric")),
        sa.CheckConstraint("source IN ('randomized','observational')", name=op.f("ck_appeal_source")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_appeal_run_id_run")),
        sa.ForeignKeyConstraint(
            ["creative_id"], ["creative.id"], name=op.f("fk_appeal_creative_id_creative"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_appeal_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint(
            "run_id",
            "metric",
            "segment",
            "experiment",
            "campaign_id",
            "creative_id",
            name=op.f("uq_appeal_run_id"),
        ),
    )
    op.create_index(op.f("ix_appeal_metric"), "appeal", ["metric", "as_of"])
    op.create_index(op.f("ix_appeal_campaign_id"), "appeal", ["campaign_id"])
    op.create_index(op.f("ix_appeal_creative_id"), "appeal", ["creative_id"])


def downgrade() -> None:
    """Back."""
    op.drop_table("appeal")
