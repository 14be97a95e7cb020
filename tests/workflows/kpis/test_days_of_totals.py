"""Weeks and months under a single day are taken for totals where the days in the store show it, in either order."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.store.schema import Kpi
from abkit.workflows.kpis.imports import undo_import
from tests.kpi_files import run_import, write

Day = tuple[date, str, int, int]  # day, ad, impressions, clicks
JANUARY = date(2026, 1, 5)  # a Monday


def _days(seed: int, start: date = JANUARY, number: int = 28, ads: int = 2) -> list[Day]:
    dice = random.Random(seed)
    every = [(start + timedelta(day), f"12020{ad}") for day in range(number) for ad in range(ads)]
    return [(*one, dice.randint(900, 3000), dice.randint(5, 60)) for one in every]


def _summed(days: list[Day], label: str) -> list[Day]:
    """The totals of weeks under their first or last day, or of months under their first."""
    sums: dict[tuple[date, str], tuple[int, int]] = {}
    for day, ad, shown, clicks in days:
        first = day - timedelta(day.weekday())
        under = {"Monday": first, "Sunday": first + timedelta(6), "month": day.replace(day=1)}[label]
        before = sums.get((under, ad), (0, 0))
        sums[under, ad] = before[0] + shown, before[1] + clicks
    return [(*key, *figures) for key, figures in sums.items()]


def _table(rows: list[Day], column: str = "Day", age: str = "") -> str:
    lines = [f"{day},{ad},{shown},{clicks}{f',{age}' if age else ''}" for day, ad, shown, clicks in rows]
    return "\n".join([f"{column},Ad ID,Impressions,Clicks{',Age' if age else ''}", *lines]) + "\n"


def _stored(store: Store) -> tuple[int, int]:
    with store.read() as session:
        rows = session.execute(select(Kpi.impressions, Kpi.clicks).where(Kpi.left_out == "")).all()
        assert deliveries(session, Filters()).impressions == sum(row[0] for row in rows)
        return sum(row[0] for row in rows), sum(row[1] for row in rows)


def _totals(rows: list[Day]) -> tuple[int, int]:
    return sum(row[2] for row in rows), sum(row[3] for row in rows)


@pytest.mark.parametrize(("label", "age"), [("Monday", ""), ("Sunday", "18-24"), ("month", "18-24")])
def test_totals_under_single_days_count_once_beside_days(label: str, age: str, store: Store, tmp_path: Path) -> None:
    days = _days(1, date(2026, 1, 1), 90) if label == "month" else _days(1)
    run_import(store, write(tmp_path / "days.csv", _table(days)))
    summary = run_import(store, write(tmp_path / "sums.csv", _table(_summed(days, label), "Date", age)))[0]
    assert summary.updated == 0
    assert any("each row is the total of its" in note for note in summary.notes)
    assert not any(note.startswith("all days of") for note in summary.notes)
    assert _stored(store) == _totals(days)


def test_totals_that_came_before_their_days_refuse_these_and_say_what_to_do(store: Store, tmp_path: Path) -> None:
    days = _days(2)
    sums, daily = write(tmp_path / "sums.csv", _table(_summed(days, "Monday"))), write(tmp_path / "d.csv", _table(days))
    first = run_import(store, sums)[0]
    assert any("all days of 'Day' are the same day of the week" in note for note in first.notes)
    refused = run_import(store, daily)[0]
    assert "import 1 has totals of a week each under a single day" in (refused.error or "")
    assert "abkit kpi undo 1" in (refused.hint or "")
    assert _stored(store) == _totals(days)
    undo_import(store, 1)
    run_import(store, daily)
    run_import(store, sums)
    assert _stored(store) == _totals(days)


def test_days_that_are_corrected_a_little_or_missing_at_the_end_still_show_totals(
    sqlite_store: Store, tmp_path: Path
) -> None:
    days = _days(3)
    run_import(sqlite_store, write(tmp_path / "days.csv", _table(days[:-6])))
    sums = [(*row[:2], row[2] + 20, row[3]) for row in _summed(days, "Monday")]
    summary = run_import(sqlite_store, write(tmp_path / "sums.csv", _table(sums)))[0]
    assert summary.updated == 0
    assert _totals(days)[0] - 8 * 20 <= _stored(sqlite_store)[0] <= _totals(sums)[0]


@pytest.mark.parametrize("change", [0, 300])
def test_mondays_that_are_mondays_stay_days(sqlite_store: Store, tmp_path: Path, change: int) -> None:
    days = _days(4)
    mondays = [(*row[:2], row[2] + change, row[3]) for row in days if row[0].weekday() == 0]
    others = [row for row in days if row[0].weekday() != 0]
    run_import(sqlite_store, write(tmp_path / "days.csv", _table(days)))
    summary = run_import(sqlite_store, write(tmp_path / "mondays.csv", _table(mondays)))[0]
    assert summary.updated == (len(mondays) if change else 0)
    assert _stored(sqlite_store) == _totals([*mondays, *others])
    # And where they came first.
    undo_import(sqlite_store, 1)
    assert _stored(sqlite_store) == _totals(mondays)
    assert run_import(sqlite_store, write(tmp_path / "again.csv", _table(days)))[0].error is None
    assert _stored(sqlite_store) == _totals(days)
