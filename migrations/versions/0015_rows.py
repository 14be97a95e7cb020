"""Fractional conversions, rows that are set aside, ad sets; clicks of a row may exceed its impressions."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015_rows"
down_revision = "0014_links"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("kpi_import", sa.Column("set_aside", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("ad", sa.Column("ad_set", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("kpi_reject") as batch:
        batch.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="rejected"))
        batch.create_check_constraint(op.f("ck_kpi_reject_kind"), "kind IN ('rejected','set_aside')")
    _change_conversions(sa.BigInteger(), sa.Float(precision=53), clicks_check=False)


def downgrade() -> None:
    """Back: fractions of conversions are rounded, and late clicks and rows set aside are gone."""
    for table in ("kpi", "kpi_revision"):
        op.execute(f"UPDATE {table} SET conversions = round(conversions)")  # noqa: S608
    op.execute("UPDATE kpi SET clicks = impressions WHERE clicks > impressions")
    _change_conversions(sa.Float(precision=53), sa.BigInteger(), clicks_check=True)
    op.execute("DELETE FROM kpi_reject WHERE kind = 'set_aside'")
    op.execute("UPDATE kpi_import SET rows = rows - set_aside")
    with op.batch_alter_table("kpi_reject") as batch:
        batch.drop_constraint(op.f("ck_kpi_reject_kind"), type_="check")
        batch.drop_column("kind")
    op.drop_column("ad", "ad_set")
    op.drop_column("kpi_import", "set_aside")


def _change_conversions(old: sa.types.TypeEngine[Any], new: sa.types.TypeEngine[Any], *, clicks_check: bool) -> None:
    with op.batch_alter_table("kpi") as batch:
        if not clicks_check:
            batch.drop_constraint(op.f("ck_kpi_clicks"), type_="check")
        batch.alter_column("conversions", existing_type=old, type_=new, existing_nullable=False)
        if clicks_check:
            batch.create_check_constraint(op.f("ck_kpi_clicks"), "clicks <= impressions")
    with op.batch_alter_table("kpi_revision") as batch:
        batch.alter_column("conversions", existing_type=old, type_=new, existing_nullable=False)
