"""Totals in tables of arms: lines that are the sum of other lines would count what was seen twice.

A total is called so in the cells that name its arm, its experiment, its day or its segment, and its figures are the sum
of those of the others. What is called a total and is no sum is an arm, or the experiment is refused: nothing says which
of its rows count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from abkit.intake.kpis.rows.set_aside import is_called_total
from abkit.intake.tables.doubts import ENOUGH_TRIALS, doubts_of_days, unnamed_totals
from abkit.store.kpis.once.rule import means_all
from abkit.vocabulary import Dimension

_COUNTS = ("trials", "successes")
_CONTROL = re.compile(r"control( group)?|baseline|kontrolle|kontrollgruppe|contr[oô]le?|témoin", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WithoutTotals:
    """The rows of a table that are no totals of others.

    Attributes:
        rows: These rows.
        refused: Experiments with rows of which nothing says whether they are totals, with the reason.
        notes: What was left out.
    """

    rows: pl.DataFrame
    refused: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def says_total(text: str | None) -> bool:
    """Return whether a cell says that its row is the sum of others, or nothing at all.

    >>> [says_total(text) for text in ("Grand total", "Alle", "合計", None, "Total care", "b")]
    [True, True, True, True, False, False]
    """
    return text is None or not text.strip() or is_called_total(text) or means_all(Dimension.OTHER, text)


def without_total_arms(rows: pl.DataFrame) -> WithoutTotals:
    """Leave out arms and experiments that are called totals and are the sum of the others.

    Args:
        rows: One row per arm, or several: `experiment`, `variant` (null where a cell is blank), `trials`, `successes`.
    """
    left_out = 0
    totals = [name for name in rows["experiment"].unique() if says_total(name)]
    if totals:
        others = rows.filter(~_is_one_of("experiment", totals))
        by_arm = others.group_by("variant").agg(pl.sum(*_COUNTS))
        sums = {name: tuple(values) for name, *values in by_arm.iter_rows()}
        whole = tuple(others.select(pl.sum(*_COUNTS)).row(0)) if others.height else None
        found = []
        for name in totals:
            arms = rows.filter(_is_one_of("experiment", [name])).group_by("variant").agg(pl.sum(*_COUNTS)).rows()
            if all(tuple(figures) == (sums.get(arm) or (whole if says_total(arm) else None)) for arm, *figures in arms):
                found.append(name)
        kept = rows.filter(~_is_one_of("experiment", found)) if found else rows
        left_out, rows = rows.height - kept.height, kept
    if any(says_total(name) for name in rows["variant"].unique()):
        arms_of = rows.group_by("experiment", "variant", maintain_order=True).agg(pl.sum(*_COUNTS))
        called = arms_of["variant"].map_elements(says_total, return_dtype=pl.Boolean, skip_nulls=False)
        arms_of = arms_of.with_columns(called=called)
        others_of = [pl.col(name).filter(~pl.col("called")).sum().over("experiment") for name in _COUNTS]
        several = (~pl.col("called")).sum().over("experiment") > 1
        is_sum = pl.all_horizontal(pl.col(name) == other for name, other in zip(_COUNTS, others_of, strict=True))
        found_arms = arms_of.with_columns(gone=pl.col("called") & several & is_sum).filter("gone")
        keys = ["experiment", "variant"]
        kept = rows.join(found_arms, on=keys, how="anti", nulls_equal=True, maintain_order="left")
        left_out, rows = left_out + rows.height - kept.height, kept
    notes = [f"{left_out:,} rows are left out: they look like totals of the others"] if left_out else []
    return WithoutTotals(rows=rows, notes=(*notes, *unnamed_totals(rows)))


def without_counted_twice(rows: pl.DataFrame, others: Sequence[str]) -> WithoutTotals:
    """Leave out what rows of one arm would count twice when they are added up: totals, and one row once more.

    Args:
        rows: Rows of arms, with `experiment`, `variant`, `trials`, `successes` and the other columns as texts.
        others: Names of these.
    """
    notes = []
    if others:
        once = rows.unique([*_KEY, *_COUNTS, *others], keep="first", maintain_order=True)
        if once.height < rows.height:
            notes.append(f"{rows.height - once.height:,} rows that repeat another in all cells count once")
        rows = once
    words = {text for name in others for text in rows[name].unique() if text and says_total(text)}
    refused = {}
    if words:
        said = pl.any_horizontal(pl.col(name).is_in(list(words)).fill_null(False) for name in others)
        marked = rows.with_columns(said=said)
        sums = marked.group_by(_KEY, maintain_order=True).agg(
            pl.col("said").any().alias("some"),
            (~pl.col("said")).any().alias("more"),
            *(pl.col(name).filter("said").sum().alias(f"all_{name}") for name in _COUNTS),
            *(pl.col(name).filter(~pl.col("said")).sum().alias(f"sum_{name}") for name in _COUNTS),
        )
        both = sums.filter("some", "more")
        is_sum = pl.all_horizontal(pl.col(f"all_{name}") == pl.col(f"sum_{name}") for name in _COUNTS)
        word = min(words)
        for key, variant in both.filter(~is_sum).select(_KEY).iter_rows():
            refused[key] = f"variant {variant!r} has rows of {word!r} beside others, and they are not the sum of these"
        gone = both.filter(is_sum).select(*_KEY, said=pl.lit(True))
        kept = marked.join(gone, on=[*_KEY, "said"], how="anti", maintain_order="left").drop("said")
        if kept.height < rows.height:
            gone_rows = f"{rows.height - kept.height:,} rows of {word!r}"
            notes.append(f"{gone_rows} are left out: they are the sum of the others of their arm")
        rows = kept
    rows, found = _sums_of_arms(rows)
    if found:
        notes.append(f"{found:,} rows are left out: in each arm of their test, one row is the sum of all others")
    notes += doubts_of_days(rows, others)
    return WithoutTotals(rows=rows, refused=refused, notes=tuple(notes))


def names_alike(names: Sequence[str]) -> tuple[str, str] | None:
    """Return two names that differ in case, blanks and signs between words only; None where there are none.

    >>> names_alike(["Control", "treatment", "control "])
    ('Control', 'control ')
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(re.sub(r"[\s_-]+", " ", name.casefold()).strip(), name)
        if other != name:
            return other, name
    return None


def is_called_control(name: str) -> bool:
    """Return whether the name of a variant says that it is the control.

    >>> is_called_control("Control group"), is_called_control("controlled")
    (True, False)
    """
    return _CONTROL.fullmatch(name.strip()) is not None


_KEY = ("experiment", "variant")


def _is_one_of(column: str, names: Sequence[str | None]) -> pl.Expr:
    named = pl.col(column).is_in([name for name in names if name is not None]).fill_null(False)
    return named | pl.col(column).is_null() if None in names else named


def _sums_of_arms(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Leave out one row of each arm where it is the sum of all others, in every arm of the experiment."""
    twice = [2 * pl.col(name) == pl.col(name).sum().over(_KEY) for name in _COUNTS]
    could_be = pl.all_horizontal(*twice, pl.len().over(_KEY) > 2, pl.col("trials") >= ENOUGH_TRIALS)
    marked = rows.with_columns(could_be=could_be.fill_null(False))
    in_each = pl.col("could_be").any().over(_KEY).all().over("experiment")
    several = pl.col("variant").n_unique().over("experiment") > 1
    kept = marked.filter(~(pl.col("could_be") & in_each & several)).drop("could_be")
    return kept, rows.height - kept.height
