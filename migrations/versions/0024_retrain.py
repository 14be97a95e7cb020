"""Challengers that were held against a champion, and the creatives that each judgment has used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024_retrain"
down_revision = "0023_appeal"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
METRICS = (
    "ctr", "cvr", "conversions_per_impression", "cpc", "cpa", "cpm", "revenue_per_impression",
    "revenue_per_conversion", "roas", "margin",
)  # fmt: skip
DECISIONS = ("promoted", "refused", "candidate", "not_enough")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "retrain_trial",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("champion_id", sa.BigInteger(), nullable=False),
        sa.Column("challenger_id", sa.BigInteger()),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("learned_until", sa.Date()),
        sa.Column("judged_first", sa.Date()),
        sa.Column("judged_last", sa.Date()),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("campaigns", sa.BigInteger(), nullable=False),
        sa.Column("creatives", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.Float(53), nullable=False),
        sa.Column("gain", sa.Float(53)),
        sa.Column("gain_low", sa.Float(53)),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_one_of("metric", METRICS), name=op.f("ck_retrain_trial_metric")),
        sa.CheckConstraint(_one_of("decision", DECISIONS), name=op.f("ck_retrain_trial_decision")),
        sa.CheckConstraint("attempt >= 0 AND spent >= 0", name=op.f("ck_retrain_trial_spent")),
        _reference("retrain_trial", "champion_id", "model_version"),
        _reference("retrain_trial", "challenger_id", "model_version"),
        _reference("retrain_trial", "run_id", "run"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrain_trial")),
    )
    where = sa.text("attempt > 0")
    op.create_index(
        "uq_retrain_trial_attempt", "retrain_trial", ["champion_id", "attempt"], unique=True,
        sqlite_where=where, postgresql_where=where,
    )  # fmt: skip
    op.create_index("ix_retrain_trial_challenger_id", "retrain_trial", ["challenger_id"])
    op.create_index("ix_retrain_trial_run_id", "retrain_trial", ["run_id"])
    op.create_table(
        "retrain_judged",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("champion_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("retrain_trial_id", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("champion_id", "creative_id", name=op.f("uq_retrain_judged_champion_id")),
        _reference("retrain_judged", "champion_id", "model_version"),
        _reference("retrain_judged", "creative_id", "creative"),
        _reference("retrain_judged", "retrain_trial_id", "retrain_trial"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrain_judged")),
    )
    op.create_index("ix_retrain_judged_retrain_trial_id", "retrain_judged", ["retrain_trial_id"])


def downgrade() -> None:
    """Back."""
    op.drop_table("retrain_judged")
    op.drop_table("retrain_trial")


def _one_of(column: str, words: tuple[str, ...]) -> str:
    listed = ",".join(f"'{word}'" for word in words)
    return f"{column} IN ({listed})"


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))
