"""Totals whose name is in no list of words: "Kokku" below the ads of a day is what all of them together have.

An ad whose id is no number is taken for a total where it has in each of its periods the impressions and clicks of all
other rows, of the file, of the campaign or of the segment, in figures that do not agree by chance.
"""

from __future__ import annotations

import polars as pl

from abkit.vocabulary import Dimension

_DIGITS = 8  # that are not zeros at the end: of one day 12,345 impressions and 678 clicks, of two 1,234 and 56
_PERIOD = ("period_start", "period_end")
# What the rows may have in common whose sum it is.
_GROUPS = (_PERIOD, (*_PERIOD, "campaign"), (*_PERIOD, *Dimension), (*_PERIOD, "campaign", *Dimension))
_FIGURES = ("impressions", "clicks")


def unnamed_totals(rows: pl.DataFrame, others: pl.Series) -> pl.Series:
    """Return which rows are of ads that are the sum of all others.

    Args:
        rows: The rows as read.
        others: Which of them are faults, known totals or idle.
    """
    none = pl.Series([False]).new_from_index(0, rows.height)
    named = ~rows["ad"].str.contains(r"^\d+$")
    if not named.any():
        return none
    name = pl.when(pl.col("ad") != "").then("ad").otherwise("creative")
    rows = rows.with_columns(name=name)
    # One word stands for the total of each campaign.
    columns = ("name", *_FIGURES, *_PERIOD, "campaign", *Dimension)
    base = rows.select(*columns, named=named).filter(~others)
    base = base.filter(pl.col("impressions") > 0, pl.col("name") != "")
    base = base.with_columns(pl.col("clicks").fill_null(0))
    found = {name for group in _GROUPS for name in _sums_of_others(base, group)}
    return rows["name"].is_in(list(found)) & named & ~others if found else none


def _sums_of_others(base: pl.DataFrame, group: tuple[str, ...]) -> list[str]:
    """Return the ads without an id that are in each row what all others of its group are together."""
    sums = base.group_by(group).agg(
        pl.len().alias("several"),
        pl.col(_FIGURES).sum().name.prefix("all_"),
        pl.col(_FIGURES).max().name.prefix("most_"),
    )
    # Few ads of a million have half of all: only they are looked at.
    could_be = pl.all_horizontal(2 * pl.col(f"most_{name}") == pl.col(f"all_{name}") for name in _FIGURES)
    found = sums.filter(could_be, pl.col("several") > 2)
    if not found.height:
        return []
    same = pl.all_horizontal(2 * pl.col(name) == pl.col(f"all_{name}") for name in _FIGURES)
    asked = base.join(found, on=group).filter("named", same)["name"].unique()
    rows = base.filter("named", pl.col("name").is_in(asked.implode())).join(sums, on=group)
    telling = same & (pl.col("several") > 2)
    first = telling & pl.struct(_FIGURES).is_first_distinct().over("name", telling)
    proof = rows.with_columns(same=same, first=first).group_by("name")
    digits = pl.sum_horizontal(_digits(name).filter("first").sum() for name in _FIGURES)
    proven = proof.agg(always=pl.col("same").all(), digits=digits)
    return proven.filter("always", pl.col("digits") >= _DIGITS)["name"].to_list()


def _digits(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars_end("0").str.len_chars()
