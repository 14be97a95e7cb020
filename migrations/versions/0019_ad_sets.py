"""Rows of one ad in several campaigns or ad sets are rows of their own: a segment says where the ad ran.

Rows that are there stay as they are: they are sums over ad sets, and compete with rows by ad set for what counts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019_ad_sets"
down_revision = "0018_metrics"
branch_labels = None
depends_on = None

_DIMENSIONS = ["platform", "placement", "country", "device", "age", "gender", "other"]
_PLACES = ["campaign", "ad_set"]
# In an earlier release where an ad ran is a part of the last dimension, so that no row loses its key.
_BETWEEN = "\x1f"

_segment = sa.table("segment", *map(sa.column, ("id", "breakdown", "other", *_PLACES)))


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("segment") as batch:
        for name in _PLACES:
            batch.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        batch.drop_constraint("uq_segment_platform", type_="unique")
        batch.create_unique_constraint("uq_segment_platform", [*_DIMENSIONS, *_PLACES])
    op.execute("UPDATE segment SET breakdown = breakdown || '--' WHERE breakdown IS NOT NULL")
    kept = sa.select(_segment.c.id, _segment.c.other).where(_segment.c.other.contains(_BETWEEN))
    for number, text in op.get_bind().execute(kept).all():
        other, campaign, ad_set = text.split(_BETWEEN, 2)
        # Settled anew after the last migration.
        values = {"other": other, "campaign": campaign, "ad_set": ad_set, "breakdown": None}
        op.execute(_segment.update().where(_segment.c.id == number).values(values))


def downgrade() -> None:
    """Back."""
    columns = _segment.c
    joined = columns.other + _BETWEEN + columns.campaign + _BETWEEN + columns.ad_set
    placed = sa.or_(columns.campaign != "", columns.ad_set != "")
    cut = sa.func.substr(columns.breakdown, 1, 6) + "V"
    op.execute(_segment.update().where(placed).values(other=joined, breakdown=cut))
    op.execute("UPDATE segment SET breakdown = substr(breakdown, 1, 7) WHERE breakdown IS NOT NULL")
    with op.batch_alter_table("segment") as batch:
        batch.drop_constraint("uq_segment_platform", type_="unique")
        batch.create_unique_constraint("uq_segment_platform", _DIMENSIONS)
        for name in _PLACES:
            batch.drop_column(name)
