"""`abkit calc sample-size`: how many units a test takes, which lift it can find, and with what power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.calc.input import Alternative, AlternativeOption, Monitoring, Spending, arm_of
from abkit.commands.figures import percent, print_record
from abkit.commands.output import Format, FormatOption

if TYPE_CHECKING:
    from abkit.stats.design.power import Design, SampleSize


def sample_size(
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="The control's rate such as 0.02; or its mean, with --sd.")
    ] = None,
    lift: Annotated[float | None, typer.Option("--lift", help="The relative effect to find, such as 0.10.")] = None,
    per_variant: Annotated[
        float | None,
        typer.Option(
            "--per-variant", help="Units a treatment. Without --lift it says the smallest lift, with it the power."
        ),
    ] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation: the metric is a mean, not a rate.")
    ] = None,
    pilot: Annotated[
        str | None,
        typer.Option("--pilot", help="N,ΣY,ΣX,ΣY²,ΣX²,ΣXY of units seen before: the metric is the ratio ΣY/ΣX."),
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance to find the effect.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Error rate of the whole test.")] = 0.05,
    arms: Annotated[int, typer.Option("--arms", help="Control and treatments.")] = 2,
    ratio: Annotated[float, typer.Option("--ratio", help="Units of a treatment ÷ units of the control.")] = 1.0,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    monitoring: Annotated[
        Monitoring, typer.Option("--monitoring", help="One look, any look, or planned looks.")
    ] = Monitoring.FIXED,
    looks: Annotated[int, typer.Option("--looks", help="group: how many planned looks.")] = 5,
    spending: Annotated[Spending, typer.Option("--spending", help="group: how the error is spent.")] = (
        Spending.OBRIEN_FLEMING
    ),
    daily_traffic: Annotated[
        float | None, typer.Option("--daily-traffic", help="Units a day over all arms: gives the days.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say how many units a test takes, which lift a test of a given size can find, or with what power."""
    from abkit.errors import UsageError
    from abkit.stats.design.power import Design

    design = Design(
        power, alpha, arms, ratio, alternative.value, monitoring.value, looks, spending.value, daily_traffic
    )
    if lift is None and per_variant is None:
        raise UsageError("give either --lift or --per-variant, or both to know the power")
    if pilot is not None:
        if baseline is not None or sd is not None:
            raise UsageError("--pilot has the baseline and the standard deviation in it: leave out --baseline and --sd")
        baseline, sd = _ratio_of(pilot)
    if baseline is None:
        raise UsageError("give --baseline, or --pilot for a ratio")
    size = _answer(baseline, sd, lift, per_variant, design)
    if pilot is not None:
        size = replace(size, method=f"{size.method}, delta-method variance of a ratio")
    print_record(size, form, rows=_rows(size))


def _answer(
    baseline: float, sd: float | None, lift: float | None, per_variant: float | None, design: Design
) -> SampleSize:
    from abkit.stats.design import detectable
    from abkit.stats.design.power import sample_size_for_means, sample_size_for_rates

    def size_of(lift: float, design: Design) -> SampleSize:
        if sd is None:
            return sample_size_for_rates(baseline, lift=lift, design=design)
        return sample_size_for_means(baseline, sd, lift=lift, design=design)

    if lift is None:
        assert per_variant is not None  # noqa: S101 - one of the two is given
        if sd is None:
            lift = detectable.smallest_lift_for_rates(baseline, per_variant=per_variant, design=design)
        else:
            lift = detectable.smallest_lift_for_means(baseline, sd, per_variant=per_variant, design=design)
        return size_of(lift, design)
    size = size_of(lift, design)
    if per_variant is None:
        return size
    if sd is None:
        power = detectable.power_for_rates(baseline, lift=lift, per_variant=per_variant, design=design)
    else:
        power = detectable.power_for_means(baseline, sd, lift=lift, per_variant=per_variant, design=design)
    return detectable.resized(size, per_variant, power, design)


def _ratio_of(pilot: str) -> tuple[float, float]:
    """A ratio metric's mean, and the standard deviation of one unit of it."""
    from abkit.errors import InvalidInput
    from abkit.stats.means.ratio import ratio_of_means
    from abkit.stats.moments import PairMoments

    seen = arm_of(pilot)
    if not isinstance(seen, PairMoments):
        raise InvalidInput(f"--pilot is {pilot!r}; expected six sums over units: N,ΣY,ΣX,ΣY²,ΣX²,ΣXY")
    unit = ratio_of_means(seen)
    return unit.mean, float(unit.standard_error * unit.n**0.5)


def _rows(size: SampleSize) -> list[dict[str, Any]]:
    rows = [
        {"figure": "units in each treatment", "value": f"{size.per_variant:,}"},
        {"figure": "units in the control", "value": f"{size.control:,}"},
        {"figure": "units in all", "value": f"{size.total:,}"},
        {"figure": "lift", "value": percent(size.lift, 2, sign=True)},
        {"figure": "power", "value": percent(size.power, 1)},
        {"figure": "alpha a comparison", "value": f"{size.alpha_per_comparison:.4g}"},
        {"figure": "test", "value": size.method},
    ]
    if size.plan is not None:
        rows.append({"figure": "stop at |z| of", "value": ", ".join(f"{z:.3f}" for z in size.plan.boundaries)})
    if size.days is not None:
        rows.append({"figure": "days", "value": f"{size.days:,}"})
    return rows
