"""Dates as exports write them: one format per column, refused when day and month could be either.

Only the distinct texts of a column are looked at, each weighted by its rows: a million daily rows have few dates.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.times.date_texts import SERIAL, DateText, read_text

EARLIEST, LATEST = date(1990, 1, 1), date(2100, 1, 1)
MOST_DATES = 100_000
_FROM_1904 = timedelta(days=1462)
_MONTHS_A_YEAR = 12
_READ = {"text": pl.String, "first": pl.Date, "last": pl.Date, "timed": pl.Boolean, "problem": pl.String}


@dataclass(frozen=True, kw_only=True)
class ReadDates:
    """Columns of dates that were read.

    Attributes:
        values: By field, Date; null where the cell has no valid date. A column of days whose texts name longer times
            (months, weeks, ranges) gives `period_start` and `period_end`.
        problems: By field, for each row the reason why it is refused, or null.
        format: The format that was found, for the record.
        timed: By field, whether the cell has a time of day other than midnight; its value is the day all the same, and
            it has a problem.
        notes: What was guessed.
        looks_like: "week", "month" or "quarter" where all days could stand for one each; "" otherwise.
    """

    values: dict[str, pl.Series]
    problems: dict[str, pl.Series]
    format: str
    timed: dict[str, pl.Series] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    looks_like: str = ""


def read_dates(
    frame: pl.DataFrame, fields: Sequence[str], name: str, dayfirst: bool | None, *, epoch: int | None = None
) -> ReadDates:
    """Read one column of dates, or the two of a period: they share one format.

    Args:
        frame: Has the fields.
        fields: `["day"]`, or `["period_start", "period_end"]`.
        name: The file's own name of the first, for messages.
        dayfirst: Whether the day comes first; None finds it out.
        epoch: 1904 where the workbook counts days from then; else they are counted from 1900.

    Raises:
        InvalidInput: Nothing in the columns says whether the day or the month comes first.
    """
    if all(frame[field].dtype in (pl.Date, pl.Null) or frame[field].dtype == pl.Datetime for field in fields):
        typed = {field: _from_type(frame[field], field) for field in fields}
        return ReadDates(
            values={field: values for field, (values, _, _) in typed.items()},
            problems={field: problems for field, (_, problems, _) in typed.items()},
            format="typed",
            timed={field: timed for field, (_, _, timed) in typed.items()},
        )
    texts = {field: _texts(frame[field]) for field in fields}
    distinct = pl.concat([column.rename("text") for column in texts.values()]).value_counts(name="rows")
    distinct = distinct.filter(pl.col("text").is_not_null() & (pl.col("text") != "")).sort("text")
    if distinct.height > MOST_DATES:
        raise InvalidInput(
            f"column {name!r} has {distinct.height:,} different texts; expected days, of which there are fewer",
            hint="export one row per day, or say which column has the day: --map 'THEIR COLUMN=day'",
        )
    rows = dict(distinct.iter_rows())
    read = {text: read_text(text) for text in rows}
    if epoch == 1904:
        read = {text: _counted_later(one) for text, one in read.items()}
    found, suspects, notes = _format_of(read, rows, name, dayfirst, epoch)
    unit = _most_common({text: one.unit for text, one in read.items() if found in one.readings}, rows, "day")
    table = pl.DataFrame(
        [(text, *_chosen(text, one, found, unit, suspects)) for text, one in read.items()], schema=_READ, orient="row"
    )
    values, problems, timed = {}, {}, {}
    for number, (one_field, column) in enumerate(texts.items()):
        joined = column.rename("text").to_frame().join(table, on="text", how="left", maintain_order="left")
        if fields[0] == "day" and unit != "day":
            values["period_start"], values["period_end"] = joined["first"], joined["last"]
        else:
            values[one_field] = joined["last" if number else "first"]
        timed[one_field] = joined["timed"].fill_null(False)
        problems[one_field] = joined.select(
            pl.when(pl.col("text").is_null() | (pl.col("text") == ""))
            .then(pl.lit(f"{one_field} is empty"))
            .when(pl.col("problem").is_not_null())
            .then(pl.format("{} {}", pl.lit(one_field), pl.col("problem")))
        ).to_series()
    if unit != "day":
        notes.append(f"{name!r} has {unit}, not days: each row is the total of its period")
    return ReadDates(values=values, problems=problems, format=found, timed=timed, notes=tuple(notes))


def _texts(column: pl.Series) -> pl.Series:
    texts = column.cast(pl.String).str.strip_chars()
    return texts.str.strip_suffix(".0") if column.dtype.is_float() else texts


def _from_type(column: pl.Series, field: str) -> tuple[pl.Series, pl.Series, pl.Series]:
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
        (timed & pl.col("raw").is_not_null()).alias("timed"),
    )
    return read["value"], read["problem"], read["timed"]


def _most_common(kinds: Mapping[str, str], rows: Mapping[str, int], default: str) -> str:
    counted: Counter[str] = Counter()
    for text, kind in kinds.items():
        counted[kind] += rows[text]
    return counted.most_common(1)[0][0] if counted else default


def _format_of(
    read: Mapping[str, DateText], rows: Mapping[str, int], name: str, dayfirst: bool | None, epoch: int | None
) -> tuple[str, frozenset[str], list[str]]:
    """Return the format that most rows have, the texts that cannot be trusted even so, and notes."""
    fits: Counter[str] = Counter()
    for text, one in read.items():
        fits.update(dict.fromkeys(one.readings, rows[text]))
    if not fits:
        return "YYYY-MM-DD", frozenset(), []
    best = fits.most_common(1)[0][0]
    _refuse_swapped(read, best, name)
    suspects: frozenset[str] = frozenset()
    notes = []
    if best.startswith(("DD", "MM", "YY")) and not best.startswith("YYYY"):
        sign, year = best[2], "YYYY" if "YYYY" in best else "YY"
        family = [f"DD{sign}MM{sign}{year}", f"MM{sign}DD{sign}{year}"]
        if year == "YYYY":
            best, suspects = _which_first(read, rows, family, name, dayfirst)
            notes += _in_two_orders(read, rows, family, best, suspects, name)
        else:
            best = _which_of_three(read, [*family, f"YY{sign}MM{sign}DD"], name, dayfirst)
    example = next((text for text, one in read.items() if best in one.readings), None)
    if example is not None:
        day = read[example].readings[best][0]
        if best == SERIAL:
            otherwise = "as the workbook counts from 1904" if epoch else "counted from 1900, as most workbooks do"
            notes.append(f"{name!r}: {example!r} is read as the day number of a spreadsheet, {day} ({otherwise})")
        elif "YY" in best.replace("YYYY", ""):
            notes.append(f"{name!r}: years of two digits: {example!r} is read as {day}")
    return best, suspects, notes


def _counted_later(one: DateText) -> DateText:
    """Return what a text means in a workbook that counts days from 1904."""
    if SERIAL not in one.readings:
        return one
    first, last = (day + _FROM_1904 for day in one.readings[SERIAL])
    return replace(one, readings={**one.readings, SERIAL: (first, last)})


def _refuse_swapped(read: Mapping[str, DateText], best: str, name: str) -> None:
    """Refuse what a spreadsheet of another country made of 01/02/2026: a date with day and month swapped.

    What it could not read stayed text, each with a 13 or more where it expects the month.
    """
    if best not in ("YYYY-MM-DD", SERIAL):
        return
    dates = [one.readings[best][0] for one in read.values() if best in one.readings]
    texts = {text: one for text, one in read.items() if one.readings and best not in one.readings}
    written = [text for text, one in texts.items() if all(key.startswith(("DD", "MM")) for key in one.readings)]
    one_way = all(len(texts[text].readings) == 1 for text in written)
    if written and one_way and all(day.day <= _MONTHS_A_YEAR for day in dates):
        raise InvalidInput(
            f"column {name!r} has {written[0]!r} beside dates of which none is later than the 12th of a month: a "
            f"spreadsheet took the day for the month where it could, as in {dates[0]}",
            hint="export the file once more, and do not open it in a spreadsheet before; or export dates as YYYY-MM-DD",
        )


def _which_first(
    read: Mapping[str, DateText], rows: Mapping[str, int], family: Sequence[str], name: str, dayfirst: bool | None
) -> tuple[str, frozenset[str]]:
    """Return the day-first or the month-first format, and which texts cannot be trusted even so."""
    day, month = family
    if dayfirst is not None:
        return (day if dayfirst else month), frozenset()
    only_day = {text for text, one in read.items() if day in one.readings and month not in one.readings}
    only_month = {text for text, one in read.items() if month in one.readings and day not in one.readings}
    both = (text for text, one in read.items() if day in one.readings and month in one.readings)
    differ = [text for text in both if read[text].readings[day] != read[text].readings[month]]
    days, months = (sum(rows[text] for text in texts) for texts in (only_day, only_month))
    if days == months and (days or differ):
        shown = (
            f"{differ[0]!r} is {_shown(read[differ[0]], day)} or {_shown(read[differ[0]], month)}: it"
            if differ
            else f"{min(only_day)!r} and {min(only_month)!r}: they"
        )
        raise InvalidInput(
            f"column {name!r}: {shown} can be read with the day or the month first, and "
            + ("the column has dates of both kinds" if days else "nothing in the column says which"),
            hint="say it: --dayfirst or --no-dayfirst",
        )
    # Where both orders occur in one column, a text that fits both cannot be trusted.
    return (day if days > months else month), frozenset(differ if min(days, months) else ())


def _in_two_orders(
    read: Mapping[str, DateText],
    rows: Mapping[str, int],
    family: Sequence[str],
    best: str,
    suspects: frozenset[str],
    name: str,
) -> list[str]:
    """Say once, for all rows that are rejected for it, that some dates can only be read in the other order."""
    other = family[1] if best == family[0] else family[0]
    turned = [text for text, one in read.items() if other in one.readings and best not in one.readings]
    kept = [text for text, one in read.items() if best in one.readings and other not in one.readings]
    if not (turned and kept):
        return []
    first = {family[0]: "the day", family[1]: "the month"}

    def counted(texts: Sequence[str]) -> str:
        number = sum(rows[text] for text in texts)
        return f"{number:,} {'row' if number == 1 else 'rows'}"

    beside = f"{kept[0]!r} is {_shown(read[kept[0]], best)}, with {first[best]} first"
    note = (
        f"{name!r} has dates in two orders: {counted(turned)} with {first[other]} first ({turned[0]!r} is "
        f"{_shown(read[turned[0]], other)}; {beside}) cannot be read as the others are"
    )
    if suspects:
        either = sorted(suspects)
        note += (
            f", and {counted(either)} could be either ({either[0]!r} is {_shown(read[either[0]], best)} or "
            f"{_shown(read[either[0]], other)})"
        )
    return [f"{note}: all of these are rejected; export the dates in one order, best as YYYY-MM-DD"]


def _which_of_three(read: Mapping[str, DateText], family: Sequence[str], name: str, dayfirst: bool | None) -> str:
    """Return the order of dates with years of two digits: the only one in which all of them are dates."""
    if dayfirst is not None:
        return family[0 if dayfirst else 1]
    texts = [text for text, one in read.items() if set(family) & set(one.readings)]
    orders = [key for key in family if all(key in read[text].readings for text in texts)]
    for text in texts:
        seen = {read[text].readings[key] for key in orders}
        if len(seen) != 1:
            kinds = orders or [key for key in family if key in read[text].readings]
            meant = " or ".join(dict.fromkeys(_shown(read[text], key) for key in kinds))
            raise InvalidInput(
                f"column {name!r}: {text!r} is {meant}: it can be read with the day or the month first"
                + (", or the year" if family[2] in kinds else "")
                + (", and nothing in the column says which" if orders else ", and the column has several kinds"),
                hint="say it: --dayfirst or --no-dayfirst, or export years of four digits",
            )
    return orders[0]


def _shown(one: DateText, key: str) -> str:
    first, last = one.readings[key]
    return f"{first}" if first == last else f"{first} to {last}"


def _chosen(
    text: str, one: DateText, found: str, unit: str, suspects: frozenset[str]
) -> tuple[date | None, date | None, bool, str | None]:
    """Return first day, last day, whether there is a time of day, and what is wrong with a text."""
    shown = text[:40]
    first, last = one.readings.get(found, (None, None))
    if first is None or last is None or one.unit != unit:
        if not one.readings:
            return None, None, one.timed, f"{one.reason or 'is an impossible date'}: '{shown}'"
        if SERIAL in one.readings:
            day = one.readings[SERIAL][0]
            why = f"is an impossible date: '{shown}' (as the day number of a spreadsheet {day}, in a column of {found})"
            return None, None, one.timed, why
        return None, None, one.timed, f"does not fit the format of its column, {found}: '{shown}'"
    if one.timed:
        return first, last, True, f"has a time of day: '{shown}'"
    if text in suspects:
        return first, last, False, f"could be day or month first in a column that has both: '{shown}'"
    if not (first >= EARLIEST and last <= LATEST):
        return first, last, False, f"is an impossible date: '{shown}'"
    return first, last, False, None
