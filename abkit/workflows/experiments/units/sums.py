"""Users and sessions: compared by sums per unit, where there are any; daily totals do not show how they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from abkit.errors import InvalidInput
from abkit.stats.arms import PairMoments
from abkit.stats.estimate import ArmMean, Comparison, Estimate
from abkit.stats.means.estimates import compare_estimates
from abkit.stats.means.few_units import ratio_p
from abkit.stats.means.pairs import ratio_of_means
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, always_valid_p
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.stats.verdicts.sample_ratio import sample_ratio
from abkit.vocabulary import TWO_SIDED, AnalysisUnit, GuardStatus, Metric, Unit
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.units.comparer import Compared, largest_loss, not_worse_than

SumsPerUnit = Mapping[str, Mapping[Metric, PairMoments]]
"""Arm → metric → moments of its numerator (y) and denominator (x) over the units that were randomized."""


@dataclass(frozen=True)
class UnitSums:
    """Compares ratios of sums over users or sessions. See `Comparer` for the methods.

    Attributes:
        unit: What the units are.
        sums: Of each arm.
        tuning: Units of both arms at which the any-time intervals are tightest.
    """

    unit: AnalysisUnit
    sums: SumsPerUnit
    tuning: float = DEFAULT_TUNING
    daily: bool = False

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        assert until is None  # noqa: S101 - sums are not by day
        try:
            one, two = (ratio_of_means(self.sums[arm.key][metric]) for arm in (control, treatment))
            anytime = compare_estimates(one, two, level=level, method="sequential", tuning=self.tuning)
            return Compared(anytime, compare_estimates(one, two, level=level))
        except (InvalidInput, KeyError):
            return None

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        method = "sequential" if anytime else "welch"
        try:
            one, two = (ratio_of_means(self.sums[arm.key][metric]) for arm in (control, treatment))
            both = compare_estimates(one, two, level=2 * level - 1, method=method, tuning=self.tuning)
            ratio, side = largest_loss(metric, margin, one.mean)
            if anytime:
                lost = ratio * one.mean, ratio * one.standard_error
                z = (two.mean - lost[0]) / math.hypot(lost[1], two.standard_error)
                alpha = 2 * (1 - level)
                p_value = float(always_valid_p(z, one.n + two.n, alpha=alpha, tuning=self.tuning, alternative=side))
            else:
                p_value = ratio_p(one, two, ratio, alternative=side)
        except (InvalidInput, KeyError):
            return None
        return not_worse_than(both.difference, p_value, margin=margin, control=one.mean, level=level, anytime=anytime)

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        counted = self.counted(arms, metric)
        if min(counted.values()) < 2:
            lacking = ", ".join(key for key, number in counted.items() if number < 2)
            return (Guard("units", GuardStatus.BLOCK, f"no {self.unit} of {lacking}", "see the column of the variant"),)
        tested = sample_ratio(list(counted.values()), [arm.share for arm in arms], sequential=True)
        said = f"{' : '.join(f'{number:,}' for number in counted.values())} {self.unit} (p = {tested.p_value:.2g})"
        if tested.mismatch:
            action = "find what loses or misroutes units (redirects, filters, a late start) and start the test again"
            return (Guard("units", GuardStatus.BLOCK, f"not split as planned: {said}", action),)
        return (Guard("units", GuardStatus.PASS, f"split as planned: {said}"),)

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        found = {arm.key: self.sums.get(arm.key, {}).get(metric) for arm in arms}
        return {key: int(moments.n) if moments else 0 for key, moments in found.items()}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        return ()


@dataclass(frozen=True)
class Totals:
    """Shows what users or sessions did in all, without a verdict. See `Comparer` for the methods.

    Attributes:
        randomized: What was randomized.
        key: The experiment.
        tuning: Not used.
    """

    randomized: Unit
    key: str
    tuning: float = 1.0
    unit: AnalysisUnit = AnalysisUnit.TOTALS
    daily: bool = False

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        assert until is None  # noqa: S101 - nothing is compared
        one, two = (arm.days(metric) for arm in (control, treatment))
        if not (one.trials and two.trials):
            return None
        rates = [side.total / side.trials for side in (one, two)]
        said = f"none: totals do not show how {self.randomized}s differ"
        return Compared(
            None,
            Comparison(
                control=ArmMean(one.trials, rates[0], math.nan),
                treatment=ArmMean(two.trials, rates[1], math.nan),
                difference=Estimate(rates[1] - rates[0], -math.inf, math.inf),
                lift=Estimate(rates[1] / rates[0] - 1 if rates[0] else math.nan, -math.inf, math.inf),
                p_value=math.nan,
                statistic=math.nan,
                method="totals",
                level=level,
                alternative=TWO_SIDED,
                conventions=dict.fromkeys(("p_value", "difference", "lift"), said),
            ),
        )

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        return None

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        found = f"{self.randomized}s were randomized, and daily totals do not show how they differ"
        action = (
            f"export one row per {self.randomized} with its variant and its sums, or the platform's own table of them, "
            f"and run: abkit experiment analyze {self.key} --rows FILE --unit {self.randomized} "
            "--variant COLUMN --metric COLUMN"
        )
        return (Guard("units", GuardStatus.BLOCK, found, action),)

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        return {}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        return ()
