"""Correlations, drift tests and decisions are read back as of a day."""

from typing import Any

import pytest

from abkit.store import results
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import CorrelationResult, Decision, DriftResult, ModelVersion
from tests.store.rows import NOW, add_version, day


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


@pytest.fixture
def version(sqlite_store: Store, run: RunRecord) -> ModelVersion:
    return add_version(sqlite_store, run)


def correlation(store: Store, version: ModelVersion, as_of: int, **columns: Any) -> None:
    """One estimate, in a run of its own unless it is given."""
    row = {
        "run_id": columns.pop("run_id", None) or begin_run(store, "correlate", {}).id,
        "model_version_id": version.id,
        "metric": "ctr",
        "segment": "",
        "scope": "all",
        "statistic": "srcc",
        "estimate": 0.5,
        "ci_low": None,
        "ci_high": None,
        "ci_level": 0.95,
        "n": 10,
        "method": "by hand",
        "note": "",
        "window_start": None,
        "window_end": None,
        "as_of": day(as_of),
        "filters": {},
    }
    with store.write() as session:
        results.write_results(session, CorrelationResult, [{**row, **columns}])


def decide(store: Store, version: ModelVersion | None, as_of: int, **columns: Any) -> int:
    run = begin_run(store, "drift check", {})
    values = {"decision": "stable", "reasons": {}, "as_of": day(as_of), "decided_at": NOW, "run_id": run.id, **columns}
    with store.write() as session:
        session.add(Decision(model_version_id=version.id if version else None, **values))
    return run.id


def test_the_history_has_the_correlations_of_all_delivery_of_a_version(
    sqlite_store: Store, run: RunRecord, version: ModelVersion
) -> None:
    other = add_version(sqlite_store, run, "b")
    for as_of, estimate in ((3, 0.3), (1, 0.1), (9, 0.9)):
        correlation(sqlite_store, version, as_of, estimate=estimate)
    correlation(sqlite_store, version, 2, segment="placement=feed")
    correlation(sqlite_store, other, 2)
    with sqlite_store.read() as session:
        found = results.correlations(session, version.id, day(1), day(8))
    assert [row.estimate for row in found] == [0.1, 0.3]


def test_the_latest_correlation_is_that_within_campaigns_where_it_has_an_estimate(sqlite_store: Store) -> None:
    version = add_version(sqlite_store, begin_run(sqlite_store, "test", {}))
    correlation(sqlite_store, version, 1, estimate=0.9, scope="within_campaign")
    run = begin_run(sqlite_store, "correlate", {})
    for scope, estimate in (("all", 0.1), ("within_campaign", 0.2)):
        correlation(sqlite_store, version, 2, estimate=estimate, scope=scope, run_id=run.id)
        correlation(sqlite_store, version, 2, estimate=0.7, scope=scope, statistic="plcc", run_id=run.id)
    run = begin_run(sqlite_store, "correlate", {})
    for scope, value in (("all", 0.3), ("within_campaign", None)):
        correlation(sqlite_store, version, 2, metric="cvr", estimate=value, scope=scope, run_id=run.id)
    with sqlite_store.read() as session:
        found = results.last_correlations(session, version.id)
    assert [(row.metric, row.scope, row.estimate) for row in found] == [
        ("ctr", "within_campaign", 0.2),
        ("cvr", "all", 0.3),
    ]


def test_decisions_come_in_the_order_of_their_days(sqlite_store: Store, version: ModelVersion) -> None:
    for as_of, decision in ((2, "watch"), (1, "stable"), (2, "retrain"), (5, "fix_data")):
        decide(sqlite_store, version, as_of, decision=decision)
    with sqlite_store.read() as session:
        assert [row.decision for row in results.decisions(session, day(1), day(4))] == ["stable", "watch", "retrain"]
        assert [row.decision for row in results.last_decisions(session, 2)] == ["fix_data", "retrain"]
        assert [results.last_check(session, day(number)) for number in (4, 5)] == [day(2), day(5)]


def test_before_any_check_there_is_no_last_one(sqlite_store: Store) -> None:
    with sqlite_store.read() as session:
        assert results.last_check(session, day(1)) is None
        assert results.last_version(session, day(1)) is None
        assert results.last_decisions(session, 5) == []


def test_the_first_break_is_the_first_lost_relation_before_a_day(
    sqlite_store: Store, run: RunRecord, version: ModelVersion
) -> None:
    other = add_version(sqlite_store, run, "b")
    decide(sqlite_store, version, 1, decision="watch", cause="kpi_shift")
    decide(sqlite_store, other, 2, decision="retrain", cause="concept_shift")
    decide(sqlite_store, version, 4, decision="retrain", cause="concept_shift")
    decide(sqlite_store, version, 5, decision="retrain", cause="concept_shift")
    with sqlite_store.read() as session:
        assert [results.first_break(session, version.id, day(number)) for number in (4, 6)] == [None, day(4)]


def test_the_last_version_is_that_of_the_last_check_or_else_of_the_last_correlation(
    sqlite_store: Store, run: RunRecord, version: ModelVersion
) -> None:
    other = add_version(sqlite_store, run, "b")
    correlation(sqlite_store, other, 1)
    decide(sqlite_store, None, 2)
    decide(sqlite_store, version, 3)
    with sqlite_store.read() as session:
        found = [results.last_version(session, day(number)) for number in (1, 2, 3)]
    assert [row.name if row else None for row in found] == ["model b", "model b", "model a"]


def test_the_tests_of_a_check_belong_to_its_run(sqlite_store: Store) -> None:
    version = add_version(sqlite_store, begin_run(sqlite_store, "test", {}))
    checks = [decide(sqlite_store, version, number) for number in (1, 2)]
    row = {
        "model_version_id": version.id,
        "segment": "",
        "statistic": 0.1,
        "ci_low": None,
        "ci_high": None,
        "p_value": 0.5,
        "q_value": None,
        "n_reference": 10,
        "n_current": 10,
        "threshold": 0.2,
        "verdict": "ok",
        "detail": {"sentence": "fine"},
        "reference_window": "model",
        "current_window": "days:7",
    }
    with sqlite_store.write() as session:
        results.write_results(session, DriftResult, [])
        for number, run_id in enumerate(checks, 1):
            tests = [{**row, "run_id": run_id, "layer": layer, "test": "x"} for layer in ("score", "kpi")]
            results.write_results(session, DriftResult, [{**one, "as_of": day(number)} for one in tests])
    with sqlite_store.read() as session:
        assert [(one.layer, one.run_id) for one in results.drift_results(session, checks[1:])] == [
            ("score", checks[1]),
            ("kpi", checks[1]),
        ]
        assert results.drift_results(session, []) == []
