"""Columns with a closed list of values hold only values of that list."""

from alembic import op

revision = "0011_vocabulary"
down_revision = "0010_comparisons"
branch_labels = None
depends_on = None

LISTS: dict[str, dict[str, tuple[str, ...]]] = {
    "correlation_result": {
        "metric": ("ctr", "cvr"),
        "scope": ("all", "within_campaign"),
        "statistic": ("srcc", "plcc"),
    },
    "drift_result": {
        "layer": ("data", "input", "score", "relation", "kpi"),
        "verdict": ("ok", "watch", "major", "fault", "insufficient_data"),
    },
    "decision": {"decision": ("stable", "watch", "retrain", "fix_data", "insufficient_data")},
    "alert": {"severity": ("warning", "critical")},
    "schedule": {"missed": ("run_last", "run_all", "skip")},
    "experiment": {
        "unit": ("user", "session", "impression", "geography", "day"),
        "allocation": ("random", "optimized"),
        "metric": ("ctr", "cvr"),
    },
}


def upgrade() -> None:
    """Forward."""
    for table, columns in LISTS.items():
        with op.batch_alter_table(table) as batch:
            for column, words in columns.items():
                listed = ",".join(f"'{word}'" for word in words)
                batch.create_check_constraint(op.f(f"ck_{table}_{column}"), f"{column} IN ({listed})")


def downgrade() -> None:
    """Back."""
    for table, columns in LISTS.items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
