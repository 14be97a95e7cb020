"""Figures go to the campaign that their row names, not to the one in which their ad was seen last."""

import sqlalchemy as sa
from alembic import op

revision = "0022_campaigns"
down_revision = "0021_region"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward: what no campaign is called stays with the campaign of the ad, as before."""
    with op.batch_alter_table("segment") as batch:
        batch.add_column(sa.Column("campaign_id", sa.BigInteger(), nullable=True))
        batch.create_foreign_key(op.f("fk_segment_campaign_id_campaign"), "campaign", ["campaign_id"], ["id"])
    op.execute(
        "UPDATE segment SET campaign_id = (SELECT campaign.id FROM campaign WHERE campaign.key = segment.campaign) "
        "WHERE campaign <> ''"
    )


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("segment") as batch:
        batch.drop_constraint(op.f("fk_segment_campaign_id_campaign"), type_="foreignkey")
        batch.drop_column("campaign_id")
