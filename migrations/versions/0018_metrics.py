"""Experiments and correlations of money: cost per click, revenue per impression, ROAS, …"""

from alembic import op

revision = "0018_metrics"
down_revision = "0017_imports"
branch_labels = None
depends_on = None

BEFORE = ("ctr", "cvr")
AFTER = (
    *BEFORE,
    "conversions_per_impression",
    "cpc",
    "cpa",
    "cpm",
    "revenue_per_impression",
    "revenue_per_conversion",
    "roas",
    "margin",
)


def upgrade() -> None:
    """Forward."""
    _set(AFTER)


def downgrade() -> None:
    """Back, where nothing is of the new metrics: the earlier release could not say what it is."""
    _set(BEFORE)


def _set(metrics: tuple[str, ...]) -> None:
    listed = ",".join(f"'{metric}'" for metric in metrics)
    for table in ("correlation_result", "experiment"):
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"ck_{table}_metric"), type_="check")
            batch.create_check_constraint(op.f(f"ck_{table}_metric"), f"metric IN ({listed})")
