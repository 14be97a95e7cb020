"""KPI rows of days that are long over leave the store for files: nothing is lost, doubled, or counted differently."""

import random
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.database.engine import Store
from abkit.store.kpis import retention as rows_of_store
from abkit.store.runs import begin_run
from abkit.store.schema import Ad, CampaignCreative, Experiment, Kpi, KpiRetention, KpiRevision, Segment
from abkit.workflows.correlate import correlate
from abkit.workflows.kpis.imports import undo_import
from abkit.workflows.upkeep import retention
from abkit.workflows.upkeep.retention import archive, vacuum
from tests.kpi_files import add_creatives, rows, run_import, write

HEADER = "day,ad,creative,campaign,placement,impressions,clicks,conversions,spend,currency"
DAYS = rows(
    "2025-01-01,1,a.png,spring,feed,1000,20,3,4.5,USD",
    "2025-01-01,2,b.png,spring,story,900,9,1,,USD",
    "2025-02-01,1,a.png,spring,feed,1100,25,0.5,5.25,USD",
    "2025-03-01,1,a.png,spring,feed,1200,30,4,6,USD",
    header=HEADER,
)
AGAIN = rows("2025-01-01,1,a.png,spring,feed,1010,21,3,4.75,USD", header=HEADER)
# Without ids: the ad is called by its campaign and its creative.
NAMES = rows("2025-01-02,,c.png,spring,feed,500,5,1,1.5,USD", header=HEADER)
# The same delivery once more by day and age, and a month that reaches over the day.
AGES = rows("2025-01-01,1,18-24,600,12", "2025-01-01,1,25+,390,7", header="day,ad,age,impressions,clicks")
MONTH = rows("2025-01-15,2025-02-14,1,1090,24", header="period_start,period_end,ad,impressions,clicks")
MARCH = date(2025, 3, 1)


def delivered(store: Store) -> set[tuple[Any, ...]]:
    """All rows with their keys and figures, and whether they count."""
    names = ("period_start", "period_end", "event", "currency", "impressions", "clicks", "conversions", "spend")
    dimensions = [getattr(Segment, name) for name in ("placement", "age", "campaign", "ad_set")]
    with store.read() as session:
        found = select(Ad.external_id, *dimensions, *(getattr(Kpi, name) for name in names), Kpi.left_out)
        found = found.select_from(Kpi).join(Ad, Ad.id == Kpi.ad_id).join(Segment, Segment.id == Kpi.segment_id)
        all_rows = [tuple(row) for row in session.execute(found)]
    assert len(set(all_rows)) == len(all_rows)
    return set(all_rows)


def brought(store: Store, folder: Path, *contents: str) -> set[tuple[Any, ...]]:
    for number, content in enumerate(contents):
        run_import(store, write(folder / f"export-{number}.csv", content))
    return delivered(store)


def archived(store: Store, folder: Path, before: date = MARCH, **options: Any) -> Any:
    return archive(store, Settings(), before=before, folder=folder, **options)


def test_what_leaves_is_in_the_files_and_comes_back_by_an_import(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS, AGAIN, NAMES, AGES)
    found = archived(store, tmp_path / "old")
    old = {row for row in before if row[6] < MARCH}
    assert delivered(store) == before - old
    assert (found.rows, found.first, found.last) == (len(old), date(2025, 1, 1), date(2025, 2, 1))
    assert found.impressions == sum(row[9] for row in old)
    assert found.left_rows == len(before) - len(old)
    history = pl.read_parquet(tmp_path / "old" / "history" / "revisions.parquet")
    assert history.select("ad", "impressions", "clicks").rows() == [("1", 1000, 20)]

    run_import(store, tmp_path / "old")
    assert delivered(store) == before
    run_import(store, tmp_path / "old")
    assert delivered(store) == before


def test_what_was_archived_twice_comes_back_twice_from_the_archive_or_the_exports(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS, NAMES)
    for number in range(3):
        archived(store, tmp_path / f"old-{number}")
        assert delivered(store) < before
        run_import(store, tmp_path / f"old-{number}")
        assert delivered(store) == before
    archived(store, tmp_path / "old")
    assert brought(store, tmp_path, DAYS, NAMES) == before


def test_to_archive_twice_changes_nothing_more(store: Store, tmp_path: Path) -> None:
    brought(store, tmp_path, DAYS)
    archived(store, tmp_path / "old")
    left = delivered(store)
    again = archived(store, tmp_path / "older")
    assert (again.rows, again.folder, delivered(store)) == (0, "", left)
    assert not (tmp_path / "older").exists()


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS)
    said = archived(store, tmp_path / "old", dry_run=True)
    assert (said.rows, said.left_rows, delivered(store)) == (3, 4, before)
    assert not (tmp_path / "old").exists()


@pytest.mark.long  # real kills need rows enough to be hit: an exception at the worst moment is in the next test
def test_killed_at_any_moment_nothing_is_lost_or_doubled(store: Store, tmp_path: Path) -> None:
    days = [date(2025, 1, 1) + timedelta(days=number) for number in range(60)]
    table = rows(
        *(f"{day},{ad},{ad}.png,spring,feed,{1000 + ad},{ad % 50},1,1.5,USD" for day in days for ad in range(300)),
        header=HEADER,
    )
    before = brought(store, tmp_path, table)
    old = {row for row in before if row[6] < MARCH}
    url = store.engine.url.render_as_string(hide_password=False)
    code = f"""
import sys
from datetime import date
from pathlib import Path
from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.workflows.upkeep.retention import archive
store = Store(sys.argv[1])
store.engine.connect().close()
print("begins", flush=True)
archive(store, Settings(), before=date.fromisoformat("{MARCH}"), folder=Path(sys.argv[2]))
"""
    rng, seen = random.Random(8), set()  # not for secrets
    for number in range(8):
        folder = tmp_path / f"old-{number}"
        process = subprocess.Popen([sys.executable, "-c", code, url, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, 3))
        process.kill()
        process.wait()
        process.stdout.close()
        found = delivered(store)
        assert found in (before, before - old)
        seen.add(len(found))
        if found != before:
            run_import(store, folder)
            assert delivered(store) == before
    assert seen == {len(before), len(before - old)}


@pytest.mark.parametrize("how", [KeyboardInterrupt, AbkitError])
def test_what_ends_between_the_files_and_the_store_loses_and_doubles_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: type[BaseException]
) -> None:
    before = brought(store, tmp_path, DAYS)

    def ended(*_: object) -> int:
        raise how("ended")

    with monkeypatch.context() as broken:
        broken.setattr(rows_of_store, "_forget_delivered", ended)
        with pytest.raises(how):
            archived(store, tmp_path / "first")
    assert delivered(store) == before

    archived(store, tmp_path / "second")
    run_import(store, tmp_path / "first", tmp_path / "second")
    assert delivered(store) == before


def test_nothing_is_deleted_where_the_files_do_not_hold_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = brought(store, tmp_path, DAYS)
    save = retention._save
    monkeypatch.setattr(retention, "_save", lambda frame, path: save(frame.head(1), path))
    with pytest.raises(AbkitError, match="the files hold 1 rows, and the store 3"):
        archived(store, tmp_path / "old")
    assert delivered(store) == before
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_days_beside_a_month_that_stays_stay_with_it(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS, MONTH)
    found = archived(store, tmp_path / "old", date(2025, 2, 10))
    gone = {row for row in before if row[6] < date(2025, 1, 15)}
    assert delivered(store) == before - gone
    assert (found.rows, found.stayed) == (2, 1)


def test_an_ad_of_which_other_rows_would_count_stays_whole(store: Store, tmp_path: Path) -> None:
    # Of two events, the one with more conversions over all days counts: in March alone that is the other one.
    header = "day,ad,event,impressions,clicks,conversions"
    events = rows(
        "2025-01-01,9,lead,1000,20,9", "2025-01-01,9,sale,1000,20,1",
        "2025-03-01,9,lead,1000,20,1", "2025-03-01,9,sale,1000,20,2",
        header=header,
    )  # fmt: skip
    before = brought(store, tmp_path, events, DAYS)
    found = archived(store, tmp_path / "old")
    assert delivered(store) == {row for row in before if row[0] == "9" or row[6] >= MARCH}
    assert (found.rows, found.stayed) == (3, 2)


def test_the_undo_of_another_import_does_not_bring_rows_back(store: Store, tmp_path: Path) -> None:
    brought(store, tmp_path, DAYS, AGAIN)
    archived(store, tmp_path / "old")
    left = delivered(store)
    undo_import(store, 2)
    assert delivered(store) == left
    undo_import(store, 1)
    assert delivered(store) == set()


def test_a_creative_was_launched_when_it_was(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "/ads/a.png", "/ads/b.png")
    brought(store, tmp_path, DAYS)
    archived(store, tmp_path / "old")
    days = ("2025-03-02,1,a.png,spring,feed,1200,30,4,6,USD", "2025-03-02,2,b.png,spring,story,9,1,0,0,USD")
    later = rows(*days, header=HEADER)
    run_import(store, write(tmp_path / "later.csv", later))
    with store.read() as session:
        assert set(session.scalars(select(CampaignCreative.launched_on))) == {date(2025, 1, 1)}


def test_days_that_an_open_experiment_needs_are_refused(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS)
    run = begin_run(store, "test", {})
    with store.write() as session:
        words = {"unit": "impression", "allocation": "random", "metric": "ctr", "plan": {}}
        session.add(
            Experiment(key="hero", starts_on=date(2025, 2, 1), created_at=datetime.now(UTC), run_id=run.id, **words)
        )
    with pytest.raises(UsageError, match="'hero' began before 2025-03-01"):
        archived(store, tmp_path / "old")
    assert delivered(store) == before
    assert archived(store, tmp_path / "old", date(2025, 2, 1)).rows == 2


def test_keep_days_say_what_stays_and_without_them_a_day_is_needed(sqlite_store: Store, tmp_path: Path) -> None:
    brought(sqlite_store, tmp_path, DAYS)
    with pytest.raises(UsageError, match="nothing says how long"):
        archive(sqlite_store, Settings())
    settings = Settings(kpi={"keep_days": 30}).model_copy(update={"workspace": tmp_path})
    found = archive(sqlite_store, settings, today=date(2025, 3, 31))
    assert (found.before, found.rows) == (MARCH, 3)
    assert Path(found.folder) == tmp_path / "archive" / "kpi-before-2025-03-01"


def test_what_was_taken_out_is_written_down(store: Store, tmp_path: Path) -> None:
    brought(store, tmp_path, DAYS, AGAIN)
    archived(store, tmp_path / "old")
    with store.read() as session:
        (row,) = session.scalars(select(KpiRetention))
        assert (row.before, row.rows, row.first_day, row.last_day) == (MARCH, 3, date(2025, 1, 1), date(2025, 2, 1))
        assert row.folder == str(tmp_path / "old")
        assert session.scalar(select(func.count(KpiRevision.id))) == 0


def test_a_correlation_says_which_days_are_in_files_where_it_would_have_read_them(store: Store, tmp_path: Path) -> None:
    brought(store, tmp_path, DAYS)
    archived(store, tmp_path / "old")

    def note(start: date | None) -> str:
        return correlate(store, Settings(), metric="ctr", as_of=date(2025, 3, 2), start=start).note

    assert "KPI rows of 2025-01-01 to 2025-02-01 were moved into files" in note(None)
    assert "moved into files" in note(date(2025, 2, 1))
    assert "moved into files" not in note(MARCH)


def test_vacuuming_changes_no_figure(store: Store, tmp_path: Path) -> None:
    before = brought(store, tmp_path, DAYS)
    found = vacuum(store)
    assert found.bytes_before > 0
    assert found.bytes_after > 0
    assert delivered(store) == before


def test_space_comes_back_on_sqlite(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2025-01-{day:02d},{ad},{1000 + ad},9" for day in range(1, 29) for ad in range(400)]
    brought(sqlite_store, tmp_path, rows(*lines, header="day,ad,impressions,clicks"))
    archived(sqlite_store, tmp_path / "old")
    found = vacuum(sqlite_store)
    assert found.bytes_after < 0.7 * found.bytes_before


LATER = rows("2025-01-01,1,a.png,spring,feed,1040,23,5,4.9,USD", header=HEADER)


@pytest.mark.parametrize("from_exports", [False, True])
def test_what_an_archive_brings_back_leaves_corrections_that_came_since(
    from_exports: bool, store: Store, tmp_path: Path
) -> None:
    brought(store, tmp_path, DAYS, AGAIN)
    archived(store, tmp_path / "old")
    wanted = brought(store, tmp_path / "later", LATER) if (tmp_path / "later").mkdir() is None else set()
    later = {row for row in wanted if row[5].isoformat() == "2025-01-01"}
    assert [row[9:] for row in later] == [(1040, 23, 5.0, 4.9, "")]
    if from_exports:
        notes = [note for text in (DAYS, AGAIN) for note in _imported(store, tmp_path, text)]
    else:
        notes = [note for one in run_import(store, tmp_path / "old") for note in one.notes]
    assert later < delivered(store)
    assert len(delivered(store)) == 4
    assert any("rows stay as a later import has them" in note for note in notes)
    # Without the correction, the days are as they were before they left.
    undo_import(store, 3)
    assert {row[9:13] for row in delivered(store) if row[5].isoformat() == "2025-01-01"} == {
        (1010, 21, 3.0, 4.75),
        (900, 9, 1.0, None),
    }


def _imported(store: Store, folder: Path, content: str) -> list[str]:
    (summary,) = run_import(store, write(folder / "again.csv", content))
    assert summary.error is None
    return list(summary.notes)
