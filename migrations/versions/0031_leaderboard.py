"""The figures that the pages of campaigns show: kept, so that no page sums up all delivery."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0031_leaderboard"
down_revision = "0030_requests"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
ACTIONS = ("launch", "give_more", "wait", "drop", "hold_back", "untested", "ended")
FATIGUE = ("fresh", "steady", "tired", "insufficient_data")
AMOUNTS = (
    "score", "score_low", "score_high", "p_best", "spend", "revenue", "ctr", "ctr_low", "ctr_high", "cvr", "cvr_low",
    "cvr_high", "cpa", "cpa_low", "cpa_high", "roas", "roas_low", "roas_high", "lift", "lift_low", "lift_high",
    "per_week",
)  # fmt: skip


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "leaderboard",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger()),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("summary", JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        _reference("leaderboard", "campaign_id", "campaign", ondelete="CASCADE"),
        _reference("leaderboard", "model_version_id", "model_version", ondelete="CASCADE"),
        _reference("leaderboard", "run_id", "run"),
        sa.UniqueConstraint("campaign_id", name=op.f("uq_leaderboard_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leaderboard")),
    )
    op.create_table(
        "leaderboard_entry",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("idea", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("rank", sa.BigInteger()),
        sa.Column("unlike", sa.Boolean(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("conversions", sa.Float(53), nullable=False),
        *(sa.Column(name, sa.Float(53)) for name in AMOUNTS),
        sa.Column("action", sa.Text()),
        sa.Column("fatigue", sa.Text()),
        sa.Column("first_day", sa.Date()),
        sa.Column("last_day", sa.Date()),
        sa.Column("similar", JSON, nullable=False),
        sa.CheckConstraint(_one_of("action", ACTIONS), name=op.f("ck_leaderboard_entry_action")),
        sa.CheckConstraint(_one_of("fatigue", FATIGUE), name=op.f("ck_leaderboard_entry_fatigue")),
        _reference("leaderboard_entry", "campaign_id", "campaign", ondelete="CASCADE"),
        _reference("leaderboard_entry", "creative_id", "creative", ondelete="CASCADE"),
        sa.UniqueConstraint("campaign_id", "creative_id", name=op.f("uq_leaderboard_entry_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leaderboard_entry")),
    )
    op.create_index("ix_leaderboard_entry_creative_id", "leaderboard_entry", ["creative_id"])
    op.create_index("ix_leaderboard_entry_campaign_id_rank", "leaderboard_entry", ["campaign_id", "rank"])


def downgrade() -> None:
    """Back."""
    op.drop_table("leaderboard_entry")
    op.drop_table("leaderboard")


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({','.join(repr(word) for word in words)})"


def _reference(table: str, column: str, target: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
