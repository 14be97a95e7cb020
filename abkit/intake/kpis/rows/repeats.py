"""Rows of one file about the same ad, period and segment: the same row twice, contradictions, and parts to add up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from abkit.intake.kpis.header.column_values import column_values, kinds_of_conversions
from abkit.intake.kpis.header.fields import listed
from abkit.intake.kpis.reading import KpiOptions, RawTable, other_cells, other_columns
from abkit.metrics import FIGURES

KEY = ("ad_no", "segment_no", "period_start", "period_end", "event", "attribution_window")
_REFUSED = {"line": pl.Int64, "reason": pl.String}
_BESIDE = {"line": pl.Int64, "beside": pl.Int64}
#: How the reason begins where a row is the same as another one in all its cells.
DUPLICATE = "duplicate of line"
HOURS_A_DAY = 24
_ROWS_LOOKED_AT = 1_000
OtherCells = Callable[[frozenset[int]], Iterable[tuple[int, tuple[str, ...]]]]


def repeated_rows(
    rows: pl.DataFrame, key: Sequence[str], others: OtherCells = lambda _: ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows of one key: the same row counts once, rows that differ do not count at all.

    Two rows with equal figures are the same row only if all their cells are equal: a file that is broken down by a
    column that is no field has many rows of one impression.

    Args:
        rows: Rows with `line`, the key and the figures.
        key: The natural key.
        others: Yields line and cells, those that are no field, of rows with these lines.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    if rows.select(pl.struct(key).n_unique()).item() == rows.height:
        return rows, pl.DataFrame(schema=_REFUSED)
    figures = ["currency", *FIGURES]
    repeated = rows.filter(pl.struct(key).is_duplicated())
    groups = repeated.with_columns(
        pl.col("line").min().over(key).alias("first"),
        (pl.struct(figures).n_unique().over(key) == 1).alias("equal"),
        (pl.col("creative").n_unique().over(key) == 1).alias("one_creative"),
    )
    equal = groups.filter("equal", "one_creative")["line"]
    beside = {line: hash(cells) for line, cells in others(frozenset(equal))} if equal.len() else {}
    of_line = pl.DataFrame({"line": list(beside), "beside": list(beside.values())}, schema=_BESIDE)
    groups = groups.join(of_line, on="line", how="left").with_columns(
        (pl.col("beside").n_unique().over(key) == 1).alias("one_row")
    )
    other = pl.when(pl.col("line") == pl.col("first")).then(pl.col("line").sort().get(1).over(key)).otherwise("first")
    refused = (
        groups.with_columns(other.alias("other"))
        .filter(~(pl.col("equal") & pl.col("one_creative") & pl.col("one_row") & (pl.col("line") == pl.col("first"))))
        .select(
            "line",
            pl.when(pl.col("equal") & pl.col("one_creative") & pl.col("one_row"))
            .then(pl.format(f"{DUPLICATE} {{}}", "first"))
            .when(pl.col("equal") & pl.col("one_creative"))
            .then(
                pl.format(
                    "the figures of line {} for the same ad, period and segment, but another row in columns that are "
                    "not used",
                    "other",
                )
            )
            .when("one_creative")
            .then(pl.format("different figures from line {} for the same ad, period and segment", "other"))
            .otherwise(pl.format("a different creative from line {} for the same ad, period and segment", "other"))
            .alias("reason"),
        )
    )
    return rows.join(refused.select("line"), on="line", how="anti", maintain_order="left"), refused


def broken_down(table: RawTable, options: KpiOptions, rows: pl.DataFrame, repeated: pl.DataFrame) -> list[str]:
    """Say which columns tell rows of one ad, period and segment apart that no field does, and the command that does.

    Args:
        table: The export.
        options: What the user said about it.
        rows: `line` and the natural key of its rows.
        repeated: What `repeated_rows` took out of them.
    """
    apart = repeated.filter(~pl.col("reason").str.starts_with(DUPLICATE))
    names = list(other_columns(table).values())
    if not apart.height or not names or table.path is None:
        return []
    unused = set(table.columns.unused)
    key = pl.col("line").min().over([name for name in rows.columns if name != "line"])
    some = rows.join(apart, on="line", how="semi").select("line", key=key).sort("key", "line").head(_ROWS_LOOKED_AT)
    key_of = dict(some.iter_rows())
    found = list(other_cells(table, frozenset(key_of)))
    keys = [key_of[line] for line, _ in found]
    columns = column_values(names, [cells for _, cells in found])
    varied = [
        one
        for one in columns
        if one.name in unused
        and names.count(one.name) == 1
        and len({*zip(keys, one.cells, strict=True)}) > len({*keys})
    ]
    if not varied:
        return []
    # Kinds of conversions come first, the finest of them before the others; figures divide nothing.
    kinds = kinds_of_conversions(varied)
    divide = [*kinds, *(one for one in varied if one not in kinds and one.has_names)] or varied[:1]
    chosen = _dividing(keys, {one.name: one.cells for one in divide})
    mapping: dict[str, str] = {}
    for name in chosen:
        wanted = ["event", "other"] if any(one.name == name for one in kinds) else ["other"]
        free = [field for field in wanted if field not in {*table.columns.position, *mapping.values()}]
        mapping |= {name: free[0]} if free else {}
    command = replace(options, mapping={**options.mapping, **mapping}).command(table.path)
    left = [name for name in chosen if name not in mapping]
    return [
        f"{apart.height:,} rows have ad, period and segment in common and differ in "
        f"{listed([one.name for one in varied], 5)}: if the file is broken down by such a column, "
        + (f"take it back (abkit kpi undo) and run: {command}" if mapping else "export it without")
        + (f"; no field is left for {listed(left)}: export without it" if left and mapping else "")
    ]


def _dividing(keys: Sequence[int], columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns that tell as many rows of one key apart as all do together; the first are preferred."""

    def told(names: Iterable[str]) -> int:
        return len(set(zip(keys, *(columns[name] for name in names), strict=True)))

    chosen: list[str] = []
    for name in columns:
        if told([*chosen, name]) > told(chosen):
            chosen.append(name)
    return chosen


def summed_rows(rows: pl.DataFrame, finer: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Add up the rows that are parts of one key: the hours of a day.

    Args:
        rows: Rows of which none repeats another in the key and the finer columns.
        finer: Columns of the file that divide a key: `hour`.

    Returns:
        One row per key, with `rows`, how many of the file it is; `line` and `reason` of those that cannot be added up;
        notes of what was added up.
    """
    nothing = pl.DataFrame(schema=_REFUSED)
    if not finer:
        return rows.with_columns(rows=pl.lit(1)), nothing, []
    rows, refused = _lonely_hours(rows)
    if rows.select(pl.struct(KEY).n_unique()).item() == rows.height:
        return rows.with_columns(rows=pl.lit(1)), refused, []
    mixed = (pl.col("currency").n_unique().over(KEY) > 1).alias("mixed")
    currencies = rows.filter(mixed).select(
        "line", reason=pl.lit("parts of the same ad, period and segment are in different currencies")
    )
    rows = rows.join(currencies, on="line", how="anti", maintain_order="left")
    figures = [*FIGURES]
    sums = (pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in figures)
    others = (pl.col(name).first() for name in rows.columns if name not in (*KEY, *figures))
    summed = rows.group_by(KEY, maintain_order=True).agg(*others, *sums, pl.len().cast(pl.Int32).alias("rows"))
    notes = []
    if summed.height < rows.height:
        parts = summed.filter(pl.col("rows") > 1)
        notes.append(f"{parts['rows'].sum():,} hourly rows were added up to {parts.height:,}")
    notes += _short_days(rows)
    return summed.select(*rows.columns, "rows"), pl.concat([refused, currencies]), notes


def _lonely_hours(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out the days of which the file has one hour only: an hour does not stand for its day."""
    hours = pl.col("hour").filter(pl.col("hour") != "").n_unique().over("period_start")
    reason = pl.format("the file has only the hour '{}' of this day: a day is the sum of its hours", "hour")
    refused = rows.filter((pl.col("hour") != "") & (hours == 1)).select("line", reason.alias("reason"))
    return rows.join(refused, on="line", how="anti", maintain_order="left"), refused


def _short_days(rows: pl.DataFrame) -> list[str]:
    """Say which days have fewer hours than a day has."""
    hours = rows.filter(pl.col("hour") != "").group_by("period_start").agg(pl.col("hour").n_unique().alias("hours"))
    short = hours.filter(pl.col("hours") < HOURS_A_DAY).sort("period_start")
    if not short.height:
        return []
    day, n = short.select("period_start", "hours").row(0)
    more = f", and {short.height - 1:,} more days with fewer than {HOURS_A_DAY}" if short.height > 1 else ""
    return [f"{day} has figures of {n} hours{more}: if hours are missing, import these days again"]
