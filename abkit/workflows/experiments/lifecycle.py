"""Experiments on the store: create → analyse (a look) → decide. Every figure points to its run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from abkit.errors import AbkitError, InvalidInput
from abkit.records import to_plain
from abkit.store import experiments as tables
from abkit.store.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Campaign, Experiment, Variant
from abkit.workflows.experiments.analysis import analyse
from abkit.workflows.experiments.plan import ExperimentPlan, checked, stored
from abkit.workflows.experiments.records import Analysis, ArmInput

DECISIONS = ("ship", "keep", "stop-for-futility", "undecided")


def create_experiment(store: Store, plan: ExperimentPlan) -> int:
    """Write an experiment and its arms; returns the id.

    Raises:
        AbkitError: the key is taken, one arm only, unknown unit, allocation, metric or campaign, a split that does not
            fit, dates out of order.
    """
    shares = checked(plan)
    with recorded_run(store, "experiment create", {"key": plan.key}) as run, store.write() as session:
        if session.scalar(select(Experiment.id).where(Experiment.key == plan.key)) is not None:
            raise AbkitError(f"there is an experiment {plan.key!r} already", hint="choose another key")
        campaign = None
        if plan.campaign is not None:
            campaign = session.scalar(select(Campaign.id).where(Campaign.key == plan.campaign))
            if campaign is None:
                raise AbkitError(f"there is no campaign {plan.campaign!r}", hint="score its pictures first")
        row = Experiment(
            key=plan.key,
            campaign_id=campaign,
            unit=plan.unit,
            allocation=plan.allocation,
            metric=plan.metric,
            plan=stored(plan),
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


def analyze_experiment(store: Store, key: str, *, as_of: date, by: str | None = None) -> Analysis:
    """Analyse what arrived until `as_of`, and record it as one more look.

    Args:
        store: the store.
        key: of the experiment.
        as_of: the last day that counts.
        by: a dimension of delivery (placement, country, …) to stratify by.

    Raises:
        AbkitError: no such experiment, a variant that is no ad, an unknown dimension, `as_of` before the start.
    """
    if by is not None and by not in tables.DIMENSIONS:
        raise InvalidInput(f"--by is {by!r}; expected one of {', '.join(tables.DIMENSIONS)}")
    with recorded_run(store, "experiment analyze", {"key": key, "as_of": as_of.isoformat(), "by": by}) as run:
        with store.read() as session:
            experiment = tables.find_experiment(session, key)
            if experiment.starts_on and as_of < experiment.starts_on:
                raise InvalidInput(f"{key} starts on {experiment.starts_on}; {as_of} is before that")
            last = min(as_of, experiment.ends_on) if experiment.ends_on else as_of
            arms = []
            for variant in tables.variants_of(session, experiment):
                shown = experiment.plan["shown"][variant.key]
                found = tables.delivery(session, tables.ads_named(session, shown), experiment.starts_on, last)
                arms.append(ArmInput(variant.key, variant.share, found.by_day, found.by_segment, found.creatives))
            earlier = tables.results_of(session, experiment, "analysis")
            past = [
                row.result
                for row in tables.latest_analyses(session)
                if row.experiment_id != experiment.id
            ]  # fmt: skip
        analysis = analyse(
            key=key,
            unit=experiment.unit,
            allocation=experiment.allocation,
            metric=experiment.metric,
            plan=experiment.plan,
            arms=arms,
            as_of=as_of,
            running=experiment.ends_on is None or as_of <= experiment.ends_on,
            ends_on=experiment.ends_on,
            earlier_looks=[row.result for row in earlier],
            past=past,
            by=by,
        )
        with store.write() as session:
            row = tables.add_result(
                session,
                experiment,
                kind="analysis",
                as_of=as_of,
                verdict=analysis.verdict,
                result=to_plain(analysis),
                run_id=run.id,
            )
            run.outcome = {"experiment": key, "look": row.sequence, "verdict": analysis.verdict}
        return analysis


def decide_experiment(
    store: Store, key: str, decision: str, *, variant: str | None, person: str, reason: str, as_of: date
) -> dict[str, Any]:
    """Write a decision with the rule and the figures that it rests on: those of the last look.

    A decision against the verdict is possible, and is recorded as that.

    Raises:
        AbkitError: unknown experiment, decision or variant; no analysis yet; `ship` without a variant.
    """
    if decision not in DECISIONS:
        raise InvalidInput(f"the decision is {decision!r}; expected one of {', '.join(DECISIONS)}")
    if not person.strip():
        raise InvalidInput("a decision needs the name of who makes it")
    with (
        recorded_run(store, "experiment decide", {"key": key, "decision": decision}) as run,
        store.write() as session,
    ):
        experiment = tables.find_experiment(session, key)
        looks = tables.results_of(session, experiment, "analysis")
        if not looks:
            raise AbkitError(f"{key} has not been analysed yet", hint=f"run `abkit experiment analyze {key}` first")
        names = [row.key for row in tables.variants_of(session, experiment)]
        if variant is not None and variant not in names:
            raise InvalidInput(f"{key} has no variant {variant!r}; it has {', '.join(names)}")
        if decision == "ship" and variant is None:
            if len(names) > 2:
                raise InvalidInput(f"which variant is shipped? {key} has {', '.join(names[1:])}", hint="use --variant")
            variant = names[1]
        last = looks[-1]
        figures = next((c for c in last.result["treatments"] if c["treatment"] == variant), None)
        record = {
            "decision": decision,
            "variant": variant,
            "rule": last.result["rule"],
            "look": last.sequence,
            "verdict": last.verdict,
            "figures": figures if figures is not None else last.result["treatments"],
            "against_the_verdict": _against(decision, variant if variant != names[0] else None, last.result),
        }
        tables.add_result(
            session,
            experiment,
            kind="decision",
            as_of=as_of,
            verdict=decision,
            result=record,
            run_id=run.id,
            decided_by=person,
            reason=reason,
        )
        run.outcome = {"experiment": key, "decision": decision}
    return record


def _against(decision: str, treatment: str | None, analysis: Mapping[str, Any]) -> bool:
    """Whether it ships what was not shown to be better, or drops what was. Shipping the control is keeping it."""
    states = {result["treatment"]: result["verdict"]["state"] for result in analysis["treatments"]}
    if decision == "undecided":
        return False
    if treatment is None:
        return "better" in states.values()
    return bool(states[treatment] == "better") != (decision == "ship")


def list_experiments(store: Store) -> list[dict[str, Any]]:
    """All experiments with their last verdict and decision."""
    with store.read() as session:
        rows = []
        for experiment in session.scalars(select(Experiment).order_by(Experiment.id)):
            results = tables.results_of(session, experiment)
            looks = [row for row in results if row.kind == "analysis"]
            decisions = [row for row in results if row.kind == "decision"]
            rows.append(
                {
                    "experiment": experiment.key,
                    "metric": experiment.metric,
                    "unit": experiment.unit,
                    "allocation": experiment.allocation,
                    "starts_on": experiment.starts_on,
                    "ends_on": experiment.ends_on,
                    "looks": len(looks),
                    "verdict": looks[-1].verdict if looks else None,
                    "decision": decisions[-1].verdict if decisions else None,
                    "decided_by": decisions[-1].decided_by if decisions else None,
                }
            )
        return rows


def history(store: Store, key: str) -> list[dict[str, Any]]:
    """All looks and decisions of an experiment, oldest first."""
    with store.read() as session:
        experiment = tables.find_experiment(session, key)
        return [
            {
                "kind": row.kind,
                "sequence": row.sequence,
                "as_of": row.as_of,
                "verdict": row.verdict,
                "decided_by": row.decided_by,
                "reason": row.reason,
                "rule": row.result.get("rule"),
                "run": row.run_id,
                "result": row.result,
            }
            for row in tables.results_of(session, experiment)
        ]
