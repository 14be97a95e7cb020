"""What is possible and unlikely in an export: it is imported, and said, because a column or a date may be misread."""

from datetime import date, timedelta

import polars as pl

from abkit.intake.cells.identity import text_of
from abkit.intake.kpis.reading import RawTable

_NAMES = {"ad": "their ads go by name", "campaign": "they belong to none", "ad_set": "they belong to none"}
_DEAR = 500  # of any currency, for one impression: a thousand cost 500,000
_FEWEST = 5  # rows with conversions, before their size says anything


def unlikely(good: pl.DataFrame, table: RawTable, today: date) -> list[str]:
    """Return remarks on figures and days that a wrong column or a wrong order of day and month would have.

    Args:
        good: Rows that land, with figures and periods.
        table: The export.
        today: The day of the import.
    """
    notes = []
    early = good.filter(pl.col("period_start") > today + timedelta(days=1))["period_start"]
    if early.len():
        first = f"the first of {early.sort()[0]}"
        notes.append(f"{early.len():,} rows are of days to come, {first}: are day and month in order?")
    notes += _blank_names(good, table)
    notes += _millionths(good, table)
    if "conversions" not in table.columns.position:
        return notes
    name = table.columns.named("conversions")
    some = good.filter(pl.col("conversions") > 0)
    if some.height >= _FEWEST and bool((some["conversions"] < 1).all()):
        notes.append(
            f"all conversions in {name!r} are below 1, the largest {some['conversions'].sort()[-1]}: if they are "
            f"rates, leave the column out (--map {name + '='!r})"
        )
    converted, clicks = float(good["conversions"].sum() or 0), int(good["clicks"].sum() or 0)
    if some.height >= _FEWEST and converted > max(clicks, 1):
        notes.append(
            f"{name!r} has more conversions ({converted:,.10g}) than there are clicks ({clicks:,}): if it holds values "
            f"or something else, leave it out (--map {name + '='!r})"
        )
    return notes


def _millionths(good: pl.DataFrame, table: RawTable) -> list[str]:
    """Say that an impression costs so much that amounts are millionths, as APIs write them, or lack their point."""
    shown, spent = int(good["impressions"].sum() or 0), float(good["spend"].sum() or 0)
    if not shown or spent / shown <= _DEAR:
        return []
    name = table.columns.named("spend")
    return [
        f"{name!r} has {spent / shown:,.0f} for each impression: if these are millionths (micros) or lack their "
        f"decimal sign, divide them, or leave the column out (--map {name + '='!r})"
    ]


def _blank_names(good: pl.DataFrame, table: RawTable) -> list[str]:
    """Say which names and ids are blank in some rows: in a pivot table a blank cell means the one above."""
    notes = []
    for name, follows in _NAMES.items():
        if name not in table.frame.columns:
            continue
        blank = table.frame.select("line", text=text_of(table.frame[name])).filter(pl.col("text") == "")["line"]
        found = good.filter(pl.col("line").is_in(blank.implode())).height if blank.len() else 0
        if 0 < found < good.height:
            notes.append(
                f"{found:,} rows have no {table.columns.named(name)!r}, and {follows}: if a blank cell means the one "
                "above it, fill the cells and import the file again"
            )
    return notes
