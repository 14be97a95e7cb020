"""Two arms of an experiment compared: impressions as trials where they were drawn, days as clusters elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.stats.arms import Counts, PairMoments
from abkit.stats.estimate import Comparison, PosteriorComparison
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import Stratified, compare_stratified
from abkit.stats.verdicts.equivalence import MarginTest, non_inferior
from abkit.stats.verdicts.guards import ArmDays
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension, Metric, Monitoring
from abkit.workflows.experiments.plan import ExperimentPlan


@dataclass(frozen=True)
class Arm:
    """One variant and what it delivered.

    Attributes:
        key: Name of the variant.
        share: Planned share of the traffic.
        delivery: What it delivered until the day of the analysis.
        margin_rate: The share of the revenue that is left before advertising.
        unknown: The name that the plan has for it, where no ad and no creative has that name; else empty.
    """

    key: str
    share: float
    delivery: Delivery
    margin_rate: float = 1.0
    unknown: str = ""

    def days(self, metric: Metric) -> ArmDays:
        """Return denominator and numerator of the metric, day by day; days whose money is not known are left out."""
        counted = {
            day: terms
            for day, figures in self.delivery.by_day.items()
            if (terms := METRICS[metric].terms(figures, margin_rate=self.margin_rate)) is not None
        }
        return ArmDays(
            key=self.key,
            share=self.share,
            exposures={day: below for day, (below, _) in counted.items()},
            successes={day: above for day, (_, above) in counted.items()},
            creatives=self.delivery.creatives,
        )

    def events(self, metric: Metric) -> ArmDays:
        """Return what has to keep arriving for the metric to be read: its clicks or conversions, by impressions."""
        events = METRICS[metric].events
        counted = Metric.CTR if events == "clicks" else Metric.CONVERSIONS_PER_IMPRESSION
        return self.days(metric if METRICS[metric].share else counted)


@dataclass(frozen=True)
class Basis:
    """How two arms are compared.

    Attributes:
        by_day: Whether days are the units, as clusters; impressions as trials otherwise.
        level: Confidence level of the intervals.
        tuning: Units of both arms at which the any-time intervals are tightest.
    """

    by_day: bool
    level: float
    tuning: float


def is_modeled(*arms: ArmDays) -> bool:
    """Return whether successes are fractions on any day: the platform divides the credit, and counts nothing."""
    return any(not float(n).is_integer() for arm in arms for n in arm.successes.values())


def is_proportion(*arms: ArmDays) -> bool:
    """Return whether successes are a part of the trials.

    Conversions may exceed clicks (view-through), and modeled ones are not counted at all.
    """
    whole = not is_modeled(*arms) and all(float(n).is_integer() for arm in arms for n in arm.exposures.values())
    return whole and all(arm.total <= arm.trials for arm in arms)


def compare_arms(control: ArmDays, arm: ArmDays, basis: Basis) -> tuple[Comparison, Comparison] | None:
    """Return the any-time and the fixed comparison; None when there is too little to compute either."""
    if not (control.exposures and arm.exposures):
        return None
    try:
        compared: Callable[..., Comparison]
        if basis.by_day:
            compared = partial(compare_ratios, _moments(control), _moments(arm), level=basis.level)
        else:
            counts = (Counts(int(side.total), int(side.trials)) for side in (control, arm))
            compared = partial(compare, *counts, level=basis.level)
        return compared(method="sequential", tuning=basis.tuning), compared()
    except InvalidInput:
        # No days, one day, no exposures, no variance: the guards say which.
        return None


def _moments(arm: ArmDays) -> PairMoments:
    # A day with late clicks and no impressions counts with what it has.
    days = sorted(day for day, n in arm.exposures.items() if n or arm.successes.get(day))
    if not days:
        raise InvalidInput("an arm has no days with exposures; expected at least 2")
    y = np.array([arm.successes.get(day, 0) for day in days], dtype=float)
    x = np.array([arm.exposures[day] for day in days], dtype=float)
    return PairMoments.from_values(y, x)


def posterior(control: ArmDays, arm: ArmDays) -> PosteriorComparison | None:
    """Return beta-binomial figures with a uniform prior."""
    counts = (Counts(int(side.total), int(side.trials)) for side in (control, arm))
    return compare(*counts, method="bayes").bayes


def check_guardrail(
    control: Arm,
    arm: Arm,
    metric: Metric,
    margin: float,
    *,
    plan: ExperimentPlan,
    by_day: bool,
    tuning: Callable[[Sequence[ArmDays], bool], float],
) -> MarginTest | None:
    """Test that the treatment is not worse on this metric by more than the margin; None where there is too little.

    The confidence level is the plan's, one-sided; `tuning` is asked with both arms, and whether days are the units.
    """
    one, two = control.days(metric), arm.days(metric)
    definition = METRICS[metric]
    by_day = by_day or not (definition.share and is_proportion(one, two))
    basis = Basis(by_day, plan.level, tuning((one, two), by_day))
    pair = compare_arms(one, two, basis)
    rate = one.total / one.trials if one.trials else 0.0
    if pair is None or rate == 0:
        return None
    tuned = basis.tuning if plan.monitoring is Monitoring.ANYTIME else None
    return non_inferior(
        pair[1], margin=margin * abs(rate), level=plan.level, direction=definition.direction, tuning=tuned
    )


def within_segments(control: Arm, arm: Arm, metric: Metric, by: Dimension, level: float) -> Stratified | None:
    """Compare within segments, impressions as trials; None where no segment has both arms."""
    place = list(Dimension).index(by)
    sides: list[dict[str, Figures]] = [defaultdict(Figures), defaultdict(Figures)]
    for side, source in zip(sides, (control, arm), strict=True):
        for segment, figures in source.delivery.by_segment.items():
            side[segment[place]] = side[segment[place]].plus(figures)
    one, two = sides
    try:
        strata = [(_counts(one[name], metric), _counts(two[name], metric)) for name in sorted({*one, *two})]
        return compare_stratified(strata, level=level)
    except InvalidInput:
        return None


def impressions_by_segment(arms: Sequence[Arm]) -> dict[str, list[int]]:
    """Return the impressions of each arm by value of a dimension (`placement feed`), as far as all rows have one."""
    found: dict[str, list[int]] = {}
    for place, dimension in enumerate(Dimension):
        split: dict[str, list[int]] = defaultdict(lambda: [0] * len(arms))
        for number, arm in enumerate(arms):
            for segment, figures in arm.delivery.by_segment.items():
                split[segment[place]][number] += figures.impressions
        found |= {f"{dimension.value} {value}": counts for value, counts in split.items() if value}
    return found


def _counts(figures: Figures, metric: Metric) -> Counts | None:
    trials, successes = METRICS[metric].terms(figures) or (0, 0)
    return Counts(successes, trials) if trials else None  # type: ignore[arg-type]  # fractions are refused
