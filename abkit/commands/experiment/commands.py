"""`abkit experiment`: design, create, analyze, decide, list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.experiment import review, upkeep
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
    simulate,
    unit_columns,
)
from abkit.commands.figures import number, numbers
from abkit.commands.money_options import CurrencyOption, RatesOption, rates_of
from abkit.commands.output import Format, FormatOption, note, print_rows, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)
from abkit.errors import InvalidInput, UsageError
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import (
    Allocation,
    Correction,
    Dimension,
    ExperimentDecision,
    Method,
    Metric,
    Monitoring,
    Unit,
    parse_choice,
)

if TYPE_CHECKING:
    from abkit.workflows.experiments.looks.results import Analysis

app = typer.Typer(help="Design, guard, analyze and decide A/B tests.", no_args_is_help=True)

DAY = ["%Y-%m-%d"]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=DAY, help="Last day that counts; today by default.")
]
PowerOption = Annotated[
    float, typer.Option("--power", parser=number, metavar="NUMBER", help="Chance to find the planned lift.")
]
MonitoringOption = Annotated[Monitoring, typer.Option("--monitoring", help="How often the test is looked at.")]


@app.command("design")
def design(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Option("--campaign", "-c", help="Campaign whose scored variants are to be tested.")],
    daily_traffic: Annotated[
        float | None,
        typer.Option("--daily-traffic", parser=number, metavar="NUMBER", help="Daily impressions, all arms."),
    ] = None,
    baseline: Annotated[
        float | None,
        typer.Option(
            "--baseline", parser=number, metavar="NUMBER", help="Rate of the control; by default what is known."
        ),
    ] = None,
    metric: Annotated[
        Metric, typer.Option("--metric", "-m", help=f"What the tests compare. {METRIC_HELP}")
    ] = Metric.CTR,
    cpm: Annotated[
        float | None,
        typer.Option("--cpm", parser=number, metavar="NUMBER", help="What 1,000 impressions cost, with --budget."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", parser=number, metavar="NUMBER", help="Money for a test, with --cpm.")
    ] = None,
    lift: Annotated[
        float | None,
        typer.Option(
            "--lift",
            parser=number,
            metavar="NUMBER",
            help="With --budget: lift to find; by default what the scores promise.",
        ),
    ] = None,
    value: Annotated[
        float | None,
        typer.Option(
            "--value",
            parser=number,
            metavar="NUMBER",
            help="With --budget: what a click or conversion is worth; by default its revenue.",
        ),
    ] = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    power: PowerOption = 0.8,
    alpha: Annotated[
        float, typer.Option("--alpha", parser=number, metavar="NUMBER", help="Chance of a false alarm.")
    ] = 0.05,
    monitoring: MonitoringOption = Monitoring.ANYTIME,
    most_days: Annotated[int, typer.Option("--most-days", min=1, help="Days that a test may take.")] = 60,
    top: Annotated[int, typer.Option("--top", min=1, help="How many pairs the table shows.")] = 20,
    as_of: AsOfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say which pairs of a campaign's variants are worth a test, and how long it takes."""
    from abkit.reporting.tables.show import view
    from abkit.stats.design.power import Design
    from abkit.workflows.experiments.design import MoneyQuestion, design_from_scores

    context: CommandContext = ctx.obj
    day = (as_of or datetime.now(UTC)).date()
    plan = Design(power=power, alpha=alpha, monitoring=monitoring, daily_traffic=daily_traffic)
    if (cpm is None) != (budget is None):
        raise UsageError("a plan in money takes both --cpm and --budget")
    if cpm is None and (lift is not None or value is not None):
        raise UsageError("--lift and --value say something of a budget: give --cpm and --budget")
    money = None
    if cpm is not None and budget is not None:
        money = MoneyQuestion(cpm=cpm, budget=budget, lift=lift, value=value)
    with context.store() as store:
        report = design_from_scores(
            store,
            campaign,
            as_of=day,
            design=plan,
            baseline=baseline,
            most_days=most_days,
            metric=metric,
            money=money,
            rates=rates_of(context.settings, rates, currency),
            margin_rate=context.settings.money.margin_rate,
        )
    shown = report if form is Format.JSON else replace(report, pairs=report.pairs[:top])
    show(shown, form, rows=view(report).tables[0].rows)


@app.command("create")
def create(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Name of the experiment.")],
    variant: Annotated[
        list[str],
        typer.Option("--variant", help="NAME=AD: the platform's ad id or the creative's name; the control first."),
    ],
    unit: Annotated[Unit, typer.Option("--unit", help="What is randomized.")],
    allocation: Annotated[Allocation, typer.Option("--allocation", help="At random, or as the platform optimizes.")],
    metric: Annotated[
        Metric, typer.Option("--metric", "-m", help=f"What is compared and decides. {METRIC_HELP}")
    ] = Metric.CTR,
    split: Annotated[str | None, typer.Option("--split", help="Planned shares: 0.5,0.5. Default: equal.")] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Campaign it belongs to.")] = None,
    start: Annotated[datetime | None, typer.Option("--from", formats=DAY, help="First day.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=DAY, help="Last day.")] = None,
    level: Annotated[
        float, typer.Option("--level", parser=number, metavar="NUMBER", help="Confidence level of the intervals.")
    ] = 0.95,
    power: PowerOption = 0.8,
    lift: Annotated[
        float | None,
        typer.Option("--lift", parser=number, metavar="NUMBER", help="The lift that the test is planned to find."),
    ] = None,
    planned_total: Annotated[
        str | None,
        typer.Option("--planned-total", help="Units in all arms at the end: '400000 impressions', '28 days', …"),
    ] = None,
    monitoring: Annotated[
        Monitoring | None,
        typer.Option("--monitoring", help="How often it is looked at; anytime by default where the unit allows that."),
    ] = None,
    looks: Annotated[int | None, typer.Option("--looks", min=1, help="With --monitoring group: planned looks.")] = None,
    guardrail: Annotated[
        list[str] | None, typer.Option("--guardrail", help="METRIC=LOSS such as cvr=0.05: at most 5 % worse.")
    ] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", help="Metrics that are shown and do not decide: cpa,roas.")
    ] = None,
    cap: Annotated[
        float | None,
        typer.Option(
            "--cap",
            parser=number,
            metavar="NUMBER",
            help="Cap revenue at this quantile of the units' values, such as 0.99.",
        ),
    ] = None,
    margin_rate: Annotated[
        float | None,
        typer.Option(
            "--margin-rate",
            parser=number,
            metavar="NUMBER",
            help="Share of the revenue that is left before advertising.",
        ),
    ] = None,
    geography: Annotated[
        Dimension, typer.Option("--geography", help="With --unit geography: country or region.")
    ] = Dimension.COUNTRY,
    strata: Annotated[
        str | None,
        typer.Option(
            "--strata",
            parser=file_or_address,
            metavar="FILE",
            help="Geographies were drawn in strata: a table of geography and stratum.",
        ),
    ] = None,
    pair: Annotated[
        list[str] | None, typer.Option("--pair", help="DE=FR: of these two geographies, one was drawn for each arm.")
    ] = None,
    paired: Annotated[bool, typer.Option("--paired", help="Each geography has all arms.")] = False,
    before: Annotated[
        int | None,
        typer.Option("--before", min=1, help="With --unit geography: former days to take out of each (CUPED)."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            parser=file_or_address,
            metavar="FILE",
            help="With --unit day: which day was whose: a table of date and variant.",
        ),
    ] = None,
    carry_over: Annotated[
        int, typer.Option("--carry-over", min=0, help="With --unit day: days left out at the start of each block.")
    ] = 0,
    outcome_days: Annotated[
        int | None,
        typer.Option("--outcome-days", min=1, help="Of users: days that each counts, from the first exposure on."),
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
) -> None:
    """Fix the plan of an experiment before its first look."""
    from abkit.intake.tables.plans import read_schedule, read_strata
    from abkit.workflows.experiments.experiments import create_experiment, unknown_variants
    from abkit.workflows.experiments.plan import ExperimentPlan

    context: CommandContext = ctx.obj
    if strata and pair:
        raise UsageError("give either --strata or --pair")
    options = table_options(encoding, header_line, sheet, decimal)
    total, total_of = _planned(planned_total) if planned_total else (None, None)
    plan = ExperimentPlan(
        key=key,
        variants=_pairs(variant, "--variant", "NAME=AD"),
        unit=unit,
        allocation=allocation,
        metric=metric,
        split=numbers(split, "--split") if split else None,
        campaign=campaign,
        starts_on=start.date() if start else None,
        ends_on=end.date() if end else None,
        level=level,
        power=power,
        lift=lift,
        planned_total=total,
        planned_unit=total_of,
        monitoring=monitoring,
        looks=looks,
        guardrails={
            parse_choice(Metric, name, name="metric of a guardrail"): _loss(text)
            for name, text in _pairs(guardrail or [], "--guardrail", "METRIC=LOSS").items()
        },
        watch=[parse_choice(Metric, name.strip(), name="metric of --watch") for name in _listed(watch)],
        cap=cap,
        margin_rate=context.settings.money.margin_rate if margin_rate is None else margin_rate,
        geography=geography,
        strata=read_strata(strata, options) if strata else _matched(pair or []),
        paired=paired,
        before=before,
        schedule=read_schedule(schedule, options) if schedule else {},
        carry_over=carry_over,
        outcome_days=outcome_days,
    )
    with context.store() as store:
        create_experiment(store, plan)
        unknown = unknown_variants(store, plan)
    typer.echo(key)
    for name, similar in unknown.items():
        meant = f"; like it: {', '.join(similar)}" if similar else ""
        note(f"{name}: no ad and no creative is called {plan.variants[name]!r} yet{meant}")
    note(f"next: abkit experiment analyze {key}")


@app.command("analyze")
def analyze(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="The experiment; or give --table.")] = None,
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
    correction: Annotated[Correction, typer.Option("--correction", help="With --table: of p-values.")] = Correction.BH,
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
            from abkit.reporting.tables.experiments import table_chart

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


app.command("simulate")(simulate)


@app.command("decide")
def decide(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The experiment.")],
    decision: Annotated[ExperimentDecision, typer.Argument(help="What becomes of it.")],
    by: Annotated[str, typer.Option("--by", help="Name of the person who decides.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; needed against the verdict.")] = "",
    second: Annotated[
        str, typer.Option("--second", help="Another person who agrees, for a decision against the verdict.")
    ] = "",
    variant: Annotated[str | None, typer.Option("--variant", help="Variant that is shipped.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=DAY, help="Day of the decision; today by default.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Record what was decided, with the rule and the figures it rests on."""
    from abkit.workflows.experiments.experiments import decide_experiment

    context: CommandContext = ctx.obj
    with context.store() as store:
        record = decide_experiment(
            store,
            key,
            decision,
            variant=variant,
            person=by,
            reason=reason,
            as_of=(as_of or datetime.now(UTC)).date(),
            second=second,
            needs_second=context.settings.experiments.second_name,
        )
    show(record, form)


@app.command("list")
def list_(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="One experiment: its looks and decisions.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Include archived experiments.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the experiments, or the history of one."""
    from abkit.workflows.experiments.experiments import history, list_experiments

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_experiments(store, archived=every) if key is None else history(store, key)
    rows = [record.to_dict() for record in found]
    columns = None if key is None else ("kind", "sequence", "as_of", "verdict", "decided_by", "reason", "rule", "run")
    print_rows(rows, form, columns=columns, empty="no experiments yet: abkit experiment create")
    for row in rows:
        if row.get("unreadable"):
            note(row["unreadable"])


def _listed(text: str | None) -> list[str]:
    return text.split(",") if text else []


app.command("programme")(review.programme)
app.command("archive")(upkeep.archive)
app.command("rename")(upkeep.rename)
app.command("delete")(upkeep.delete)


def _pairs(texts: list[str], option: str, form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()) or name.strip() in found:
            raise InvalidInput(f"{option} is {text!r}; expected {form}, each name once")
        found[name.strip()] = value.strip()
    return found


def _planned(text: str) -> tuple[float, Unit | None]:
    """Return a planned total with its unit, as far as it is named."""
    figure, _, word = text.strip().rpartition(" ")
    named = next((unit for unit in Unit if word.casefold() in (unit.value, unit.plural)), None)
    return (number(figure), named) if figure and named else (number(text), None)


def _matched(pairs: list[str]) -> dict[str, str]:
    """Return the stratum of each geography of pairs: the pair itself."""
    found: dict[str, str] = {}
    for one, other in _pairs(pairs, "--pair", "GEOGRAPHY=GEOGRAPHY").items():
        if one == other or {one, other} & found.keys():
            raise InvalidInput(f"--pair {one}={other} names a geography twice")
        found |= dict.fromkeys((one, other), f"{one}={other}")
    return found


def _loss(text: str) -> float:
    try:
        return number(text)
    except UsageError as error:
        raise InvalidInput(
            f"the acceptable loss is {text!r}; expected a share such as 0.05", hint=error.hint or str(error)
        ) from None
