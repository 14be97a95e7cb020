"""The story: abkit stays calm through season and fatigue, and finds the change of taste that nobody told it about."""

from __future__ import annotations

import csv
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.demo.closing import DAYS
from abkit.demo.kpi_simulation import FIELDS, Contender, World, simulate
from abkit.demo.stage import open_workspace
from abkit.demo.story import recent_world
from abkit.errors import AbkitError
from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.schema import Creative, CreativeAlias
from abkit.workflows.drift.check import check_drift
from abkit.workflows.kpis.import_kpis import import_files
from tests.conftest import Abkit
from tests.monitoring_rows import NOW, seeded

CHANGE = World().day(60)


def delivered_world(store: Store, folder: Path, world: World) -> None:
    """Sixty scored creatives, and ninety days of their delivery in one file."""
    rng = np.random.default_rng(world.seed + 100)
    seed = seeded(store)
    contenders = []
    for campaign in ("coffee-bar", "cat-food", "star-hall"):
        scores = [float(score) for score in rng.normal(4, 0.5, 20)]
        seed.creatives(campaign, scores, link=False)
        contenders += [Contender(campaign, f"{campaign}-{i}.jpg", score) for i, score in enumerate(scores)]
    with store.write() as session:
        for creative in session.scalars(select(Creative)):
            name = f"{creative.sha256}.jpg"
            session.add(
                CreativeAlias(creative_id=creative.id, name=name, base_name=name, created_at=NOW, run_id=seed.run_id)
            )
    simulation = simulate(contenders, world)
    path = folder / "all-days.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for index in range(world.days):
            writer.writerows(simulation.rows(index))
    (summary,) = import_files(store, [path], KpiOptions())
    assert (summary.rejected, summary.error) == (0, None)


def weekly_decisions(store: Store, world: World) -> dict[date, tuple[str, str]]:
    days = [world.day(index) for index in range(13, world.days, 7)]
    checks = [check_drift(store, Settings(), as_of=day) for day in days]
    return {day: (check.decision, check.cause) for day, check in zip(days, checks, strict=True)}


# The demo below plays through all of this until day 60, and tests/workflows/drift/test_check.py without end.
@pytest.mark.long
def test_season_weekends_fatigue_and_launches_alone_are_calm(sqlite_store: Store, tmp_path: Path) -> None:
    world = World(break_day=None)
    delivered_world(sqlite_store, tmp_path, world)
    assert set(weekly_decisions(sqlite_store, world).values()) == {("stable", "")}


# So does the demo below, with the scores of real images.
@pytest.mark.long
def test_the_change_of_taste_is_found_within_three_weeks_and_not_before(sqlite_store: Store, tmp_path: Path) -> None:
    delivered_world(sqlite_store, tmp_path, World())
    found = weekly_decisions(sqlite_store, World())
    assert {decision for day, decision in found.items() if day < CHANGE} == {("stable", "")}
    asked = [day for day, decision in found.items() if decision == ("retrain", "concept_shift")]
    assert asked
    assert CHANGE <= asked[0] <= CHANGE + timedelta(weeks=3)


@pytest.mark.parametrize("today", [date(2026, 11, 24) + timedelta(days=n) for n in range(8)])
def test_the_story_ends_within_the_week_before_today_and_its_weekends_stay_where_they_are(today: date) -> None:
    world = recent_world(today)
    assert 1 <= (today - world.day(world.days + DAYS - 1)).days <= 7
    assert world == replace(World(), start=world.start)
    assert world.start.weekday() == World().start.weekday()


def test_it_does_not_play_in_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(AbkitError) as caught:
        open_workspace(tmp_path)
    assert "--folder" in str(caught.value.hint)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_the_demo_plays_the_whole_loop_and_says_what_is_simulated(abkit: Abkit, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    began = datetime.now(UTC).date()
    done = abkit("demo", "--folder", folder, timeout=540)
    assert done.returncode == 0, done.stderr
    assert "simulated" in done.stdout
    assert "coffee-bar-01" in done.stdout  # the ranked tables
    with sqlite3.connect(folder / "abkit.db") as store:
        decisions = store.execute("SELECT as_of, decision, cause FROM decision ORDER BY as_of").fetchall()
        alerts = store.execute("SELECT rule, substr(opened_at, 1, 10) FROM alert").fetchall()
        runs = dict(store.execute("SELECT what, count(*) FROM run WHERE state = 'done' GROUP BY what").fetchall())
        unfinished = store.execute("SELECT count(*) FROM run WHERE state <> 'done'").fetchone()
        resolved = store.execute("SELECT substr(resolved_at, 1, 10) FROM alert").fetchall()
        columns = "decision, attempt, learned_until, judged_first, creatives"
        trial = store.execute(f"SELECT {columns} FROM retrain_trial").fetchall()
        boards = store.execute("SELECT count(*) FROM leaderboard").fetchone()
        active = store.execute("SELECT promoted_by FROM promotion ORDER BY id").fetchall()
        (first,) = store.execute("SELECT min(period_start) FROM kpi").fetchone()
    world = replace(World(), start=date.fromisoformat(first))
    assert world in {recent_world(day) for day in (began, datetime.now(UTC).date())}
    change = world.day(60)
    before = {(decision, cause) for day, decision, cause in decisions if day < change.isoformat()}
    assert before == {("stable", "")}
    asked = [day for day, decision, cause in decisions if (decision, cause) == ("retrain", "concept_shift")]
    assert change.isoformat() <= asked[0] <= (change + timedelta(weeks=3)).isoformat()
    assert f"found    {asked[0]}  retrain, cause concept_shift" in done.stdout
    assert "layers   all 5 judged in 77 of 77 checks" in done.stdout
    assert alerts == [("decision", asked[0])]
    # The loop went through the daemon's jobs, each with its run.
    assert runs == {
        "init": 1, "score": 15, "import_kpis": 97, "correlate": 90, "drift_check": 81, "retrain": 1, "model train": 1,
        "leaderboards": 1,
    }  # fmt: skip
    assert len(list((folder / "exports" / "done").glob("*.csv"))) == 121
    assert unfinished == (0,)
    # The web page has the figures of every campaign at once.
    assert boards == (15,)
    # The loop is closed: the challenger won on launches after the day until which it learned, and drift is gone.
    ((decision, attempt, learned, judged, creatives),) = trial
    assert (decision, attempt) == ("promoted", 1)
    assert learned < judged
    assert creatives >= 100
    assert active == [("abkit",), ("abkit retrain",)]
    assert [decision for _, decision, _ in decisions[-3:]] == ["stable"] * 3
    assert resolved == [(decisions[-1][0],)]
    assert f"retrain  {world.day(118)}  promoted: " in done.stdout
    assert "the alert is resolved" in done.stdout
    report = (folder / "report.html").read_text()
    assert "the figures are simulated" in report
    assert "Stable: keep using the scores" in report
