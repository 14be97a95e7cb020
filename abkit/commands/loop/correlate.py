"""`abkit correlate`: whether scores go with clicks, conversions and money."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.figures import number
from abkit.commands.options import AsOfOption, CurrencyOption, FromOption, RatesOption
from abkit.commands.output import Format, FormatOption, note, show
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import Metric

app = typer.Typer()


@app.command("correlate")
def correlate(
    ctx: typer.Context,
    metric: Annotated[Metric, typer.Option("--metric", "-m", help=METRIC_HELP)] = Metric.CTR,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Only this campaign.")] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", help="Only this delivery, such as placement=feed,country=DE.")
    ] = None,
    start: FromOption = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day that counts.")] = None,
    as_of: AsOfOption = None,
    min_impressions: Annotated[
        int | None,
        typer.Option("--min-impressions", min=1, help="Leave out creatives with fewer (metrics of impressions, ROAS)."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Only this version (name or digest); all by default.")
    ] = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    margin_rate: Annotated[
        float | None,
        typer.Option(
            "--margin-rate",
            parser=number,
            metavar="NUMBER",
            help="For margin: share of the revenue left before advertising.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the scatter chart to a .png, .svg, .html or .json file.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Correlate scores with clicks, conversions or money, over all creatives and within campaign, with intervals."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        report = workspace.correlate(
            metric,
            as_of=as_of.date() if as_of else None,
            campaign=campaign,
            segment=segment,
            start=start.date() if start else None,
            end=end.date() if end else None,
            model=model,
            min_impressions=min_impressions,
            rates=rates,
            currency=currency,
            margin_rate=margin_rate,
        )
    show(report, form, as_rows=True)
    if plot:
        from abkit.reporting.charts.score_kpi import correlation_chart
        from abkit.reporting.charts.theme import save_chart

        note(f"chart: {save_chart(correlation_chart(report), plot)}")
