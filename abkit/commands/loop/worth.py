"""`abkit worth`: what listening to the score is worth, in winners, clicks, money and hours."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.figures import number
from abkit.commands.options import AsOfOption, CurrencyOption, FromOption, RatesOption
from abkit.commands.output import Format, FormatOption, show
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import Metric, WinnerRule

app = typer.Typer()


@app.command("worth")
def worth(
    ctx: typer.Context,
    metric: Annotated[Metric, typer.Option("--metric", "-m", help=METRIC_HELP)] = Metric.CTR,
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, help="How many variants of each campaign would be launched.")
    ] = 3,
    campaign: Annotated[
        list[str] | None, typer.Option("--campaign", "-c", help="Only this campaign; may be repeated.")
    ] = None,
    rule: Annotated[
        WinnerRule,
        typer.Option("--winner", help="Who wins a campaign: highest shrunk appeal, highest ratio, or most events."),
    ] = WinnerRule.SHRUNK,
    cost: Annotated[
        float | None,
        typer.Option(
            "--cost-per-variant",
            parser=number,
            metavar="MONEY",
            help="What making one more variant and testing it costs, media included.",
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option("--hours-per-variant", parser=number, metavar="HOURS", help="Hours of work that a variant takes."),
    ] = None,
    variants: Annotated[
        float | None,
        typer.Option(
            "--variants-per-month",
            parser=number,
            metavar="NUMBER",
            help="New variants a month; as many as were launched lately by default.",
        ),
    ] = None,
    value: Annotated[
        float | None,
        typer.Option(
            "--value-per-event",
            parser=number,
            metavar="MONEY",
            help="What a click (a conversion, for metrics of those) is worth; its revenue, else its cost, by default.",
        ),
    ] = None,
    start: FromOption = None,
    as_of: AsOfOption = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The version whose scores are judged (name or digest).")
    ] = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what listening to the score is worth: winners kept, clicks and money gained, variants that can be dropped."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        report = workspace.worth(
            metric,
            k=k,
            campaigns=campaign or None,
            rule=rule,
            cost_per_variant=cost,
            hours_per_variant=hours,
            variants_per_month=variants,
            value_per_event=value,
            start=start.date() if start else None,
            as_of=as_of.date() if as_of else None,
            model=model,
            rates=rates,
            currency=currency,
        )
    show(report, form, as_rows=form is Format.CSV)
