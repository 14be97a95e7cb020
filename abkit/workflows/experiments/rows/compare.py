"""An experiment from rows, of a frame or a file: variants compared on what was randomized, and what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import narwhals as nw
import numpy as np
import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.remote.table import local_table
from abkit.intake.tables.totals import is_called_control, names_alike
from abkit.intake.tables.unit_rows import MOST_BYTES, UnitColumns, UnitRows, unit_rows
from abkit.records import Record
from abkit.stats.estimate import Comparison
from abkit.stats.means.capping import cap_values
from abkit.stats.means.estimates import MeanOptions
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.sample_ratio import SampleRatio, sample_ratio
from abkit.vocabulary import Alternative, Method, parse_choice
from abkit.workflows.experiments.rows.sides import UnitAdjustment, compare_sides, compare_with_former
from abkit.workflows.experiments.rows.sums import LeftOut, SummedUnits, UnitValues, sum_per_unit
from abkit_model.data.files.tables import TableOptions

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
        value: Mean or quantile of the metric per unit, or sum of the metric ÷ sum of the denominator.
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
        adjustment: What was taken out with a covariate; None without one.
    """

    treatment: str
    comparison: Comparison
    adjusted_p: float
    adjustment: UnitAdjustment | None = None


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
        quantile: The quantile compared; None for a mean or a ratio.
        notes: What was guessed about the numbers, and what a cap did.
    """

    unit: str
    metric: str
    denominator: str | None
    control: str
    arms: tuple[UnitArm, ...]
    comparisons: tuple[UnitComparison, ...]
    sample_ratio: SampleRatio
    left_out: LeftOut
    quantile: float | None = None
    notes: tuple[str, ...] = ()


class UnitOptions(TypedDict, total=False):
    """How the units of rows are compared; see `experiment_from_rows` for each.

    Attributes:
        control: Name of the control; the variant of the first row by default.
        split: Planned shares, the control first; equal by default.
        quantile: The quantile to compare instead of the mean.
        cap: Quantile of all units that values are brought down to.
        method: `welch` for one planned look, `sequential` for any look.
        level: Confidence level of the intervals.
        alternative: Which difference counts.
        planned_units: `sequential` only: the planned units per comparison.
    """

    control: str | None
    split: Sequence[float] | None
    quantile: float | None
    cap: float | None
    method: Method | str
    level: float
    alternative: Alternative | str
    planned_units: float


def experiment_from_rows(
    frame: Any,
    *,
    unit: str,
    variant: str,
    metric: str,
    denominator: str | None = None,
    covariate: str | None = None,
    covariate_denominator: str | None = None,
    control: str | None = None,
    split: Sequence[float] | None = None,
    quantile: float | None = None,
    cap: float | None = None,
    method: Method | str = Method.WELCH,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
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
        covariate: Column of what each unit did before the test, one value in all of its rows: it is taken out of the
            metric (CUPED), which makes the intervals narrower. Units without one stay as they are.
        covariate_denominator: Column to divide the covariate by.
        control: Name of the control; the variant of the first row by default.
        split: Planned shares in the order of the variants, the control first and the others as they appear; equal by
            default.
        quantile: Compare this quantile of the metric per unit instead of its mean, by the bootstrap: 0.5 for the
            median.
        cap: Bring values of units above this quantile of all units down to it before means are compared: 0.99, for
            revenue that a few units dominate.
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
    columns = UnitColumns(
        unit=unit,
        variant=variant,
        metric=metric,
        denominator=denominator,
        covariate=covariate,
        covariate_denominator=covariate_denominator,
    )
    return analyze_units(
        sum_per_unit([_columns(frame, columns)]),
        columns,
        control=control,
        split=split,
        quantile=quantile,
        cap=cap,
        method=method,
        level=level,
        alternative=alternative,
        planned_units=planned_units,
    )


def experiment_from_file(
    table: str | Path,
    columns: UnitColumns,
    *,
    options: TableOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **analysis: Unpack[UnitOptions],
) -> UnitAnalysis:
    """Compare the variants of an experiment from the rows of a file, which may be larger than memory.

    Args:
        table: Text, a spreadsheet or Parquet, here or at an address; or a folder of Parquet.
        columns: The columns to read.
        options: What the user said about how the table is written.
        progress: Called with the rows read so far, and all of them.
        analysis: See `UnitOptions`.

    Raises:
        AbkitError: The file cannot be read, or its rows cannot be compared.
    """
    sums, notes = sums_of_file(table, columns, options=options, progress=progress)
    found = analyze_units(sums, columns, **analysis)
    return replace(found, notes=(*notes, *found.notes))


def sums_of_file(
    table: str | Path,
    columns: UnitColumns,
    *,
    options: TableOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[SummedUnits, tuple[str, ...]]:
    """Return the units of a file, and what was guessed about its numbers. See `experiment_from_file`."""
    with (
        nullcontext() if Path(table).is_dir() else local_table(table, max_bytes=MOST_BYTES) as found,
        unit_rows(found.path if found else Path(table), columns, options) as rows,
    ):
        return sum_per_unit(_reported(rows, progress)), rows.notes


def _reported(rows: UnitRows, progress: Callable[[int, int], None]) -> Iterator[pl.DataFrame]:
    done = 0
    for part in rows.parts():
        yield part
        done += part.height
        progress(done, rows.rows)


def analyze_units(
    sums: SummedUnits,
    columns: UnitColumns,
    *,
    control: str | None = None,
    split: Sequence[float] | None = None,
    quantile: float | None = None,
    cap: float | None = None,
    method: Method | str = Method.WELCH,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    planned_units: float = DEFAULT_TUNING,
) -> UnitAnalysis:
    """Compare the variants of an experiment from the sums of its units, with `UnitOptions`."""
    metric, denominator = columns.metric, columns.denominator
    method = parse_choice(Method, method, name="method")
    if method not in (Method.WELCH, Method.SEQUENTIAL):
        raise InvalidInput(f"the method is {method.value!r}; expected welch or sequential")
    if quantile is not None and (denominator is not None or method is not Method.WELCH):
        raise InvalidInput(
            "a quantile is compared per unit, at one planned look",
            hint="leave the denominator out" if denominator is not None else "use the method welch",
        )
    if cap is not None and (denominator is not None or quantile is not None):
        raise InvalidInput("a cap is for means per unit", hint="leave the denominator and the quantile out")
    if columns.covariate is not None and quantile is not None:
        raise InvalidInput("a covariate is taken out of means and ratios", hint="leave the quantile out")
    side = parse_choice(Alternative, alternative, name="alternative")
    names = _variants(sums, str(columns.variant), control)
    for name, values in sums.variants.items():
        if values.n < 2:
            raise InvalidInput(
                f"the variant {name!r} has {values.n} units with a value; a variance takes at least 2",
                hint="see whether the metric is missing, or whether its units are in another variant too",
            )
        for column, figures in ((metric, values.y), (denominator, values.x)):
            if column is not None and not np.isfinite(figures).all():
                raise InvalidInput(f"the column {column!r} is infinite for a unit of {name!r}; expected finite numbers")
    arms = [sums.variants[name] for name in names]
    notes: list[str] = []
    called = [name for name in names if is_called_control(name)]
    if control is None and called and names[0] not in called:
        notes.append(
            f"{names[0]!r} is the control because it comes first, and another variant is called {called[0]!r}: "
            f"--control {called[0]!r} takes that one"
        )
    if cap is not None:
        within, capped = cap_values([arm.y for arm in arms], cap)
        arms = [replace(arm, y=y) for arm, y in zip(arms, within, strict=True)]
        notes.append(str(capped))
    options: MeanOptions = {"method": method, "level": level, "alternative": side, "tuning": planned_units}
    adjustments: list[UnitAdjustment | None] = [None] * len(arms[1:])
    if columns.covariate is not None:
        former = " ÷ ".join(filter(None, (columns.covariate, columns.covariate_denominator)))
        ratio = denominator is not None
        both = [compare_with_former(arms[0], arm, former, options, ratio=ratio) for arm in arms[1:]]
        compared, adjustments = [one for one, _ in both], [adjustment for _, adjustment in both]
    else:
        compared = [
            compare_sides(
                *((one.y, one.x) for one in (arms[0], arm)),
                ratio=denominator is not None,
                quantile=quantile,
                level=level,
                alternative=side,
                options=options,
            )
            for arm in arms[1:]
        ]
    adjusted = adjust([one.p_value for one in compared], correction="holm", alpha=1 - level, family="treatments")
    return UnitAnalysis(
        unit=columns.unit,
        metric=metric,
        denominator=denominator,
        control=names[0],
        quantile=quantile,
        arms=tuple(
            _arm(name, arm, quantile, ratio=denominator is not None) for name, arm in zip(names, arms, strict=True)
        ),
        notes=tuple(notes),
        comparisons=tuple(map(UnitComparison, names[1:], compared, adjusted.p_values, adjustments)),
        sample_ratio=sample_ratio([sums.variants[name].assigned for name in names], split),
        left_out=sums.left_out,
    )


def _columns(frame: Any, columns: UnitColumns) -> pl.DataFrame:
    """Return the columns under the names used here: unit, variant, y, x (1 for a mean), and c, d of before the test."""
    try:
        known = nw.from_native(frame)
    except TypeError as error:
        raise InvalidInput(
            f"the rows are a {type(frame).__name__}; expected a data frame of pandas, Polars or PyArrow"
        ) from error
    schema = known.collect_schema()
    named = columns.named()
    for column in named.values():
        if column not in schema:
            raise InvalidInput(f"there is no column {column!r}; the frame has {', '.join(map(repr, schema))}")
    for column in columns.numbers:
        if not (schema[column].is_numeric() or schema[column] == nw.Boolean):
            raise InvalidInput(f"the column {column!r} holds {schema[column]}; expected numbers")
    keys = ("unit", "variant")
    chosen = known.select(
        *(nw.col(named[key]).alias(key) for key in keys),
        *(nw.col(column).cast(nw.Float64).alias(ours) for ours, column in named.items() if ours not in keys),
        *([] if "x" in named else [nw.lit(1.0).alias("x")]),
    )
    rows = chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen
    native = rows.to_native()
    if isinstance(native, pl.DataFrame):
        return native
    # Not through PyArrow, which pandas does without.
    return pl.DataFrame({name: _listed(rows[name]) for name in rows.columns}, strict=False)


def _listed(column: nw.Series[Any]) -> Any:
    if column.dtype == nw.Float64:
        return column.to_numpy()
    # NaN is what pandas has for a missing text.
    return [value if value == value else None for value in column.to_list()]


def _variants(sums: SummedUnits, column: str, control: str | None) -> list[str]:
    """Return the names of the variants, the control first."""
    names = list(sums.variants)
    if alike := names_alike([str(name) for name in names]):
        raise InvalidInput(
            f"the variants {alike[0]!r} and {alike[1]!r} in column {column!r} differ in case or blanks only",
            hint="write each variant in one way",
        )
    if not 2 <= len(names) <= MOST_VARIANTS:
        raise InvalidInput(
            f"the column {column!r} has {len(names):,} different values; expected 2 to {MOST_VARIANTS} variants"
        )
    if control is None:
        return names
    if str(control) not in names:
        raise InvalidInput(f"no row has the control {str(control)!r}; the variants are {', '.join(map(repr, names))}")
    return [str(control), *(name for name in names if name != str(control))]


def _arm(name: str, values: UnitValues, quantile: float | None, *, ratio: bool) -> UnitArm:
    value = values.y.sum() / values.x.sum() if ratio else values.y.mean()
    return UnitArm(
        variant=name,
        units=values.n,
        rows=int(values.rows.sum()),
        metric=float(values.y.sum()),
        denominator=float(values.x.sum()) if ratio else None,
        value=float(value if quantile is None else np.quantile(values.y, quantile)),
    )
