"""Which pairs of variants are worth a test, given their scores and what a score point has been worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from scipy.special import ndtr

from abkit.errors import InvalidInput
from abkit.records import Record, percent
from abkit.stats.design.budget import PairBudget, TrafficCost, plan_pair
from abkit.stats.design.power import Design, Mean, Rate
from abkit.stats.design.sample_size import DEFAULT, SampleSize, size_of


@dataclass(frozen=True, slots=True)
class ScoredVariant:
    """A variant and its score.

    Attributes:
        key: Its name.
        score: Predicted mean opinion.
        standard_error: Standard error of that prediction.
    """

    key: str
    score: float
    standard_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan(Record):
    """What a test of two variants promises.

    Attributes:
        control: The variant with the lower score.
        treatment: The variant with the higher score.
        score_gap: Difference of their scores.
        chance_scored_right: P(the higher-scored one has the higher true score).
        expected_lift: Expected lift of its rate, from the score–KPI relation; None without one.
        size: The test that finds that lift; None without a relation, or for too small a lift.
        worth_testing: Whether the test fits into `most_days`.
        why: The reason in words.
        budget: What it takes in money, and what it can tell at the budget; None without one.
    """

    control: str
    treatment: str
    score_gap: float
    chance_scored_right: float
    expected_lift: float | None = None
    size: SampleSize | None = None
    worth_testing: bool
    why: str
    budget: PairBudget | None = None


def plan_pairs(
    variants: Sequence[ScoredVariant],
    *,
    baseline: float | Rate | Mean,
    log_lift_per_point: float | None = None,
    design: Design = DEFAULT,
    most_days: int = 60,
    traffic: TrafficCost | None = None,
    units_per_impression: float = 1.0,
    lower: bool = False,
) -> tuple[PairPlan, ...]:
    """Plan a test of every pair of variants, the most promising first.

    Args:
        variants: At least two.
        baseline: The rate expected of the control; or its mean with its spread.
        log_lift_per_point: How much log rate a score point has been worth (the fitted score–KPI relation), or None.
        design: Power, split and daily traffic.
        most_days: How long a test may take.
        traffic: What impressions cost, and the budget; without it nothing is said about money.
        units_per_impression: Units of the metric per impression, where the daily traffic counts impressions.
        lower: Whether lower is better: a higher score then promises a drop.

    >>> variants = [ScoredVariant("a", 5.0, 0.2), ScoredVariant("b", 6.0, 0.2)]
    >>> plan = plan_pairs(variants, baseline=0.02, log_lift_per_point=0.1, design=Design(daily_traffic=10_000))[0]
    >>> plan.treatment, round(plan.expected_lift, 3), plan.size.days, plan.worth_testing
    ('b', 0.105, 15, True)
    """
    if len(variants) < 2:
        raise InvalidInput(f"{len(variants)} variant is given; a test takes at least 2")
    metric = Rate(baseline) if isinstance(baseline, int | float) else baseline
    plans = [
        _plan(one, other, metric, log_lift_per_point, design, most_days, traffic, units_per_impression, lower)
        for one, other in combinations(variants, 2)
    ]
    return tuple(sorted(plans, key=by_promise))


def by_promise(plan: PairPlan) -> tuple[bool, float, float]:
    """Return what sorts plans: those worth a test first, then what is learned for the money, then the gap of scores."""
    return not plan.worth_testing, -(plan.budget.information if plan.budget else 0.0), -plan.score_gap


def _plan(
    one: ScoredVariant,
    other: ScoredVariant,
    metric: Rate | Mean,
    slope: float | None,
    design: Design,
    most_days: int,
    traffic: TrafficCost | None,
    units_per_impression: float,
    lower: bool,
) -> PairPlan:
    low, high = sorted((one, other), key=lambda variant: variant.score)
    gap = high.score - low.score
    spread = math.hypot(low.standard_error, high.standard_error)
    chance = float(ndtr(gap / spread)) if spread > 0 else float(gap > 0) or 0.5
    plan = partial(PairPlan, control=low.key, treatment=high.key, score_gap=gap, chance_scored_right=chance)
    if slope is None:
        why = "no score–KPI relation is fitted yet: the score gap alone does not say how long a test takes"
        return plan(worth_testing=False, why=why)
    # More events for the same money is a lower cost of each.
    lift = math.expm1(-slope * gap if lower else slope * gap)
    # Less than a tenth of a percent takes hundreds of millions of impressions.
    if abs(lift) < 0.001 or (isinstance(metric, Rate) and metric.baseline * (1 + lift) >= 1):
        why = f"the scores promise a lift of {percent(lift, 2)}: too little to find in any test"
        return plan(expected_lift=lift, worth_testing=False, why=why)
    daily = design.daily_traffic * units_per_impression if design.daily_traffic is not None else None
    size = size_of(metric, lift, replace(design, daily_traffic=daily))
    budget = plan_pair(metric, abs(lift), traffic, design, promise=abs(lift) * chance) if traffic else None
    fits = size.days is None or size.days <= most_days
    if size.days is None:
        why = (
            f"{size.total:,} units for an expected lift of {percent(lift, 1)}; give the daily traffic to know the days"
        )
    else:
        why = f"{size.days} days for an expected lift of {percent(lift, 1)}" + (
            "" if fits else f": more than {most_days}"
        )
    if budget is not None and not budget.affordable:
        fits, why = False, f"{why}; it costs {budget.cost:,.0f}, more than the budget"
    return plan(expected_lift=lift, size=size, worth_testing=fits, why=why, budget=budget)
