"""The figures that stand beside the deciding one: Bayes, winner's curse, guardrails, segments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import Stratified, compare_stratified
from abkit.stats.tails import quantile
from abkit.stats.verdicts.equivalence import MarginTest, non_inferior
from abkit.stats.verdicts.guards import ArmDays
from abkit.stats.verdicts.shrinkage import Exaggeration, exaggeration, fit_effect_prior, shrink
from abkit.workflows.experiments.pairs import arm_days, compare_arms, tuning_of
from abkit.workflows.experiments.records import ArmInput


def posterior(control: ArmDays, arm: ArmDays) -> Any:
    """Beta-binomial figures with a uniform prior."""
    return compare(Counts(control.total, control.trials), Counts(arm.total, arm.trials), method="bayes").bayes


def shrunken(
    fixed: Comparison | None, past: Sequence[Mapping[str, Any]], metric: str
) -> tuple[Estimate | None, Exaggeration | None]:
    """The lift drawn towards past experiments, and how far a significant lift exaggerates if that is the true one."""
    if fixed is None:
        return None, None
    mine = _log_lift(fixed.lift.estimate, fixed.lift.ci_low, fixed.lift.ci_high, fixed.level)
    others = []
    for result in past:
        # What a guard blocked says nothing of effects, and lifts of another metric are of another kind.
        if result["verdict"] == "blocked" or result["metric"] != metric:
            continue
        for treatment in result["treatments"]:
            earlier = treatment["fixed"]
            if earlier and None not in earlier["lift"].values():
                found = _log_lift(**earlier["lift"], level=earlier["level"])
                others += [found] if found else []
    if mine is None or len(others) < 10:
        return None, None
    prior = fit_effect_prior([effect for effect, _ in others], [error for _, error in others])
    shrunk = shrink(*mine, prior)
    curse = exaggeration(shrunk.estimate, mine[1], alpha=1 - fixed.level) if shrunk.estimate else None
    return Estimate(*(math.expm1(value) for value in (shrunk.estimate, shrunk.ci_low, shrunk.ci_high))), curse


def _log_lift(estimate: float, ci_low: float, ci_high: float, level: float) -> tuple[float, float] | None:
    if not (math.isfinite(estimate) and math.isfinite(ci_high) and estimate > -1 and -1 < ci_low < ci_high):
        return None
    return math.log1p(estimate), (math.log1p(ci_high) - math.log1p(ci_low)) / (2 * quantile((1 + level) / 2))


def guardrail(
    control: ArmInput, arm: ArmInput, metric: str, margin: float, *, by_day: bool, plan: Mapping[str, Any], arms: int
) -> MarginTest | None:
    """Whether the treatment is not worse on this metric by more than the margin; None where there is too little."""
    one, two = arm_days(control, metric), arm_days(arm, metric)
    if not (one.exposures and two.exposures):
        return None
    # More conversions than clicks (view-through) are no proportion: days as clusters hold there too.
    by_day = by_day or any(side.total > side.trials for side in (one, two))
    tuning = tuning_of(plan, arms, by_day)
    pair = compare_arms(one, two, by_day, 0.95, tuning)
    rate = one.total / one.trials if one.trials else 0.0
    if pair is None or rate == 0:
        return None
    return non_inferior(pair[1], margin=margin * rate, tuning=tuning if plan["monitoring"] == "anytime" else None)


def within_segments(control: ArmInput, arm: ArmInput, metric: str, by: str | None, level: float) -> Stratified | None:
    """The comparison within segments, impressions as trials; None where no segment has both arms."""
    from abkit.store.experiments import DIMENSIONS

    place = DIMENSIONS.index(by or "")
    trial, success = (0, 1) if metric == "ctr" else (1, 2)
    sums: list[dict[str, list[int]]] = [{}, {}]
    for side, source in zip(sums, (control, arm), strict=True):
        for segment, figures in source.by_segment.items():
            cell = side.setdefault(segment[place], [0, 0])
            cell[0] += figures[success]
            cell[1] += figures[trial]
    names = sorted(set(sums[0]) | set(sums[1]))
    try:
        return compare_stratified(
            [(_counts(sums[0].get(name)), _counts(sums[1].get(name))) for name in names], level=level
        )
    except InvalidInput:
        return None


def _counts(cell: Sequence[int] | None) -> Counts | None:
    return Counts(cell[0], cell[1]) if cell and cell[1] else None
