"""Jobs that somebody asked for once, and answers to requests that must take effect once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030_requests"
down_revision = "0029_people"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "job_request",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("arguments", _JSON, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger()),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_job_request_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_request")),
        sa.UniqueConstraint("key", name=op.f("uq_job_request_key")),
    )
    op.create_index("ix_job_request_run_id", "job_request", ["run_id"])
    op.create_table(
        "request_answer",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.BigInteger()),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("headers", _JSON, nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_answer")),
        sa.UniqueConstraint("person", "key", name=op.f("uq_request_answer_person")),
    )
    op.create_index("ix_request_answer_made_at", "request_answer", ["made_at"])


def downgrade() -> None:
    """Back."""
    op.drop_table("request_answer")
    op.drop_table("job_request")
