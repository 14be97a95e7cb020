"""Numbers as exports write them: the format is found for the whole column, and refused when it could be two.

`1.234` is one and a bit, or one thousand two hundred and thirty-four. What decides: `--decimal`; else a number in the
column that can be read in one way only (`12.5`, `1,234.5`, `1.234.567`); else one in another column of the same file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.fields import COUNTS, MONEY

LARGEST = 1e15  # a count or an amount beyond this is an error, and floats lose units soon after
_SPACES = r"[\u00a0\u2007\u2009\u202f\t ]"
_SIGNS = r"[$€£¥￥₹₩₽₺₫฿₴₪元円]"
_BLANK = ("", "-", "--", "–", "—")
# What can be read with one decimal sign only. {d} is the decimal sign, {g} the other one.
_DEFINITE = (
    r"^[+-]?\d*{d}(\d{{1,2}}|\d{{4,}})([eE][+-]?\d+)?$",
    r"^[+-]?(0\d*|\d{{4,}})?{d}\d{{3}}$",
    r"^[+-]?\d{{1,3}}({g}\d{{3}})+{d}\d+$",
    r"^[+-]?\d{{1,3}}({g}\d{{3}}){{2,}}$",
)
_EITHER = r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$"
_VALID = r"^[+-]?(\d+|\d{{1,3}}([{g}'’ ]\d{{3}})+)?({d}\d*)?([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class ReadColumn:
    """A column that was read.

    Attributes:
        values: Int64 for counts, Float64 for money; null where the cell is blank or invalid.
        problems: For each row the reason why it is refused, or null.
        blank: Number of blank cells.
        decimal: The decimal sign that was found or given; None where nothing depends on it.
    """

    values: pl.Series
    problems: pl.Series
    blank: int
    decimal: str | None = None


def read_numbers(frame: pl.DataFrame, names: Mapping[str, str], decimal: str | None) -> dict[str, ReadColumn]:
    """Read the columns of counts and money.

    Args:
        frame: One column per field; those that do not hold numbers are left alone.
        names: By field, the file's own name of the column, for messages.
        decimal: "." or "," when it was given.

    Raises:
        InvalidInput: The numbers of a column could be read in two ways.
    """
    fields = [field for field in (*COUNTS, *MONEY) if field in frame.columns]
    texts = {field: _cleaned(frame[field], field) for field in fields if not frame[field].dtype.is_numeric()}
    found = {field: _evidence(texts[field].texts) for field in texts}
    anywhere = _stronger([evidence for evidence in found.values() if evidence])
    read: dict[str, ReadColumn] = {}
    for field in fields:
        if field not in texts:
            read[field] = _checked(field, frame[field].cast(pl.Float64), None, frame[field].null_count())
            continue
        sign = decimal or _stronger([found[field]]) or anywhere
        if sign is None:
            either = texts[field].texts.filter(texts[field].texts.str.contains(_EITHER))
            if either.len():
                raise InvalidInput(
                    f"column {names[field]!r}: {either[0]!r} (and {either.len() - 1:,} more like it) can be read in "
                    "two ways, and no number in the file says which",
                    hint="say the decimal sign: --decimal . or --decimal ,",
                )
        read[field] = _parsed(field, texts[field], sign)
    return read


@dataclass(frozen=True)
class _Texts:
    texts: pl.Series  # null where blank
    problems: pl.Series
    shown: pl.Series


def _cleaned(column: pl.Series, field: str) -> _Texts:
    shown = column.cast(pl.String)
    texts = shown.str.strip_chars()
    if texts.str.contains(r"[^0-9.,+\-]").any():
        texts = texts.str.replace_all(_SPACES, " ").str.strip_chars()
    problems = pl.Series([None], dtype=pl.String).new_from_index(0, texts.len())
    if field in MONEY and texts.str.contains(_SIGNS).any():
        signs = texts.str.extract(f"({_SIGNS})")
        usual = signs.drop_nulls().mode().sort()[0]
        frame = pl.DataFrame({"text": texts, "sign": signs})
        problems = frame.select(
            pl.when(pl.col("sign").is_not_null() & (pl.col("sign") != usual)).then(
                pl.format("{} is in {} where the column is in {}", pl.lit(field), "sign", pl.lit(usual))
            )
        ).to_series()
        texts = texts.str.replace(_SIGNS, "").str.strip_chars()
    texts = pl.select(pl.when(texts.is_in(_BLANK)).then(None).otherwise(texts)).to_series()
    return _Texts(texts, problems, shown)


def _evidence(texts: pl.Series) -> Mapping[str, int]:
    if not texts.str.contains(r"[.,]").any():
        return {}
    # Spaces and apostrophes are never decimal signs.
    texts = texts.str.replace_all("[ '’]", "")
    counts = {}
    for sign, other in ((".", ","), (",", ".")):
        d, g = f"\\{sign}", f"\\{other}"
        pattern = "|".join(f"(?:{definite.format(d=d, g=g)})" for definite in _DEFINITE)
        counts[sign] = int(texts.str.contains(pattern).sum())
    return counts


def _stronger(evidence: Sequence[Mapping[str, int]]) -> str | None:
    dots = sum(one.get(".", 0) for one in evidence)
    commas = sum(one.get(",", 0) for one in evidence)
    if dots == commas:
        return None
    return "." if dots > commas else ","


def _parsed(field: str, column: _Texts, sign: str | None) -> ReadColumn:
    texts = column.texts
    blank = int(texts.is_null().sum())
    values = texts.cast(pl.Int64, strict=False).cast(pl.Float64)
    if int(values.is_null().sum()) > blank:
        d, g = ("\\.", ",") if sign != "," else (",", ".")
        valid = texts.str.contains(_VALID.format(d=d, g=g)) & texts.str.contains(r"\d")
        plain = texts.str.replace_all(f"[{g}'’ ]", "").str.replace(",", ".", literal=True)
        values = pl.select(pl.when(valid).then(plain)).to_series().cast(pl.Float64, strict=False)
    frame = pl.DataFrame({"text": texts, "value": values, "problem": column.problems, "shown": column.shown})
    problems = frame.select(
        pl.when(pl.col("problem").is_not_null())
        .then("problem")
        .when(pl.col("value").is_null() & pl.col("text").str.contains("%", literal=True))
        .then(pl.format("{} has a percent sign: '{}'", pl.lit(field), pl.col("shown").str.slice(0, 60)))
        .when(pl.col("value").is_null() & pl.col("text").is_not_null())
        .then(pl.format("{} is not a number: '{}'", pl.lit(field), pl.col("shown").str.slice(0, 60)))
    ).to_series()
    return _checked(field, values, problems, blank, sign)


def _checked(
    field: str, values: pl.Series, problems: pl.Series | None, blank: int, decimal: str | None = None
) -> ReadColumn:
    """Check range and wholeness: an invalid count or amount gets its reason."""
    value = pl.col("value")
    frame = pl.DataFrame(
        {"value": values, "problem": problems if problems is not None else [None] * values.len()},
        schema={"value": pl.Float64, "problem": pl.String},
    )
    whole = field in COUNTS
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
    return ReadColumn(read["value"].cast(pl.Int64) if whole else read["value"], read["problem"], blank, decimal)
