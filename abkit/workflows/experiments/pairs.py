"""Two arms of an experiment compared: impressions as trials where they were drawn, days as clusters elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts, PairMoments
from abkit.stats.estimate import Comparison
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.proportions.compare import compare
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.verdicts.guards import ArmDays
from abkit.workflows.experiments.records import ArmInput

PLANNED_DAYS = 28
"""What a sequence over days is tuned to when the plan has no dates: four weeks."""


def arm_days(arm: ArmInput, metric: str) -> ArmDays:
    """Trials and successes of the metric, day by day."""
    trial, success = (0, 1) if metric == "ctr" else (1, 2)
    return ArmDays(
        arm.key,
        arm.share,
        {day: figures[trial] for day, figures in arm.by_day.items()},
        {day: figures[success] for day, figures in arm.by_day.items()},
        frozenset(arm.creatives),
    )


def tuning_of(plan: Mapping[str, Any], arms: int, by_day: bool) -> float:
    """The planned units of two arms: what the any-time analysis is tightest at."""
    if plan["planned_total"]:
        # The plan counts all arms; a comparison has two of them.
        return float(plan["planned_total"]) * 2 / arms
    return 2.0 * PLANNED_DAYS if by_day else float(DEFAULT_TUNING)


def _pair_moments(arm: ArmDays) -> PairMoments:
    days = sorted(day for day, n in arm.exposures.items() if n)
    if not days:
        raise InvalidInput("an arm has no days with exposures; expected at least 2")
    y = np.array([arm.successes.get(day, 0) for day in days], dtype=float)
    x = np.array([arm.exposures[day] for day in days], dtype=float)
    return PairMoments.from_values(y, x)


def compare_arms(
    control: ArmDays, arm: ArmDays, by_day: bool, level: float, tuning: float
) -> tuple[Comparison, Comparison] | None:
    """The any-time and the fixed comparison; None when there is too little to compute either."""
    try:
        if by_day:
            one, two = _pair_moments(control), _pair_moments(arm)
            return (
                compare_ratios(one, two, method="sequential", level=level, tuning=tuning),
                compare_ratios(one, two, level=level),
            )
        first, second = Counts(control.total, control.trials), Counts(arm.total, arm.trials)
        return (
            compare(first, second, method="sequential", level=level, tuning=tuning),
            compare(first, second, level=level),
        )
    except InvalidInput:
        # No days, one day, no exposures, no variance: the guards say which.
        return None
