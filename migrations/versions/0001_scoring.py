"""Scoring: runs, creatives, models, scores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from abkit.store.schema import UtcDateTime

revision = "0001_scoring"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "run",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("arguments", JSON, nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("tick", UtcDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", JSON, nullable=True),
        sa.CheckConstraint(
            "state IN ('running','done','failed','interrupted','abandoned','timed_out','skipped')",
            name=op.f("ck_run_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(
        "uq_run_schedule_tick",
        "run",
        ["schedule", "tick"],
        unique=True,
        sqlite_where=sa.text("schedule <> ''"),
        postgresql_where=sa.text("schedule <> ''"),
    )
    op.create_table(
        "campaign",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_campaign_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("key", name=op.f("uq_campaign_key")),
    )
    op.create_table(
        "creative",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("perceptual_hash", sa.Text(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_creative_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_creative")),
        sa.UniqueConstraint("sha256", name=op.f("uq_creative_sha256")),
    )
    op.create_table(
        "model_version",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("encoder_fingerprint", sa.Text(), nullable=False),
        sa.Column("scale_low", sa.Float(precision=53), nullable=False),
        sa.Column("scale_high", sa.Float(precision=53), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("demonstration", sa.Boolean(), nullable=False),
        sa.Column("card", JSON, nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=True),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["model_version.id"], name=op.f("fk_model_version_parent_id_model_version")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_model_version_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("digest", name=op.f("uq_model_version_digest")),
    )
    op.create_table(
        "campaign_creative",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("launched_on", sa.Date(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_creative_campaign_id_campaign")
        ),
        sa.ForeignKeyConstraint(
            ["creative_id"], ["creative.id"], name=op.f("fk_campaign_creative_creative_id_creative")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_campaign_creative_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_creative")),
        sa.UniqueConstraint("campaign_id", "creative_id", name=op.f("uq_campaign_creative_campaign_id")),
    )
    op.create_index("ix_campaign_creative_creative_id", "campaign_creative", ["creative_id"], unique=False)
    op.create_table(
        "creative_alias",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_creative_alias_creative_id_creative")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_creative_alias_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_creative_alias")),
        sa.UniqueConstraint("creative_id", "name", name=op.f("uq_creative_alias_creative_id")),
    )
    op.create_index("ix_creative_alias_base_name", "creative_alias", ["base_name"], unique=False)
    op.create_table(
        "embedding",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("encoder_fingerprint", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_embedding_creative_id_creative")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_embedding_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding")),
        sa.UniqueConstraint("creative_id", "encoder_fingerprint", name=op.f("uq_embedding_creative_id")),
    )
    op.create_table(
        "promotion",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("promoted_at", UtcDateTime(), nullable=False),
        sa.Column("promoted_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_promotion_model_version_id_model_version")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_promotion_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
    )
    op.create_index("ix_promotion_segment_id", "promotion", ["segment", "id"], unique=False)
    op.create_table(
        "score",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("mean", sa.Float(precision=53), nullable=False),
        sa.Column("std", sa.Float(precision=53), nullable=False),
        sa.Column("epistemic_std", sa.Float(precision=53), nullable=True),
        sa.Column("distribution", JSON, nullable=False),
        sa.Column("ci_low", sa.Float(precision=53), nullable=True),
        sa.Column("ci_high", sa.Float(precision=53), nullable=True),
        sa.Column("ci_level", sa.Float(precision=53), nullable=False),
        sa.Column("query_activations", JSON, nullable=False),
        sa.Column("scored_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_score_creative_id_creative")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_score_model_version_id_model_version")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_score_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score")),
        sa.UniqueConstraint("creative_id", "model_version_id", name=op.f("uq_score_creative_id")),
    )
    op.create_index("ix_score_model_version_id", "score", ["model_version_id"], unique=False)
    op.create_index(op.f("ix_score_run_id"), "score", ["run_id"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_score_run_id"), table_name="score")
    op.drop_index("ix_score_model_version_id", table_name="score")
    op.drop_table("score")
    op.drop_index("ix_promotion_segment_id", table_name="promotion")
    op.drop_table("promotion")
    op.drop_table("embedding")
    op.drop_index("ix_creative_alias_base_name", table_name="creative_alias")
    op.drop_table("creative_alias")
    op.drop_index("ix_campaign_creative_creative_id", table_name="campaign_creative")
    op.drop_table("campaign_creative")
    op.drop_table("model_version")
    op.drop_table("creative")
    op.drop_table("campaign")
    op.drop_index(
        "uq_run_schedule_tick",
        table_name="run",
        sqlite_where=sa.text("schedule <> ''"),
        postgresql_where=sa.text("schedule <> ''"),
    )
    op.drop_table("run")
