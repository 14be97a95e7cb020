"""Experiments on the store: create → analyze (a look) → decide. Every figure points to its run."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.alerts.experiments import experiment_closed
from abkit.errors import AbkitError, InvalidInput
from abkit.money import Exchange, Rates
from abkit.records import Record
from abkit.store import experiments as tables
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, figures_by_dimension
from abkit.store.people import folded_name
from abkit.store.runs import recorded_run
from abkit.store.schema import Experiment, ExperimentResult, Variant
from abkit.vocabulary import Dimension, ExperimentDecision, Recommendation, Unit, Verdict, parse_choice
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.formats import (
    RecordedDecision,
    Unreadable,
    plan_json,
    read_analysis,
    read_decision,
    read_plan,
    record_json,
)
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.looks.segments import no_segments
from abkit.workflows.experiments.looks.worth import GivenValue, check_given
from abkit.workflows.experiments.plan import ExperimentPlan, check_plan, has_ended
from abkit.workflows.experiments.rows.planned import UnitRowsOf, sums_for


@dataclass(frozen=True, kw_only=True)
class ExperimentSummary(Record):
    """One experiment of the list.

    Attributes:
        experiment: Key of the experiment.
        metric: What is compared.
        unit: What is randomized.
        allocation: `random` or `optimized`.
        starts_on: First day that counts.
        ends_on: Last day that counts.
        looks: Number of analyses so far.
        verdict: Verdict of the last one, if any.
        decision: The last decision, if any.
        decided_by: Who made it.
        archived: Whether it was archived.
    """

    experiment: str
    metric: str
    unit: str
    allocation: str
    starts_on: date | None
    ends_on: date | None
    looks: int
    verdict: str | None
    decision: str | None
    decided_by: str | None
    archived: bool


@dataclass(frozen=True, kw_only=True)
class HistoryEntry(Record):
    """One look at an experiment, or one decision on it.

    Attributes:
        kind: `analysis` or `decision`.
        sequence: Number of the look, or of the decision.
        as_of: The last day that counted, or the day of the decision.
        verdict: The verdict, or the decision.
        decided_by: Who decided; empty for an analysis.
        reason: Why; empty for an analysis.
        rule: By which rule the verdict was reached; None where the record cannot be read.
        run: The run that wrote it.
        result: The record; None where it cannot be read.
        unreadable: Why it cannot be read; empty where it can.
    """

    kind: str
    sequence: int
    as_of: date
    verdict: str
    decided_by: str
    reason: str
    rule: str | None
    run: int
    result: Analysis | RecordedDecision | None
    unreadable: str


def create_experiment(store: Store, plan: ExperimentPlan) -> int:
    """Write an experiment and its variants; return the id.

    Raises:
        AbkitError: The plan is not valid, its key is taken, or its campaign is unknown.
    """
    shares = check_plan(plan)
    with recorded_run(store, "experiment create", {"key": plan.key}) as run, store.write() as session:
        if session.scalar(select(Experiment.id).where(Experiment.key == plan.key)) is not None:
            raise AbkitError(f"there is an experiment {plan.key!r} already", hint="choose another key")
        row = Experiment(
            key=plan.key,
            campaign_id=creatives.find_campaign(session, plan.campaign) if plan.campaign is not None else None,
            unit=plan.unit.value,
            allocation=plan.allocation.value,
            metric=plan.metric.value,
            plan=plan_json(plan),
            starts_on=plan.starts_on,
            ends_on=plan.ends_on,
            created_at=datetime.now(UTC),
            run_id=run.id,
        )
        session.add(row)
        session.flush()
        for number, ((name, shown), share) in enumerate(zip(plan.variants.items(), shares, strict=True)):
            ads = tables.ads_named(session, shown)
            session.add(
                Variant(
                    experiment_id=row.id,
                    key=name,
                    is_control=number == 0,
                    share=share,
                    ad_id=ads[0] if len(ads) == 1 else None,
                    creative_id=tables.creative_named(session, shown),
                )
            )
        run.outcome = {"experiment": plan.key, "variants": len(shares)}
        return row.id


def analyze_experiment(
    store: Store,
    key: str,
    *,
    as_of: date,
    by: str | None = None,
    rates: Rates | None = None,
    rows: UnitRowsOf | None = None,
    given: GivenValue | None = None,
) -> Analysis:
    """Analyze what arrived until `as_of`, and record it as one more look.

    Args:
        store: The store.
        key: Key of the experiment.
        as_of: The last day that counts.
        by: A dimension of delivery (placement, country, …) to stratify by.
        rates: The currency of amounts, and what others are worth in it; that of the rows by default.
        rows: Where the rows of the users or sessions are that were randomized.
        given: What a click or a conversion is worth; by default what the rows say.

    Raises:
        AbkitError: There is no such experiment or dimension, the rows cannot be read or are not those of its variants,
            `as_of` is before the start, the plan or an earlier look was written by a newer abkit, or amounts are in
            several currencies.
    """
    dimension = parse_choice(Dimension, by, name="dimension of --by") if by is not None else None
    with recorded_run(store, "experiment analyze", {"key": key, "as_of": as_of.isoformat(), "by": by}) as run:
        with store.read() as session:
            experiment = tables.find_experiment(session, key)
            plan = _plan(session, experiment)
            if dimension and (why := no_segments(plan, dimension)):
                raise InvalidInput(f"segments by {dimension} are not compared: {why}")
            if plan.starts_on and as_of < plan.starts_on:
                raise InvalidInput(f"{key} starts on {plan.starts_on}; {as_of} is before that")
            last = min(as_of, plan.ends_on) if plan.ends_on else as_of
            ads = {name: tables.ads_named(session, shown) for name, shown in plan.variants.items()}
            every = [ad for each in ads.values() for ad in each]
            money = _money_of(session, every, plan, last, rates)
            if given:
                check_given(given, plan.metric)
            # Sums by geography need the rows that are cut by it, whatever else is cut.
            segments = plan.geography if plan.unit is Unit.GEOGRAPHY else dimension
            arms = [
                Arm(
                    key=name,
                    share=share,
                    delivery=tables.delivery(session, ads[name], plan.starts_on, last, segments, money),
                    margin_rate=plan.margin_rate,
                    unknown="" if ads[name] or tables.creative_named(session, shown) is not None else shown,
                )
                for (name, shown), share in zip(plan.variants.items(), plan.split or (), strict=True)
            ]
            by_segment = None
            if dimension:
                by_segment = {
                    name: tables.delivery_by_segment(session, shown, plan.starts_on, last, dimension, money)
                    for name, shown in ads.items()
                }
            former = None
            if plan.before and plan.starts_on:
                window = Filters(plan.starts_on - timedelta(plan.before), plan.starts_on - timedelta(1), plan.campaign)
                former = figures_by_dimension(session, window, plan.geography, money)
            earlier = [read_analysis(row) for row in tables.results_of(session, experiment, "analysis")]
            past = []
            for row in tables.latest_analyses(session, apart_from=experiment):
                with suppress(Unreadable):  # what another experiment wrote must not stop this one
                    past.append(read_analysis(row))
        sums, of_rows = sums_for(plan, rows) if rows is not None else (None, ())
        analysis = analyze(
            plan,
            arms,
            as_of=as_of,
            earlier=earlier,
            past=past,
            by=dimension,
            money=money,
            sums=sums,
            of_rows=of_rows,
            former=former,
            given=given,
            by_segment=by_segment,
        )
        with store.write() as session:
            row = tables.add_result(
                session,
                experiment,
                kind="analysis",
                as_of=as_of,
                verdict=analysis.verdict.value,
                result=record_json(analysis),
                run_id=run.id,
            )
            run.outcome = {"experiment": key, "look": row.sequence, "verdict": analysis.verdict.value}
        return analysis


def _money_of(
    session: Session, ads: list[int], plan: ExperimentPlan, last: date, rates: Rates | None
) -> Exchange | None:
    """Return the one currency of what the arms delivered.

    Where no metric is made of money, it only says what the decision is worth: amounts in several currencies are then no
    error.
    """
    try:
        return tables.currency_of(session, ads, plan.starts_on, last, rates)
    except AbkitError:
        if plan.needs_money:
            raise
        return None


def unknown_variants(store: Store, plan: ExperimentPlan) -> dict[str, list[str]]:
    """Return the variants whose ad or creative the store does not know, each with names that are like it.

    That is no error: an experiment may be created before its ads have delivered anything.
    """
    with store.read() as session:
        missing = {
            key: shown
            for key, shown in plan.variants.items()
            if not tables.ads_named(session, shown) and tables.creative_named(session, shown) is None
        }
        known = tables.names_known(session) if missing else []
    return {key: get_close_matches(shown, known, n=3) for key, shown in missing.items()}


def _plan(session: Session, experiment: Experiment) -> ExperimentPlan:
    campaign = creatives.campaign_keys(session)[experiment.campaign_id] if experiment.campaign_id else None
    return read_plan(experiment, tables.variants_of(session, experiment), campaign)


def decide_experiment(
    store: Store,
    key: str,
    decision: str,
    *,
    variant: str | None,
    person: str,
    reason: str,
    as_of: date,
    second: str = "",
    needs_second: bool = False,
) -> RecordedDecision:
    """Write a decision with the rule and the figures that it rests on: those of the last look.

    A decision against the verdict is possible, needs a reason, and is recorded as that.

    Args:
        store: The store.
        key: Key of the experiment.
        decision: An `ExperimentDecision`.
        variant: The variant that is shipped.
        person: Who decides.
        reason: Why.
        as_of: Day of the decision.
        second: Another person who agrees.
        needs_second: Whether a decision against the verdict needs one (`[experiments] second_name`).

    Raises:
        AbkitError: There is no such experiment, decision or variant, it has not been analyzed yet, `ship` does not
            say which of several variants, or a decision against the verdict lacks its reason or second name.
    """
    choice = parse_choice(ExperimentDecision, decision, name="decision")
    if not person.strip():
        raise InvalidInput("a decision needs the name of the person who makes it")
    if second.strip() and folded_name(second) == folded_name(person):
        raise InvalidInput(f"the second name is {second!r}, who decides; expected another person")
    with (
        recorded_run(store, "experiment decide", {"key": key, "decision": choice.value}) as run,
        store.write() as session,
    ):
        experiment = tables.find_experiment(session, key)
        looks = tables.results_of(session, experiment, "analysis")
        if not looks:
            raise AbkitError(f"{key} has not been analyzed yet", hint=f"run `abkit experiment analyze {key}` first")
        names = [row.key for row in tables.variants_of(session, experiment)]
        if variant is not None and variant not in names:
            raise InvalidInput(f"{key} has no variant {variant!r}; it has {', '.join(names)}")
        if choice is ExperimentDecision.SHIP and variant is None:
            if len(names) > 2:
                raise InvalidInput(f"which variant is shipped? {key} has {', '.join(names[1:])}", hint="use --variant")
            variant = names[1]
        last = read_analysis(looks[-1])
        against = _against(choice, variant if variant != names[0] else None, last)
        if against:
            held = any(one.verdict.action_reason for one in last.treatments)
            said = f"{last.verdict}; {_recommended(last)}" if held else last.verdict
            _check_grounds(key, said, reason=reason, second=second, needs_second=needs_second)
        record = RecordedDecision(
            decision=choice,
            variant=variant,
            rule=last.rule,
            look=looks[-1].sequence,
            verdict=last.verdict,
            figures=tuple(one for one in last.treatments if one.treatment == variant) or last.treatments,
            against_the_verdict=against,
            second=second.strip(),
            recommended=_recommended(last),
        )
        tables.add_result(
            session,
            experiment,
            kind="decision",
            as_of=as_of,
            verdict=choice.value,
            result=record_json(record),
            run_id=run.id,
            decided_by=person,
            reason=reason,
        )
        experiment_closed(session, experiment.id, now=datetime.now(UTC))
        run.outcome = {"experiment": key, "decision": choice.value}
    return record


def _recommended(analysis: Analysis) -> str:
    """Return what the analysis recommends for each treatment; "" where it was made before there was such a thing."""
    found = [one for one in analysis.treatments if one.verdict.action is not None]
    if len(found) == 1:
        return found[0].verdict.advice
    return ", ".join(f"{one.treatment} {one.verdict.advice}" for one in found)


def _check_grounds(key: str, verdict: str, *, reason: str, second: str, needs_second: bool) -> None:
    if not reason.strip():
        raise InvalidInput(
            f"this goes against the verdict on {key} ({verdict}), and no reason is given",
            hint="say why for those who read it later: --reason 'the new logo is law'",
        )
    if needs_second and not second.strip():
        raise InvalidInput(
            f"this goes against the verdict on {key} ({verdict}), and a second person has to agree",
            hint="name them with --second; [experiments] second_name of abkit.toml asks for it",
        )


def _against(decision: ExperimentDecision, treatment: str | None, analysis: Analysis) -> bool:
    """Return whether it ships what was not shown to be better, or drops what was. Shipping the control keeps it.

    What is better and fails a guardrail is held: to ship it goes against the verdict, to drop it does not.
    """
    better = {
        one.treatment
        for one in analysis.treatments
        if one.verdict.state is Verdict.BETTER and one.verdict.action is not Recommendation.HOLD
    }
    if decision is ExperimentDecision.UNDECIDED:
        return False
    if treatment is None:
        return bool(better)
    return (treatment in better) != (decision is ExperimentDecision.SHIP)


def list_experiments(store: Store, *, archived: bool = False) -> list[ExperimentSummary]:
    """Return the experiments with their last verdict and decision, without reading the stored figures.

    Args:
        store: The store.
        archived: Whether those that were archived are there too.
    """
    result = ExperimentResult
    kept = ("metric", "unit", "allocation", "starts_on", "ends_on")
    with store.read() as session:
        columns = (result.experiment_id, result.kind, result.verdict, result.decided_by)
        rows: dict[tuple[int, str], list[tuple[str | None, str | None]]] = defaultdict(list)
        for number, kind, verdict, person in session.execute(select(*columns).order_by(result.id)):
            rows[number, kind].append((verdict, person))
        found = []
        for experiment in session.scalars(select(Experiment).order_by(Experiment.id)):
            if experiment.archived_at is not None and not archived:
                continue
            looks = rows[experiment.id, "analysis"]
            decision, decided_by = (rows[experiment.id, "decision"] or [(None, None)])[-1]
            found.append(
                ExperimentSummary(
                    experiment=experiment.key,
                    **{name: getattr(experiment, name) for name in kept},
                    looks=len(looks),
                    verdict=looks[-1][0] if looks else None,
                    decision=decision,
                    decided_by=decided_by,
                    archived=experiment.archived_at is not None,
                )
            )
        return found


def experiments_due(store: Store, day: date) -> list[str]:
    """Return the keys of the experiments to look at on a day: once a day while they run, and once after their end.

    An experiment that was decided or archived is left alone, and so is one that was looked at on this day.
    """
    result = ExperimentResult
    with store.read() as session:
        decided = set(session.scalars(select(result.experiment_id).where(result.kind == "decision")))
        looks: dict[int, set[date]] = defaultdict(set)
        for number, seen in session.execute(select(result.experiment_id, result.as_of).filter_by(kind="analysis")):
            looks[number].add(seen)
        return [
            experiment.key
            for experiment in session.scalars(select(Experiment).order_by(Experiment.id))
            if experiment.id not in decided
            and experiment.archived_at is None
            and (experiment.starts_on is None or experiment.starts_on <= day)
            and not any(seen == day or has_ended(experiment.ends_on, seen) for seen in looks[experiment.id])
        ]


def history(store: Store, key: str) -> list[HistoryEntry]:
    """Return all looks and decisions of an experiment, oldest first, under its present name.

    What cannot be read says why.
    """
    with store.read() as session:
        experiment = tables.find_experiment(session, key)
        return [_entry(row, experiment.key) for row in tables.results_of(session, experiment)]


def _entry(row: ExperimentResult, key: str) -> HistoryEntry:
    result: Analysis | RecordedDecision | None = None
    unreadable = ""
    try:
        result = replace(read_analysis(row), experiment=key) if row.kind == "analysis" else read_decision(row)
    except Unreadable as error:
        unreadable = error.message
    kept = ("kind", "sequence", "as_of", "verdict", "decided_by", "reason")
    return HistoryEntry(
        **{name: getattr(row, name) for name in kept},
        rule=result.rule if result else None,
        run=row.run_id,
        result=result,
        unreadable=unreadable,
    )
