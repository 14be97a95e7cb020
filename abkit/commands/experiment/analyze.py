"""`abkit experiment analyze`: an experiment of the store, one from its rows, or thousands from a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.experiment.rows import (
    CapOption,
    CovariateDenominatorOption,
    CovariateOption,
    DenominatorOption,
    MetricColumnOption,
    QuantileOption,
    RowsOption,
    UnitColumnOption,
    analyze_rows,
    of_units,
    refuse_without_effect,
    unit_columns,
)
from abkit.commands.figures import number, numbers
from abkit.commands.options import AsOfOption, CurrencyOption, RatesOption, rates_of
from abkit.commands.output import Format, FormatOption, note, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)
from abkit.errors import UsageError
from abkit.vocabulary import Allocation, Correction, Dimension, Method

if TYPE_CHECKING:
    from abkit.workflows.experiments.looks.results import Analysis


def analyze(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="Name of the experiment; or give --table.")] = None,
    as_of: AsOfOption = None,
    by: Annotated[Dimension | None, typer.Option("--by", help="Compare in each value of this dimension too.")] = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    value_per_conversion: Annotated[
        float | None,
        typer.Option(
            "--value-per-conversion",
            parser=number,
            metavar="NUMBER",
            help="What a conversion is worth; by default its revenue in the store.",
        ),
    ] = None,
    value_per_click: Annotated[
        float | None,
        typer.Option(
            "--value-per-click", parser=number, metavar="NUMBER", help="What a click is worth, for metrics of clicks."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the forest plot to this file, the sequences next to it.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            parser=file_or_address,
            metavar="FILE",
            help="Many tests: CSV, XLSX or Parquet, one row per arm.",
        ),
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    experiment_col: Annotated[str, typer.Option("--experiment-col")] = "experiment",
    variant_col: Annotated[str, typer.Option("--variant-col")] = "variant",
    impressions_col: Annotated[str, typer.Option("--impressions-col")] = "impressions",
    clicks_col: Annotated[str, typer.Option("--clicks-col")] = "clicks",
    control: Annotated[
        str | None, typer.Option("--control", help="Name of the control arm; the first row of each test by default.")
    ] = None,
    add_up: Annotated[bool, typer.Option("--add-up", help="Rows of one arm are days: add them up.")] = False,
    decimal: DecimalOption = None,
    allocation: Annotated[
        Allocation, typer.Option("--allocation", help="With --table: whether variants were assigned at random.")
    ] = Allocation.RANDOM,
    correction: Annotated[
        Correction, typer.Option("--correction", help="With --table: how p-values are corrected.")
    ] = Correction.BH,
    level: Annotated[
        float, typer.Option("--level", parser=number, metavar="NUMBER", help="With --table: confidence level.")
    ] = 0.95,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when the verdict is blocked.")] = False,
    rows: RowsOption = None,
    unit: UnitColumnOption = None,
    variant: Annotated[
        str | None, typer.Option("--variant", help="With --rows: column of the variant of each unit.")
    ] = None,
    metric: MetricColumnOption = None,
    denominator: DenominatorOption = None,
    covariate: CovariateOption = None,
    covariate_denominator: CovariateDenominatorOption = None,
    quantile: QuantileOption = None,
    cap: CapOption = None,
    method: Annotated[
        Method, typer.Option("--method", help="With --rows: welch for one look, sequential for any look.")
    ] = Method.WELCH,
    planned_total: Annotated[
        float | None,
        typer.Option("--planned-total", parser=number, metavar="N", help="With --method sequential: units."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="With --rows: planned shares, the control first.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Analyze an experiment of the store (one more look), thousands of tests from a table, or one from its rows."""
    given = [name for name, value in (("the name", key), ("--table", table), ("--rows", rows)) if value is not None]
    if not given or (table is not None and len(given) > 1):
        raise UsageError("give the name of an experiment, --table FILE or --rows FILE")
    refuse_without_effect(ctx, " and ".join(given))
    if rows is not None and key is None:
        found = analyze_rows(
            unit_columns(rows, unit, metric, denominator, variant, covariate, covariate_denominator),
            control=control,
            split=numbers(split, "--split") if split else None,
            quantile=quantile,
            cap=cap,
            method=method,
            level=level,
            planned_total=planned_total,
            options=table_options(encoding, header_line, sheet, decimal),
        )
        from abkit.reporting.tables.show import flattened

        show(found, form, rows=[flattened(one.to_dict()) for one in found.comparisons])
        if plot is not None:
            from abkit.reporting.tables.show import view

            _save(view(found).chart(), plot)  # type: ignore[misc]  # it has one
        return
    if table is not None:
        from abkit.workflows.experiments.table import analyze_table

        report = analyze_table(
            table,
            experiment=experiment_col,
            variant=variant_col,
            trials=impressions_col,
            successes=clicks_col,
            control=control,
            add_up=add_up,
            options=table_options(encoding, header_line, sheet, decimal),
            allocation=allocation,
            correction=correction,
            level=level,
            progress=note,
        )
        show(report, form, rows=[row.to_dict() for row in report.comparisons])
        if plot is not None:
            from abkit.reporting.tables.experiments.experiments import table_chart

            _save(table_chart(report), plot)
        return
    from abkit.records import to_plain
    from abkit.reporting.tables.show import flattened
    from abkit.workflows.experiments.experiments import analyze_experiment
    from abkit.workflows.experiments.looks.worth import GivenValue

    context: CommandContext = ctx.obj
    money = rates_of(context.settings, rates, currency)
    worth = GivenValue(per_conversion=value_per_conversion, per_click=value_per_click, currency=currency or "")
    with context.store() as store:
        day = (as_of or datetime.now(UTC)).date()
        if rows is None:
            analysis = analyze_experiment(store, str(key), as_of=day, by=by, rates=money, given=worth)
        else:
            wanted = unit_columns(rows, unit, metric, denominator, variant)
            options = table_options(encoding, header_line, sheet, decimal)
            with of_units(wanted, options) as its_rows:
                analysis = analyze_experiment(store, str(key), as_of=day, rates=money, rows=its_rows, given=worth)
    figures = [flattened(to_plain(replace(result, sequence=None, days=()))) for result in analysis.treatments]
    show(analysis, form, rows=figures)
    if plot is not None:
        _draw_analysis(analysis, plot)
    if exit_code and analysis.verdict == "blocked":
        raise typer.Exit(3)


def _draw_analysis(analysis: Analysis, path: Path) -> None:
    """Write the forest plot, and next to it the sequence of each treatment."""
    from abkit.reporting.charts.looks import analysis_chart, treatment_chart

    _save(analysis_chart(analysis), path)
    for result in analysis.treatments:
        chart = treatment_chart(analysis, result)
        if chart is not None:
            slug = "".join(char if char.isalnum() else "-" for char in result.treatment)[:60]
            _save(chart, path.with_name(f"{path.stem}-{slug}{path.suffix}"))


def _save(chart: Any, path: Path) -> None:
    from abkit.reporting.charts.theme import save_chart

    note(f"chart: {save_chart(chart, path)}")
