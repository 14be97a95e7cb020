"""Revenue with a heavy tail: what single units bring is capped at a quantile of all of them, for all arms alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.records import percent
from abkit.stats.means.capping import cap_values
from abkit.vocabulary import Metric, Unit
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.units.geography import Places


def capped(plan: ExperimentPlan, arms: Sequence[Arm], currency: str) -> tuple[list[Arm], list[str]]:
    """Return the arms with the caps of `plan.cap`, and what these do; metrics without revenue are not capped.

    The values of units are days' (geographies') metrics; a unit above the cap counts as if its metric were the cap.
    """
    if plan.cap is None:
        return list(arms), []
    caps: dict[Metric, float] = {}
    notes = []
    for metric in plan.metrics:
        definition = METRICS[metric]
        if "revenue" not in definition.numerator:
            continue
        terms = [_terms(plan, arm, metric) for arm in arms]
        values = [np.array([above / below for below, above in side]) for side in terms]
        try:
            _, cap = cap_values(values, plan.cap)
        except InvalidInput as error:
            notes.append(f"{definition.name} is not capped: {error.message}")
            continue
        caps[metric] = cap.value
        everything = sum(above for side in terms for _, above in side)
        kept = sum(min(above, cap.value * below) for side in terms for below, above in side)
        notes.append(
            f"{definition.name} is capped at {definition.show(cap.value, currency)}, the {percent(cap.quantile, 1)} "
            f"quantile of all {plan.counted} of all arms: {cap.units:,} of {cap.of_units:,} are above it, and "
            f"{percent(1 - kept / everything if everything else 0.0, 1)} of the sum; what is compared is the capped "
            "metric"
        )
    return [replace(arm, caps=caps) for arm in arms], notes


def _terms(plan: ExperimentPlan, arm: Arm, metric: Metric) -> list[tuple[float, float]]:
    """Return denominator and numerator of each unit that has any."""
    if plan.unit is Unit.GEOGRAPHY:
        return list(Places(plan.geography).terms(arm, metric).values())
    days = arm.days(metric)
    return [(below, days.successes[day]) for day, below in days.exposures.items() if below > 0]
