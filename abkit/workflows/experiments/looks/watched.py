"""Metrics that are watched beside the one that decides: all of them are one family with one false discovery rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abkit.metrics import METRICS
from abkit.records import Record
from abkit.stats.estimate import Comparison
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.verdict import Conclusion, judge
from abkit.vocabulary import Correction, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.plan import ExperimentPlan


@dataclass(frozen=True, kw_only=True)
class WatchedMetric(Record):
    """One treatment against the control by a metric that does not decide.

    Attributes:
        treatment: Name of the treatment.
        metric: What is compared.
        comparison: Of the same units, as often looked at as the one that decides; None with too little data.
        adjusted_p: Its p-value by Benjamini and Hochberg, over all watched metrics and treatments.
        conclusion: What may be said about it; None with too little data.
    """

    treatment: str
    metric: Metric
    comparison: Comparison | None
    adjusted_p: float
    conclusion: Conclusion | None


def watch(
    plan: ExperimentPlan,
    arms: Sequence[Arm],
    compare: Callable[[Arm, Arm, Metric], Comparison | None],
    *,
    currency: str = "",
) -> tuple[WatchedMetric, ...]:
    """Compare all treatments with the control by each metric of `plan.watch`.

    Args:
        plan: What was fixed before the first look.
        arms: The variants, the control first.
        compare: Compares two arms by a metric.
        currency: Currency of amounts.
    """
    control, others = arms[0], arms[1:]
    found = [(arm, metric, compare(control, arm, metric)) for metric in plan.watch for arm in others]
    adjusted = adjust(
        [one.p_value if one else math.nan for _, _, one in found],
        Correction.BH,
        alpha=1 - plan.level,
        family=f"{len(plan.watch)} watched metrics of {len(others)} treatments",
    )
    return tuple(
        WatchedMetric(
            treatment=arm.key,
            metric=metric,
            comparison=comparison,
            adjusted_p=p,
            conclusion=judge(
                comparison,
                [],
                allocation=plan.allocation,
                treatment=arm.key,
                control=control.key,
                adjusted_p=p,
                metric=METRICS[metric],
                currency=currency,
            )
            if comparison
            else None,
        )
        for (arm, metric, comparison), p in zip(found, adjusted.p_values, strict=True)
    )
