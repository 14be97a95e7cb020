"""Dates as exports write them: one format per column, refused when day and month could be either.

Only the distinct texts of a column are looked at, each weighted by its rows: a million daily rows have few dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from abkit.errors import InvalidInput

_UNAMBIGUOUS = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYY.MM.DD": "%Y.%m.%d",
    "YYYYMMDD": "%Y%m%d",
    "YYYY年MM月DD日": "%Y年%m月%d日",
    "D Mon YYYY": "%d %b %Y",
    "D-Mon-YYYY": "%d-%b-%Y",
    "D-Mon-YY": "%d-%b-%y",
    "Mon D, YYYY": "%b %d, %Y",
    "D Month YYYY": "%d %B %Y",
    "Month D, YYYY": "%B %d, %Y",
}
# Day and month could be in either order: the day-first and the month-first format.
_EITHER_WAY = (
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d.%m.%Y", "%m.%d.%Y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d/%m/%y", "%m/%d/%y"),
    ("%d.%m.%y", "%m.%d.%y"),
)
_SHAPE = {
    "%Y-%m-%d": r"^\d{4}-\d{1,2}-\d{1,2}$",
    "%Y/%m/%d": r"^\d{4}/\d{1,2}/\d{1,2}$",
    "%Y.%m.%d": r"^\d{4}\.\d{1,2}\.\d{1,2}$",
    "%Y%m%d": r"^\d{8}$",
}
_TIME = r"^(\S+)[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})?$"
_MIDNIGHT = r"[T ]0{1,2}:00(:00(\.0+)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})?$"
EARLIEST, LATEST = date(1990, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True)
class ReadDates:
    """Columns of dates that were read.

    Attributes:
        values: By field, Date; null where the cell has no valid date.
        problems: By field, for each row the reason why it is refused, or null.
        format: The format that was found, for the record.
    """

    values: dict[str, pl.Series]
    problems: dict[str, pl.Series]
    format: str


def read_dates(frame: pl.DataFrame, fields: Sequence[str], name: str, dayfirst: bool | None) -> ReadDates:
    """Read one column of dates, or the two of a period: they share one format.

    Args:
        frame: Has the fields.
        fields: `["day"]`, or `["period_start", "period_end"]`.
        name: The file's own name of the first, for messages.
        dayfirst: Whether the day comes first; None finds it out.

    Raises:
        InvalidInput: Nothing in the columns says whether the day or the month comes first.
    """
    if all(frame[field].dtype in (pl.Date, pl.Null) or frame[field].dtype == pl.Datetime for field in fields):
        typed = {field: _from_type(frame[field], field) for field in fields}
        return ReadDates(
            {field: values for field, (values, _) in typed.items()},
            {field: problems for field, (_, problems) in typed.items()},
            "typed",
        )
    texts = {field: frame[field].cast(pl.String).str.strip_chars() for field in fields}
    distinct = pl.concat([column.rename("text") for column in texts.values()]).value_counts(name="rows")
    table, found = _detect(distinct.filter(pl.col("text").is_not_null() & (pl.col("text") != "")), name, dayfirst)
    values, problems = {}, {}
    for field, column in texts.items():
        joined = column.rename("text").to_frame().join(table, on="text", how="left", maintain_order="left")
        values[field] = joined["value"]
        problems[field] = joined.select(
            pl.when(pl.col("text").is_null() | (pl.col("text") == ""))
            .then(pl.lit(f"{field} is empty"))
            .when(pl.col("problem").is_not_null())
            .then(pl.format("{} {}", pl.lit(field), pl.col("problem")))
        ).to_series()
    return ReadDates(values, problems, found)


def _from_type(column: pl.Series, field: str) -> tuple[pl.Series, pl.Series]:
    frame = pl.DataFrame({"raw": column})
    timed, day = pl.lit(False), pl.col("raw").cast(pl.Date)
    if column.dtype == pl.Datetime:
        # The date and time of the zone that the column is in.
        timed, day = pl.col("raw").dt.time() != pl.time(0, 0, 0), pl.col("raw").dt.date()
    read = frame.select(
        day.alias("value"),
        pl.when(pl.col("raw").is_null())
        .then(pl.lit(f"{field} is empty"))
        .when(timed)
        .then(pl.format("{} has a time of day: {}", pl.lit(field), pl.col("raw").cast(pl.String)))
        .when(~day.is_between(EARLIEST, LATEST))
        .then(pl.format("{} is an impossible date: {}", pl.lit(field), day.cast(pl.String)))
        .alias("problem"),
    )
    return read["value"], read["problem"]


def _detect(distinct: pl.DataFrame, name: str, dayfirst: bool | None) -> tuple[pl.DataFrame, str]:
    """Return the distinct texts with `value` and `problem`, and the name of the format that most rows have."""
    day_part = pl.col("text").str.replace(_TIME, "$1")
    timed = (day_part != pl.col("text")) & ~pl.col("text").str.contains(_MIDNIGHT)
    formats = {**_UNAMBIGUOUS, **{_shown(code): code for pair in _EITHER_WAY for code in pair}}
    parsed = distinct.with_columns(day_part.alias("date"), timed.alias("timed")).with_columns(
        _strict(code).alias(key) for key, code in formats.items()
    )
    fits = {key: int(parsed.filter(pl.col(key).is_not_null())["rows"].sum()) for key in formats}
    best = max(fits, key=lambda key: fits[key])
    either_way = pl.lit(False)
    for pair in _EITHER_WAY:
        if fits[best] and best in map(_shown, pair):
            best, either_way = _which_first(parsed, (_shown(pair[0]), _shown(pair[1])), name, dayfirst)
    chosen, shown = pl.col(best), pl.col("text").str.slice(0, 40)
    impossible = pl.format("is an impossible date: '{}'", shown)
    problem = (
        pl.when("timed")
        .then(pl.format("has a time of day: '{}'", shown))
        .when(either_way)
        .then(pl.format("could be day or month first in a column that has both: '{}'", shown))
        .when(chosen.is_null() & pl.any_horizontal(pl.col(key).is_not_null() for key in formats))
        .then(pl.format("does not fit the format of its column, {}: '{}'", pl.lit(best), shown))
        .when(chosen.is_null() | ~chosen.is_between(EARLIEST, LATEST))
        .then(impossible)
    )
    return parsed.select("text", chosen.alias("value"), problem.alias("problem")), best


def _which_first(parsed: pl.DataFrame, pair: tuple[str, str], name: str, dayfirst: bool | None) -> tuple[str, pl.Expr]:
    """Return the day-first or the month-first format, and which texts cannot be trusted even so."""
    day, month = (pl.col(key) for key in pair)
    differ = day.is_not_null() & month.is_not_null() & (day != month)
    if dayfirst is not None:
        return pair[0 if dayfirst else 1], pl.lit(False)
    only_day = int(parsed.filter(day.is_not_null() & month.is_null())["rows"].sum())
    only_month = int(parsed.filter(month.is_not_null() & day.is_null())["rows"].sum())
    if only_day == only_month and (only_day or parsed.filter(differ).height):
        texts = parsed.filter(differ if parsed.filter(differ).height else day.is_not_null())["text"]
        raise InvalidInput(
            f"column {name!r}: {texts.sort()[0]!r} can be read with the day or the month first, and "
            + ("the column has dates of both kinds" if only_day else "nothing in the column says which"),
            hint="say it: --dayfirst or --no-dayfirst",
        )
    # Where both orders occur in one column, a text that fits both cannot be trusted.
    return pair[0 if only_day > only_month else 1], differ if min(only_day, only_month) else pl.lit(False)


def _strict(code: str) -> pl.Expr:
    column = pl.col("date")
    read = column.str.to_date(code, strict=False)
    if code in _SHAPE:
        return pl.when(column.str.contains(_SHAPE[code])).then(read)
    if code.endswith("%Y"):
        # A year of two digits is not one of the first century.
        return pl.when(column.str.contains(r"\d{4}$")).then(read)
    if code.endswith("%y"):
        # 26/01/02 is more likely a year first than the 26th of January 2002.
        recent = column.str.contains(r"\D\d{2}$") & (read.dt.year() >= 2010)
        return pl.when(recent).then(read)
    return read


def _shown(code: str) -> str:
    return code.replace("%d", "DD").replace("%m", "MM").replace("%Y", "YYYY").replace("%y", "YY")
