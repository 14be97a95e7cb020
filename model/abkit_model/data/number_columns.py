"""The rule of `numbers` for columns of a data frame: a million cells at once, by the same patterns."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from abkit_model.data.numbers import CURRENCY_OF, DRESSED, OTHER, PLACEHOLDERS, PLAIN, grammar

_BARE = r"^[+-]?[0-9.,]*$"


@dataclass(frozen=True, kw_only=True)
class WrittenColumn:
    """A column of numbers as they are written, without what they wear.

    Attributes:
        texts: Sign, digits and what stands between them; null where the cell is blank or no number.
        shown: The cells as they came.
        filled: Whether a cell says anything: false where it is blank or a placeholder such as `--`.
        placeholders: How many cells have a placeholder.
        currency: The currency that a cell names: its code, or its sign where several have it; None where no cell does.
        percent: Whether a cell has a percent sign; None where no cell does.
    """

    texts: pl.Series
    shown: pl.Series
    filled: pl.Series
    placeholders: int = 0
    currency: pl.Series | None = None
    percent: pl.Series | None = None

    @property
    def blank(self) -> int:
        """How many cells say nothing."""
        return int((~self.filled).sum())


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the numbers of a column say about its decimal sign.

    Attributes:
        count: By decimal sign, how many numbers are valid with it only.
        first: By decimal sign, the first of them.
        either: The first number that could be two figures; None where there is none.
        several: How many there are of these.
    """

    count: dict[str, int]
    first: dict[str, str | None]
    either: str | None = None
    several: int = 0

    @property
    def sign(self) -> str | None:
        """The decimal sign that most of them have; None where there is none, or as many with the other."""
        point, comma = self.count["."], self.count[","]
        return None if point == comma else "." if point > comma else ","

    @property
    def mixed(self) -> bool:
        """Whether there are numbers of both kinds."""
        return min(self.count.values()) > 0


def written_column(column: pl.Series) -> WrittenColumn:
    """Take off what the numbers of a column wear."""
    shown = column.cast(pl.String)
    texts = shown.str.strip_chars()
    bare = texts.str.contains(_BARE).fill_null(True)
    if bare.all():
        filled = (texts != "").fill_null(False) & (texts != "-").fill_null(False)
        dashes = int((texts == "-").sum())
        texts = texts if filled.all() else pl.select(pl.when(filled).then(texts)).to_series()
        return WrittenColumn(texts=texts, shown=shown, filled=filled, placeholders=dashes)
    # Plain cells stay as they are; of the others each different one is looked at once.
    others = texts.filter(~bare).unique().to_frame("text")
    plain = pl.col("text").str.replace_many(list(PLAIN), list(PLAIN.values())).str.strip_chars()
    parts = others.with_columns(plain.alias("plain")).with_columns(
        pl.col("plain").str.to_lowercase().is_in(PLACEHOLDERS).alias("placeholder"),
        pl.col("plain").str.extract_groups(DRESSED).alias("part"),
    )
    part = [pl.col("part").struct.field(str(number)) for number in range(1, 11)]
    opened, before, one, after, body, two, percent, behind, three, closed = part
    signs = pl.sum_horizontal(sign.is_not_null().cast(pl.Int8) for sign in (opened, before, after, behind))
    codes = [sign.replace_strict(CURRENCY_OF, default=None, return_dtype=pl.String) for sign in (one, two, three)]
    same = pl.all_horizontal((code == pl.coalesce(codes)).fill_null(True) for code in codes)
    valid = (opened.is_null() == closed.is_null()) & (signs <= 1) & same
    negative = opened.is_not_null() | (pl.coalesce(before, after, behind) == "-").fill_null(False)
    bare_text = pl.when(negative).then(pl.lit("-") + body.str.strip_chars()).otherwise(body.str.strip_chars())
    read = parts.select(
        "text",
        "placeholder",
        pl.when(valid).then(bare_text).alias("number"),
        pl.when(valid).then(pl.coalesce(*codes, one, two, three)).alias("currency"),
        (valid & percent.is_not_null()).alias("percent"),
    )
    joined = texts.to_frame("text").join(read, on="text", how="left", maintain_order="left")
    dash, empty = pl.col("text") == "-", pl.col("text").is_null() | (pl.col("text") == "")
    found = joined.with_columns(bare.alias("bare")).select(
        (~(empty | dash | pl.col("placeholder").fill_null(False))).alias("filled"),
        ((dash | pl.col("placeholder").fill_null(False)) & ~empty).sum().alias("placeholders"),
        pl.when(empty | dash).then(None).when("bare").then("text").otherwise("number").alias("number"),
        "currency",
        pl.col("percent").fill_null(False),
    )
    return WrittenColumn(
        texts=found["number"],
        shown=shown,
        filled=found["filled"],
        placeholders=int(found["placeholders"][0]),
        currency=found["currency"] if found["currency"].null_count() < found.height else None,
        percent=found["percent"] if found["percent"].any() else None,
    )


def evidence(column: WrittenColumn) -> Evidence:
    """Return what the numbers of a column say about its decimal sign."""
    signs = column.texts.filter(column.texts.str.contains(r"[.,]").fill_null(False))
    if not signs.len():
        return Evidence(count={".": 0, ",": 0}, first={".": None, ",": None})
    point, comma = (signs.str.contains(grammar(decimal)) for decimal in OTHER)
    only = {".": signs.filter(point & ~comma), ",": signs.filter(comma & ~point)}
    both = signs.filter(point & comma)
    return Evidence(
        count={sign: texts.len() for sign, texts in only.items()},
        first={sign: texts[0] if texts.len() else None for sign, texts in only.items()},
        either=both[0] if both.len() else None,
        several=both.len(),
    )


def could_be_two(column: WrittenColumn) -> pl.Series:
    """Return which cells have a number that is one figure with a decimal point and another with a decimal comma."""
    two = column.texts.str.contains(r"[.,]")
    for decimal in OTHER:
        two = two & column.texts.str.contains(grammar(decimal))
    return two.fill_null(False)


def figures(column: WrittenColumn, decimal: str | None) -> pl.Series:
    """Return the figures of a column, Float64; null where a cell is blank or no number with this decimal sign."""
    texts = column.texts
    values = texts.cast(pl.Int64, strict=False).cast(pl.Float64)
    if values.null_count() > texts.null_count():
        sign = decimal or "."
        frame = texts.to_frame("text").select(
            pl.when(pl.col("text").str.contains(grammar(sign))).then(
                pl.col("text")
                .str.replace_all(f"[{OTHER[sign]}' ]", "")
                .str.replace("[,٫]", ".")
                .str.strip_prefix("+")
                .cast(pl.Float64, strict=False)
            )
        )
        values = frame.to_series()
    if column.percent is not None:
        values = pl.select(pl.when(column.percent).then(values / 100).otherwise(values)).to_series()
    return values.alias("value")
