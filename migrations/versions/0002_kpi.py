"""KPIs: imports, ads, what they delivered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from abkit.store.schema import UtcDateTime

revision = "0002_kpi"
down_revision = "0001_scoring"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "segment",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("age", sa.Text(), nullable=False),
        sa.Column("gender", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint(
            "platform", "placement", "country", "device", "age", "gender", "other", name=op.f("uq_segment_platform")
        ),
    )
    op.create_table(
        "kpi_import",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("imported", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("unlinked", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_kpi_import_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_import")),
        sa.UniqueConstraint("digest", name=op.f("uq_kpi_import_digest")),
    )
    op.create_table(
        "ad",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("creative_name", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_ad_campaign_id_campaign")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_ad_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ad")),
        sa.UniqueConstraint("platform", "account", "external_id", name=op.f("uq_ad_platform")),
    )
    op.create_index(op.f("ix_ad_campaign_id"), "ad", ["campaign_id"], unique=False)
    op.create_table(
        "kpi_reject",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_reject_kpi_import_id_kpi_import")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_reject")),
        sa.UniqueConstraint("kpi_import_id", "line", name=op.f("uq_kpi_reject_kpi_import_id")),
    )
    op.create_table(
        "ad_creative",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("ad_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("linked_by", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ad_id"], ["ad.id"], name=op.f("fk_ad_creative_ad_id_ad")),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_ad_creative_creative_id_creative")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_ad_creative_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ad_creative")),
        sa.UniqueConstraint("ad_id", "creative_id", name=op.f("uq_ad_creative_ad_id")),
    )
    op.create_index("ix_ad_creative_creative_id", "ad_creative", ["creative_id"], unique=False)
    op.create_table(
        "kpi",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("ad_id", sa.BigInteger(), nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("attribution_window", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("conversions", sa.BigInteger(), nullable=False),
        sa.Column("spend", sa.Float(precision=53), nullable=True),
        sa.Column("revenue", sa.Float(precision=53), nullable=True),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("clicks <= impressions", name=op.f("ck_kpi_clicks")),
        sa.CheckConstraint("impressions >= 0 AND clicks >= 0 AND conversions >= 0", name=op.f("ck_kpi_counts")),
        sa.CheckConstraint("period_end >= period_start", name=op.f("ck_kpi_period")),
        sa.ForeignKeyConstraint(["ad_id"], ["ad.id"], name=op.f("fk_kpi_ad_id_ad")),
        sa.ForeignKeyConstraint(["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_kpi_import_id_kpi_import")),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name=op.f("fk_kpi_segment_id_segment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi")),
        sa.UniqueConstraint(
            "ad_id",
            "segment_id",
            "period_start",
            "period_end",
            "event",
            "attribution_window",
            name=op.f("uq_kpi_ad_id"),
        ),
    )
    op.create_index("ix_kpi_period_end", "kpi", ["period_end"], unique=False)
    op.create_table(
        "kpi_revision",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kpi_id", sa.BigInteger(), nullable=False),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("conversions", sa.BigInteger(), nullable=False),
        sa.Column("spend", sa.Float(precision=53), nullable=True),
        sa.Column("revenue", sa.Float(precision=53), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["kpi_id"], ["kpi.id"], name=op.f("fk_kpi_revision_kpi_id_kpi")),
        sa.ForeignKeyConstraint(
            ["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_revision_kpi_import_id_kpi_import")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_revision")),
        sa.UniqueConstraint("kpi_id", "kpi_import_id", name=op.f("uq_kpi_revision_kpi_id")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("kpi_revision")
    op.drop_index("ix_kpi_period_end", table_name="kpi")
    op.drop_table("kpi")
    op.drop_index("ix_ad_creative_creative_id", table_name="ad_creative")
    op.drop_table("ad_creative")
    op.drop_table("kpi_reject")
    op.drop_index(op.f("ix_ad_campaign_id"), table_name="ad")
    op.drop_table("ad")
    op.drop_table("kpi_import")
    op.drop_table("segment")
