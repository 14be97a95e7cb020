"""An experiment from a data frame: sums per unit, variants compared on what was randomized, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.arms import Moments, PairMoments
from abkit.stats.estimate import Comparison
from abkit.stats.means.compare import compare_means
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.sample_ratio import SampleRatio, sample_ratio
from abkit.vocabulary import Alternative, Method, parse_choice

MOST_VARIANTS = 100
"""More different values than that mean that the column does not hold variants."""


@dataclass(frozen=True, kw_only=True)
class UnitArm(Record):
    """One variant, summed over its units.

    Attributes:
        variant: Name of the variant.
        units: Units compared.
        rows: Rows that these units have in the frame.
        metric: Sum of the metric.
        denominator: Sum of the denominator; None for a mean.
        value: Mean of the metric per unit, or sum of the metric ÷ sum of the denominator.
    """

    variant: str
    units: int
    rows: int
    metric: float
    denominator: float | None
    value: float


@dataclass(frozen=True)
class UnitComparison(Record):
    """One treatment against the control.

    Attributes:
        treatment: Name of the variant.
        comparison: Welch's comparison of means, or of ratios of means by the delta method.
        adjusted_p: Its p-value after Holm's correction over all treatments.
    """

    treatment: str
    comparison: Comparison
    adjusted_p: float


@dataclass(frozen=True, kw_only=True)
class LeftOut(Record):
    """What of the frame was not compared, counted in this order.

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


@dataclass(frozen=True, kw_only=True)
class UnitAnalysis(Record):
    """An experiment analyzed by the unit that was randomized.

    Attributes:
        unit: Column of the unit.
        metric: Column of the metric.
        denominator: Column of the denominator; None for a mean.
        control: Variant that the others are compared with.
        arms: The variants, the control first.
        comparisons: One per treatment.
        sample_ratio: Whether the units are split between the variants as planned; a mismatch makes every figure
            doubtful. Units without values count: they were assigned too.
        left_out: What was not compared.
    """

    unit: str
    metric: str
    denominator: str | None
    control: str
    arms: tuple[UnitArm, ...]
    comparisons: tuple[UnitComparison, ...]
    sample_ratio: SampleRatio
    left_out: LeftOut


def experiment_from_rows(
    frame: Any,
    *,
    unit: str,
    variant: str,
    metric: str,
    denominator: str | None = None,
    control: str | None = None,
    split: Sequence[float] | None = None,
    method: str = Method.WELCH,
    level: float = 0.95,
    alternative: str = Alternative.TWO_SIDED,
    planned_units: float = DEFAULT_TUNING,
) -> UnitAnalysis:
    """Compare the variants of an experiment from rows: one per unit, or many that are added up per unit.

    The units are what was randomized (users, geographies, …); the variance is that between them. Without a
    denominator the metric's mean per unit is compared, with one the ratio of the two sums: clicks per impression of
    randomized users, for instance. Rows with a missing value are left out and counted; fill in 0 first where a
    missing value means that nothing happened.

    Args:
        frame: A data frame that Narwhals knows: pandas, Polars, PyArrow, ….
        unit: Column that identifies the unit of randomization.
        variant: Column that names the variant the unit was assigned to.
        metric: Column of numbers to compare.
        denominator: Column of numbers to divide by, for a ratio of means (delta method).
        control: Name of the control; the variant of the first row by default.
        split: Planned shares in the order of the variants, the control first and the others as they appear; equal by
            default.
        method: `welch` for one planned look, `sequential` for intervals that are valid at any look.
        level: Confidence level of the intervals, in (0, 1).
        alternative: `two-sided`, `greater` or `less`, of the treatment against the control.
        planned_units: For `sequential`: the units per comparison at which its intervals are tightest.

    Raises:
        InvalidInput: A column is missing or holds no numbers, there are not at least two variants with two units
            each, the control does not exist, or no unit differs from another.

    >>> import polars as pl
    >>> frame = pl.DataFrame(
    ...     {
    ...         "user": [1, 1, 2, 3, 4, 5, 6],
    ...         "variant": ["old", "old", "old", "new", "old", "new", "new"],
    ...         "clicks": [1, 2, 0, 4, 1, 5, None],
    ...     }
    ... )
    >>> found = experiment_from_rows(frame, unit="user", variant="variant", metric="clicks")
    >>> [(arm.variant, arm.units, arm.metric) for arm in found.arms]
    [('old', 3, 4.0), ('new', 2, 9.0)]
    >>> round(found.comparisons[0].comparison.difference.estimate, 3), found.left_out.rows_without_metric
    (3.167, 1)
    """
    method = parse_choice(Method, method, name="method")
    if method not in (Method.WELCH, Method.SEQUENTIAL):
        raise InvalidInput(f"the method is {method.value!r}; expected welch or sequential")
    side = parse_choice(Alternative, alternative, name="alternative")
    table = _columns(frame, unit, variant, metric, denominator)
    table, assigned, left_out = _usable(table)
    names = _variants(assigned, variant, control)
    sums = _sums_per_unit(table, names)
    for name, (units, _, _) in sums.items():
        if len(units) < 2:
            raise InvalidInput(
                f"the variant {name!r} has {len(units)} units with a value; a variance takes at least 2",
                hint="see whether the metric is missing, or whether its units are in another variant too",
            )
    options: dict[str, Any] = {"method": method, "level": level, "alternative": side, "tuning": planned_units}
    compared = _comparisons(sums, names, metric, denominator, options)
    adjusted = adjust([one.p_value for one in compared], correction="holm", alpha=1 - level, family="treatments")
    return UnitAnalysis(
        unit=unit,
        metric=metric,
        denominator=denominator,
        control=names[0],
        arms=tuple(_arm(name, *sums[name], ratio=denominator is not None) for name in names),
        comparisons=tuple(map(UnitComparison, names[1:], compared, adjusted.p_values)),
        sample_ratio=sample_ratio([assigned[name] for name in names], split),
        left_out=left_out,
    )


def _columns(frame: Any, unit: str, variant: str, metric: str, denominator: str | None) -> nw.DataFrame[Any]:
    """Return the columns under the names used here: unit, variant, y, x (1 for a mean)."""
    try:
        known = nw.from_native(frame)
    except TypeError as error:
        raise InvalidInput(
            f"the rows are a {type(frame).__name__}; expected a data frame of pandas, Polars or PyArrow"
        ) from error
    schema = known.collect_schema()
    for column in (unit, variant, metric, denominator):
        if column is not None and column not in schema:
            raise InvalidInput(f"there is no column {column!r}; the frame has {', '.join(map(repr, schema))}")
    for column in (metric, denominator):
        if column is not None and not (schema[column].is_numeric() or schema[column] == nw.Boolean):
            raise InvalidInput(f"the column {column!r} holds {schema[column]}; expected numbers")
    y = nw.col(metric).cast(nw.Float64)
    chosen = known.select(
        nw.col(unit).alias("unit"),
        nw.col(variant).alias("variant"),
        y.alias("y"),
        (nw.lit(1.0) if denominator is None else nw.col(denominator).cast(nw.Float64)).alias("x"),
    )
    return chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen


def _usable(table: nw.DataFrame[Any]) -> tuple[nw.DataFrame[Any], dict[str, int], LeftOut]:
    """Return the rows to compare, the units assigned to each variant in order of appearance, and what was left out."""

    def without(rows: nw.DataFrame[Any], column: str) -> tuple[nw.DataFrame[Any], int]:
        missing = nw.col(column).is_null()
        if rows.schema[column].is_float():
            missing = missing | nw.col(column).is_nan()
        kept = rows.filter(~missing)
        return kept, len(rows) - len(kept)

    table, no_unit = without(table, "unit")
    table, no_variant = without(table, "variant")
    pairs = table.select("unit", "variant").unique(maintain_order=True)
    variants_per_unit = pairs.group_by("unit").agg(nw.len().alias("variants"))
    several = variants_per_unit.filter(nw.col("variants") > 1).select("unit")
    assigned = pairs.join(several, on="unit", how="anti")
    kept = table.join(several, on="unit", how="anti")
    crossed = len(table) - len(kept)
    kept, no_metric = without(kept, "y")
    kept, no_denominator = without(kept, "x")
    counts = Counter(map(str, assigned["variant"].to_list()))
    # A variant all of whose units are in another one too is still a variant: it is refused by name.
    order = {name: counts[name] for name in map(str, table["variant"].unique(maintain_order=True).to_list())}
    left_out = LeftOut(
        rows_without_unit=no_unit,
        rows_without_variant=no_variant,
        units_in_several_variants=len(several),
        rows_of_such_units=crossed,
        rows_without_metric=no_metric,
        rows_without_denominator=no_denominator,
        units_without_values=len(assigned) - kept["unit"].n_unique(),
    )
    return kept, order, left_out


def _variants(assigned: dict[str, int], column: str, control: str | None) -> list[str]:
    """Return the names of the variants, the control first."""
    names = list(assigned)
    if not 2 <= len(names) <= MOST_VARIANTS:
        raise InvalidInput(
            f"the column {column!r} has {len(names):,} different values; expected 2 to {MOST_VARIANTS} variants"
        )
    if control is None:
        return names
    if str(control) not in assigned:
        raise InvalidInput(f"no row has the control {str(control)!r}; the variants are {', '.join(map(repr, names))}")
    return [str(control), *(name for name in names if name != str(control))]


Sums = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""Rows, metric and denominator of each unit of one variant."""


def _sums_per_unit(table: nw.DataFrame[Any], names: Sequence[str]) -> dict[str, Sums]:
    per_unit = table.group_by("unit", "variant").agg(
        nw.len().alias("rows"), nw.col("y").sum().alias("y"), nw.col("x").sum().alias("x")
    )
    arm = np.array([str(name) for name in per_unit["variant"].to_list()], dtype=object)
    rows, y, x = (np.asarray(per_unit[column].to_numpy()) for column in ("rows", "y", "x"))
    # In one order whatever the library's grouping: a sum must not depend on it in the last digits.
    order = np.lexsort((rows, x, y))
    arm, rows, y, x = arm[order], rows[order], y[order], x[order]
    return {name: (rows[arm == name], y[arm == name], x[arm == name]) for name in names}


def _comparisons(
    sums: dict[str, Sums], names: list[str], metric: str, denominator: str | None, options: dict[str, Any]
) -> list[Comparison]:
    """Compare each variant with the first one."""
    for name, (_, *pair) in sums.items():
        for column, values in zip((metric, denominator), pair, strict=True):
            if not np.isfinite(values).all():
                raise InvalidInput(f"the column {column!r} is infinite for a unit of {name!r}; expected finite numbers")
    if denominator is None:
        means = [Moments.from_values(sums[name][1]) for name in names]
        return [compare_means(means[0], treatment, **options) for treatment in means[1:]]
    pairs = [PairMoments.from_values(*sums[name][1:]) for name in names]
    return [compare_ratios(pairs[0], treatment, **options) for treatment in pairs[1:]]


def _arm(name: str, rows: NDArray[np.int64], y: NDArray[np.float64], x: NDArray[np.float64], *, ratio: bool) -> UnitArm:
    return UnitArm(
        variant=name,
        units=len(y),
        rows=int(rows.sum()),
        metric=float(y.sum()),
        denominator=float(x.sum()) if ratio else None,
        value=float(y.sum() / x.sum()) if ratio else float(y.mean()),
    )
