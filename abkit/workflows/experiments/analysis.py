"""One look at one experiment: guards first, then the figures, then a verdict in words that the design allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from abkit.stats.estimate import Comparison
from abkit.stats.sequential.always_valid import ConfidenceSequence, confidence_sequence
from abkit.stats.sequential.group_sequential import GroupSequentialPlan, plan_looks
from abkit.stats.verdicts.guards import ArmDays, Guard, check_guards
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.verdict import Conclusion, judge
from abkit.vocabulary import GuardStatus, Verdict
from abkit.workflows.experiments.beside import guardrail, posterior, shrunken, within_segments
from abkit.workflows.experiments.pairs import arm_days, compare_arms, tuning_of
from abkit.workflows.experiments.records import Analysis, ArmInput, TreatmentResult


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
    ends_on: date | None = None,
    earlier_looks: Sequence[Mapping[str, Any]],
    past: Sequence[Mapping[str, Any]],
    by: str | None = None,
) -> Analysis:
    """Analyse the arms of one experiment; the first one is the control. See `Analysis`."""
    days, delivered = ([arm_days(arm, name) for arm in arms] for name in (metric, "ctr"))
    # More conversions than clicks (view-through) are no proportion.
    many = any(arm.total > arm.trials for arm in days)
    by_day = allocation == "optimised" or unit != "impression" or many
    guards = check_guards(
        days,
        allocation=allocation,
        as_of=as_of,
        running=running,
        by_day=by_day,
        delivered=delivered,
        trials_drawn=unit == "impression",
        alternating=unit == "day",
        ends_on=ends_on,
    )
    guards += horizon(plan, days, by_day=by_day, running=as_of < ends_on if ends_on else True, looks=earlier_looks)
    level = float(plan["level"])
    control, others = days[0], days[1:]
    tuning = tuning_of(plan, len(arms), by_day)
    boundary = _boundary(plan, days, earlier_looks)
    decided = [_compare(control, arm, by_day, level, tuning, plan, boundary) for arm in others]
    known = [pair[0].p_value if pair else math.nan for pair in decided]
    adjusted = adjust(known, correction="holm", alpha=1 - level, family=f"{len(others)} treatments of {key}, {metric}")
    results = []
    for arm, source, pair, p in zip(others, arms[1:], decided, adjusted.p_values, strict=True):
        deciding, fixed = pair or (None, None)
        sequence, dates = _sequence(control, arm, by_day, level, tuning) if pair else (None, ())
        shrunken_lift, curse = shrunken(fixed, past, metric)
        results.append(
            TreatmentResult(
                arm.key,
                deciding,
                fixed,
                posterior(control, arm) if not by_day and pair else None,
                p,
                sequence,
                dates,
                shrunken_lift,
                curse,
                {
                    name: guardrail(arms[0], source, name, margin, by_day=by_day, plan=plan, arms=len(arms))
                    for name, margin in plan["guardrails"].items()
                },
                within_segments(arms[0], source, metric, by, level) if by and not by_day else None,
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
    pair = compare_arms(control, arm, by_day, level, tuning)
    if pair is None or plan["monitoring"] == "anytime":
        return pair
    if boundary is None:
        return pair[1], pair[1]
    # The last boundary is that of this look: its nominal level makes the interval.
    nominal = 1 - boundary.nominal_p[-1]
    deciding = compare_arms(control, arm, by_day, nominal, tuning)
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


def _sequence(
    control: ArmDays, arm: ArmDays, by_day: bool, level: float, tuning: float
) -> tuple[ConfidenceSequence | None, tuple[date, ...]]:
    """The test as it would have looked at the end of each day."""
    days = sorted(set(control.exposures) | set(arm.exposures))
    looks, dates = [], []
    for day in days:
        pair = compare_arms(_until(control, day), _until(arm, day), by_day, level, tuning)
        if pair is not None:
            looks.append(pair)
            dates.append(day)
    if not looks:
        return None, ()
    return confidence_sequence([one for one, _ in looks], [two for _, two in looks], tuning=tuning), tuple(dates)


def horizon(
    plan: Mapping[str, Any], arms: Sequence[ArmDays], *, by_day: bool, running: bool, looks: Sequence[Mapping[str, Any]]
) -> tuple[Guard, ...]:
    """Fixed-horizon figures are right once, at the planned end: no verdict before it, and none for a second look."""
    if plan["monitoring"] != "fixed":
        return ()
    have = sum(len(arm.exposures) if by_day else arm.trials for arm in arms)
    planned = plan["planned_total"]
    wait = "wait for the end; a test that may be looked at while it runs is created with --monitoring anytime"
    if planned and have < planned:
        found = f"{have:,} of {planned:,.0f} planned: a fixed-horizon verdict is right at the end only"
        return (Guard("horizon", GuardStatus.BLOCK, found, wait),)
    if not planned and running:
        found = "the end of the test is not reached: a fixed-horizon verdict is right at the end only"
        return (Guard("horizon", GuardStatus.BLOCK, found, wait + "; an end is given by --planned-total or --to"),)
    totals = {arm.key: {"trials": arm.trials, "successes": arm.total} for arm in arms}
    judged = [look for look in looks if look["verdict"] != "blocked" and look["totals"] != totals]
    if judged:
        found = f"the one look of a fixed-horizon test was look {judged[0]['look']}; the data have changed since"
        return (
            Guard("horizon", GuardStatus.BLOCK, found, f"the verdict was {judged[0]['verdict']}: decide by that one"),
        )
    return (Guard("horizon", GuardStatus.PASS, "the planned end is reached"),)


def _stability(sequence: ConfidenceSequence | None, name: str) -> tuple[Guard, ...]:
    if sequence is None or sequence.verdict != "contradicted":
        return ()
    return (
        Guard(
            "stability",
            GuardStatus.BLOCK,
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


def _verdict(
    deciding: Comparison | None,
    guards: Sequence[Guard],
    allocation: Any,
    treatment: str,
    control: str,
    p: float,
    plan: Mapping[str, Any],
) -> Conclusion:
    if deciding is None:
        reasons = [guard for guard in guards if guard.status is GuardStatus.BLOCK]
        why = "; ".join(f"{guard.message} → {guard.action}" for guard in reasons) or "too little data to compare"
        return Conclusion(
            Verdict.BLOCKED,
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


def _overall(verdicts: Sequence[Conclusion]) -> str:
    states = [verdict.state for verdict in verdicts]
    for state in ("better", "undecided", "blocked", "futile"):
        if state in states:
            return state
    return "worse"
