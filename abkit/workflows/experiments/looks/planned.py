"""The looks at a test: how much of the planned total is in, which boundaries the planned looks have, and which verdict
stands once the test has given it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.stats.sequential.group_sequential import GroupSequentialPlan, plan_looks
from abkit.stats.verdicts.guards import ArmDays, Guard
from abkit.stats.verdicts.verdict import Conclusion
from abkit.vocabulary import GuardStatus, Monitoring, Unit, Verdict
from abkit.workflows.experiments.plan import ExperimentPlan, counted_unit, no_anytime

PLANNED_DAYS = 28
"""What a test is taken to last where its plan has neither a total nor an end: four weeks."""

_SHOWN = (Verdict.BETTER, Verdict.WORSE)


@dataclass(frozen=True, kw_only=True)
class PastLook:
    """What later looks need of an earlier one.

    Attributes:
        look: Its number.
        as_of: The last day that counted.
        share: Share of the planned total that was in; None where none was planned.
        trials: Trials of the metric in all arms.
        tuning: What the any-time intervals were tuned to; None in analyses of an older abkit.
        by_day: Whether days were the units.
        verdict: The verdict on the best treatment.
        verdicts: Treatment → the verdict on it.
        unchanged: Whether it had the same data as the look that is made now.
    """

    look: int
    as_of: date
    share: float | None
    trials: float
    tuning: float | None
    by_day: bool
    verdict: Verdict
    verdicts: Mapping[str, Conclusion]
    unchanged: bool


def planned_share(plan: ExperimentPlan, delivered: Sequence[ArmDays], *, units: float | None = None) -> float | None:
    """Return the share of the planned total that is in; None where nothing is planned, or units cannot be counted here.

    Args:
        plan: The plan; its total counts all arms.
        delivered: Every arm with its impressions as exposures, whatever the metric.
        units: Users or sessions of all arms, where sums of them are known.
    """
    if not plan.planned_total:
        return None
    counted = plan.planned_unit or counted_unit(plan)
    if counted is Unit.DAY:
        return len(_days(delivered)) / plan.planned_total
    if counted is Unit.IMPRESSION:
        return sum(arm.trials for arm in delivered) / plan.planned_total
    if units is not None and counted in (Unit.USER, Unit.SESSION):
        return units / plan.planned_total
    return None


def tuning(
    plan: ExperimentPlan,
    trials: Sequence[ArmDays],
    delivered: Sequence[ArmDays],
    earlier: Sequence[PastLook],
    *,
    by_day: bool,
) -> float:
    """Return the units of two arms at which the any-time intervals are tightest: those that the plan ends with.

    A plan without a total is taken to end after its days at the traffic of the first look. That look's tuning is kept:
    it has to be fixed, and traffic says nothing about the effect.

    Args:
        plan: The plan.
        trials: Every arm with the trials of the metric.
        delivered: Every arm with its impressions.
        earlier: The earlier looks.
        by_day: Whether days are the units.
    """
    for look in earlier:
        if look.tuning is not None and look.by_day is by_day:
            return look.tuning
    days = len(_days(delivered))
    lasts = PLANNED_DAYS
    if plan.ends_on is not None and days:
        lasts = (plan.ends_on - (plan.starts_on or min(_days(delivered)))).days + 1
    if by_day:
        planned = plan.planned_total if plan.planned_total and counted_unit(plan) is Unit.DAY else lasts
        # Two arms that run on the same days have twice as many.
        return max(planned * (1.0 if plan.unit is Unit.DAY else 2.0), 1.0)
    now, shown = sum(arm.trials for arm in trials), sum(arm.trials for arm in delivered)
    if not (now and shown and days):
        return float(DEFAULT_TUNING)
    total = plan.planned_total * now / shown if plan.planned_total else now * max(lasts / days, 1.0)
    return max(total * 2 / len(delivered), 1.0)


def boundary(
    plan: ExperimentPlan, share: float | None, arms: int, earlier: Sequence[PastLook]
) -> GroupSequentialPlan | None:
    """Return the boundaries of the looks so far, this one included; those of the end once the planned total was in.

    Args:
        plan: The plan.
        share: The share of the planned total that is in.
        arms: Number of arms.
        earlier: The earlier looks: each has spent its part of the error.
    """
    if plan.monitoring is not Monitoring.GROUP or not share:
        return None
    rising: list[float] = []
    for past in _shares(plan, earlier):
        if max([0.0, *rising]) < min(past, 1.0) and past < share:
            rising.append(min(past, 1.0))
    looks = rising if rising and rising[-1] == 1.0 else [*rising, min(share, 1.0)]
    return plan_looks(looks, alpha=(1 - plan.level) / max(arms - 1, 1))


def _shares(plan: ExperimentPlan, earlier: Sequence[PastLook]) -> list[float]:
    total = plan.planned_total or 1.0
    # Analyses that an older abkit wrote have no share of their own.
    return [look.trials / total if look.share is None else look.share for look in earlier]


def standing(plan: ExperimentPlan, earlier: Sequence[PastLook], treatment: str) -> Conclusion | None:
    """Return the verdict that later looks cannot take back: the first boundary crossed, else that of the planned end.

    Planned looks spend all their error until the end; whatever is looked at later has none left to spend.
    """
    if plan.monitoring is not Monitoring.GROUP:
        return None
    for look, share in zip(earlier, _shares(plan, earlier), strict=True):
        verdict = look.verdicts.get(treatment)
        if verdict is None or verdict.state is Verdict.BLOCKED or not (verdict.state in _SHOWN or share >= 1):
            continue
        how = "crossed its boundary" if verdict.state in _SHOWN else "was at the planned end"
        said = verdict.sentence.split(" (look ")[0]
        sentence = f"{said} (look {look.look} of {look.as_of} {how}; later looks change no verdict)"
        return replace(verdict, sentence=sentence)
    return None


def horizon(
    plan: ExperimentPlan, share: float | None, earlier: Sequence[PastLook], *, as_of: date
) -> tuple[Guard, ...]:
    """Check that a fixed-horizon test is looked at once, at its planned end: its figures are valid then only.

    Args:
        plan: The plan.
        share: The share of the planned total that is in; None where none is planned.
        earlier: The earlier looks.
        as_of: The last day that counts.
    """
    if plan.monitoring is not Monitoring.FIXED:
        return ()
    judged = [look for look in earlier if look.verdict is not Verdict.BLOCKED and not look.unchanged]
    action = "wait for the end"
    if reason := no_anytime(plan):
        action += f"; this test cannot be looked at while it runs: {reason}"
    else:
        action += "; a test that may be looked at while it runs is created with --monitoring anytime"
    if share is not None and share < 1:
        found = f"{total_in_words(plan, share)}: a fixed-horizon verdict is valid at the end only"
    elif share is None and not plan.has_ended(as_of):
        found = "the end of the test is not reached: a fixed-horizon verdict is valid at the end only"
        if plan.ends_on is None:
            action += "; an end is given by --planned-total or --to"
    elif judged:
        found = f"the one look of a fixed-horizon test was look {judged[0].look}; the data have changed since"
        action = f"the verdict was {judged[0].verdict}: decide by that one"
    else:
        return (Guard("horizon", GuardStatus.PASS, "the planned end is reached"),)
    return (Guard("horizon", GuardStatus.BLOCK, found, action),)


def total_in_words(plan: ExperimentPlan, share: float) -> str:
    """Return how much of the planned total is in, in words."""
    total = plan.planned_total or 0.0
    return f"{round(share * total):,} of {total:,.0f} planned {(plan.planned_unit or counted_unit(plan)).plural}"


def _days(delivered: Sequence[ArmDays]) -> set[date]:
    return {day for arm in delivered for day, n in arm.exposures.items() if n}
