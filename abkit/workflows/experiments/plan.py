"""What is fixed of an experiment before its first look, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.records import Record
from abkit.stats.verdicts.sample_ratio import check_weights
from abkit.vocabulary import Allocation, Dimension, Direction, Metric, Monitoring, Unit, parse_choice

MOST_CARRY_OVER = 28
MOST_OUTCOME_DAYS = 365
MOST_BEFORE = 365


@dataclass(frozen=True, kw_only=True)
class ExperimentPlan(Record):
    """What is fixed before the first look.

    Attributes:
        key: Name of the experiment.
        variants: Name → the ad's platform id or the creative's name; the first one is the control.
        unit: What is randomized.
        allocation: Whether variants are assigned at random, or as the platform optimizes.
        metric: What is compared.
        split: Planned shares, in the order of the variants; equal by default.
        campaign: Key of the campaign, if any.
        starts_on: First day that counts.
        ends_on: Last day that counts; the test runs through the whole of it.
        level: Confidence level of the intervals.
        power: Power that the test was planned with.
        lift: Lift that it was planned to find, or None; below 0 where lower is better.
        planned_total: Units in all arms with which the test ends, or None.
        planned_unit: What these units are; by default what the test counts (see `counted_unit`).
        monitoring: How often the test is looked at; `anytime` by default where the unit allows it, else `fixed`.
        looks: Planned looks, for `group`.
        guardrails: Metric → the largest acceptable relative loss.
        watch: Metrics that are shown with their verdicts and do not decide.
        margin_rate: For the margin: the share of the revenue that is left before advertising.
        cap: Quantile of the units' values above which revenue is capped, in metrics made of it; None for no cap.
        geography: What makes a geography: `country`, or another dimension of delivery.
        strata: Geography → the stratum, such as a pair, that it was drawn in; none by default.
        paired: Whether each geography has all arms, so that they are compared within it.
        before: Days before the first one whose figures are taken out of the geographies' (CUPED); None for none.
        schedule: Day → variant, where days were randomized; made out from what was delivered by default.
        carry_over: Days left out at the start of each block of days, where days were randomized.
        outcome_days: Users count from their first exposure on, each for as many days; None where that is not so.

    Raises:
        InvalidInput: A unit, allocation, metric or monitoring that does not exist.
    """

    key: str
    variants: Mapping[str, str]
    unit: Unit
    allocation: Allocation
    metric: Metric = Metric.CTR
    split: Sequence[float] | None = None
    campaign: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    level: float = 0.95
    power: float = 0.8
    lift: float | None = None
    planned_total: float | None = None
    planned_unit: Unit | None = None
    monitoring: Monitoring | None = None
    looks: int | None = None
    guardrails: Mapping[Metric, float] = field(default_factory=dict)
    watch: Sequence[Metric] = ()
    margin_rate: float = 1.0
    cap: float | None = None
    geography: Dimension = Dimension.COUNTRY
    strata: Mapping[str, str] = field(default_factory=dict)
    paired: bool = False
    before: int | None = None
    schedule: Mapping[date, str] = field(default_factory=dict)
    carry_over: int = 0
    outcome_days: int | None = None

    @property
    def needs_money(self) -> bool:
        """Whether any of its metrics is made of spend or revenue."""
        return any(METRICS[metric].needs for metric in self.metrics)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that is compared: the one that decides, those of guardrails, those that are watched."""
        return tuple(dict.fromkeys((self.metric, *self.guardrails, *self.watch)))

    @property
    def counted(self) -> str:
        """What has values of its own: geographies, or days."""
        return "geographies" if self.unit is Unit.GEOGRAPHY else "days"

    def __post_init__(self) -> None:
        for name, kind in (("unit", Unit), ("allocation", Allocation), ("metric", Metric), ("geography", Dimension)):
            object.__setattr__(self, name, parse_choice(kind, getattr(self, name), name=name))
        watched = tuple(parse_choice(Metric, metric, name="watched metric") for metric in self.watch)
        object.__setattr__(self, "watch", tuple(dict.fromkeys(watched)))
        chosen = self.monitoring
        if chosen is None:
            chosen = Monitoring.FIXED if no_anytime(self) else Monitoring.ANYTIME
        object.__setattr__(self, "monitoring", parse_choice(Monitoring, chosen, name="monitoring"))
        if self.planned_total is not None:
            object.__setattr__(self, "planned_unit", self.planned_unit or counted_unit(self))
        if self.planned_unit is not None:
            unit = parse_choice(Unit, self.planned_unit, name="unit of the planned total")
            object.__setattr__(self, "planned_unit", unit)

    def has_ended(self, day: date) -> bool:
        """Return whether the test is over on this day. See `has_ended`."""
        return has_ended(self.ends_on, day)


def counted_unit(plan: ExperimentPlan) -> Unit:
    """Return what a test counts towards its planned total: days where the platform steers, else what is randomized."""
    return Unit.DAY if plan.allocation is Allocation.OPTIMIZED else plan.unit


def no_anytime(plan: ExperimentPlan) -> str:
    """Return why a test cannot be looked at at any time; empty where it can.

    That takes units that enter one after another, each with an outcome that is closed.
    """
    if plan.unit is Unit.GEOGRAPHY:
        return "all geographies are in from the first day on, and their sums change until the last"
    if plan.unit in (Unit.USER, Unit.SESSION) and plan.allocation is Allocation.RANDOM and not plan.outcome_days:
        return f"{plan.unit}s that came early go on delivering, so their outcomes are open until the end"
    return ""


def has_ended(ends_on: date | None, day: date) -> bool:
    """Return whether a test with this last day is over on a day: from the day after on.

    On the last day itself deliveries still arrive. A fixed-horizon verdict may be given once; given on that day it
    would be used up on an unfinished test.

    >>> has_ended(date(2026, 3, 10), date(2026, 3, 10)), has_ended(date(2026, 3, 10), date(2026, 3, 11))
    (False, True)
    """
    return ends_on is not None and day > ends_on


def check_key(key: str) -> None:
    """Refuse what is no key of an experiment.

    Raises:
        InvalidInput: It is empty, too long, or has a character that cannot be printed.
    """
    if not key.strip() or not key.isprintable() or len(key) > 200:
        raise InvalidInput(f"the key is {key[:50]!r}; expected 1 to 200 printable characters")


def check_plan(plan: ExperimentPlan) -> tuple[float, ...]:
    """Return the planned shares, once everything is in order.

    Raises:
        InvalidInput: A value is not valid; the message has it, and what was expected.
    """
    check_key(plan.key)
    if len(plan.variants) < 2:
        raise InvalidInput(f"{len(plan.variants)} variant is given; an experiment needs a control and a treatment")
    shown = list(plan.variants.values())
    if len(set(shown)) < len(shown):
        twice = next(name for name in shown if shown.count(name) > 1)
        raise InvalidInput(f"two variants are {twice!r}; expected a different ad or creative for each")
    if plan.looks is not None and plan.monitoring is not Monitoring.GROUP:
        raise InvalidInput(f"{plan.looks} looks are planned and the monitoring is {plan.monitoring}; expected group")
    if plan.monitoring is Monitoring.GROUP:
        if reason := no_anytime(plan):
            raise InvalidInput(
                f"planned looks divide the error by how much of a test is in, and here {reason}",
                hint="a test of such units is judged once, at its planned end: --monitoring fixed with --to",
            )
        if not plan.planned_total or not plan.looks:
            raise InvalidInput("planned looks need a planned total and their number")
        if plan.allocation is Allocation.OPTIMIZED or plan.unit is not Unit.IMPRESSION:
            raise InvalidInput(
                f"planned looks are for impressions assigned at random; here the unit is {plan.unit} and the "
                f"allocation {plan.allocation}",
                hint="use anytime",
            )
    _check_units(plan)
    for name, share in (("level", plan.level), ("power", plan.power)):
        if not 0 < share < 1:
            raise InvalidInput(f"the {name} is {share}; it has to lie between 0 and 1")
    if plan.starts_on and plan.ends_on and plan.ends_on < plan.starts_on:
        raise InvalidInput(f"the experiment ends on {plan.ends_on}, before it starts on {plan.starts_on}")
    _check_total(plan)
    if plan.lift is not None and not (math.isfinite(plan.lift) and plan.lift > -1 and plan.lift != 0):
        raise InvalidInput(f"the planned lift is {plan.lift}; expected a number above -1 other than 0, such as 0.1")
    if plan.lift is not None and METRICS[plan.metric].direction is Direction.LOWER and plan.lift > 0:
        raise InvalidInput(
            f"the planned lift of {plan.metric} is {plan.lift}, and lower is better there",
            hint=f"expected a number below 0, such as {-min(plan.lift, 0.9):g}",
        )
    if not 0 < plan.margin_rate <= 1:
        raise InvalidInput(
            f"the margin rate is {plan.margin_rate}; expected the share of the revenue that is left, such as 0.4"
        )
    for metric, margin in plan.guardrails.items():
        if metric not in list(Metric) or not 0 < margin < 1:
            raise InvalidInput(
                f"the guardrail {metric}={margin}; expected a metric ({', '.join(Metric)}) and a loss between 0 and 1"
            )
    if plan.metric in plan.watch:
        raise InvalidInput(f"{plan.metric} decides, and is to be watched as well; expected one of the two")
    _check_cap(plan)
    _check_before(plan)
    shares = check_weights(plan.split or [1.0] * len(plan.variants), arms=len(plan.variants))
    if min(shares) == 0:
        name = list(plan.variants)[shares.index(0)]
        raise InvalidInput(f"the planned share of {name} is 0; expected a share above 0 for each variant")
    return shares


MOST_OF = {Unit.DAY: 1_000, Unit.GEOGRAPHY: 100_000}
FEWEST_OF = {Unit.IMPRESSION: 1_000, Unit.USER: 100, Unit.SESSION: 100}
"""Totals beyond these are of another unit than the test counts."""


def _check_total(plan: ExperimentPlan) -> None:
    """Refuse a planned total that the test does not count, or that cannot be meant."""
    total, unit, counted = plan.planned_total, plan.planned_unit, counted_unit(plan)
    if total is None or unit is None:
        if unit is not None:
            raise InvalidInput(f"a planned total of {unit.plural} has no number; expected such as 28 {unit.plural}")
        return
    if not 1 <= total < math.inf or total != int(total):
        raise InvalidInput(f"the planned total is {total:g}; expected a whole number of 1 or more")
    if unit is not counted:
        raise InvalidInput(
            f"the planned total is {total:,.0f} {unit.plural}; this test counts {counted.plural}",
            hint=f"give --planned-total 'N {counted.plural}', or the last day with --to",
        )
    if not FEWEST_OF.get(unit, 1) <= total <= MOST_OF.get(unit, math.inf):
        raise InvalidInput(
            f"the planned total is {total:,.0f} {unit.plural}, which cannot be meant",
            hint=f"this test counts {counted.plural}: give as many as all arms are to have when it ends",
        )
    if unit is Unit.DAY and plan.starts_on and plan.ends_on:
        lasts = (plan.ends_on - plan.starts_on).days + 1
        if total > lasts:
            raise InvalidInput(f"the planned total is {total:,.0f} days; from its first day to its last it has {lasts}")


def _check_cap(plan: ExperimentPlan) -> None:
    """Refuse a cap that is none, or that would have no effect."""
    if plan.cap is None:
        return
    if not 0.5 < plan.cap < 1:
        raise InvalidInput(f"the cap is the quantile {plan.cap}; expected one between 0.5 and 1, such as 0.99")
    if not any("revenue" in METRICS[metric].numerator for metric in plan.metrics):
        raise InvalidInput(f"a cap is given, and nothing is made of revenue; the metric is {plan.metric}")
    if plan.unit in (Unit.USER, Unit.SESSION) and plan.allocation is Allocation.RANDOM:
        raise InvalidInput(
            f"a cap is given, and the unit is {plan.unit}: the store has no revenue of single {plan.unit}s",
            hint="cap it in the rows that are analyzed",
        )


def _check_before(plan: ExperimentPlan) -> None:
    """Refuse former figures where no unit has any, or where there is no before."""
    if plan.before is None:
        return
    if plan.unit is not Unit.GEOGRAPHY or plan.paired:
        why = "each geography has all arms" if plan.paired else f"the unit is {plan.unit}"
        raise InvalidInput(
            f"former figures are to be taken out, and {why}; the store has them of geographies that belong to one arm",
            hint="leave --before out",
        )
    if plan.starts_on is None:
        raise InvalidInput("former figures are to be taken out, and the test has no first day", hint="give --from")
    if not 1 <= plan.before <= MOST_BEFORE:
        raise InvalidInput(f"{plan.before} days before the test; expected 1 to {MOST_BEFORE}")


def _check_units(plan: ExperimentPlan) -> None:
    """Refuse what the unit does not allow, and options that would have no effect."""
    if plan.monitoring is Monitoring.ANYTIME and (reason := no_anytime(plan)):
        hint = "use --monitoring fixed with the last day, --to"
        if plan.unit is Unit.USER:
            hint += "; or, if users count from their first exposure for a fixed time, say how long: --outcome-days 7"
        raise InvalidInput(f"any-time analysis is not valid where the unit is {plan.unit}: {reason}", hint=hint)
    of_geographies = plan.strata or plan.paired or plan.geography is not Dimension.COUNTRY
    if of_geographies and plan.unit is not Unit.GEOGRAPHY:
        raise InvalidInput(f"strata, pairs or a kind of geography are given, and the unit is {plan.unit}")
    if plan.unit is Unit.GEOGRAPHY:
        if plan.ends_on is None:
            raise InvalidInput("a test of geographies is judged at its end; expected its last day", hint="give --to")
        if plan.paired and plan.strata:
            raise InvalidInput("each geography has all arms, and strata are given; expected one of the two")
    if (plan.schedule or plan.carry_over) and plan.unit is not Unit.DAY:
        raise InvalidInput(f"a schedule or carry-over is given, and the unit is {plan.unit}; expected day")
    if not 0 <= plan.carry_over <= MOST_CARRY_OVER:
        raise InvalidInput(f"{plan.carry_over} days of carry-over; expected 0 to {MOST_CARRY_OVER}")
    if unknown := sorted(set(plan.schedule.values()) - set(plan.variants)):
        raise InvalidInput(f"the schedule names {unknown[0]!r}; the variants are {', '.join(plan.variants)}")
    if plan.outcome_days is not None:
        if plan.unit is not Unit.USER:
            raise InvalidInput(f"an outcome window is given, and the unit is {plan.unit}; expected user")
        if not 1 <= plan.outcome_days <= MOST_OUTCOME_DAYS:
            raise InvalidInput(f"the outcome window has {plan.outcome_days} days; expected 1 to {MOST_OUTCOME_DAYS}")
