"""Which decision is of the standing check, how many layers it could judge, and where its window began."""

import sqlalchemy as sa
from alembic import op

revision = "0026_standing"
down_revision = "0025_properties"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward: the checks so far owned headline and alert, whatever their windows."""
    with op.batch_alter_table("decision") as table:
        table.add_column(sa.Column("standing", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("layers_judged", sa.BigInteger()))
        table.add_column(sa.Column("window_start", sa.Date()))
        table.add_column(sa.Column("launched_since", sa.Date()))
    with op.batch_alter_table("decision") as table:
        table.alter_column("standing", server_default=None)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("decision") as table:
        for name in ("launched_since", "window_start", "layers_judged", "standing"):
            table.drop_column(name)
