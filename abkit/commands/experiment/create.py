"""`abkit experiment create`: the plan of an experiment, fixed before its first look."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.experiment.options import PowerOption
from abkit.commands.figures import number, numbers
from abkit.commands.options import DAY
from abkit.commands.output import note
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
from abkit.vocabulary import Allocation, Dimension, Metric, Monitoring, Unit, parse_choice

PART_OF_DAY = ("day-part", "daypart", "day_part", "hour", "part-of-day")


def _unit(text: str) -> Unit:
    """Return the unit; parts of a day are refused with what to do instead."""
    if str(text).casefold() in PART_OF_DAY:
        raise UsageError(
            f"the unit is {text!r}, and the store keeps days: what was delivered by part of a day is not in it",
            hint="export one row per part of a day, with the variant that had it, and compare these rows: abkit "
            "experiment analyze --rows FILE --unit PART --variant VARIANT --metric clicks --denominator impressions",
        )
    try:
        return parse_choice(Unit, text, name="unit")
    except InvalidInput as error:
        raise typer.BadParameter(error.message) from None


def create(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Name of the experiment.")],
    variant: Annotated[
        list[str],
        typer.Option("--variant", help="NAME=AD: the platform's ad id or the creative's name; the control first."),
    ],
    unit: Annotated[Unit, typer.Option("--unit", parser=_unit, metavar="|".join(Unit), help="What is randomized.")],
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
        typer.Option("--outcome-days", min=1, help="With --unit user: days of each that count, from exposure on."),
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


def _listed(text: str | None) -> list[str]:
    return text.split(",") if text else []


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
