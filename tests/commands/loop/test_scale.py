"""`docs/scale.md` keeps its word: its query brings the days of a log; options of a cluster stand only beside one."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.commands.conftest import Here

PAGE = (Path(__file__).parents[3] / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_query_of_the_page_imports_the_days_of_a_log(here: Here, quick_workspace: Path, tmp_path: Path) -> None:
    (query,) = [block.split("```")[0] for block in PAGE.split("```sql\n")[1:] if "DuckDB" in block.splitlines()[0]]
    (quick_workspace / "daily.sql").write_text(query)
    connection = duckdb.connect(str(quick_workspace / "log.db"))
    connection.execute("CREATE SCHEMA ads")
    connection.execute(
        "CREATE TABLE ads.events (event_time TIMESTAMP, ad_id VARCHAR, creative_name VARCHAR, campaign VARCHAR, "
        "placement VARCHAR, event VARCHAR)"
    )
    for back in (1, 2, 40):
        day = datetime.now(UTC).date() - timedelta(days=back)
        for event, n in (("impression", 30), ("click", 2)):
            row = (f"{day} 10:00:00", "ad-1", "hero.png", "spring", "feed", event)
            connection.executemany("INSERT INTO ads.events VALUES (?, ?, ?, ?, ?, ?)", [row] * n)
    connection.close()

    said = here("kpi", "import", "--sql", "duckdb:///log.db", "--query", "daily.sql", cwd=quick_workspace)
    assert said.returncode == 0, said.stderr
    shown = here("kpi", "list", "-f", "json", cwd=quick_workspace)
    assert '"imported": 2' in shown.stdout  # the third is older than ten days


def test_a_warehouse_that_stops_in_the_middle_imports_nothing_and_then_everything(
    here: Here, quick_workspace: Path
) -> None:
    with closing(sqlite3.connect(quick_workspace / "log.db")) as log, log:
        log.execute("CREATE TABLE ads (day TEXT, ad TEXT, impressions INTEGER, clicks INTEGER)")
        days = [(f"2026-01-{day:02d}", "7", 100 + day, 3) for day in range(1, 31)]
        log.executemany("INSERT INTO ads VALUES (?, ?, ?, ?)", days)
        # This one has no absolute value: the engine stops with an error when it comes to it.
        log.execute("UPDATE ads SET impressions = ? WHERE day = '2026-01-21'", [-(2**63)])
    query = "SELECT day, ad, abs(impressions) AS impressions, clicks FROM ads"
    asked = ("kpi", "import", "--sql", "sqlite:///log.db", "--query", query, "-f", "json")

    stopped = here(*asked, cwd=quick_workspace)
    assert stopped.returncode == 1
    # The driver is a row ahead.
    assert "stopped after 19 rows of the result" in stopped.stdout
    assert json.loads(here("kpi", "list", "-f", "json", cwd=quick_workspace).stdout) == []

    with closing(sqlite3.connect(quick_workspace / "log.db")) as log, log:
        log.execute("UPDATE ads SET impressions = 121 WHERE day = '2026-01-21'")
    assert json.loads(here(*asked, cwd=quick_workspace).stdout)[0]["imported"] == 30


@pytest.mark.parametrize("option", [("--address", "auto"), ("--workers", "2"), ("--to", "out")])
def test_options_of_a_cluster_without_one_are_refused(
    here: Here, quick_workspace: Path, option: tuple[str, str]
) -> None:
    said = here("score", "ads", *option, cwd=quick_workspace)
    assert (said.returncode, "add --engine ray" in said.stderr) == (2, True)


def test_a_brief_is_not_read_on_a_cluster(here: Here, quick_workspace: Path) -> None:
    said = here("score", "ads", "--engine", "ray", "--brief", "a shoe", cwd=quick_workspace)
    assert said.returncode == 2
    assert "need the images on this machine" in said.stderr
