"""Units that both arms ran on, days as a rule: what moves a unit moves both, and only their difference in it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.stats.means.paired import PairedRates, compare_paired
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import BLOCK, PASS, Guard
from abkit.vocabulary import AnalysisUnit, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.units.comparer import Compared, largest_loss, not_worse_than
from abkit.workflows.experiments.units.geography import Places, Terms


@dataclass(frozen=True)
class DayPairs:
    """Compares arms that ran on the same days. See `Comparer` for the methods.

    Attributes:
        tuning: Days at which the any-time intervals are tightest.
    """

    tuning: float
    unit: AnalysisUnit = AnalysisUnit.DAYS
    daily: bool = True

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        rates = self._rates(control.until(until), treatment.until(until), metric)
        return _compared(rates, level, self.tuning, "days") if rates else None

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        rates = self._rates(control, treatment, metric)
        return _not_worse(rates, metric, margin, level, self.tuning if anytime else None) if rates else None

    def _rates(self, control: Arm, treatment: Arm, metric: Metric) -> PairedRates | None:
        terms = []
        for arm in (control, treatment):
            days = arm.days(metric)
            terms.append({day: (below, days.successes[day]) for day, below in days.exposures.items()})
        return _rates(*terms, metric=metric)

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        return ()  # a day that an arm lacks is seen by the guard of days

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        return {arm.key: len(arm.days(metric).exposures) for arm in arms}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        return ()


@dataclass(frozen=True)
class GeographyPairs:
    """Compares arms that ran in the same geographies. See `Comparer` for the methods.

    Attributes:
        places: What makes a geography.
        tuning: Not used: any-time intervals are not offered.
    """

    places: Places
    tuning: float = 1.0
    unit: AnalysisUnit = AnalysisUnit.GEOGRAPHIES
    daily: bool = False

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        assert until is None  # noqa: S101 - segments are not by day
        rates = _rates(*(self.places.terms(arm, metric) for arm in (control, treatment)), metric=metric)
        return _compared(rates, level, None, "geographies") if rates else None

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        rates = _rates(*(self.places.terms(arm, metric) for arm in (control, treatment)), metric=metric)
        return _not_worse(rates, metric, margin, level, None) if rates and not anytime else None

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        unknown = self.places.unknown(arms)
        if unknown:
            return (unknown,)
        shown = [set(self.places.figures(arm)) for arm in arms]
        alone = sorted({name for own in shown for name in own if not all(name in other for other in shown)})
        if alone:
            found = f"not all arms were served in {', '.join(alone[:3])}{', …' if len(alone) > 3 else ''}"
            return (Guard("units", BLOCK, found, "paired geographies have all arms: leave the others out of the ads"),)
        return (Guard("units", PASS, f"{len(shown[0])} geographies, each with all arms"),)

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        return {arm.key: len(self.places.figures(arm)) for arm in arms}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        return ()


def _rates(control: Mapping[Any, Terms], treatment: Mapping[Any, Terms], *, metric: Metric) -> PairedRates | None:
    """Return the ratios over the units of both arms; None where there is too little."""
    shared = sorted(set(control) & set(treatment))
    terms = [[side[unit] for unit in shared] for side in (control, treatment)]
    try:
        if METRICS[metric].per_event:
            # A day without a conversion has no cost per conversion, and its cost counts.
            return PairedRates.of(*(([x for x, _ in side], [y for _, y in side]) for side in terms)).inverse()
        return PairedRates.of(*(([y for _, y in side], [x for x, _ in side]) for side in terms))
    except InvalidInput:
        return None


def _compared(rates: PairedRates, level: float, tuning: float | None, what: str) -> Compared | None:
    try:
        fixed = compare_paired(rates, level=level, what=what)
        return Compared(compare_paired(rates, level=level, tuning=tuning, what=what) if tuning else None, fixed)
    except InvalidInput:
        # No variance between units.
        return None


def _not_worse(
    rates: PairedRates, metric: Metric, margin: float, level: float, tuning: float | None
) -> MarginTest | None:
    """Test the treatment against the worst that it may be, which takes the control's noise into account."""
    ratio, side = largest_loss(metric, margin, rates.control)
    try:
        p_value = rates.test(ratio, alternative=side, tuning=tuning, alpha=2 * (1 - level))
        both = compare_paired(rates, level=2 * level - 1, tuning=tuning)
    except InvalidInput:
        # No variance between units.
        return None
    return not_worse_than(
        both.difference, p_value, margin=margin, control=rates.control, level=level, anytime=tuning is not None
    )
