"""Names and ids as they were meant: without letters that nobody sees, and without what a spreadsheet made of an id."""

import polars as pl

from abkit_model.data.numbers import ROUNDED_ID

# Ids of platforms. Other names may well look like numbers: a creative can be called `12.0`.
IDS = ("ad", "account", "campaign", "ad_set")
# What exports write where there is nothing to say.
_NOTHING = ("-", "--", "---", "–", "—")
# Zero-width characters, marks of direction and soft hyphens; not the joiners that Persian and Hindi are written with.
_UNSEEN = r"[\u{AD}\u{200B}\u{200E}\u{200F}\u{202A}-\u{202E}\u{2060}\u{2066}-\u{2069}\u{FEFF}]"
_WIDE_BLANK = r"[\u{A0}\u{2007}\u{202F}]"
_GROUPED = r"^\d{1,3}(,\d{3}){3,}$|^\d{1,3}(\.\d{3}){3,}$|^\d{1,3}(['’ ]\d{3}){3,}$"
_WITH_TENTHS = r"^\d{1,15}\.0+$"
_EXACT = 2.0**53
_KEPT_DIGITS, _UNLIKELY_ZEROS = 15, 6  # of a number in a spreadsheet; 1 in 1,000,000


def text_of(column: pl.Series) -> pl.Series:
    """Return names or ids as texts: blank where there is none.

    >>> text_of(pl.Series("ad", ["\\u200b12,345,678,901 ", "7.0", "--", None])).to_list()
    ['12345678901', '7', '', '']
    >>> text_of(pl.Series("ad", [12.0, float("nan"), 1.2e17])).to_list()
    ['12', '', '1.2e+17']
    """
    if column.dtype.is_float():
        column = column.fill_nan(None)
        whole = (column.drop_nulls() % 1 == 0).all() and column.drop_nulls().is_finite().all()
        number = pl.col(column.name)
        if whole:
            exact = pl.when(number.abs() < _EXACT).then(number).cast(pl.Int64).cast(pl.String)
            column = column.to_frame().select(exact.fill_null(number.cast(pl.String))).to_series()
    text = column.cast(pl.String).fill_null("")
    if (text.str.len_bytes() != text.str.len_chars()).any():
        text = text.str.replace_all(_UNSEEN, "").str.replace_all(_WIDE_BLANK, " ")
    text = text.str.strip_chars()
    nothing = text.is_in(_NOTHING)
    if nothing.any():
        text = text.set(nothing, "")
    if column.name not in IDS:
        return text
    return _bare_ids(text)


def _bare_ids(text: pl.Series) -> pl.Series:
    """Return ids without thousands separators, and without the tenths of a floating-point number."""
    grouped, tenths = text.str.contains(_GROUPED), text.str.contains(_WITH_TENTHS)
    if text.name not in ("ad", "account"):
        # A campaign may be called 2.0.
        tenths = tenths & (text.str.len_chars() > len("00000.0"))
    if grouped.any():
        text = text.zip_with(~grouped, text.str.replace_all(r"\D", ""))
    if tenths.any():
        text = text.zip_with(~tenths, text.str.replace(r"\.0+$", ""))
    return text


def cut_to_15_digits(ids: pl.Series) -> pl.Series:
    """Return the ids of which a spreadsheet kept 15 digits, and wrote zeros for the rest.

    One id may end in zeros; that all long ones of a column do is no chance.

    >>> cut_to_15_digits(pl.Series(["120210000000123000", "120210000000456000", "7"])).to_list()
    ['120210000000123000', '120210000000456000']
    >>> cut_to_15_digits(pl.Series(["120210000000123000", "120210000000456789"])).to_list()
    []
    """
    every = ids.unique(maintain_order=True)
    long = every.filter(every.str.len_bytes().is_between(16, 20) & every.str.contains(r"^\d+$"))
    cut = long.filter(long.str.contains(r"^\d{15}0+$"))
    zeros = int((cut.str.len_bytes().cast(pl.Int64) - _KEPT_DIGITS).sum() or 0)
    return cut if cut.len() == long.len() > 1 and zeros >= _UNLIKELY_ZEROS else cut.clear()


def rounded(name: str) -> pl.Expr:
    """Return where an id has lost digits in a spreadsheet: `1.2E+17` stands for many ids.

    >>> ids = pl.DataFrame({"ad": ["1.2E+17", "120200000000000011.0", "5e10", "12"]})
    >>> ids.select(rounded("ad")).to_series().to_list()
    [True, True, False, False]
    """
    return pl.col(name).str.contains(ROUNDED_ID)
