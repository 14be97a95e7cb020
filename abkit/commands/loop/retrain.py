"""`abkit retrain`: learn from what was delivered, and promote what proves better."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.options import AsOfOption, DeviceOption
from abkit.commands.output import Format, FormatOption, progress_bars, show
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import Metric

app = typer.Typer()


@app.command("retrain")
def retrain(
    ctx: typer.Context,
    as_of: AsOfOption = None,
    metric: Annotated[
        Metric | None,
        typer.Option("--metric", "-m", help=f"KPI that is learned and judged; that of [retrain]. {METRIC_HELP}"),
    ] = None,
    segment: Annotated[
        str, typer.Option("--segment", help="Learn and judge by this delivery only, such as placement=feed.")
    ] = "",
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Train a challenger and hold it beside the champion; judge later.")
    ] = False,
    judge: Annotated[bool, typer.Option("--judge", help="Judge the challenger that is held; train nothing.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 when the challenger does not take over.")
    ] = False,
    device: DeviceOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Train a challenger on what was known, judge it on later launches, and promote it only if it is better.

    It is judged on creatives that neither scorer saw: at least 100 in 10 campaigns, launched after the challenger
    learned. Each is used once; every further judgment against the same champion has to be clearer.
    """
    context: CommandContext = ctx.obj
    context.compute_on(device)
    with context.workspace as workspace, progress_bars() as progress:
        result = workspace.retrain(
            as_of=as_of.date() if as_of else None,
            metric=metric,
            segment=segment,
            shadow=shadow,
            judge=judge,
            seed=seed,
            progress=progress,
        )
    show(result, form)
    if exit_code and not result.promoted:
        raise typer.Exit(3)
