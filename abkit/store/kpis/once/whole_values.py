"""Values of a dimension that are the sum of all others: a total, whatever an export calls it.

A word for "all" is known by its name (`once.means_all`); what is in no list is known by its figures: in each ad and
period it has the impressions and clicks of all other values together, in figures that do not agree by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.vocabulary import Dimension

if TYPE_CHECKING:
    import polars as pl

_DIGITS, _DIFFERENT = 6.0, 3  # 1,000 impressions and 20 clicks are 4.3 digits; different figures that agree
_LIKELY = 5.0  # digits of figures that are said, where there are fewer than prove it
_FIGURES = ["impressions", "clicks"]


def whole_values(rows: pl.DataFrame) -> list[tuple[Dimension, str]]:
    """Return dimensions and values that are the sum of the others.

    Args:
        rows: Rows that could count: the dimensions, `impressions`, `clicks`, and what else tells them apart.
            Values that are words for "all" are blank.
    """
    return [(name, value) for name in Dimension for value in _wholes(rows, name, _DIFFERENT, _DIGITS)]


def likely_wholes(rows: pl.DataFrame) -> list[tuple[Dimension, str]]:
    """Return dimensions and values that are the sum of the others in too few rows to tell.

    Args:
        rows: As for `whole_values`, which does not know these.
    """
    return [(name, value) for name in Dimension for value in _wholes(rows, name, 1, _LIKELY)]


def _wholes(rows: pl.DataFrame, dimension: Dimension, least_different: int, least_digits: float) -> list[str]:
    import polars as pl

    rows = rows.filter(pl.col(dimension) != "", pl.col("impressions") > 0)
    # A total and two others: one value beside another says nothing.
    if rows[dimension].n_unique() <= 2:
        return []
    cell = [name for name in rows.columns if name not in (dimension, *_FIGURES)]
    beside = rows.group_by(*cell, dimension).agg(pl.col(_FIGURES).sum())
    beside = beside.with_columns(pl.col(_FIGURES).sum().over(cell).name.prefix("all_"), values=pl.len().over(cell))
    beside = beside.filter(pl.col("values") > 1)
    same = pl.all_horizontal(2 * pl.col(name) == pl.col(f"all_{name}") for name in _FIGURES)
    telling = same & (pl.col("values") > 2)
    digits = ((pl.col("impressions") + 1) * (pl.col("clicks") + 1)).cast(pl.Float64).log10()
    first = telling & pl.struct(_FIGURES).is_first_distinct().over(dimension, telling)
    found = (
        beside.with_columns(first=first)
        .group_by(dimension)
        .agg(always=same.all(), different=pl.col("first").sum(), digits=digits.filter("first").sum())
        .filter("always", pl.col("different") >= least_different, pl.col("digits") >= least_digits)
    )
    return sorted(found[dimension])
