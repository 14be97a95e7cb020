"""The dashboard for Grafana shows what the commands show, on both engines."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from abkit.stats.monitoring.decisions import headline
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Run, Schedule
from tests.commands.conftest import Here
from tests.workflows.drift.test_explain import AS_OF, world

DASHBOARD = Path(__file__).parents[3] / "docs" / "examples" / "grafana.json"
FINISHED = datetime(2025, 3, 29, 6, 0, 30, tzinfo=UTC)


def panels() -> dict[tuple[str, str], dict[str, Any]]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return {(panel["type"], panel["title"]): panel for panel in board["panels"]}


def jobs(store: Store) -> None:
    """A schedule whose second run failed, and one that never ran."""
    rows = []
    for state, finished in (("done", FINISHED), ("failed", FINISHED + timedelta(days=1))):
        run = begin_run(store, "correlate", {})
        rows.append((run.id, state, finished))
    own = {"arguments": {}, "cron": "0 6 * * *", "grace_s": 60, "time_limit_s": 60, "missed": "run_last"}
    own |= {"source": "command", "next_run_at": FINISHED + timedelta(days=2), "created_at": FINISHED}
    with store.write() as session:
        for number, state, finished in rows:
            run = session.get_one(Run, number)
            run.schedule, run.tick, run.state, run.finished_at = "nightly", finished, state, finished
        session.add(Schedule(key="nightly", job="correlate", failures=1, **own))
        session.add(Schedule(key="weekly", job="digest", **own))


@pytest.fixture
def monitored(store: Store, here: Here, tmp_path: Path) -> Store:
    """A store with two checks, an open alert, a correlation, an ad without a creative, and jobs."""
    seed = world(store)
    lost = seed.creatives("spring", [None], link=False, prefix="lost-")
    seed.kpis([{"ad_id": lost[0], "day": AS_OF, "impressions": 50_000, "clicks": 500}])
    ads = seed.creatives("winter", [3.0 + i / 8 for i in range(12)])
    clicks = {ad: 20 + (5 * i) % 17 for i, ad in enumerate(ads)}
    seed.kpis([{"ad_id": ad, "day": AS_OF, "impressions": 1000, "clicks": n} for ad, n in clicks.items()])
    jobs(store)
    url = store.engine.url.render_as_string(hide_password=False)
    (tmp_path / "abkit.toml").write_text("")
    here("drift", "check", "--as-of", AS_OF - timedelta(days=9), ABKIT_DATABASE_URL=url)
    # The feed is dead a fortnight later.
    here("drift", "check", "--as-of", AS_OF + timedelta(days=14))
    here("correlate", "--as-of", AS_OF)
    return store


def test_each_panel_shows_the_figures_of_the_command(monitored: Store, here: Here) -> None:
    def shown(*command: object) -> Any:
        said = here(*command, "--format", "json")
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, panel in panels().items():
        (target,) = panel["targets"]
        assert target["rawSql"] == target["queryText"] == target["rawQueryText"]
        with monitored.read() as session:
            found[key] = [dict(row) for row in session.execute(text(target["rawSql"])).mappings()]

    checks = shown("drift", "list")
    assert len(checks) == 2
    last = checks[0]
    said = headline(last["decision"], last["layers_judged"], last["judged_for_major_shifts_only"])
    assert found["stat", "Decision"] == [{"headline": said}]
    decided = sorted(checks, key=lambda row: row["as_of"])
    timeline = found["state-timeline", "Decisions"]
    assert [(datetime.fromtimestamp(row["time"], UTC).date().isoformat(), row["decision"]) for row in timeline] == [
        (row["as_of"], row["decision"]) for row in decided
    ]
    srcc = next(
        row
        for row in shown("correlate", "--as-of", AS_OF)
        if (row["scope"], row["statistic"]) == ("within_campaign", "srcc")
    )
    interval = {name: srcc[name] for name in ("estimate", "ci_low", "ci_high")}
    assert srcc["estimate"] is not None
    assert found["stat", "SRCC, last"] == [interval]
    over_time = found["timeseries", "SRCC by CTR, inside campaigns"]
    assert [{name: row[name] for name in interval} for row in over_time] == [interval]

    (unlinked,) = found["gauge", "Impressions of ads without a creative"]
    ads = [row for row in shown("kpi", "link") if row["status"] != "linked"]
    assert unlinked["unlinked_share"] == pytest.approx(sum(row["share_of_impressions"] for row in ads))
    assert 0 < unlinked["unlinked_share"] < 1

    alerts = shown("alerts", "list")
    assert found["stat", "Open alerts"] == [{"open_alerts": len(alerts)}]
    assert [(row["id"], row["title"], row["state"]) for row in found["table", "Open alerts"]] == [
        (row["id"], row["title"], row["state"]) for row in alerts
    ]
    assert len(alerts) == 1

    nightly, weekly = found["table", "Jobs"]
    assert nightly["last_success"] == FINISHED.timestamp() * 1000
    assert (weekly["schedule"], weekly["last_success"]) == ("weekly", None)
    states = {row["key"]: row for row in shown("schedule", "status")}
    for row in (nightly, weekly):
        state = states[row["schedule"]]
        assert (row["job"], row["failures"]) == (state["job"], state["failures"])
        assert row["next_run"] == datetime.fromisoformat(state["next_run_at"]).timestamp() * 1000


def test_the_dashboard_reads_nothing_but_the_views() -> None:
    for panel in panels().values():
        sql = panel["targets"][0]["rawSql"]
        assert sql.count(" FROM monitor_") == sql.count(" FROM ") == 1
        assert " JOIN " not in sql
