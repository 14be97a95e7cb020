"""Impressions that were randomized one by one: each is an independent trial of a proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.verdicts.equivalence import MarginTest, non_inferior
from abkit.stats.verdicts.guards import Guard
from abkit.vocabulary import AnalysisUnit, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.units.comparer import Compared


@dataclass(frozen=True)
class Impressions:
    """Compares proportions of counts. See `Comparer` for the methods.

    Attributes:
        tuning: Impressions of both arms at which the any-time intervals are tightest.
    """

    tuning: float
    unit: AnalysisUnit = AnalysisUnit.IMPRESSIONS
    daily: bool = True

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        days = [arm.until(until).days(metric) for arm in (control, treatment)]
        if not all(side.exposures for side in days):
            return None
        try:
            one, two = (Counts(int(side.total), int(side.trials)) for side in days)
            anytime = compare(one, two, level=level, method="sequential", tuning=self.tuning)
            return Compared(anytime, compare(one, two, level=level))
        except InvalidInput:
            # No exposures: the guards say so.
            return None

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        compared, one = self.compare(control, treatment, metric, level), control.days(metric)
        if compared is None or one.total == 0:
            return None
        tuning, direction = self.tuning if anytime else None, METRICS[metric].direction
        return non_inferior(
            compared.fixed, margin=margin, relative=True, level=level, direction=direction, tuning=tuning
        )

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        return ()

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        return {}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        return ()
