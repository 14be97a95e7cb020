"""Hours are parts of their day: what a clock has twice counts twice, and a day that lacks an hour does not count."""

from collections.abc import Sequence

import polars as pl

from abkit.intake.kpis.rows.repeats import KEY

# Clocks go back on Sundays of spring and autumn, in the small hours.
_MONTHS, _SUNDAY, _LATEST_HOUR = (3, 4, 9, 10, 11), 7, 3


def hours_of_both_clocks(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Tell the two hours of one name apart, on the day on which the clock goes back.

    Args:
        rows: Rows with `line`, the key, `hour` and `period_start`.
        key: The natural key, with `hour`.

    Returns:
        The rows, the second of two such hours under a name of its own; and a note.
    """
    day, hour = pl.col("period_start"), pl.col("hour").str.extract(r"^\D*(\d{1,2})").cast(pl.Int8, strict=False)
    could_be = (day.dt.weekday() == _SUNDAY) & day.dt.month().is_in(_MONTHS)
    if not rows.select(could_be.any()).item():
        return rows, []
    marked = rows.with_columns(again=pl.struct(key).is_duplicated() & could_be.fill_null(False), of_day=hour)
    twice = marked.filter("again")
    # Where other hours of the day are there twice as well, the rows are.
    days = twice.group_by("period_start").agg(pl.col("hour").n_unique().alias("hours"), pl.col("of_day").max())
    changed = days.filter(pl.col("hours") == 1, pl.col("of_day") <= _LATEST_HOUR).sort("period_start")
    if not changed.height:
        return rows, []
    second = pl.col("again") & pl.col("period_start").is_in(changed["period_start"].implode())
    second = second & (pl.int_range(pl.len()).over(key) == 1)
    found = marked.with_columns(pl.when(second).then(pl.col("hour") + " again").otherwise("hour").alias("hour"))
    name = twice.filter(pl.col("period_start") == changed["period_start"][0])["hour"][0]
    note = f"{changed['period_start'][0]} has the hour {name!r} twice: the clock goes back, and both are added up"
    return found.drop("again", "of_day"), [note]


def whole_days(
    rows: pl.DataFrame, candidates: pl.DataFrame, repeated: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out the hours of a day of which another hour of the same ad and segment was refused.

    Args:
        rows: Rows that are left.
        candidates: All rows of delivery, before any was refused, with `line` and the key.
        repeated: `line` and `reason` of rows that were there twice: of these none is missing.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    twice = repeated.filter(pl.col("reason").str.starts_with("duplicate"))["line"]
    gone = candidates.filter(~pl.col("line").is_in(twice.implode())).join(rows.select("line"), on="line", how="anti")
    first = gone.group_by(KEY).agg(pl.col("line").min().alias("missing"))
    reason = pl.format("another hour of this day is refused, in line {}: a day is the sum of its hours", "missing")
    partial = rows.join(first, on=KEY, how="inner", maintain_order="left").select("line", reason.alias("reason"))
    return rows.join(partial, on="line", how="anti", maintain_order="left"), partial
