"""The Smadex totals as a KPI file: three periods a creative that do not overlap and add up to its totals."""

from pathlib import Path

import polars as pl

COUNTS = ("impressions", "clicks", "conversions")


def write_periods(folder: Path, target: Path) -> pl.DataFrame:
    """First seven days, the days between, last seven days of every creative.

    Args:
        folder: `smadex_synthetic` with `creative_summary.csv`.
        target: the CSV to write.
    """
    totals = pl.read_csv(folder / "creative_summary.csv", try_parse_dates=True)
    first = pl.col("creative_launch_date")
    last = first + pl.duration(days=pl.col("total_days_active") - 1)
    week = pl.duration(days=7)
    day = pl.duration(days=1)
    spans = {
        "first": (first, first + week - day, {name: pl.col(f"first_7d_{name}") for name in COUNTS}),
        "between": (
            first + week,
            last - week,
            {name: pl.col(f"total_{name}") - pl.col(f"first_7d_{name}") - pl.col(f"last_7d_{name}") for name in COUNTS},
        ),
        "last": (last - week + day, last, {name: pl.col(f"last_7d_{name}") for name in COUNTS}),
    }
    periods = pl.concat(
        totals.select(
            start.alias("period_start"),
            end.alias("period_end"),
            pl.col("asset_file").alias("creative"),
            pl.col("campaign_id").alias("campaign"),
            *(figure.alias(name) for name, figure in figures.items()),
        )
        for start, end, figures in spans.values()
    )
    periods.write_csv(target)
    return totals
