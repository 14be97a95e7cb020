"""Imports can be taken back: what each delivered, whose figures were replaced, and which mappings were said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017_imports"
down_revision = "0016_ideas"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.add_column("kpi_import", sa.Column("time_zone", sa.Text(), nullable=False, server_default=""))
    op.add_column("kpi_import", sa.Column("contents", _JSON, nullable=True))
    op.add_column("kpi_revision", sa.Column("former_import_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "kpi_archive",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_archive")),
        sa.ForeignKeyConstraint(
            ["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_archive_kpi_import_id_kpi_import")
        ),
        sa.UniqueConstraint("kpi_import_id", "stage", "part", name=op.f("uq_kpi_archive_kpi_import_id")),
    )
    op.create_table(
        "kpi_undo",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_undo")),
        sa.ForeignKeyConstraint(
            ["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_undo_kpi_import_id_kpi_import")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_kpi_undo_run_id_run")),
        sa.UniqueConstraint("kpi_import_id", name=op.f("uq_kpi_undo_kpi_import_id")),
    )
    op.create_table(
        "kpi_mapping",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("mapping", _JSON, nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("kpi_import_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kpi_mapping")),
        sa.ForeignKeyConstraint(
            ["kpi_import_id"], ["kpi_import.id"], name=op.f("fk_kpi_mapping_kpi_import_id_kpi_import")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_kpi_mapping_run_id_run")),
        sa.UniqueConstraint("header", "platform", "account", name=op.f("uq_kpi_mapping_header")),
    )


def downgrade() -> None:
    """Back."""
    for table in ("kpi_mapping", "kpi_undo", "kpi_archive"):
        op.drop_table(table)
    op.drop_column("kpi_revision", "former_import_id")
    op.drop_column("kpi_import", "contents")
    op.drop_column("kpi_import", "time_zone")
