"""Each segment of an experiment: its figures, whether segments differ, and no winner merely for being the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from abkit.metrics import METRICS
from abkit.records import Record
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.tails import quantile
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.partial_pooling import PartialPooling, pool_partially
from abkit.stats.verdicts.verdict import arm_value
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Correction, Dimension, Direction, Metric, Unit, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.plan import ExperimentPlan

MOST_SEGMENTS = 100
"""The largest ones are compared; what is beyond them is counted."""

NOT_NAMED = "(not named)"
"""Rows that are not cut by the dimension."""

BySegment = Mapping[str, Mapping[str, Mapping[date, Figures]]]
"""Arm → segment → day → figures."""


@dataclass(frozen=True, kw_only=True)
class SegmentEffect(Record):
    """One treatment against the control in one segment.

    Attributes:
        segment: Value of the dimension.
        control: The control's value of the metric there; NaN with too little data.
        treatment: The treatment's value.
        lift: The lift there with its own interval, as often looked at as the experiment; None with too little data.
        p_value: P-value of this segment alone; NaN with too little data.
        adjusted_p: By Benjamini and Hochberg over all segments of all treatments.
        pooled_lift: The lift drawn towards that of all segments; None where it has no ratio or there are too few.
        state: `better` or `worse` only after the correction; `blocked` where a guard blocks the experiment.
    """

    segment: str
    control: float
    treatment: float
    lift: Estimate | None
    p_value: float
    adjusted_p: float
    pooled_lift: Estimate | None
    state: Verdict


@dataclass(frozen=True, kw_only=True)
class SegmentResults(Record):
    """One treatment against the control in every segment.

    Attributes:
        treatment: Name of the treatment.
        dimension: What the segments are values of.
        segments: The segments, the largest first.
        pooling: Whether the log lifts differ (Cochran's Q, valid for one look), and how they scatter; None where no
            segment has one.
        left_out: Smaller segments beyond the first hundred.
        correction: How p-values were adjusted, with the family.
        sentence: What may be said about the segments.
    """

    treatment: str
    dimension: Dimension
    segments: tuple[SegmentEffect, ...]
    pooling: PartialPooling | None
    left_out: int
    correction: str
    sentence: str


def no_segments(plan: ExperimentPlan, by: Dimension) -> str:
    """Return why segments of this experiment cannot be compared; empty where they can."""
    if plan.unit in (Unit.USER, Unit.SESSION):
        return (
            f"{plan.unit}s were randomized, and daily totals by segment do not show how they differ: give the rows of "
            f"one segment at a time with --rows"
        )
    if plan.unit is Unit.GEOGRAPHY and by is plan.geography:
        return f"each {by} is one unit of this experiment: a single unit has no interval"
    return ""


def compare_segments(
    plan: ExperimentPlan,
    arms: Sequence[Arm],
    by: Dimension,
    by_segment: BySegment,
    compare: Callable[[Arm, Arm], tuple[Comparison, Comparison] | None],
    *,
    alpha: float,
    blocked: str = "",
) -> tuple[SegmentResults, ...]:
    """Compare every treatment with the control in each segment, by the units of the experiment.

    Args:
        plan: What was fixed before the first look.
        arms: The variants, the control first.
        by: The dimension.
        by_segment: What each arm delivered in each segment, by day.
        compare: Compares two arms as the experiment does, and for one look, which says how large the noise is.
        alpha: Error rate of the family at this look.
        blocked: Why nothing may be said about segments; empty where it may.
    """
    shown: dict[str, int] = {}
    for segments in by_segment.values():
        for name, days in segments.items():
            shown[name] = shown.get(name, 0) + sum(figures.impressions for figures in days.values())
    names = sorted(shown, key=lambda name: (-shown[name], name))
    used = names[:MOST_SEGMENTS]
    control, others = arms[0], arms[1:]
    pairs = [
        (_part(control, by, name, by_segment), _part(arm, by, name, by_segment)) for arm in others for name in used
    ]
    both = [compare(*pair) for pair in pairs]
    found = [one[0] if one else None for one in both]
    adjusted = adjust(
        [one.p_value if one else math.nan for one in found],
        Correction.BH,
        alpha=alpha,
        family=f"{len(used)} segments by {by} of {len(others)} treatments",
    )
    noise = [_log_lift(one[1]) if one else None for one in both]
    results = []
    for number, arm in enumerate(others):
        mine = slice(number * len(used), (number + 1) * len(used))
        pooling, pooled = _pooled(noise[mine], plan.level)
        effects = tuple(
            _effect(plan.metric, name, one, p, lift, alpha=alpha, blocked=blocked)
            for name, one, p, lift in zip(used, found[mine], adjusted.p_values[mine], pooled, strict=True)
        )
        results.append(
            SegmentResults(
                treatment=arm.key,
                dimension=by,
                segments=effects,
                pooling=pooling,
                left_out=len(names) - len(used),
                correction=f"{adjusted.correction}: {adjusted.controls}; family: {adjusted.family}",
                sentence=_sentence(arm.key, control.key, effects, pooling, adjusted.family_size, blocked=blocked),
            )
        )
    return tuple(results)


def _part(arm: Arm, by: Dimension, name: str, by_segment: BySegment) -> Arm:
    """Return an arm with what it delivered in one segment."""
    place = list(Dimension).index(by)
    within = {key: figures for key, figures in arm.delivery.by_segment.items() if key[place] == name}
    days = by_segment.get(arm.key, {}).get(name, {})
    return replace(arm, delivery=Delivery(by_day=days, by_segment=within))


def _effect(
    metric: Metric, name: str, one: Comparison | None, p: float, pooled: Estimate | None, *, alpha: float, blocked: str
) -> SegmentEffect:
    state = Verdict.BLOCKED if blocked or one is None else Verdict.UNDECIDED
    if one is not None and not blocked and one.significant and p <= alpha:
        good = 1 if METRICS[metric].direction is Direction.HIGHER else -1
        state = Verdict.BETTER if one.difference.estimate * good > 0 else Verdict.WORSE
    return SegmentEffect(
        segment=name or NOT_NAMED,
        control=arm_value(one.control) if one else math.nan,
        treatment=arm_value(one.treatment) if one else math.nan,
        lift=one.lift if one else None,
        p_value=one.p_value if one else math.nan,
        adjusted_p=p,
        pooled_lift=pooled,
        state=state,
    )


def _pooled(
    noise: Sequence[tuple[float, float] | None], level: float
) -> tuple[PartialPooling | None, list[Estimate | None]]:
    """Return what the log lifts have in common, and each lift drawn towards it."""
    known = [number for number, one in enumerate(noise) if one]
    pooled: list[Estimate | None] = [None] * len(noise)
    if not known:
        return None, pooled
    effects = [noise[number] for number in known]
    found = pool_partially([one[0] for one in effects if one], [one[1] for one in effects if one], level=level)
    for number, drawn in zip(known, found.pooled, strict=False):
        pooled[number] = Estimate(*(math.expm1(end) for end in (drawn.estimate, drawn.ci_low, drawn.ci_high)))
    return found, pooled


def _log_lift(one: Comparison) -> tuple[float, float] | None:
    """Return the log of treatment ÷ control and its standard error, where the interval is finite."""
    lift = one.lift
    if not (-1 < lift.ci_low < lift.ci_high < math.inf and math.isfinite(lift.estimate)):
        return None
    width = math.log1p(lift.ci_high) - math.log1p(lift.ci_low)
    return math.log1p(lift.estimate), width / (2 * quantile((1 + one.level) / 2))


def _sentence(
    treatment: str,
    control: str,
    effects: Sequence[SegmentEffect],
    pooling: PartialPooling | None,
    family: int,
    *,
    blocked: str,
) -> str:
    if blocked:
        return f"no verdict on segments of {treatment}: {blocked}"
    said = []
    for state in (Verdict.BETTER, Verdict.WORSE):
        names = [one.segment for one in effects if one.state is state]
        if names:
            said.append(f"{treatment} is {state} than {control} in {', '.join(names)}")
    tried = f"corrected for the {family} segments that were tried"
    if said:
        found = f"{' and '.join(said)}, {tried} (false discovery rate)"
    else:
        found = f"no segment shows a difference of its own, {tried}; the best of them is what chance picks too"
    if pooling is None or pooling.groups < 2:
        return found
    alike = f"Q = {pooling.q:.3g} on {pooling.groups - 1}, p = {pooling.p_value:.3g}"
    if pooling.p_value <= 1 - pooling.level:
        return f"{found}. The lift differs between segments ({alike})"
    return f"{found}. Nothing shows that the lift differs between segments ({alike}): read that of all of them"
