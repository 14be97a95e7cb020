"""Experiments on the store: create → analyse (a look) → decide. Every figure points to its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from abkit.errors import AbkitError, InvalidInput
from abkit.stats.estimate import as_dict
from abkit.stats.srm import check_weights
from abkit.store import experiments as tables
from abkit.store.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Campaign, Experiment, Variant
from abkit.workflows.experiment_analysis import analyse
from abkit.workflows.experiment_records import Analysis, ArmInput

UNITS = ("user", "session", "impression", "geography", "day")
ALLOCATIONS = ("random", "optimised")
METRICS = ("ctr", "cvr")
DECISIONS = ("ship", "keep", "stop-for-futility", "undecided")


@dataclass(frozen=True)
class ExperimentPlan:
    """What is fixed before the first look.

    Attributes:
        key: name of the experiment.
        variants: name → the ad's platform id or the picture's name; the first one is the control.
        unit: what was randomised.
        allocation: `random`, or `optimised` by the platform.
        metric: `ctr` or `cvr`.
        split: planned shares, in the order of the variants; equal by default.
        campaign: its key, if any.
        starts_on: first day that counts.
        ends_on: last day that counts.
        level: of the intervals.
        power: that the test was planned with.
        lift: that it was planned to find, or None.
        planned_total: units in all arms (impressions, or days where days are the units), or None.
        monitoring: `anytime`, `group` or `fixed`.
        looks: planned looks, for `group`.
        guardrails: metric → the largest acceptable relative loss.
    """

    key: str
    variants: Mapping[str, str]
    unit: str
    allocation: str
    metric: str = "ctr"
    split: Sequence[float] | None = None
    campaign: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    level: float = 0.95
    power: float = 0.8
    lift: float | None = None
    planned_total: float | None = None
    monitoring: str = "anytime"
    looks: int | None = None
    guardrails: Mapping[str, float] = field(default_factory=dict)


def create_experiment(store: Store, plan: ExperimentPlan) -> int:
    """Write an experiment and its arms; returns the id.

    Raises:
        AbkitError: the key is taken, one arm only, unknown unit, allocation, metric or campaign, a split that does not
            fit, dates out of order.
    """
    shares = _checked(plan)
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
            plan=_stored(plan),
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


def _stored(plan: ExperimentPlan) -> dict[str, Any]:
    keep = ("level", "power", "lift", "planned_total", "monitoring", "looks")
    return {
        **{name: value for name, value in asdict(plan).items() if name in keep},
        "guardrails": dict(plan.guardrails),
        "shown": dict(plan.variants),
    }


def _checked(plan: ExperimentPlan) -> tuple[float, ...]:
    if not plan.key or not plan.key.isprintable() or len(plan.key) > 200:
        raise InvalidInput(f"the key is {plan.key[:50]!r}; expected 1 to 200 printable characters")
    if len(plan.variants) < 2:
        raise InvalidInput(f"{len(plan.variants)} variant is given; an experiment takes a control and a treatment")
    choices = (("unit", UNITS), ("allocation", ALLOCATIONS), ("metric", METRICS))
    for name, allowed in choices:
        if getattr(plan, name) not in allowed:
            raise InvalidInput(f"the {name} is {getattr(plan, name)!r}; expected one of {', '.join(allowed)}")
    if plan.monitoring not in ("anytime", "group", "fixed"):
        raise InvalidInput(f"the monitoring is {plan.monitoring!r}; expected anytime, group or fixed")
    if plan.monitoring == "group" and (not plan.planned_total or not plan.looks):
        raise InvalidInput("planned looks need a planned total and their number")
    if plan.monitoring == "group" and (plan.allocation == "optimised" or plan.unit != "impression"):
        raise InvalidInput(
            f"planned looks are for impressions drawn at random; here {plan.unit} is the unit and allocation "
            f"{plan.allocation}",
            hint="use anytime",
        )
    if not 0 < plan.level < 1:
        raise InvalidInput(f"the level is {plan.level}; it has to lie between 0 and 1")
    if plan.starts_on and plan.ends_on and plan.ends_on < plan.starts_on:
        raise InvalidInput(f"the experiment ends on {plan.ends_on}, before it starts on {plan.starts_on}")
    if plan.planned_total is not None and not plan.planned_total >= 1:
        raise InvalidInput(f"the planned total is {plan.planned_total}; expected 1 or more")
    for metric, margin in plan.guardrails.items():
        if metric not in METRICS or not 0 < margin < 1:
            raise InvalidInput(f"the guardrail {metric}={margin}; expected ctr or cvr and a loss between 0 and 1")
    return check_weights(plan.split or [1.0] * len(plan.variants), arms=len(plan.variants))


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
                result=as_dict(analysis),
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
            "against_the_verdict": _against(decision, figures, last.verdict),
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


def _against(decision: str, figures: Mapping[str, Any] | None, verdict: str) -> bool:
    state = figures["verdict"]["state"] if figures else verdict
    return (decision == "ship" and state != "better") or (decision == "stop-for-futility" and state == "better")


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
