"""What was stored of an experiment is read back into the records that wrote it, whichever release wrote it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from abkit.errors import AbkitError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Experiment, ExperimentResult
from abkit.vocabulary import Allocation, Metric, Verdict
from abkit.workflows.experiments.experiments import (
    analyze_experiment,
    create_experiment,
    decide_experiment,
    history,
    list_experiments,
)
from abkit.workflows.experiments.formats import FORMAT, RecordedDecision, record_json
from abkit.workflows.experiments.looks.results import Analysis
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan

OLD: dict[str, Any] = json.loads((Path(__file__).parent / "rows_without_a_format.json").read_text())
"""Two experiments as abkit stored them before plans and results had a format version."""


def experiment_rows(store: Store) -> list[ExperimentResult]:
    with store.read() as session:
        return list(session.scalars(select(ExperimentResult).order_by(ExperimentResult.id)))


def store_old(store: Store, key: str) -> None:
    """Replace what is stored of the experiment `t` by an old plan and old results."""
    with store.write() as session:
        # By column: an earlier release has fewer of them.
        row = session.execute(select(Experiment.id, Experiment.created_at, Experiment.run_id)).one()
        former = {"plan": OLD[key]["plan"], "allocation": OLD[key]["allocation"]}
        session.execute(update(Experiment).values(former).execution_options(synchronize_session=False))
        for number, old in enumerate(OLD[key]["results"]):
            session.add(
                ExperimentResult(
                    experiment_id=row.id,
                    created_at=row.created_at,
                    run_id=row.run_id,
                    **old | {"as_of": START + timedelta(number)},
                )
            )


@pytest.fixture
def old(store: Store) -> Deliveries:
    made = Deliveries(store)
    made.ad("C", 0.02, days=8, daily=200)
    made.ad("D", 0.02, days=8, daily=200)
    create_experiment(store, plan(variants={"old": "C", "new": "D"}))
    return made


def test_rows_without_a_format_are_read(old: Deliveries) -> None:
    store_old(old.store, "random")
    analysis, decision = (entry.result for entry in history(old.store, "t"))
    assert isinstance(analysis, Analysis)
    assert isinstance(decision, RecordedDecision)
    assert (analysis.verdict, analysis.allocation) == (Verdict.BETTER, Allocation.RANDOM)
    assert analysis.totals["new"].successes == OLD["random"]["results"][0]["result"]["totals"]["new"]["successes"]
    guardrail = analysis.treatments[0].guardrails[Metric.CVR]
    assert guardrail is not None
    assert guardrail.level == 0.95
    assert decision.figures == analysis.treatments
    assert decision.look == 1


def test_an_old_experiment_that_the_platform_optimized_goes_on_after_the_migration(old: Deliveries) -> None:
    migrate.downgrade(old.store, "0008_novelty")
    store_old(old.store, "optimised")
    migrate.upgrade(old.store)
    analysis = look(old.store, 8)
    assert (analysis.look, analysis.allocation, analysis.analyzed_by) == (2, Allocation.OPTIMIZED, "days")
    assert [entry.unreadable for entry in history(old.store, "t")] == ["", "", ""]
    first = history(old.store, "t")[0].result
    assert isinstance(first, Analysis)
    assert first.allocation is Allocation.OPTIMIZED
    assert list_experiments(old.store)[0].allocation == "optimized"

    migrate.downgrade(old.store, "0008_novelty")
    with old.store.read() as session:
        assert session.scalar(text("SELECT allocation FROM experiment")) == "optimised"


def test_what_is_written_is_read_back_without_loss(store: Store) -> None:
    made = Deliveries(store)
    for name, rate in (("A", 0.02), ("B", 0.03), ("C", 0.0)):
        made.ad(name, rate, days=9, daily=600)
    options = {"guardrails": {"cvr": 0.2}, "lift": 0.1, "monitoring": "group", "looks": 3, "planned_total": 30_000}
    create_experiment(store, plan(variants={"old": "C", "new": "A", "other": "B"}, **options))
    analysis = look(store, 8, by="placement")
    decision = decide_experiment(store, "t", "keep", variant=None, person="Ana", reason="", as_of=START)
    # No clicks in the control: a lift that is not a number is kept as that.
    assert "nan" in json.dumps(record_json(analysis))
    stored, decided = (entry.result for entry in history(store, "t"))
    assert isinstance(stored, Analysis)
    assert isinstance(decided, RecordedDecision)
    # As JSON, where NaN is a word: it is not equal to itself.
    assert record_json(stored) == record_json(analysis)
    assert record_json(decided) == record_json(decision)
    assert stored.treatments[0].sequence is not None
    assert type(stored.treatments[0].deciding) is type(analysis.treatments[0].deciding)
    assert all(row.result["format"] == FORMAT for row in experiment_rows(store))


def test_a_newer_format_is_refused_by_name_and_breaks_no_list(sqlite_store: Store) -> None:
    store = sqlite_store
    made = Deliveries(store)
    made.ad("A", 0.02, days=9)
    made.ad("B", 0.03, days=9)
    create_experiment(store, plan())
    create_experiment(store, plan(key="other"))
    look(store, 5)
    damaged = experiment_rows(store)[0].result
    for content, reason in (
        (damaged | {"format": 3}, "analysis 1 was written in format 3; this abkit reads formats up to 2"),
        ({"format": 1, "look": 1}, "analysis 1 cannot be read: experiment: field required"),
        ({}, "analysis 1 cannot be read"),
    ):
        with store.write() as session:
            session.get_one(ExperimentResult, experiment_rows(store)[0].id).result = content
        assert list_experiments(store)[0].verdict == "better"
        entry = history(store, "t")[0]
        assert (entry.result, entry.rule, entry.verdict) == (None, None, "better")
        assert reason in entry.unreadable
        with pytest.raises(AbkitError, match="analysis 1") as refused:
            look(store, 6)
        assert ("update this one" in refused.value.hint) == ("format 3" in reason)
        # Another experiment learns nothing from it, and is analyzed all the same.
        analyze_experiment(store, "other", as_of=START + timedelta(6))


def test_a_plan_of_a_newer_format_is_refused(sqlite_store: Store) -> None:
    store = sqlite_store
    create_experiment(store, plan())
    with store.write() as session:
        row = session.scalars(select(Experiment)).one()
        row.plan = row.plan | {"format": 3}
    with pytest.raises(AbkitError, match="the plan of t was written in format 3"):
        look(store)
    assert list_experiments(store)[0].experiment == "t"
