"""A plan in money: what a budget buys, what a test of that size can tell, and which tests it is best spent on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from abkit.errors import InvalidInput
from abkit.records import Record, percent
from abkit.stats.design.power import Design, Mean, Rate
from abkit.stats.design.sample_size import DEFAULT, power_of, size_of, smallest_lift

CANNOT = "at this budget no test can tell a lift under {least}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCost(Record):
    """What impressions cost and bring.

    Attributes:
        cpm: Money per 1,000 impressions, above 0.
        budget: Money for the whole test, above 0.
        units_per_impression: Units of the metric per impression: 1 where these are impressions, the CTR where they are
            clicks.
        events_per_impression: Clicks or conversions of the control per impression.
        events: What these are.
        worth_per_1000: Money that 1,000 impressions of the control bring, or cost where that is the metric; None where
            it is not known.
        lower: Whether lower is better, so that a lift is a drop.

    Raises:
        InvalidInput: An amount is not above 0.
    """

    cpm: float
    budget: float
    units_per_impression: float = 1.0
    events_per_impression: float
    events: str = "clicks"
    worth_per_1000: float | None = None
    lower: bool = False

    def __post_init__(self) -> None:
        for name in ("cpm", "budget"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInput(f"the {name} is {value}; expected an amount above 0")

    @property
    def impressions(self) -> int:
        """Impressions that the budget buys, over all arms."""
        return int(self.budget / self.cpm * 1000)

    def cost(self, units: float) -> float:
        """Return what so many units cost."""
        return units / self.units_per_impression * self.cpm / 1000

    def more_events(self, lift: float, per_variant: float) -> float:
        """Return how many more events than the control a variant with this lift has, of as many units."""
        # A cost that falls by 20 % is 25 % more for the same money.
        more = 1 / (1 - lift) - 1 if self.lower and lift < 1 else lift
        return per_variant / self.units_per_impression * self.events_per_impression * more


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPlan(Record):
    """What a test of two arms can tell at a budget.

    Attributes:
        cpm: Money per 1,000 impressions.
        budget: Money for the test.
        impressions: Impressions that it buys, over both arms.
        days: Days that these take at the daily traffic given, or None.
        smallest_lift: The smallest relative change that the test finds with the wanted power, as a size; None where it
            finds none.
        smallest_gain: What that lift is worth per 1,000 impressions; None where no money is known.
        more_events: How many more events than the control a variant with that lift has at the end.
        events: What these are: clicks, conversions.
        planned_lift: The lift that the test is planned for, as a size; None without one.
        enough: Whether the budget is enough for the planned lift; None without one.
        planned_cost: What a test for the planned lift costs; None without one.
        planned_days: Days that it takes, or None.
        planned_more_events: How many more events a variant with the planned lift would need; None without one.
        sentence: What can be told.
    """

    cpm: float
    budget: float
    impressions: int
    days: int | None
    smallest_lift: float | None
    smallest_gain: float | None
    more_events: float | None
    events: str
    planned_lift: float | None = None
    enough: bool | None = None
    planned_cost: float | None = None
    planned_days: int | None = None
    planned_more_events: float | None = None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBudget(Record):
    """What a test of one pair takes, in money.

    Attributes:
        impressions: Impressions that it takes, over both arms.
        days: Days that it takes at the daily traffic given, or None.
        cost: What they cost.
        affordable: Whether the budget is enough.
        chance_to_decide: Chance that a test at this budget, or at its own lower cost, finds the expected lift.
        more_events: How many more clicks or conversions than the control the variant would need.
        information: Expected lift × chance to decide ÷ money that is spent, in percent per 1,000.
    """

    impressions: int
    days: int | None
    cost: float
    affordable: bool
    chance_to_decide: float
    more_events: float
    information: float


def plan_budget(
    metric: Rate | Mean, traffic: TrafficCost, design: Design = DEFAULT, *, planned_lift: float | None = None
) -> BudgetPlan:
    """Return what a test of two arms can tell at a budget.

    Args:
        metric: The control's rate or mean, per unit.
        traffic: What units cost.
        design: Power, alpha and monitoring; its daily traffic is impressions.
        planned_lift: The relative change that the test is to find, as a size.

    >>> plan = plan_budget(Rate(0.01), TrafficCost(cpm=7.5, budget=3000, events_per_impression=0.01), planned_lift=0.05)
    >>> plan.impressions, round(plan.smallest_lift, 3), round(plan.planned_cost)
    (400000, 0.09, 9555)
    >>> plan.sentence
    'at this budget no test can tell a lift under 9.0 %: the planned 5.0 % would take 9,555'
    """
    impressions = traffic.impressions
    per_variant = impressions * traffic.units_per_impression / 2
    days = math.ceil(impressions / design.daily_traffic) if design.daily_traffic else None
    units = replace(design, daily_traffic=None)
    try:
        least = abs(smallest_lift(metric, per_variant, units))
    except InvalidInput:
        least = None
    word = "drop" if traffic.lower else "lift"
    if least is None or (traffic.lower and least >= 1):
        least, sentence = None, f"at this budget no test can tell any {word}"
    else:
        sentence = f"at this budget a test can tell a {word} from {percent(least, 1)} on"
    gain = least * traffic.worth_per_1000 if least is not None and traffic.worth_per_1000 is not None else None
    plan = BudgetPlan(
        cpm=traffic.cpm,
        budget=traffic.budget,
        impressions=impressions,
        days=days,
        smallest_lift=least,
        smallest_gain=gain,
        more_events=traffic.more_events(least, per_variant) if least is not None else None,
        events=traffic.events,
        sentence=sentence,
    )
    if planned_lift is None:
        return plan
    wanted = abs(planned_lift)
    pair = plan_pair(metric, wanted, traffic, design)
    if not pair.affordable:
        cannot = CANNOT.format(least=percent(least, 1)).replace("lift", word) if least is not None else sentence
        sentence = f"{cannot}: the planned {percent(wanted, 1)} would take {pair.cost:,.0f}"
    return replace(
        plan,
        planned_lift=wanted,
        enough=pair.affordable,
        planned_cost=pair.cost,
        planned_days=pair.days,
        planned_more_events=pair.more_events,
        sentence=sentence,
    )


def plan_pair(
    metric: Rate | Mean, lift: float, traffic: TrafficCost, design: Design = DEFAULT, *, promise: float | None = None
) -> PairBudget:
    """Return what a test of one pair takes, in money.

    Args:
        metric: The control's rate or mean, per unit.
        lift: The expected lift, as a size.
        traffic: What units cost.
        design: Power, alpha and monitoring; its daily traffic is impressions.
        promise: What the lift is expected to be when the doubt about it is taken in; by default the lift.

    >>> pair = plan_pair(Rate(0.01), 0.1, TrafficCost(cpm=7.5, budget=3000, events_per_impression=0.01))
    >>> pair.affordable, round(pair.cost), pair.chance_to_decide, round(pair.more_events)
    (True, 2446, 0.8, 163)
    """
    signed = -lift if traffic.lower else lift
    units = replace(design, daily_traffic=None)
    size = size_of(metric, signed, units)
    cost = traffic.cost(size.total)
    chance = design.power
    if cost > traffic.budget:
        share = traffic.impressions * traffic.units_per_impression / 2
        chance = power_of(metric, signed, share, units) if share >= metric.fewest else 0.0
    impressions = math.ceil(size.total / traffic.units_per_impression)
    return PairBudget(
        impressions=impressions,
        days=math.ceil(impressions / design.daily_traffic) if design.daily_traffic else None,
        cost=cost,
        affordable=cost <= traffic.budget,
        chance_to_decide=chance,
        more_events=traffic.more_events(lift, size.per_variant),
        information=1e5 * (lift if promise is None else promise) * chance / min(cost, traffic.budget),
    )
