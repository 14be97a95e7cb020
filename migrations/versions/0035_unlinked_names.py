"""The view `monitor_unlinked` knows ads under all of their names: views are made anew after each migration."""

revision = "0035_unlinked_names"
down_revision = "0034_retention"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""


def downgrade() -> None:
    """Back."""
