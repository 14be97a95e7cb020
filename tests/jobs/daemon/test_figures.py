"""The figures that /metrics shows of what abkit has found."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from abkit.jobs.daemon.figures import figures
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Ad, Base, CorrelationResult, ModelVersion, Run
from tests.alerts.conftest import both_engines, store
from tests.monitoring_rows import seeded

__all__ = ["store"]
AT = datetime(2026, 3, 1, 6, tzinfo=UTC)


def _figures(store: Store) -> dict[str, dict[tuple[str, ...], float]]:
    with store.read() as session:
        return {name: {tuple(key): value for key, value in values} for name, _, _, values in figures(session)}


def _result(run_id: int, version: int, estimate: float, **changes: Any) -> Base:
    values = {
        "metric": "ctr",
        "scope": "all",
        "statistic": "srcc",
        "ci_low": estimate - 0.1,
        "ci_high": estimate + 0.1,
        "ci_level": 0.9,
        "n": 40,
        "method": "",
        "as_of": date(2026, 3, 1),
        "filters": {},
        **changes,
    }
    return CorrelationResult(run_id=run_id, model_version_id=version, estimate=estimate, **values)


@both_engines
def test_the_last_relation_the_links_and_the_last_success_are_there(store: Store) -> None:
    assert _figures(store)["unlinked_ads_share"] == {}, "without ads there is no share"
    seed = seeded(store)
    seed.creatives("spring", [3.0, 4.0, 5.0])
    runs = [begin_run(store, "correlate", {}).id for _ in range(3)]
    with store.write() as session:
        version = session.scalars(select(ModelVersion.id).limit(1)).one()
        for run_id, estimate, changes in (
            (runs[0], 0.1, {}),
            (runs[1], 0.3, {}),
            (runs[2], 0.9, {"filters": {"campaign": "spring"}}),
        ):
            session.add(_result(run_id, version, estimate, **changes))
            session.flush()
        session.add(_result(runs[1], version, 0.2, scope="within_campaign"))
        session.add(Ad(external_id="alone", run_id=runs[0]))
        ended = {"schedule": "daily", "state": "done", "finished_at": AT, "owner": "", "lease_until": AT}
        session.add(Run(what="correlate", arguments={}, code_version="", tick=AT, started_at=AT, **ended))
    found = _figures(store)
    assert found["srcc"] == {("ctr",): 0.3}
    assert found["srcc_creatives"] == {("ctr",): 40}
    assert found["unlinked_ads_share"] == {(): 0.25}
    assert found["last_success_timestamp_seconds"] == {("daily", "correlate"): AT.timestamp()}
