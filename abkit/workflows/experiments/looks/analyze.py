"""One look at one experiment: guards first, then the figures, then a verdict in words that the design allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from abkit.intake.media.images import SAME_SHAPE
from abkit.metrics import METRICS
from abkit.money import Exchange
from abkit.records import percent
from abkit.stats.estimate import Comparison
from abkit.stats.sequential.always_valid import ConfidenceSequence, confidence_sequence
from abkit.stats.sequential.group_sequential import GroupSequentialPlan
from abkit.stats.verdicts.delivery_guards import known_ads, not_steered, one_format, whole_days
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard, check_guards
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.verdict import Conclusion, advise, judge
from abkit.store.kpis.money import Figures
from abkit.store.kpis.once.counting import together
from abkit.store.kpis.once.provisional import all_provisional
from abkit.vocabulary import Allocation, AnalysisUnit, Dimension, GuardStatus, Metric, Monitoring, Unit, Verdict
from abkit.workflows.experiments.arms import (
    Arm,
    impressions_by_segment,
    is_modeled,
    posterior,
    within_segments,
)
from abkit.workflows.experiments.looks import planned as looks
from abkit.workflows.experiments.looks.capping import capped
from abkit.workflows.experiments.looks.former import Shift, shifted
from abkit.workflows.experiments.looks.results import Analysis, Total, TreatmentResult
from abkit.workflows.experiments.looks.segments import BySegment, compare_segments
from abkit.workflows.experiments.looks.shrunken import shrunken
from abkit.workflows.experiments.looks.watched import watch
from abkit.workflows.experiments.looks.worth import NOT_KNOWN, GivenValue, worth_of
from abkit.workflows.experiments.plan import ExperimentPlan, no_anytime
from abkit.workflows.experiments.units.choose import comparer_of, unit_of
from abkit.workflows.experiments.units.comparer import Compared, Comparer
from abkit.workflows.experiments.units.geographies import Geographies
from abkit.workflows.experiments.units.sums import SumsPerUnit

MODELED = (
    "conversions are fractions: the platform models them and divides the credit between ads; they are no counts of a "
    "binomial, so that days are compared where impressions would be"
)
"""What is said about figures whose numerator is modeled."""

_BY_DAY = (AnalysisUnit.DAYS, AnalysisUnit.BLOCKS)


def analyze(
    plan: ExperimentPlan,
    arms: Sequence[Arm],
    *,
    as_of: date,
    earlier: Sequence[Analysis] = (),
    past: Sequence[Analysis] = (),
    by: Dimension | None = None,
    money: Exchange | None = None,
    sums: SumsPerUnit | None = None,
    former: Mapping[str, Figures] | None = None,
    of_rows: Sequence[str] = (),
    given: GivenValue | None = None,
    by_segment: BySegment | None = None,
) -> Analysis:
    """Analyze the arms of one experiment.

    Args:
        plan: What was fixed before the first look.
        arms: The variants with what they delivered, the control first.
        as_of: The last day that counts.
        earlier: The earlier looks at this experiment, oldest first.
        past: The last analyses of other experiments: what lifts are like.
        by: A dimension of delivery to stratify by.
        money: The currency of the arms' amounts, where these are known.
        sums: Sums per user or session, where those were randomized: daily totals do not show how they differ.
        former: Figures of each geography before the test, of all ads, where the plan takes them out.
        of_rows: What to know about the rows that these sums are of.
        given: What a success is worth, where that is given instead.
        by_segment: What each arm delivered by value of the dimension `by` and day.
    """
    definition = METRICS[plan.metric]
    currency = money.currency if money and plan.needs_money else ""
    arms, of_caps = capped(plan, arms, currency)
    days, delivered = ([arm.days(metric) for arm in arms] for metric in (plan.metric, Metric.CTR))
    events = [arm.events(plan.metric) for arm in arms]
    # Halves may add up to whole numbers by day, and are modeled all the same.
    of_conversions = "conversions" in (definition.denominator, definition.events)
    modeled = of_conversions and (is_modeled(*events) or any(arm.delivery.modeled for arm in arms))
    if plan.monitoring is Monitoring.ANYTIME and no_anytime(plan):
        # A plan from before that was refused: it is judged at its end.
        plan = replace(plan, monitoring=Monitoring.FIXED)
    unit = unit_of(plan, arms, modeled=modeled, sums=sums is not None)
    by_day, trials = unit in _BY_DAY, unit is AnalysisUnit.IMPRESSIONS
    # Rows of users say all that is compared; what the platform delivered need not have been imported for them.
    only_sums = sums is not None and not any(arm.trials for arm in delivered)
    totals = {arm.key: Total(arm.trials, arm.total) for arm in days} if sums is None else _summed(sums, plan)
    guards: tuple[Guard, ...] = ()
    if not only_sums:
        guards = check_guards(
            events,
            allocation=plan.allocation,
            as_of=as_of,
            running=not plan.has_ended(as_of),
            by_day=by_day,
            delivered=delivered,
            trials_drawn=plan.unit is Unit.IMPRESSION,
            alternating=plan.unit is Unit.DAY,
            ends_on=plan.ends_on,
        )
        guards += (known_ads({arm.key: arm.unknown for arm in arms if arm.unknown}),)
    guards += (
        whole_days({arm.key: arm.delivery.longer for arm in arms}, by_day=by_day),
        one_format(
            {arm.key: arm.delivery.sizes for arm in arms},
            tolerance=SAME_SHAPE,
            mixes=plan.unit in (Unit.USER, Unit.SESSION, Unit.GEOGRAPHY),
        ),
        not_steered(
            delivered,
            impressions_by_segment(arms),
            drawn=plan.allocation is Allocation.RANDOM and plan.unit is Unit.IMPRESSION,
        ),
    )
    before = [_past(look, totals) for look in earlier]
    tuning = looks.tuning(plan, days, delivered, before, by_day=by_day)
    comparer = comparer_of(unit, plan, arms, tuning=tuning, sums=sums)
    units = comparer.counted(arms, plan.metric)
    share = looks.planned_share(plan, delivered, units=sum(units.values()) if sums else None)
    guards += comparer.guards(arms, plan.metric, plan.level)
    if unit is not AnalysisUnit.TOTALS:
        guards += looks.horizon(plan, share, before, as_of=as_of)
    control, others = arms[0], arms[1:]
    boundary = looks.boundary(plan, share, len(days), before)
    shifts = [
        shifted(plan, comparer, control, arm, former)
        if former is not None and isinstance(comparer, Geographies)
        else ""
        for arm in others
    ]
    by_arm = [shift.comparer if isinstance(shift, Shift) else comparer for shift in shifts]
    decided = [_compare(control, arm, own, plan, boundary) for arm, own in zip(others, by_arm, strict=True)]
    adjusted = adjust(
        [pair[0].p_value if pair else math.nan for pair in decided],
        correction="holm",
        alpha=1 - plan.level,
        family=f"{len(others)} treatments of {plan.key}, {plan.metric}",
    )
    treatments = []
    for arm, pair, p, shift in zip(others, decided, adjusted.p_values, shifts, strict=True):
        deciding, fixed = pair or (None, None)
        raw = comparer.compare(control, arm, plan.metric, plan.level) if isinstance(shift, Shift) else None
        sequence, dates = _sequence(control, arm, comparer, plan) if pair else (None, ())
        shrunken_lift, curse = shrunken(fixed, past, plan.metric)
        guardrails = {
            metric: _guardrail(control, arm, metric, margin, plan=plan, comparer=comparer)
            for metric, margin in plan.guardrails.items()
        }
        concluded = _conclusion(
            plan,
            deciding,
            (*guards, *_stability(sequence, arm.key)),
            arm.key,
            control.key,
            p,
            currency,
            looks.standing(plan, before, arm.key),
        )
        treatments.append(
            TreatmentResult(
                treatment=arm.key,
                deciding=deciding,
                fixed=fixed,
                bayes=posterior(days[0], arm.days(plan.metric)) if trials and pair else None,
                adjusted_p=p,
                sequence=sequence,
                days=dates,
                shrunken_lift=shrunken_lift,
                exaggeration=curse,
                guardrails=guardrails,
                strata=within_segments(control, arm, plan.metric, by, plan.level) if by and trials else None,
                verdict=advise(concluded, guardrails),
                adjustment=shift.adjustment(plan, fixed, raw.fixed)
                if isinstance(shift, Shift) and fixed and raw
                else None,
            )
        )
    amounts = money.currency if money else ""
    treatments = [
        replace(one, worth=worth_of(plan, arms, arm, one.deciding, one.verdict, currency=amounts, given=given))
        for arm, one in zip(others, treatments, strict=True)
    ]
    valued = any(one.worth for one in treatments)
    fresh = all_provisional(arm.delivery.provisional for arm in arms)
    return Analysis(
        experiment=plan.key,
        as_of=as_of,
        look=len(earlier) + 1,
        metric=plan.metric,
        unit=plan.unit,
        allocation=plan.allocation,
        analyzed_by=unit,
        control=control.key,
        totals=totals,
        rule=_rule(plan, comparer, len(earlier) + 1),
        guards=guards,
        treatments=tuple(treatments),
        correction=f"{adjusted.correction}: {adjusted.controls}; family: {adjusted.family}",
        boundary=boundary,
        verdict=_overall([result.verdict for result in treatments]),
        notes=(
            *([MODELED] if modeled else []),
            *([str(fresh)] if fresh else []),
            *(money.notes if money and (plan.needs_money or valued) else ()),
            *([] if valued or all(one.verdict.state is Verdict.BLOCKED for one in treatments) else [NOT_KNOWN]),
            *of_caps,
            *dict.fromkeys(f"not adjusted by former figures: {why}" for why in shifts if isinstance(why, str) and why),
            *_without_money(arms, plan),
            *comparer.notes(arms),
            *of_rows,
        ),
        currency=currency,
        set_aside=together(
            [one for arm in arms for one in arm.delivery.set_aside], int(sum(arm.trials for arm in delivered))
        ),
        planned_share=share,
        tuning=tuning,
        units=units,
        watched=watch(
            plan,
            arms,
            lambda one, other, metric: _watched(one, other, metric, plan=plan, comparer=comparer),
            currency=currency,
        ),
        segments=compare_segments(
            plan,
            arms,
            by,
            by_segment,
            lambda one, other: _compare(one, other, comparer, plan, boundary),
            alpha=_to_spend(plan, boundary),
            blocked=_unsaid(plan, guards, before, [arm.key for arm in others]),
        )
        if by and by_segment is not None
        else (),
    )


def _to_spend(plan: ExperimentPlan, boundary: GroupSequentialPlan | None) -> float:
    """Return the error that all segments may spend at this look: of planned looks, what this one adds."""
    if boundary is None:
        return 1 - plan.level
    return boundary.alpha_spent[-1] - sum(boundary.alpha_spent[-2:-1])


def _unsaid(
    plan: ExperimentPlan, guards: Sequence[Guard], earlier: Sequence[looks.PastLook], treatments: Sequence[str]
) -> str:
    """Return why nothing may be said about segments at this look; empty where it may."""
    if any(guard.status is GuardStatus.BLOCK for guard in guards):
        return "a guard blocks the experiment"
    if any(looks.standing(plan, earlier, treatment) for treatment in treatments):
        return "an earlier look decided, and no error is left to spend"
    return ""


def _summed(sums: SumsPerUnit, plan: ExperimentPlan) -> dict[str, Total]:
    found = {key: sums.get(key, {}).get(plan.metric) for key in plan.variants}
    return {
        key: Total(of.n * of.mean_x, of.n * of.mean_y) if of is not None else Total(0, 0) for key, of in found.items()
    }


def _without_money(arms: Sequence[Arm], plan: ExperimentPlan) -> Iterator[str]:
    """Say which days of which arm are left out of metrics of money, because not all of it is known."""
    for metric in plan.metrics:
        definition = METRICS[metric]
        for arm in arms:
            figures = arm.delivery.by_day.values()
            out = [one for one in figures if definition.terms(one) is None]
            if out:
                share = sum(one.impressions for one in out) / max(sum(one.impressions for one in figures), 1)
                yield (
                    f"{arm.key}: {len(out):,} days ({percent(share, 1)} of the impressions) are left out of "
                    f"{definition.name}, as {' or '.join(definition.needs)} of some rows is not known"
                )


def _compare(
    control: Arm, arm: Arm, comparer: Comparer, plan: ExperimentPlan, boundary: GroupSequentialPlan | None
) -> tuple[Comparison, Comparison] | None:
    """Return the deciding and the fixed comparison."""
    pair = comparer.compare(control, arm, plan.metric, plan.level)
    if pair is None:
        return None
    if plan.monitoring is Monitoring.ANYTIME and pair.anytime is not None:
        return pair.anytime, pair.fixed
    if boundary is None:
        return pair.fixed, pair.fixed
    # The last boundary is that of this look: its nominal level makes the interval.
    deciding = comparer.compare(control, arm, plan.metric, 1 - boundary.nominal_p[-1])
    return None if deciding is None else (deciding.fixed, pair.fixed)


def _guardrail(
    control: Arm, arm: Arm, metric: Metric, margin: float, *, plan: ExperimentPlan, comparer: Comparer
) -> MarginTest | None:
    """Test that the treatment is not worse on this metric by more than the margin; None where there is too little.

    The confidence level is the plan's, one-sided. Planned looks divide their error for the metric that decides, so that
    a guardrail is valid at any look then, too.
    """
    anytime = plan.monitoring is not Monitoring.FIXED
    chosen = _comparer_of_metric(control, arm, metric, plan, comparer)
    return chosen.not_worse(control, arm, metric, margin=margin, level=plan.level, anytime=anytime)


def _watched(control: Arm, arm: Arm, metric: Metric, *, plan: ExperimentPlan, comparer: Comparer) -> Comparison | None:
    """Compare two arms by a metric that does not decide; as often as it is looked at, where the unit allows that.

    Planned looks divide their error for the metric that decides: any other is valid at any look instead.
    """
    pair = _comparer_of_metric(control, arm, metric, plan, comparer).compare(control, arm, metric, plan.level)
    if pair is None or comparer.unit is AnalysisUnit.TOTALS:
        return None
    return pair.anytime if plan.monitoring is not Monitoring.FIXED and pair.anytime is not None else pair.fixed


def _comparer_of_metric(control: Arm, arm: Arm, metric: Metric, plan: ExperimentPlan, comparer: Comparer) -> Comparer:
    """Return how two arms are compared by another metric than the one that decides.

    It need not be a share of counted trials where the one that decides is.
    """
    if comparer.unit is not AnalysisUnit.IMPRESSIONS:
        return comparer
    of_metric, pair = replace(plan, metric=metric), [control, arm]
    unit = unit_of(of_metric, pair, modeled=False, sums=False)
    days, delivered = ([one.days(counted) for one in pair] for counted in (metric, Metric.CTR))
    tuning = looks.tuning(plan, days, delivered, (), by_day=unit in _BY_DAY)
    return comparer_of(unit, of_metric, pair, tuning=tuning)


def _past(look: Analysis, totals: Mapping[str, Total]) -> looks.PastLook:
    return looks.PastLook(
        look=look.look,
        as_of=look.as_of,
        share=look.planned_share,
        trials=sum(arm.trials for arm in look.totals.values()),
        tuning=look.tuning,
        by_day=look.analyzed_by in _BY_DAY,
        verdict=look.verdict,
        verdicts={one.treatment: one.verdict for one in look.treatments},
        unchanged=look.totals == totals,
    )


def _sequence(
    control: Arm, arm: Arm, comparer: Comparer, plan: ExperimentPlan
) -> tuple[ConfidenceSequence | None, tuple[date, ...]]:
    """Return the test as it would have looked at the end of each day, and those days."""
    if not comparer.daily:
        return None, ()
    found: dict[date, Compared] = {}
    for day in sorted(set(control.delivery.by_day) | set(arm.delivery.by_day)):
        pair = comparer.compare(control, arm, plan.metric, plan.level, day)
        if pair is not None and pair.anytime is not None:
            found[day] = pair
    if not found:
        return None, ()
    sequential = [pair.anytime for pair in found.values() if pair.anytime is not None]
    fixed = [pair.fixed for pair in found.values()]
    return confidence_sequence(sequential, fixed, tuning=comparer.tuning), tuple(found)


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


def _conclusion(
    plan: ExperimentPlan,
    deciding: Comparison | None,
    guards: Sequence[Guard],
    treatment: str,
    control: str,
    adjusted_p: float,
    currency: str,
    stands: Conclusion | None,
) -> Conclusion:
    if deciding is None:
        reasons = [guard for guard in guards if guard.status is GuardStatus.BLOCK]
        why = "; ".join(f"{guard.message} → {guard.action}" for guard in reasons) or "too little data to compare"
        return Conclusion(
            state=Verdict.BLOCKED,
            sentence=f"no verdict on {treatment}: {why}",
            causal=plan.allocation is Allocation.RANDOM,
            blocked_by=tuple(guard.name for guard in reasons) or ("data",),
        )
    if stands and not any(guard.status is GuardStatus.BLOCK for guard in guards):
        return stands
    return judge(
        deciding,
        guards,
        allocation=plan.allocation,
        treatment=treatment,
        control=control,
        # Bonferroni is in the boundary of planned looks already.
        adjusted_p=None if plan.monitoring is Monitoring.GROUP else adjusted_p,
        planned_lift=plan.lift,
        metric=METRICS[plan.metric],
        currency=currency,
    )


_OF = {
    AnalysisUnit.IMPRESSIONS: "impressions as trials",
    AnalysisUnit.DAYS: "days, the arms compared within each",
    AnalysisUnit.BLOCKS: "the days that were drawn, as blocks",
    AnalysisUnit.GEOGRAPHIES: "geographies",
    AnalysisUnit.USERS: "users",
    AnalysisUnit.SESSIONS: "sessions",
}
"""What the units of an analysis are, for the rule."""


def _rule(plan: ExperimentPlan, comparer: Comparer, look: int) -> str:
    if comparer.unit is AnalysisUnit.TOTALS:
        return f"look {look}: totals of {plan.unit}s, which allow no verdict"
    of, level = _OF[comparer.unit], percent(plan.level, 0)
    if plan.monitoring is Monitoring.ANYTIME:
        return (
            f"look {look}: {level} confidence sequence over {of}, tuned to {comparer.tuning:,.0f}, "
            "valid at any look; Holm over treatments"
        )
    if plan.monitoring is Monitoring.GROUP:
        planned = f"of {plan.looks} planned" if look <= (plan.looks or look) else f"beyond the {plan.looks} planned"
        return f"look {look} {planned}: O'Brien–Fleming spending over {of}; Bonferroni over treatments"
    kind = "fixed-horizon interval"
    if comparer.unit is AnalysisUnit.GEOGRAPHIES:
        kind = "interval of the paired t test" if plan.paired else "interval of the randomization test"
    return f"look {look}: {level} {kind} over {of}, valid for one look only; Holm over treatments"


def _overall(conclusions: Sequence[Conclusion]) -> Verdict:
    order = (Verdict.BETTER, Verdict.UNDECIDED, Verdict.BLOCKED, Verdict.FUTILE, Verdict.WORSE)
    return min((conclusion.state for conclusion in conclusions), key=order.index)
