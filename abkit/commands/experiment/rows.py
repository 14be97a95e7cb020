"""`abkit experiment analyze --rows` and `abkit experiment simulate`: experiments from the rows of their units."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.figures import number, numbers
from abkit.commands.output import Format, FormatOption, note, progress_bar, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)
from abkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abkit.intake.tables.unit_rows import UnitColumns
    from abkit.vocabulary import Method
    from abkit.workflows.experiments.rows.compare import UnitAnalysis
    from abkit.workflows.experiments.rows.planned import UnitRowsOf
    from abkit_model.data.files.tables import TableOptions

RowsOption = Annotated[
    str | None,
    typer.Option(
        "--rows",
        parser=file_or_address,
        metavar="FILE",
        help="Rows of the units of one test, of any size: CSV, Parquet or a folder of Parquet, XLSX.",
    ),
]
UnitColumnOption = Annotated[
    str | None, typer.Option("--unit", help="With --rows: column of what was randomized, such as user.")
]
MetricColumnOption = Annotated[
    str | None, typer.Option("--metric", "-m", help="With --rows: column of numbers to compare.")
]
DenominatorOption = Annotated[
    str | None, typer.Option("--denominator", help="With --rows: column to divide by, for a ratio.")
]
CovariateOption = Annotated[
    str | None,
    typer.Option(
        "--covariate", help="With --rows: column of what each unit did before the test, to be taken out (CUPED)."
    ),
]
CovariateDenominatorOption = Annotated[
    str | None, typer.Option("--covariate-denominator", help="With --covariate: column to divide it by, for a ratio.")
]
QuantileOption = Annotated[
    float | None,
    typer.Option(
        "--quantile", parser=number, metavar="NUMBER", help="With --rows: compare this quantile; 0.5 is the median."
    ),
]

CapOption = Annotated[
    float | None,
    typer.Option(
        "--cap",
        parser=number,
        metavar="NUMBER",
        help="With --rows: cap values of units at this quantile of all, such as 0.99.",
    ),
]

_VALUES = {"value_per_conversion", "value_per_click"}
_TABLE = {"encoding", "header_line", "sheet", "decimal", "control", "level", "plot", "form"}
_EFFECT = {
    "the name": {"key", "as_of", "by", "rates", "currency", "plot", "exit_code", "form", *_VALUES},
    "--table": _TABLE
    | {"table", "experiment_col", "variant_col", "impressions_col", "clicks_col", "add_up", "allocation", "correction"},
    "the name and --rows": {
        "key",
        "as_of",
        "plot",
        "exit_code",
        "form",
        "encoding",
        "header_line",
        "sheet",
        "decimal",
        "rows",
        "unit",
        "variant",
        "metric",
        "denominator",
        *_VALUES,
    },
    "--rows": _TABLE
    | {"rows", "unit", "variant", "metric", "denominator", "covariate", "covariate_denominator"}
    | {"quantile", "cap", "method", "planned_total", "split"},
}
"""By what is analyzed, the options that have an effect."""


def refuse_without_effect(ctx: typer.Context, given: str) -> None:
    """Refuse options that say something about another kind of experiment.

    Raises:
        UsageError: One of them is given.
    """
    idle = [
        param.opts[0]
        for param in ctx.command.params
        if param.name not in _EFFECT[given] and _is_said(ctx, param.name or "")
    ]
    if idle:
        kind = given.replace("the name", "an experiment of the store")
        raise UsageError(f"{', '.join(idle)} has no effect on {kind}", hint="leave it out")


def _is_said(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@dataclass(frozen=True)
class RowFile:
    """A file of rows and its columns."""

    place: str
    columns: UnitColumns


def unit_columns(
    place: str,
    unit: str | None,
    metric: str | None,
    denominator: str | None,
    variant: str | None,
    covariate: str | None = None,
    covariate_denominator: str | None = None,
) -> RowFile:
    """Return the file with the columns that are named.

    Raises:
        UsageError: One of the columns that it takes is not named.
    """
    from abkit.intake.tables.unit_rows import UnitColumns

    missing = [
        option for option, value in (("--unit", unit), ("--variant", variant), ("--metric", metric)) if value is None
    ]
    if missing:
        raise UsageError(f"--rows takes {' and '.join(missing)}", hint="name the columns as the file does")
    columns = UnitColumns(
        unit=str(unit),
        variant=str(variant),
        metric=str(metric),
        denominator=denominator,
        covariate=covariate,
        covariate_denominator=covariate_denominator,
    )
    return RowFile(place, columns)


@contextmanager
def of_units(rows: RowFile, options: TableOptions) -> Iterator[UnitRowsOf]:
    """Yield where the rows of a planned experiment are, with their progress on stderr."""
    from abkit.workflows.experiments.rows.planned import UnitRowsOf

    with progress_bar("reading rows") as progress:
        yield UnitRowsOf(table=rows.place, columns=rows.columns, options=options, progress=progress)


def analyze_rows(
    rows: RowFile,
    *,
    control: str | None,
    split: Sequence[float] | None,
    quantile: float | None,
    cap: float | None,
    method: Method,
    level: float,
    planned_total: float | None,
    options: TableOptions,
) -> UnitAnalysis:
    """Analyze rows, with their progress on stderr."""
    from abkit.stats.sequential.always_valid import DEFAULT_TUNING
    from abkit.workflows.experiments.rows.compare import experiment_from_file

    if planned_total is not None and method != "sequential":
        raise UsageError(
            f"--planned-total has no effect on the method {method.value}",
            hint="leave it out, or use --method sequential",
        )
    with progress_bar("reading rows") as progress:
        return experiment_from_file(
            rows.place,
            rows.columns,
            options=options,
            progress=progress,
            control=control,
            split=split,
            quantile=quantile,
            cap=cap,
            method=method,
            level=level,
            planned_units=planned_total if planned_total is not None else DEFAULT_TUNING,
        )


def simulate(
    rows: Annotated[
        str,
        typer.Option(
            "--rows", parser=file_or_address, metavar="FILE", help="Rows of your units, such as those of last month."
        ),
    ],
    unit: Annotated[str, typer.Option("--unit", help="Column of what is randomized, such as user.")],
    metric: Annotated[str, typer.Option("--metric", "-m", help="Column of numbers to compare.")],
    denominator: Annotated[str | None, typer.Option("--denominator", help="Column to divide by, for a ratio.")] = None,
    quantile: Annotated[
        float | None,
        typer.Option("--quantile", parser=number, metavar="NUMBER", help="Compare this quantile; 0.5 is the median."),
    ] = None,
    lift: Annotated[
        str | None, typer.Option("--lift", help="Lifts to try: 0.02,0.05. An A/A test comes first.")
    ] = None,
    per_arm: Annotated[int | None, typer.Option("--per-arm", min=2, help="Units of each arm; half by default.")] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=100_000, help="Simulated tests.")] = 1_000,
    alpha: Annotated[float, typer.Option("--alpha", parser=number, metavar="NUMBER", help="Level of the test.")] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Try a test out on your own rows: how often it is wrong without any lift, and how often it finds one."""
    from abkit.intake.tables.unit_rows import UnitColumns
    from abkit.workflows.experiments.rows.compare import sums_of_file
    from abkit.workflows.experiments.rows.simulate import simulate as run

    # Which variant a unit saw does not matter: the unit stands for it.
    columns = UnitColumns(unit=unit, variant=None, metric=metric, denominator=denominator)
    with progress_bar("reading rows") as progress:
        sums, notes = sums_of_file(
            rows, columns, options=table_options(encoding, header_line, sheet, decimal), progress=progress
        )
    for guess in notes:
        note(guess)
    with progress_bar("testing") as progress:
        found = run(
            sums,
            metric=metric,
            denominator=denominator,
            quantile=quantile,
            lifts=numbers(lift, "--lift") if lift and "," in lift else [number(lift)] if lift else [],
            per_arm=per_arm,
            runs=runs,
            alpha=alpha,
            seed=seed,
            progress=progress,
        )
    show(found, form, rows=[one.to_dict() for one in found.lifts])
