"""Links and questions of raters, and reviews of variants with what was agreed about them."""

import sqlalchemy as sa
from alembic import op

from abkit.store.schema import BigId, UtcDateTime

revision = "0028_labeling_and_review"
down_revision = "0027_views"
branch_labels = None
depends_on = None

_TELLS = "'unknown','close','unfamiliar','repeat','shared'"
_ACTS = "'propose','approve','reject','want_changes','comment'"
_STATES = "'proposed','approved','rejected','changes_wanted'"


def upgrade() -> None:
    """Forward: nobody has a link yet, and nothing was reviewed."""
    op.create_table(
        "rater_link",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rater_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rater_link"),
        sa.UniqueConstraint("digest", name="uq_rater_link_digest"),
        _reference("rater_link", "rater"),
        _reference("rater_link", "campaign"),
        _reference("rater_link", "run"),
    )
    op.create_index("ix_rater_link_rater_id", "rater_link", ["rater_id"])
    op.create_index("ix_rater_link_campaign_id", "rater_link", ["campaign_id"])
    op.create_table(
        "label_question",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("rater_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger()),
        sa.Column("left_id", sa.BigInteger(), nullable=False),
        sa.Column("right_id", sa.BigInteger()),
        sa.Column("tells", sa.Text(), nullable=False),
        sa.Column("gain", sa.Float(53)),
        sa.Column("repeats_id", sa.BigInteger()),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime()),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label_question"),
        sa.UniqueConstraint("rater_id", "number", name="uq_label_question_rater_id"),
        sa.CheckConstraint(f"tells IN ({_TELLS})", name=op.f("ck_label_question_tells")),
        _reference("label_question", "rater"),
        _reference("label_question", "campaign"),
        _reference("label_question", "creative", "left_id"),
        _reference("label_question", "creative", "right_id"),
        _reference("label_question", "label_question", "repeats_id"),
        _reference("label_question", "run"),
    )
    op.create_index("ix_label_question_campaign_id", "label_question", ["campaign_id"])
    op.create_table(
        "review_flow",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("approvals", sa.BigInteger(), nullable=False),
        sa.Column("gate", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("agreed_by", sa.Text(), nullable=False),
        sa.Column("agreed_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_flow"),
        sa.CheckConstraint("approvals >= 1 AND approvals <= 5", name=op.f("ck_review_flow_approvals")),
        _reference("review_flow", "campaign"),
        _reference("review_flow", "run"),
    )
    op.create_index("ix_review_flow_campaign_id", "review_flow", ["campaign_id", "id"])
    op.create_table(
        "review",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_id", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        sa.CheckConstraint(f"act IN ({_ACTS})", name=op.f("ck_review_act")),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_review_state")),
        _reference("review", "campaign"),
        _reference("review", "creative"),
        _reference("review", "run"),
    )
    op.create_index("ix_review_campaign_id", "review", ["campaign_id", "creative_id", "id"])
    op.create_index("ix_review_creative_id", "review", ["creative_id"])


def _reference(table: str, target: str, column: str = "") -> sa.ForeignKeyConstraint:
    own = column or f"{target}_id"
    return sa.ForeignKeyConstraint([own], [f"{target}.id"], name=f"fk_{table}_{own}_{target}")


def downgrade() -> None:
    """Back."""
    for table in ("review", "review_flow", "label_question", "rater_link"):
        op.drop_table(table)
