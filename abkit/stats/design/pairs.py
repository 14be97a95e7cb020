"""Which pairs of variants are worth a test, given their scores and what a score point has been worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr

from abkit.errors import InvalidInput
from abkit.stats.design.power import Design, SampleSize, sample_size_for_rates


@dataclass(frozen=True, slots=True)
class ScoredVariant:
    """A variant and its score.

    Attributes:
        key: its name.
        score: predicted mean opinion.
        standard_error: of that prediction.
    """

    key: str
    score: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What a test of two variants promises.

    Attributes:
        control: the one with the lower score.
        treatment: the one with the higher score.
        score_gap: between them.
        chance_scored_right: P(the higher-scored one has the higher true score).
        expected_lift: of its rate, from the score–KPI relation; None without one.
        size: the test that finds that lift; None without a relation, or for too small a lift.
        worth_testing: whether the test fits into `most_days`.
        why: in words.
    """

    control: str
    treatment: str
    score_gap: float
    chance_scored_right: float
    expected_lift: float | None
    size: SampleSize | None
    worth_testing: bool
    why: str


def plan_pairs(
    variants: Sequence[ScoredVariant],
    *,
    baseline: float,
    log_lift_per_point: float | None = None,
    design: Design | None = None,
    most_days: int = 60,
) -> tuple[PairPlan, ...]:
    """All pairs of variants, the most promising first.

    Args:
        variants: at least two.
        baseline: the rate expected of the control.
        log_lift_per_point: how much log rate a score point has been worth (the fitted score–KPI relation), or None.
        design: power, split and daily traffic.
        most_days: how long a test may take.

    >>> variants = [ScoredVariant("a", 5.0, 0.2), ScoredVariant("b", 6.0, 0.2)]
    >>> plan = plan_pairs(variants, baseline=0.02, log_lift_per_point=0.1, design=Design(daily_traffic=10_000))[0]
    >>> plan.treatment, round(plan.expected_lift, 3), plan.size.days, plan.worth_testing
    ('b', 0.105, 15, True)
    """
    if len(variants) < 2:
        raise InvalidInput(f"{len(variants)} variant is given; a test takes at least 2")
    design = design or Design()
    plans = []
    for index, one in enumerate(variants):
        for other in variants[index + 1 :]:
            low, high = sorted((one, other), key=lambda variant: variant.score)
            plans.append(_plan(low, high, baseline, log_lift_per_point, design, most_days))
    return tuple(sorted(plans, key=lambda plan: (not plan.worth_testing, -plan.score_gap)))


def _plan(
    low: ScoredVariant,
    high: ScoredVariant,
    baseline: float,
    slope: float | None,
    design: Design,
    most_days: int,
) -> PairPlan:
    gap = high.score - low.score
    spread = math.hypot(low.standard_error, high.standard_error)
    chance = float(ndtr(gap / spread)) if spread > 0 else float(gap > 0) or 0.5
    if slope is None:
        why = "no score–KPI relation is fitted yet: the score gap alone does not say how long a test takes"
        return PairPlan(low.key, high.key, gap, chance, None, None, False, why)
    lift = math.expm1(slope * gap)
    # Less than a tenth of a percent takes hundreds of millions of impressions.
    if lift < 0.001 or baseline * (1 + lift) >= 1:
        why = f"the scores promise a lift of {lift:.2%}: too little to find in any test"
        return PairPlan(low.key, high.key, gap, chance, lift, None, False, why)
    size = sample_size_for_rates(baseline, lift=lift, design=design)
    if size.days is None:
        why = f"{size.total:,} units for an expected lift of {lift:.1%}; give the daily traffic to know the days"
        return PairPlan(low.key, high.key, gap, chance, lift, size, True, why)
    fits = size.days <= most_days
    why = f"{size.days} days for an expected lift of {lift:.1%}" + ("" if fits else f": more than {most_days}")
    return PairPlan(low.key, high.key, gap, chance, lift, size, fits, why)
