"""Read-only views for dashboards: `abkit.store.views`, made anew after the last migration."""

revision = "0027_views"
down_revision = "0026_standing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward: no table changes, and env.py makes the views."""


def downgrade() -> None:
    """Back: env.py has dropped them."""
