"""How experiments are shown: plans of tests, looks, decisions, tables of tests, and figures from a data frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from abkit.metrics import METRICS
from abkit.records import percent, to_plain
from abkit.reporting.charts.looks import analysis_chart
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, interval
from abkit.stats.design.budget import BudgetPlan
from abkit.stats.design.pairs import PairPlan
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.verdict import arm_value
from abkit.vocabulary import Metric
from abkit.workflows.experiments.design import DesignReport
from abkit.workflows.experiments.formats import RecordedDecision
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult
from abkit.workflows.experiments.looks.segments import SegmentResults
from abkit.workflows.experiments.looks.watched import WatchedMetric
from abkit.workflows.experiments.rows.compare import UnitAnalysis, UnitComparison
from abkit.workflows.experiments.rows.simulate import Simulation
from abkit.workflows.experiments.table import TableReport

_MOST_REFUSED = 5


@view_of.register
def _(report: DesignReport) -> View:
    rows = [
        {
            "control": pair.control,
            "treatment": pair.treatment,
            "score_gap": pair.score_gap,
            "scored_right": pair.chance_scored_right,
            "expected_lift": pair.expected_lift,
            "units": pair.size.total if pair.size else None,
            "days": pair.size.days if pair.size else None,
            **(_pair_budget(pair, report) if report.budget else {}),
            "test": pair.worth_testing,
            "why": pair.why,
        }
        for pair in report.pairs
    ]
    definition = METRICS[report.metric]
    value = percent(report.baseline, 3) if definition.share else definition.show(report.baseline, report.currency)
    notes = [f"baseline {value} ({report.baseline_from})", report.relation.note, *report.notes]
    if report.other_shapes:
        notes.append(f"{report.other_shapes:,} pairs of two shapes or of one idea are left out: nothing to test there")
    return View(
        tables=(Table.of(rows, title=f"{report.campaign}: pairs, the most promising first"),),
        sentences=tuple(_budget_sentences(report.budget, report.currency)) if report.budget else (),
        notes=tuple(filter(None, notes)),
    )


def _pair_budget(pair: PairPlan, report: DesignReport) -> dict[str, Any]:
    plan = pair.budget
    events = report.budget.events if report.budget else ""
    return {
        "impressions": plan.impressions if plan else None,
        "cost": f"{plan.cost:,.0f} {report.currency}".rstrip() if plan else None,
        "chance to decide": percent(plan.chance_to_decide, 0) if plan else None,
        f"more {events}": math.ceil(plan.more_events) if plan else None,
    }


def _budget_sentences(plan: BudgetPlan, currency: str) -> Iterator[str]:
    def money(amount: float, digits: int = 0) -> str:
        return f"{amount:,.{digits}f} {currency}".rstrip()

    yield plan.sentence
    days = f", {plan.days:,} day{'s' * (plan.days != 1)}" if plan.days is not None else ""
    yield f"  {money(plan.budget)} buys {plan.impressions:,} impressions at {money(plan.cpm, 2)} per 1,000{days}"
    if plan.smallest_lift is not None and plan.more_events is not None:
        gain = f"; it is worth {money(plan.smallest_gain, 2)} per 1,000 impressions" if plan.smallest_gain else ""
        yield f"  that takes {math.ceil(plan.more_events):,} more {plan.events} than the control{gain}"
    if plan.planned_lift is not None and plan.planned_cost is not None and plan.planned_more_events is not None:
        days = f" in {plan.planned_days:,} day{'s' * (plan.planned_days != 1)}" if plan.planned_days is not None else ""
        yield (
            f"  the planned {percent(plan.planned_lift, 1)} takes {money(plan.planned_cost)}{days}, and "
            f"{math.ceil(plan.planned_more_events):,} more {plan.events} than the control"
        )


@view_of.register
def _(analysis: Analysis) -> View:
    title = f"{analysis.experiment}, {_metric(analysis)} against {analysis.control}: {analysis.rule}"
    watching = bool(analysis.watched)
    checks = [{"guard": guard.name, "status": guard.status, "found": guard.message} for guard in analysis.guards]
    return View(
        tables=(
            Table.of([_treatment_row(result, analysis) for result in analysis.treatments], title=title),
            *([Table.of([_watched_row(one, analysis) for one in analysis.watched], title=_WATCHED)] * watching),
            *(_segments(found, analysis) for found in analysis.segments),
            Table.of(checks, title="Guards"),
        ),
        sentences=(
            *(line for result in analysis.treatments for line in _sentences(result, analysis.currency)),
            *(f"watched, does not decide: {_watched_sentence(one)}" for one in analysis.watched),
            *(found.sentence for found in analysis.segments),
        ),
        notes=(*analysis.notes, *(f"set aside: {one}" for one in analysis.set_aside)),
        chart=lambda: analysis_chart(analysis),
    )


_WATCHED = "Watched, does not decide; one false discovery rate over all of it (Benjamini and Hochberg)"


def _segments(found: SegmentResults, analysis: Analysis) -> Table:
    show, currency = METRICS[analysis.metric].show, analysis.currency
    rows = [
        {
            found.dimension.value: one.segment,
            "verdict": one.state,
            "control": None if one.lift is None else show(one.control, currency),
            "value": None if one.lift is None else show(one.treatment, currency),
            "lift": percent(one.lift.estimate, 1, sign=True) if one.lift else None,
            "interval": _interval(one.lift) if one.lift else None,
            "pooled lift": percent(one.pooled_lift.estimate, 1, sign=True) if one.pooled_lift else None,
            "its interval": _interval(one.pooled_lift) if one.pooled_lift else None,
            "adjusted p": None if math.isnan(one.adjusted_p) else f"{one.adjusted_p:.3g}",
        }
        for one in found.segments
    ]
    smaller = f"; {found.left_out:,} smaller ones are left out" if found.left_out else ""
    title = f"{found.treatment} by {found.dimension}, with the lift drawn towards that of all segments{smaller}"
    return Table.of(rows, title=title)


def _metric(analysis: Analysis) -> str:
    definition = METRICS[analysis.metric]
    unit = definition.unit(analysis.currency) if analysis.currency else ""
    return f"{definition.name} ({unit})" if unit else definition.name


def _treatment_row(result: TreatmentResult, analysis: Analysis) -> dict[str, Any]:
    return {
        "treatment": result.treatment,
        "verdict": result.verdict.state,
        **_values(result.deciding, analysis.metric, analysis.currency),
        **_lift(result.deciding),
        **_lift(result.fixed, "fixed "),
        "adjusted p": None if math.isnan(result.adjusted_p) else f"{result.adjusted_p:.3g}",
        "chance to win": percent(result.bayes.chance_to_win, 1) if result.bayes else None,
    }


def _watched_row(one: WatchedMetric, analysis: Analysis) -> dict[str, Any]:
    definition = METRICS[one.metric]
    unit = definition.unit(analysis.currency)
    return {
        "treatment": one.treatment,
        "metric": f"{definition.name}, {unit}" if unit and analysis.currency else definition.name,
        "verdict": one.conclusion.state if one.conclusion else None,
        **dict(zip(("control", "value"), _pair(one.comparison, one.metric), strict=True)),
        **_lift(one.comparison),
        "adjusted p": None if math.isnan(one.adjusted_p) else f"{one.adjusted_p:.3g}",
    }


def _watched_sentence(one: WatchedMetric) -> str:
    said = one.conclusion.sentence if one.conclusion else f"not enough data on {one.treatment}"
    return f"{METRICS[one.metric].name}: {said}"


def _values(comparison: Comparison | None, metric: Metric, currency: str) -> dict[str, Any]:
    """Return the values of both arms where these are more than rates, whose lift says enough."""
    if METRICS[metric].share:
        return {}
    return dict(zip(("control", "value"), _pair(comparison, metric, currency), strict=True))


def _pair(comparison: Comparison | None, metric: Metric, currency: str = "") -> tuple[str | None, str | None]:
    if comparison is None:
        return None, None
    one, two = (METRICS[metric].show(arm_value(arm), currency) for arm in (comparison.control, comparison.treatment))
    return one, two


def _lift(comparison: Comparison | None, prefix: str = "") -> dict[str, Any]:
    lift = comparison.lift if comparison else None
    shown = (percent(lift.estimate, 1, sign=True), _interval(lift)) if lift else (None, None)
    return dict(zip((f"{prefix}lift", f"{prefix}interval"), shown, strict=True))


def _interval(lift: Estimate) -> str:
    return interval(lift.ci_low, lift.ci_high, 1, sign=True)


def _sentences(result: TreatmentResult, currency: str) -> Iterator[str]:
    yield result.verdict.sentence
    if result.verdict.action_reason:
        yield f"  recommended: {result.verdict.advice}"
    if result.adjustment:
        one = result.adjustment
        left = f"; {one.without:,} of {one.units:,} had none" if one.without else ""
        yield (
            f"  adjusted by the {one.covariate}{left}: {percent(one.variance_kept, 0)} of the variance is left; "
            f"without it the lift is {percent(one.raw.lift.estimate, 1, sign=True)} {_interval(one.raw.lift)} "
            f"(p = {one.raw.p_value:.3g})"
        )
    if result.worth:
        yield f"  {result.worth.sentence} ({result.worth.basis})"
    if result.shrunken_lift:
        shrunken = percent(result.shrunken_lift.estimate, 1, sign=True)
        ends = f"{_interval(result.shrunken_lift)}, which at 95 % covers 93 % of winners or more"
        yield f"  lift shrunk towards past experiments: {shrunken} {ends}"
    if result.exaggeration:
        yield (
            f"  if that is the true lift, a significant one exaggerates it {result.exaggeration.exaggeration:.1f} "
            f"times on average and has the wrong sign in {percent(result.exaggeration.type_s, 1)} of cases"
        )
    if result.strata and result.strata.strata == 1:
        yield "  all of it lies in one segment: nothing to stratify"
    elif result.strata:
        odds = result.strata.odds_ratio
        yield (
            f"  within {result.strata.strata} segments: odds ratio {odds.estimate:.3f} "
            f"[{odds.ci_low:.3f}, {odds.ci_high:.3f}]; alike in all: p = {result.strata.interaction_p_value:.3g}"
        )
    for name, margin in result.guardrails.items():
        if margin is None:
            yield f"  guardrail {name}: not enough data"
        else:
            said = "not worse by more than" if margin.holds else "may be worse by more than"
            when = "valid at any look" if margin.anytime else "valid for one look"
            yield f"  guardrail {name}: {said} {_margin(name, margin, currency)} (p = {margin.p_value:.3g}, {when})"


def _margin(metric: Metric, test: MarginTest, currency: str) -> str:
    if test.relative:
        return f"{percent(test.margin, 1)} of the control"
    definition = METRICS[metric]
    return f"{test.margin:.2g}" if definition.share else definition.show(test.margin, currency)


@view_of.register
def _(record: RecordedDecision) -> View:
    keep = ("decision", "variant", "verdict", "recommended", "look", "rule", "against_the_verdict", "second")
    found = f"{record.verdict}; recommended: {record.recommended}" if record.recommended else record.verdict
    against = f"this goes against the verdict ({found}), and is recorded as such"
    return View(
        tables=(Table.of([{"figure": name.replace("_", " "), "value": getattr(record, name)} for name in keep]),),
        notes=(against,) if record.against_the_verdict else (),
    )


@view_of.register
def _(report: TableReport) -> View:
    summary = to_plain(report.summary)
    prior = report.summary.effect_prior
    if prior is not None:
        summary["effect_prior"] = f"log lift {prior.mean:+.3f}, sd {prior.sd:.3f} ({prior.method})"
    summary["lift_quantiles"] = ", ".join(
        f"{name} {percent(lift, 1, sign=True)}" for name, lift in report.summary.lift_quantiles.items()
    )
    summary["p_value_histogram"] = " ".join(map(str, report.summary.p_value_histogram))
    notes = [f"refused {refused.experiment}: {refused.reason}" for refused in report.refused[:_MOST_REFUSED]]
    if len(report.refused) > _MOST_REFUSED:
        notes.append(f"… and {len(report.refused) - _MOST_REFUSED} more; --format json lists all")
    rows = [{"figure": name.replace("_", " "), "value": value} for name, value in summary.items()]
    return View(tables=(Table.of(rows, title=report.table),), notes=tuple(notes), chart=lambda: table_chart(report))


def table_chart(report: TableReport) -> Any:
    """Return the forest plot of a table's comparisons, the clearest first."""
    from abkit.reporting.charts.experiment import forest_plot

    clearest = sorted((row for row in report.comparisons if not row.blocked), key=lambda row: row.p_value)
    lifts = [
        (f"{row.experiment}: {row.treatment} against {row.control}", Estimate(row.lift, row.lift_low, row.lift_high))
        for row in clearest
    ]
    found = report.summary
    said = f"intervals of single comparisons; {found.significant} significant by {found.correction}"
    return forest_plot(lifts, title=f"{report.table}: the clearest first", subtitle=said)


@view_of.register
def _(analysis: UnitAnalysis) -> View:
    from abkit.reporting.charts.experiment import forest_plot

    measured = f"{analysis.metric} per {analysis.denominator or analysis.unit}"
    if analysis.quantile is not None:
        measured = f"{'median' if analysis.quantile == 0.5 else f'quantile {analysis.quantile:g}'} of {measured}"
    arms = [
        {"variant": arm.variant, "units": arm.units, "rows": arm.rows, measured: f"{arm.value:.5g}"}
        for arm in analysis.arms
    ]
    compared = [
        {
            "treatment": one.treatment,
            **_lift(one.comparison),
            "difference": f"{one.comparison.difference.estimate:+.5g}",
            "its interval": f"[{one.comparison.difference.ci_low:+.5g}, {one.comparison.difference.ci_high:+.5g}]",
            "adjusted p": f"{one.adjusted_p:.3g}",
        }
        for one in analysis.comparisons
    ]
    warned = [f"{one.treatment}: {said}" for one in analysis.comparisons for said in one.comparison.warnings]
    said_of = [
        f"{one.treatment}: {note}" for one in analysis.comparisons for note in (*one.comparison.notes, *_taken_out(one))
    ]
    level = f"{percent(analysis.comparisons[0].comparison.level, 0)} intervals"
    title = f"{measured}, against {analysis.control}; {level}"
    split = analysis.sample_ratio
    mismatch = (
        f"the units are not split as planned (p = {split.p_value:.2g}): find what loses or misroutes them before you "
        "trust a figure"
    )
    return View(
        tables=(Table.of(arms), Table.of(compared, title=title)),
        sentences=(*([mismatch] if split.mismatch else []), *warned),
        notes=(*analysis.notes, *said_of, *analysis.left_out.sentences()),
        chart=lambda: forest_plot([(one.treatment, one.comparison.lift) for one in analysis.comparisons], title=title),
    )


def _taken_out(compared: UnitComparison) -> Iterator[str]:
    """Say what the covariate did, and what the figures would be without it."""
    one = compared.adjustment
    if one is None:
        return
    raw = one.raw.lift
    yield (
        f"adjusted by {one.covariate} of before the test: {percent(one.variance_kept, 0)} of the variance is left; "
        f"without that the lift is {percent(raw.estimate, 1, sign=True)} [{percent(raw.ci_low, 1, sign=True)}, "
        f"{percent(raw.ci_high, 1, sign=True)}], p = {one.raw.p_value:.3g}"
    )
    if one.without:
        yield f"{one.without:,} units have no {one.covariate}: nothing is taken out of them"


@view_of.register
def _(simulation: Simulation) -> View:
    rows = [
        {
            "lift": "none (A/A)" if one.lift == 0 else percent(one.lift, 1),
            "found": f"{percent(one.share, 1)} [{percent(one.ci_low, 1)}, {percent(one.ci_high, 1)}]",
            "interval held the lift": percent(one.covered, 1),
            "tests": one.runs,
        }
        for one in simulation.lifts
    ]
    measured = f"{simulation.metric} per {simulation.denominator or 'unit'}"
    title = f"{measured}: tests of {simulation.per_arm:,} units per arm at alpha {simulation.alpha:g}"
    drawn = f"units drawn {simulation.drawn} from {simulation.units:,}; seed {simulation.seed}"
    wrong = (
        f"without any lift this test finds one more often than {percent(simulation.alpha, 1)} of the time: do not use "
        "it on this metric (cap it, or compare a quantile)"
    )
    return View(tables=(Table.of(rows, title=title),), sentences=() if simulation.honest else (wrong,), notes=(drawn,))
