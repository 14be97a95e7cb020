"""Ratings and choices: who judged, what they said, and the tables that it came from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from abkit.store.schema import UtcDateTime

revision = "0006_ratings"
down_revision = "0005_experiments"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "rating_source",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("scale_low", sa.Float(precision=53), nullable=True),
        sa.Column("scale_high", sa.Float(precision=53), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_rating_source_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_source")),
        sa.UniqueConstraint("key", name=op.f("uq_rating_source_key")),
    )
    op.create_table(
        "rater",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rating_source_id", sa.BigInteger(), nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rating_source_id"], ["rating_source.id"], name=op.f("fk_rater_rating_source_id_rating_source")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_rater_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rater")),
        sa.UniqueConstraint("rating_source_id", "pseudonym", name=op.f("uq_rater_rating_source_id")),
    )
    op.create_table(
        "rating_import",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rating_source_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("imported", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rating_source_id"], ["rating_source.id"], name=op.f("fk_rating_import_rating_source_id_rating_source")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_rating_import_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_import")),
        sa.UniqueConstraint("digest", name=op.f("uq_rating_import_digest")),
    )
    op.create_table(
        "comparison",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rater_id", sa.BigInteger(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("second_id", sa.BigInteger(), nullable=False),
        sa.Column("compared_at", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(precision=53), nullable=False),
        sa.Column("weight", sa.Float(precision=53), nullable=False),
        sa.Column("rating_import_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("first_id < second_id", name=op.f("ck_comparison_pair")),
        sa.CheckConstraint("share >= 0 AND share <= 1 AND weight > 0", name=op.f("ck_comparison_share")),
        sa.ForeignKeyConstraint(["first_id"], ["creative.id"], name=op.f("fk_comparison_first_id_creative")),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name=op.f("fk_comparison_rater_id_rater")),
        sa.ForeignKeyConstraint(
            ["rating_import_id"], ["rating_import.id"], name=op.f("fk_comparison_rating_import_id_rating_import")
        ),
        sa.ForeignKeyConstraint(["second_id"], ["creative.id"], name=op.f("fk_comparison_second_id_creative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
        sa.UniqueConstraint("rater_id", "first_id", "second_id", "compared_at", name=op.f("uq_comparison_rater_id")),
    )
    op.create_index("ix_comparison_first_id", "comparison", ["first_id"], unique=False)
    op.create_index(op.f("ix_comparison_rating_import_id"), "comparison", ["rating_import_id"], unique=False)
    op.create_index("ix_comparison_second_id", "comparison", ["second_id"], unique=False)
    op.create_table(
        "rating",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rater_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("rated_at", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("rating_import_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_rating_creative_id_creative")),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name=op.f("fk_rating_rater_id_rater")),
        sa.ForeignKeyConstraint(
            ["rating_import_id"], ["rating_import.id"], name=op.f("fk_rating_rating_import_id_rating_import")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating")),
        sa.UniqueConstraint("rater_id", "creative_id", "rated_at", name=op.f("uq_rating_rater_id")),
    )
    op.create_index("ix_rating_creative_id", "rating", ["creative_id"], unique=False)
    op.create_index(op.f("ix_rating_rating_import_id"), "rating", ["rating_import_id"], unique=False)
    op.create_table(
        "rating_reject",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rating_import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rating_import_id"], ["rating_import.id"], name=op.f("fk_rating_reject_rating_import_id_rating_import")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_reject")),
        sa.UniqueConstraint("rating_import_id", "line", name=op.f("uq_rating_reject_rating_import_id")),
    )
    op.create_table(
        "rating_summary",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rating_source_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("mean", sa.Float(precision=53), nullable=False),
        sa.Column("sd", sa.Float(precision=53), nullable=True),
        sa.Column("counts", JSON, nullable=True),
        sa.Column("rating_import_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["creative_id"], ["creative.id"], name=op.f("fk_rating_summary_creative_id_creative")),
        sa.ForeignKeyConstraint(
            ["rating_import_id"], ["rating_import.id"], name=op.f("fk_rating_summary_rating_import_id_rating_import")
        ),
        sa.ForeignKeyConstraint(
            ["rating_source_id"], ["rating_source.id"], name=op.f("fk_rating_summary_rating_source_id_rating_source")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_summary")),
        sa.UniqueConstraint("rating_source_id", "creative_id", name=op.f("uq_rating_summary_rating_source_id")),
    )
    op.create_index("ix_rating_summary_creative_id", "rating_summary", ["creative_id"], unique=False)
    op.create_index(op.f("ix_rating_summary_rating_import_id"), "rating_summary", ["rating_import_id"], unique=False)


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_rating_summary_rating_import_id"), table_name="rating_summary")
    op.drop_index("ix_rating_summary_creative_id", table_name="rating_summary")
    op.drop_table("rating_summary")
    op.drop_table("rating_reject")
    op.drop_index(op.f("ix_rating_rating_import_id"), table_name="rating")
    op.drop_index("ix_rating_creative_id", table_name="rating")
    op.drop_table("rating")
    op.drop_index("ix_comparison_second_id", table_name="comparison")
    op.drop_index(op.f("ix_comparison_rating_import_id"), table_name="comparison")
    op.drop_index("ix_comparison_first_id", table_name="comparison")
    op.drop_table("comparison")
    op.drop_table("rating_import")
    op.drop_table("rater")
    op.drop_table("rating_source")
