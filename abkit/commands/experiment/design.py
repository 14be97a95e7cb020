"""`abkit experiment design`: which pairs are worth a test, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.experiment.options import MonitoringOption, PowerOption
from abkit.commands.figures import number
from abkit.commands.options import AsOfOption, CurrencyOption, RatesOption, rates_of
from abkit.commands.output import Format, FormatOption, show
from abkit.errors import UsageError
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import Metric, Monitoring


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
