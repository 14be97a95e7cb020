"""Sums per unit, from rows that come in parts: memory holds the units and one part, never all rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.records import Record, to_plain

MOST_UNITS = 20_000_000
"""The units of a table have to fit into memory: two million take about a gigabyte."""

_MERGE_AT = 4_000_000
_KEYS = ("unit", "variant")
_FORMER = ("c", "d")


@dataclass(frozen=True, kw_only=True)
class LeftOut(Record):
    """What of the rows was not compared, counted in this order.

    Attributes:
        rows_without_unit: Rows whose unit is missing.
        rows_without_variant: Further rows whose variant is missing.
        units_in_several_variants: Units with rows in two variants or more: nobody knows what they saw.
        rows_of_such_units: Rows of those units.
        rows_without_metric: Further rows whose metric is missing.
        rows_without_denominator: Further rows whose denominator is missing.
        units_without_values: Units of which no row was left.
    """

    rows_without_unit: int = 0
    rows_without_variant: int = 0
    units_in_several_variants: int = 0
    rows_of_such_units: int = 0
    rows_without_metric: int = 0
    rows_without_denominator: int = 0
    units_without_values: int = 0

    def sentences(self) -> tuple[str, ...]:
        """Return what was left out, for the reader.

        >>> LeftOut(units_in_several_variants=2, rows_of_such_units=9).sentences()
        ('left out, units in several variants: 2 (rows of such units: 9)',)
        """
        counts = to_plain(self)
        rows = counts.pop("rows_of_such_units")
        inside = {"units_in_several_variants": f" (rows of such units: {rows:,})"}
        return tuple(
            f"left out, {name.replace('_', ' ')}: {count:,}{inside.get(name, '')}"
            for name, count in counts.items()
            if count
        )


@dataclass(frozen=True, kw_only=True)
class UnitValues:
    """The units of one variant, ordered by their figures.

    Attributes:
        assigned: Units of the variant, those without values too.
        rows: Shape (n,), rows of each unit that has values.
        y: Shape (n,), sum of the metric.
        x: Shape (n,), sum of the denominator; 1 per row where there is none.
        c: Shape (n,), what each unit did before the test, NaN where that is not known; None where it was not asked for.
        d: Shape (n,), what to divide that by; None for a mean.
    """

    assigned: int
    rows: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    c: NDArray[np.float64] | None = None
    d: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of units with values."""
        return len(self.y)


@dataclass(frozen=True, kw_only=True)
class SummedUnits:
    """The units of an experiment.

    Attributes:
        variants: Variant → its units, the variants in the order in which they appear.
        left_out: What is not in them.
        rows: Rows read.
    """

    variants: Mapping[str, UnitValues]
    left_out: LeftOut
    rows: int


def sum_per_unit(parts: Iterable[pl.DataFrame]) -> SummedUnits:
    """Add rows up per unit.

    Args:
        parts: Columns `unit`, `variant`, `y` and `x`, the numbers as Float64; null or NaN where a value is missing.
            Further `c` and `d`, what a unit did before the test: no sums, but one value in all rows of a unit.

    Raises:
        InvalidInput: There are more units than memory is meant to hold, or a unit has two former values.

    >>> rows = pl.DataFrame({"unit": ["a", "a", "b"], "variant": ["old", "old", "new"], "y": [1.0, 2, 5], "x": 1.0})
    >>> found = sum_per_unit([rows[:1], rows[1:]])
    >>> {name: values.y.tolist() for name, values in found.variants.items()}
    {'old': [3.0], 'new': [5.0]}
    """
    sums: pl.DataFrame | None = None
    waiting: list[pl.DataFrame] = []
    read = 0
    for part in parts:
        waiting.append(_summed(part, read))
        read += part.height
        if sum(frame.height for frame in waiting) > max(_MERGE_AT, sums.height if sums is not None else 0):
            sums, waiting = _merged([*([sums] if sums is not None else []), *waiting]), []
            if sums.height > MOST_UNITS:
                raise InvalidInput(
                    f"the rows have more than {MOST_UNITS:,} units", hint="add them up in the warehouse first"
                )
    pieces = [*([sums] if sums is not None else []), *waiting]
    return _units(_merged(pieces) if pieces else None, read)


def _summed(part: pl.DataFrame, before: int) -> pl.DataFrame:
    # NaN is what pandas has for a missing value.
    former = [name for name in _FORMER if name in part.columns]
    rows = part.with_columns(pl.col("y", "x", *former).fill_nan(None)).with_row_index("row", offset=before)
    complete = pl.col("y").is_not_null() & pl.col("x").is_not_null()
    return rows.group_by(_KEYS).agg(
        pl.col("row").min().cast(pl.Int64).alias("first"),
        pl.len().cast(pl.Int64).alias("all"),
        complete.sum().cast(pl.Int64).alias("rows"),
        pl.col("y").is_null().sum().cast(pl.Int64).alias("no_y"),
        pl.col("y").filter(complete).sum(),
        pl.col("x").filter(complete).sum(),
        # Added up over rows it would count what the unit did in the test.
        *(pl.col(name).min().alias(f"{name}_low") for name in former),
        *(pl.col(name).max().alias(f"{name}_high") for name in former),
    )


def _merged(pieces: list[pl.DataFrame]) -> pl.DataFrame:
    if len(pieces) == 1:
        return pieces[0]
    lows, highs = (
        [name for name in pieces[0].columns if name in {f"{one}_{end}" for one in _FORMER}] for end in ("low", "high")
    )
    return (
        pl.concat(pieces)
        .group_by(_KEYS)
        .agg(
            pl.min("first"),
            pl.sum("all", "rows", "no_y", "y", "x"),
            *map(pl.min, lows),
            *map(pl.max, highs),
        )
    )


def _units(sums: pl.DataFrame | None, read: int) -> SummedUnits:
    """Return the units that are in one variant, and what was left out."""
    if sums is None:
        return SummedUnits(variants={}, left_out=LeftOut(), rows=read)
    no_unit, no_variant = pl.col("unit").is_null(), pl.col("variant").is_null()
    named = sums.filter(~no_unit & ~no_variant)
    # A variant all of whose units are in another one too is still a variant.
    order = named.group_by("variant").agg(pl.min("first")).sort("first")["variant"].to_list()
    crossing = pl.len().over("unit") > 1
    one = named.filter(~crossing)
    left_out = LeftOut(
        rows_without_unit=_total(sums.filter(no_unit), "all"),
        rows_without_variant=_total(sums.filter(~no_unit & no_variant), "all"),
        units_in_several_variants=named.filter(crossing)["unit"].n_unique(),
        rows_of_such_units=_total(named, "all") - _total(one, "all"),
        rows_without_metric=_total(one, "no_y"),
        rows_without_denominator=_total(one, "all") - _total(one, "rows") - _total(one, "no_y"),
        units_without_values=one.filter(pl.col("rows") == 0).height,
    )
    # In one order whatever the rows' order: a sum must not depend on it in the last digits.
    former = [name for name in _FORMER if f"{name}_low" in one.columns]
    known = one.filter(pl.col("rows") > 0).sort("y", "x", "rows", *(f"{name}_low" for name in former))
    for name in former:
        unlike = known.filter(pl.col(f"{name}_low") != pl.col(f"{name}_high"))
        if unlike.height:
            raise InvalidInput(
                f"{unlike.height:,} units have several values of before the test, such as {unlike['unit'][0]!r}: "
                f"{unlike[f'{name}_low'][0]:g} and {unlike[f'{name}_high'][0]:g}",
                hint="write what a unit did before the test as one number, the same in all of its rows",
            )
    variants = {}
    for name in order:
        units = known.filter(pl.col("variant") == name)
        variants[str(name)] = UnitValues(
            assigned=one.filter(pl.col("variant") == name).height,
            rows=units["rows"].to_numpy(),
            y=units["y"].to_numpy(),
            x=units["x"].to_numpy(),
            **{name: units[f"{name}_low"].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in former},
        )
    return SummedUnits(variants=variants, left_out=left_out, rows=read)


def _total(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].sum())
