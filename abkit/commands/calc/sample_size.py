"""`abkit calc sample-size`: how many units a test takes, which lift it can find, and with what power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.calc.input import AlternativeOption, arm_of
from abkit.commands.output import Format, FormatOption, show
from abkit.vocabulary import Alternative, Monitoring, Spending

if TYPE_CHECKING:
    pass


def sample_size(
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="The control's rate such as 0.02; or its mean, with --sd.")
    ] = None,
    lift: Annotated[float | None, typer.Option("--lift", help="The relative effect to find, such as 0.10.")] = None,
    per_variant: Annotated[
        float | None,
        typer.Option(
            "--per-variant", help="Units in each treatment. Without --lift: show the smallest lift; with it: the power."
        ),
    ] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation of a unit: the metric is a mean, not a rate.")
    ] = None,
    pilot: Annotated[
        str | None,
        typer.Option("--pilot", help="N,ΣY,ΣX,ΣY²,ΣX²,ΣXY of units seen before: the metric is the ratio ΣY/ΣX."),
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Wanted chance to find the effect.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Error rate of the whole test.")] = 0.05,
    arms: Annotated[int, typer.Option("--arms", help="Number of arms, the control included.")] = 2,
    ratio: Annotated[float, typer.Option("--ratio", help="Units of a treatment ÷ units of the control.")] = 1.0,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    monitoring: Annotated[
        Monitoring, typer.Option("--monitoring", help="One look, any look, or planned looks.")
    ] = Monitoring.FIXED,
    looks: Annotated[int, typer.Option("--looks", help="group: number of planned looks.")] = 5,
    spending: Annotated[Spending, typer.Option("--spending", help="group: how the error is spent.")] = (
        Spending.OBRIEN_FLEMING
    ),
    daily_traffic: Annotated[
        float | None, typer.Option("--daily-traffic", help="Units per day over all arms: shows the days.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the units, the smallest lift or the power of a test."""
    from abkit.errors import InvalidInput, UsageError
    from abkit.stats.arms import PairMoments
    from abkit.stats.design import sample_size as design

    if lift is None and per_variant is None:
        raise UsageError("give either --lift or --per-variant, or both to know the power")
    if pilot is not None and (baseline is not None or sd is not None):
        raise UsageError("--pilot includes the baseline and the standard deviation: leave out --baseline and --sd")
    start = baseline if pilot is None else arm_of(pilot)
    if start is None:
        raise UsageError("give --baseline, or --pilot for a ratio")
    if not isinstance(start, float | PairMoments):
        raise InvalidInput(f"--pilot is {pilot!r}; expected six sums over units: N,ΣY,ΣX,ΣY²,ΣX²,ΣXY")
    size = design.sample_size(
        start,
        lift,
        standard_deviation=sd,
        per_variant=per_variant,
        power=power,
        alpha=alpha,
        arms=arms,
        ratio=ratio,
        alternative=alternative,
        monitoring=monitoring,
        looks=looks,
        spending=spending,
        daily_traffic=daily_traffic,
    )
    show(size, form)
