"""Counts and amounts of an export, read by the one rule; every cell that is refused gets its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from abkit.intake.cells.decimals import settle
from abkit.intake.kpis.header.fields import in_millionths
from abkit.metrics import COUNTS, FIGURES, MONEY, WHOLE
from abkit_model.data.number_columns import WrittenColumn, could_be_two, figures, written_column
from abkit_model.data.numbers import CODES, SEVERAL

LARGEST = 1e15  # a count or an amount beyond this is an error, and floats lose units soon after

# R writes 1e+05 where nothing is lost; spreadsheets write 1.23E+06 whatever there was.
_ROUNDED = r"^\s*[+-]?\d[.,]\d\dE\+(?:0[3-9]|[1-9]\d)\s*$"


@dataclass(frozen=True, kw_only=True)
class ReadColumn:
    """A column that was read.

    Attributes:
        values: Int64 for whole numbers, else Float64; null where the cell is blank or invalid.
        problems: For each row the reason why it is refused, or null.
        blank: Number of blank cells.
        decimal: The decimal sign that was found or given; None where nothing depends on it.
        notes: What was guessed, or counted as blank.
        currency: The currency that amounts name, where their sign has one meaning; "" otherwise.
        sign: The sign or code that they wear, of one meaning or of several (`$`); "" without one.
        row_currencies: Where cells of one column wear several: the code of each row, "" where its sign has several
            meanings, null where it wears none; None where all wear the same.
    """

    values: pl.Series
    problems: pl.Series
    blank: int
    decimal: str | None = None
    notes: tuple[str, ...] = ()
    currency: str = ""
    sign: str = ""
    row_currencies: pl.Series | None = None


def read_numbers(
    frame: pl.DataFrame, names: Mapping[str, str], decimal: str | None, said: Mapping[str, str] | None = None
) -> dict[str, ReadColumn]:
    """Read the columns of counts and money.

    Args:
        frame: One column per field; those that do not hold numbers are left alone. Amounts may wear the currency that
            a column `currency` has for their row; without one, each its own where they differ.
        names: By field, the file's own name of the column, for messages.
        decimal: "." or "," when it was given.
        said: By field, the currency that the name of its column has.

    Raises:
        InvalidInput: The numbers of a column could be read in two ways.
    """
    fields = [field for field in FIGURES if field in frame.columns]
    columns = {field: written_column(frame[field]) for field in fields if not frame[field].dtype.is_numeric()}
    settled = settle(columns, decimal, names=names, whole=WHOLE)
    own = None
    if not said and "currency" not in frame.columns:
        columns = _meant(columns)
        own = _own(columns)
    read: dict[str, ReadColumn] = {}
    for field in fields:
        if field not in columns:
            one = _checked(field, frame[field].cast(pl.Float64), None, frame[field].null_count())
            read[field] = _in_units(field, one, names)
            continue
        column, sign = columns[field], settled[field]
        notes = list(sign.notes)
        currencies = frame["currency"] if "currency" in frame.columns else own
        one = _parsed(field, column, sign.sign, currencies, (said or {}).get(field), mixed=sign.mixed)
        if column.placeholders and field not in ("clicks", "conversions"):
            notes.append(f"{column.placeholders:,} cells of {names[field]!r} say that there is no figure: left blank")
        rounded = _rounded(frame[field])
        if rounded.len():
            notes.append(
                f"{rounded.len():,} cells of {names[field]!r} have fewer digits than their number ({rounded[0]!r}): a "
                "spreadsheet has rounded them; export them as plain numbers"
            )
        read[field] = replace(one, notes=tuple(notes))
        if own is not None and field in MONEY:
            read[field] = _of_rows(field, column, read[field], own)
        read[field] = _in_units(field, read[field], names)
    return read


def _rounded(cells: pl.Series) -> pl.Series:
    """Return the cells as a spreadsheet shows large numbers: two digits after the sign, and a power above that."""
    if cells.dtype != pl.String or not cells.str.contains("E+", literal=True).any():
        return cells.clear()
    return cells.filter(cells.str.contains(_ROUNDED).fill_null(False))


def _in_units(field: str, read: ReadColumn, names: Mapping[str, str]) -> ReadColumn:
    """Divide amounts whose column says that they are millionths."""
    name = names.get(field, field)
    if field not in MONEY or not in_millionths(name):
        return read
    note = f"{name!r} holds millionths: 1,000,000 is read as 1"
    return replace(read, values=read.values / 1e6, notes=(*read.notes, note))


def _meant(columns: Mapping[str, WrittenColumn]) -> dict[str, WrittenColumn]:
    """Take a sign of several currencies for that one of them which other amounts name (`$` beside `US$`)."""
    amounts = {name: columns[name].currency for name in MONEY if name in columns}
    worn = {name: one for name, one in amounts.items() if one is not None}
    named = {str(sign) for one in worn.values() for sign in one.drop_nulls().unique()}
    known = {sign: one for sign, codes in SEVERAL.items() if len(one := sorted(named & codes)) == 1}
    codes = {sign: code for sign, (code,) in known.items() if sign in named}
    return {**columns, **{name: replace(columns[name], currency=one.replace(codes)) for name, one in worn.items()}}


def _own(columns: Mapping[str, WrittenColumn]) -> pl.Series | None:
    """Return what the amounts of each row wear, that of spend first, where those of one column differ."""
    found = [column.currency for name in MONEY if (column := columns.get(name)) and column.currency is not None]
    if all(one.drop_nulls().n_unique() < 2 for one in found):
        return None
    return pl.select(pl.coalesce(found)).to_series()


def _of_rows(field: str, column: WrittenColumn, read: ReadColumn, own: pl.Series) -> ReadColumn:
    """Give each row the currency that it wears; refuse amounts of which nobody can say what they are in."""
    named = sorted(own.drop_nulls().unique())
    unclear = [sign for sign in named if sign in SEVERAL]
    several = len({SEVERAL[sign] for sign in unclear}) > 1  # `kr` and `kr.` are one
    refused = pl.lit(several) & pl.col("worn").is_in(unclear)
    frame = pl.DataFrame(
        {"worn": own, "value": read.values.cast(pl.Float64), "shown": column.shown.str.slice(0, 60)},
        schema_overrides={"worn": pl.String},
    )
    amount, what = pl.col("value").fill_null(0) != 0, pl.lit(field)
    nameless = "{} names no currency where others are in {}: '{}'"
    unknown = "{} wears a sign of several currencies, as others do ({}): '{}'"
    reason = (
        pl.when(amount & pl.col("worn").is_null())
        .then(pl.format(nameless, what, pl.lit(", ".join(named)), "shown"))
        .when(amount & refused)
        .then(pl.format(unknown, what, pl.lit(", ".join(unclear)), "shown"))
    )
    problems = pl.select(pl.coalesce(read.problems, frame.select(reason.alias("why")).to_series())).to_series()
    values = pl.select(pl.when(problems.is_null()).then(read.values)).to_series()
    rows = own.replace(dict.fromkeys(SEVERAL, ""))
    return replace(read, values=values, problems=problems, currency="", sign="", row_currencies=rows)


def _parsed(
    field: str,
    column: WrittenColumn,
    sign: str | None,
    currencies: pl.Series | None,
    said: str | None,
    *,
    mixed: bool,
) -> ReadColumn:
    """Read the numbers of a column with a decimal sign, and say why each of the others is refused."""
    values = figures(column, sign)
    plain = column.currency is None and column.percent is None
    if plain and not mixed and values.null_count() == column.blank:
        return _checked(field, values, None, column.blank, sign)
    rows = {"value": values, "filled": column.filled, "shown": column.shown.str.slice(0, 60)}
    rows["two"] = could_be_two(column) if mixed else pl.Series([False]).new_from_index(0, values.len())
    rows["percent"] = column.shown.str.contains("[%％٪]")
    frame, what, shown = pl.DataFrame(rows), pl.lit(field), pl.col("shown")
    # A number with the other decimal sign is refused, and then nobody knows what 1.234 means in that column.
    with_sign = f" with the decimal sign {sign}" if sign else ""
    reason = (
        pl.when("two")
        .then(pl.format("{} could be two numbers in a column that has both decimal signs: '{}'", what, shown))
        .when("percent")
        .then(pl.format("{} has a percent sign: '{}'", what, shown))
        .when(pl.col("filled") & pl.col("value").is_null())
        .then(pl.format("{} is not a number{}: '{}'", what, pl.lit(with_sign), shown))
    )
    problems = frame.select(reason.alias("problem")).to_series()
    if column.currency is not None:
        worn = frame.with_columns(column.currency.alias("worn"), problems.alias("problem"))
        foreign = _of_currency(field, column.currency, currencies, said)
        problems = worn.select(pl.coalesce("problem", foreign)).to_series()
    usual = "" if column.currency is None or field in COUNTS else _usual(column.currency)
    one = usual if usual in CODES else ""
    return replace(_checked(field, values, problems, column.blank, sign), currency=one, sign=usual)


def _usual(worn: pl.Series) -> str:
    return str(worn.drop_nulls().mode().sort()[0])


def _of_currency(field: str, worn: pl.Series, currencies: pl.Series | None, said: str | None) -> pl.Expr:
    """Return why a number that names a currency is refused: by the currency of its row, else by that of the column."""
    if field in COUNTS:
        return pl.when(pl.col("worn").is_not_null()).then(
            pl.format("{} has a currency: '{}'", pl.lit(field), pl.col("shown"))
        )
    expected = pl.lit(said or _usual(worn))
    if currencies is not None:
        row = currencies.cast(pl.String).str.strip_chars().str.to_uppercase()
        # A row without a currency has that of the column.
        row = pl.select(pl.when(row != "").then(row)).to_series()
        expected = pl.coalesce(pl.lit(row), expected)
    # `$` is the sign of many currencies, and of no euro.
    fits = [(pl.col("worn") == sign) & expected.is_in([*codes, sign]) for sign, codes in SEVERAL.items()]
    return pl.when(pl.col("worn") != expected, ~pl.any_horizontal(fits)).then(
        pl.format("{} is in {} where {} is expected: '{}'", pl.lit(field), pl.col("worn"), expected, pl.col("shown"))
    )


def _checked(
    field: str, values: pl.Series, problems: pl.Series | None, blank: int, decimal: str | None = None
) -> ReadColumn:
    """Check range and wholeness: an invalid count or amount gets its reason."""
    value = pl.col("value")
    frame = pl.DataFrame(
        {"value": values, "problem": problems if problems is not None else [None] * values.len()},
        schema={"value": pl.Float64, "problem": pl.String},
    )
    whole = field in WHOLE
    shown = value.cast(pl.String).str.strip_suffix(".0")
    reason = (
        pl.when(pl.col("problem").is_not_null())
        .then("problem")
        .when(~value.is_finite())
        .then(pl.format("{} is not a number: {}", pl.lit(field), shown))
        .when((value < 0) & pl.lit(field != "revenue"))
        .then(pl.format("{} is negative: {}", pl.lit(field), shown))
        .when(pl.lit(whole) & (value != value.floor()))
        .then(pl.format("{} is not a whole number: {}", pl.lit(field), shown))
        .when(value.abs() > LARGEST)
        .then(pl.format("{} is too large: {}", pl.lit(field), shown))
    )
    read = frame.select(value, reason.alias("problem"))
    read = read.with_columns(pl.when(pl.col("problem").is_null()).then(value).alias("value"))
    return ReadColumn(
        values=read["value"].cast(pl.Int64) if whole else read["value"],
        problems=read["problem"],
        blank=blank,
        decimal=decimal,
    )
