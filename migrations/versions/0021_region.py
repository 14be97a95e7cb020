"""A segment of delivery has a region. Rows that are there stay as they are: nothing says whether `other` was one."""

import sqlalchemy as sa
from alembic import op

revision = "0021_region"
down_revision = "0020_archived"
branch_labels = None
depends_on = None

_BEFORE = ["platform", "placement", "country", "device", "age", "gender", "other"]
_AFTER = ["campaign", "ad_set"]
# In an earlier release a region is a part of the last dimension, so that no row loses its key.
_BETWEEN = "\x1e"

_segment = sa.table("segment", *map(sa.column, ("id", "breakdown", "other", "region")))


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("segment") as batch:
        batch.add_column(sa.Column("region", sa.Text(), nullable=False, server_default=""))
        batch.drop_constraint("uq_segment_platform", type_="unique")
        batch.create_unique_constraint("uq_segment_platform", [*_BEFORE, "region", *_AFTER])
    op.execute(
        "UPDATE segment SET breakdown = substr(breakdown, 1, 7) || '-' || substr(breakdown, 8) "
        "WHERE breakdown IS NOT NULL"
    )
    kept = sa.select(_segment.c.id, _segment.c.other).where(_segment.c.other.contains(_BETWEEN))
    for number, text in op.get_bind().execute(kept).all():
        region, other = text.split(_BETWEEN, 1)
        # Settled anew after the last migration.
        values = {"other": other, "region": region, "breakdown": None}
        op.execute(_segment.update().where(_segment.c.id == number).values(values))


def downgrade() -> None:
    """Back."""
    columns, cut = _segment.c, sa.func.substr
    named = columns.region != ""
    op.execute(
        _segment.update()
        .where(named)
        .values(
            other=columns.region + _BETWEEN + columns.other,
            breakdown=cut(columns.breakdown, 1, 6) + "V" + cut(columns.breakdown, 8),
        )
    )
    op.execute(
        "UPDATE segment SET breakdown = substr(breakdown, 1, 7) || substr(breakdown, 9) WHERE breakdown IS NOT NULL"
    )
    with op.batch_alter_table("segment") as batch:
        batch.drop_constraint("uq_segment_platform", type_="unique")
        batch.create_unique_constraint("uq_segment_platform", [*_BEFORE, *_AFTER])
        batch.drop_column("region")
