"""An arm of an experiment: what it delivered, as denominator and numerator of a metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.stats.arms import Counts
from abkit.stats.estimate import PosteriorComparison
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import Stratified, compare_stratified
from abkit.stats.verdicts.guards import ArmDays
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension, Metric


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One variant and what it delivered.

    Attributes:
        key: Name of the variant.
        share: Planned share of the traffic.
        delivery: What it delivered until the day of the analysis.
        margin_rate: The share of the revenue that is left before advertising.
        caps: Metric → the most that a unit's value counts for; none by default.
        unknown: The name that the plan has for it, where no ad and no creative has that name; else empty.
    """

    key: str
    share: float
    delivery: Delivery
    margin_rate: float = 1.0
    unknown: str = ""
    caps: Mapping[Metric, float] = field(default_factory=dict)

    def days(self, metric: Metric) -> ArmDays:
        """Return denominator and numerator of the metric, day by day; days whose money is not known are left out."""
        counted = {
            day: terms
            for day, figures in self.delivery.by_day.items()
            if (terms := self.terms(figures, metric)) is not None
        }
        return ArmDays(
            key=self.key,
            share=self.share,
            exposures={day: below for day, (below, _) in counted.items()},
            successes={day: above for day, (_, above) in counted.items()},
            creatives=self.delivery.creatives,
        )

    def terms(self, figures: Figures, metric: Metric) -> tuple[float, float] | None:
        """Return denominator and numerator of the metric; None where the money is not known."""
        found = METRICS[metric].terms(figures, margin_rate=self.margin_rate)
        if found is None or metric not in self.caps:
            return found
        below, above = found
        return below, min(above, self.caps[metric] * below)

    def until(self, last: date | None) -> Arm:
        """Return the arm with the days up to this one; all of them where it is None."""
        if last is None:
            return self
        by_day = {day: figures for day, figures in self.delivery.by_day.items() if day <= last}
        return replace(self, delivery=replace(self.delivery, by_day=by_day))

    def events(self, metric: Metric) -> ArmDays:
        """Return what has to keep arriving for the metric to be read: its clicks or conversions, by impressions."""
        events = METRICS[metric].events
        counted = Metric.CTR if events == "clicks" else Metric.CONVERSIONS_PER_IMPRESSION
        return self.days(metric if METRICS[metric].share else counted)


def is_modeled(*arms: ArmDays) -> bool:
    """Return whether successes are fractions on any day: the platform divides the credit, and counts nothing."""
    return any(not float(n).is_integer() for arm in arms for n in arm.successes.values())


def is_proportion(*arms: ArmDays) -> bool:
    """Return whether successes are a part of the trials.

    Conversions may exceed clicks (view-through), and modeled ones are not counted at all.
    """
    whole = not is_modeled(*arms) and all(float(n).is_integer() for arm in arms for n in arm.exposures.values())
    return whole and all(arm.total <= arm.trials for arm in arms)


def posterior(control: ArmDays, arm: ArmDays) -> PosteriorComparison | None:
    """Return beta-binomial figures with a uniform prior."""
    counts = (Counts(int(side.total), int(side.trials)) for side in (control, arm))
    return compare(*counts, method="bayes").bayes


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
