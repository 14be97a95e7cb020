"""One look at one experiment: guards first, then the figures, then a verdict in words that the design allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from abkit.errors import InvalidInput
from abkit.stats.counts import Counts
from abkit.stats.equivalence import MarginTest, non_inferior
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.group_sequential import GroupSequentialPlan, plan_looks
from abkit.stats.guards import ArmDays, Guard, check_guards
from abkit.stats.moments import PairMoments
from abkit.stats.multiplicity import adjust
from abkit.stats.proportions import compare_proportions
from abkit.stats.ratio import compare_ratios
from abkit.stats.sequential import DEFAULT_TUNING, ConfidenceSequence, confidence_sequence
from abkit.stats.shrinkage import fit_effect_prior, shrink
from abkit.stats.stratified import Stratified, compare_stratified
from abkit.stats.verdict import Verdict, judge
from abkit.workflows.experiment_records import Analysis, ArmInput, TreatmentResult

PLANNED_DAYS = 28
"""What a sequence over days is tuned to when the plan has no dates: four weeks."""


def analyse(
    *,
    key: str,
    unit: str,
    allocation: Any,
    metric: str,
    plan: Mapping[str, Any],
    arms: Sequence[ArmInput],
    as_of: date,
    running: bool,
    earlier_looks: Sequence[Mapping[str, Any]],
    past: Sequence[Mapping[str, Any]],
    by: str | None = None,
) -> Analysis:
    """Analyse the arms of one experiment; the first one is the control. See `Analysis`."""
    by_day = allocation == "optimised" or unit != "impression"
    days = [_arm_days(arm, metric) for arm in arms]
    guards = check_guards(days, allocation=allocation, as_of=as_of, running=running, by_day=by_day)
    level = float(plan["level"])
    control, others = days[0], days[1:]
    tuning = _tuning(plan, len(arms), by_day)
    boundary = _boundary(plan, days, earlier_looks)
    decided = [_compare(control, arm, by_day, level, tuning, plan, boundary) for arm in others]
    known = [pair[0].p_value if pair else math.nan for pair in decided]
    adjusted = adjust(known, correction="holm", alpha=1 - level, family=f"{len(others)} treatments of {key}, {metric}")
    results = []
    for arm, source, pair, p in zip(others, arms[1:], decided, adjusted.p_values, strict=True):
        deciding, fixed = pair or (None, None)
        sequence = _sequence(control, arm, by_day, level, tuning) if pair else None
        results.append(
            TreatmentResult(
                arm.key,
                deciding,
                fixed,
                _bayes(control, arm) if not by_day and pair else None,
                p,
                sequence,
                _shrunken(fixed, past),
                {name: _guardrail(arms[0], source, name, margin) for name, margin in plan["guardrails"].items()},
                _strata(arms[0], source, metric, by, level) if by else None,
                _verdict(
                    deciding, (*guards, *_stability(sequence, arm.key)), allocation, arm.key, control.key, p, plan
                ),
            )
        )
    return Analysis(
        key,
        as_of,
        len(earlier_looks) + 1,
        metric,
        unit,
        allocation,
        "days" if by_day else "impressions",
        control.key,
        {arm.key: {"trials": arm.trials, "successes": arm.total} for arm in days},
        _rule(plan, by_day, level, len(earlier_looks) + 1, tuning),
        guards,
        tuple(results),
        f"{adjusted.correction}: {adjusted.controls}; family: {adjusted.family}",
        boundary,
        _overall([result.verdict for result in results]),
    )


def _arm_days(arm: ArmInput, metric: str) -> ArmDays:
    trial, success = (0, 1) if metric == "ctr" else (1, 2)
    return ArmDays(
        arm.key,
        arm.share,
        {day: figures[trial] for day, figures in arm.by_day.items()},
        {day: figures[success] for day, figures in arm.by_day.items()},
        frozenset(arm.creatives),
    )


def _tuning(plan: Mapping[str, Any], arms: int, by_day: bool) -> float:
    if plan["planned_total"]:
        # The plan counts all arms; a comparison has two of them.
        return float(plan["planned_total"]) * 2 / arms
    return 2.0 * PLANNED_DAYS if by_day else float(DEFAULT_TUNING)


def _pair_moments(arm: ArmDays) -> PairMoments:
    days = sorted(day for day, n in arm.exposures.items() if n)
    y = np.array([arm.successes.get(day, 0) for day in days], dtype=float)
    x = np.array([arm.exposures[day] for day in days], dtype=float)
    cov = np.cov(y, x) if len(days) > 1 else np.zeros((2, 2))
    return PairMoments(len(days), y.mean(), x.mean(), float(cov[0, 0]), float(cov[1, 1]), float(cov[0, 1]))


def _pair(
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
            compare_proportions(first, second, method="sequential", level=level, tuning=tuning),
            compare_proportions(first, second, level=level),
        )
    except InvalidInput:
        # No days, one day, no exposures, no variance: the guards say which.
        return None


def _compare(
    control: ArmDays,
    arm: ArmDays,
    by_day: bool,
    level: float,
    tuning: float,
    plan: Mapping[str, Any],
    boundary: GroupSequentialPlan | None,
) -> tuple[Comparison, Comparison] | None:
    if not (control.exposures and arm.exposures):
        return None
    pair = _pair(control, arm, by_day, level, tuning)
    if pair is None or plan["monitoring"] == "anytime":
        return pair
    if boundary is None:
        return pair[1], pair[1]
    # The last boundary is that of this look: its nominal level makes the interval.
    nominal = 1 - boundary.nominal_p[-1]
    deciding = _pair(control, arm, by_day, nominal, tuning)
    return None if deciding is None else (deciding[1], pair[1])


def _boundary(
    plan: Mapping[str, Any], arms: Sequence[ArmDays], earlier: Sequence[Mapping[str, Any]]
) -> GroupSequentialPlan | None:
    if plan["monitoring"] != "group":
        return None
    total = float(plan["planned_total"])
    now = sum(arm.trials for arm in arms)
    shares = [sum(figures["trials"] for figures in look["totals"].values()) / total for look in earlier]
    rising: list[float] = []
    for share in shares:
        if share < 1 and share > (rising[-1] if rising else 0.0) and share < now / total:
            rising.append(share)
    if now == 0:
        return None
    alpha = (1 - float(plan["level"])) / max(len(arms) - 1, 1)
    return plan_looks([*rising, min(now / total, 1.0)], alpha=alpha)


def _sequence(control: ArmDays, arm: ArmDays, by_day: bool, level: float, tuning: float) -> ConfidenceSequence | None:
    """The test as it would have looked at the end of each day."""
    days = sorted(set(control.exposures) | set(arm.exposures))
    looks = []
    for day in days:
        pair = _pair(_until(control, day), _until(arm, day), by_day, level, tuning)
        if pair is not None:
            looks.append(pair)
    if not looks:
        return None
    return confidence_sequence([one for one, _ in looks], [two for _, two in looks], tuning=tuning)


def _stability(sequence: ConfidenceSequence | None, name: str) -> tuple[Guard, ...]:
    if sequence is None or sequence.verdict != "contradicted":
        return ()
    return (
        Guard(
            "stability",
            "block",
            f"{name} was better on some days and worse on others, beyond chance: an unstable effect or faulty days",
            "look at the sequence chart for the day on which it jumps, and check that day's data",
        ),
    )


def _until(arm: ArmDays, last: date) -> ArmDays:
    return ArmDays(
        arm.key,
        arm.share,
        {day: n for day, n in arm.exposures.items() if day <= last},
        {day: n for day, n in arm.successes.items() if day <= last},
    )


def _bayes(control: ArmDays, arm: ArmDays) -> Any:
    return compare_proportions(
        Counts(control.total, control.trials), Counts(arm.total, arm.trials), method="bayes"
    ).bayes


def _shrunken(fixed: Comparison | None, past: Sequence[Mapping[str, Any]]) -> Estimate | None:
    if fixed is None:
        return None
    mine = _log_lift(fixed.lift.estimate, fixed.lift.ci_low, fixed.lift.ci_high)
    others = []
    for result in past:
        for treatment in result["treatments"]:
            figures = (treatment["fixed"] or {}).get("lift")
            if figures and None not in figures.values():
                found = _log_lift(figures["estimate"], figures["ci_low"], figures["ci_high"])
                others += [found] if found else []
    if mine is None or len(others) < 10:
        return None
    prior = fit_effect_prior([effect for effect, _ in others], [error for _, error in others])
    shrunk = shrink(*mine, prior)
    return Estimate(*(math.expm1(value) for value in (shrunk.estimate, shrunk.ci_low, shrunk.ci_high)))


def _log_lift(estimate: float, low: float, high: float) -> tuple[float, float] | None:
    if not (math.isfinite(estimate) and math.isfinite(high) and estimate > -1 and low > -1 and high > low):
        return None
    return math.log1p(estimate), (math.log1p(high) - math.log1p(low)) / (2 * 1.959963984540054)


def _guardrail(control: ArmInput, arm: ArmInput, metric: str, margin: float) -> MarginTest | None:
    one, two = _arm_days(control, metric), _arm_days(arm, metric)
    if not (one.exposures and two.exposures):
        return None
    pair = _pair(one, two, True, 0.95, 2.0 * PLANNED_DAYS)
    rate = one.total / one.trials if one.trials else 0.0
    if pair is None or rate == 0:
        return None
    return non_inferior(pair[1], margin=margin * rate)


def _strata(control: ArmInput, arm: ArmInput, metric: str, by: str | None, level: float) -> Stratified | None:
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


def _verdict(
    deciding: Comparison | None,
    guards: Sequence[Guard],
    allocation: Any,
    treatment: str,
    control: str,
    p: float,
    plan: Mapping[str, Any],
) -> Verdict:
    if deciding is None:
        reasons = [guard for guard in guards if guard.status == "block"]
        why = "; ".join(f"{guard.message} → {guard.action}" for guard in reasons) or "too little data to compare"
        return Verdict(
            "blocked",
            f"no verdict on {treatment}: {why}",
            allocation == "random",
            tuple(guard.name for guard in reasons) or ("data",),
        )
    return judge(
        deciding,
        guards,
        allocation=allocation,
        treatment=treatment,
        control=control,
        # Bonferroni is in the boundary of planned looks already.
        adjusted_p=None if plan["monitoring"] == "group" else p,
        planned_lift=plan["lift"],
    )


def _rule(plan: Mapping[str, Any], by_day: bool, level: float, look: int, tuning: float) -> str:
    of = "days as clusters" if by_day else "impressions as trials"
    if plan["monitoring"] == "anytime":
        return (
            f"look {look}: {level:.0%} confidence sequence over {of}, tuned to {tuning:,.0f}, valid at any look; "
            "Holm over treatments"
        )
    if plan["monitoring"] == "group":
        return f"look {look} of {plan['looks']} planned: O'Brien–Fleming spending over {of}; Bonferroni over treatments"
    return f"look {look}: {level:.0%} fixed-horizon interval over {of}, valid for one look only; Holm over treatments"


def _overall(verdicts: Sequence[Verdict]) -> str:
    states = [verdict.state for verdict in verdicts]
    for state in ("better", "undecided", "blocked", "futile"):
        if state in states:
            return state
    return "worse"
