"""A value that is the sum of all others counts once beside them, whatever it is called, in the same file or another."""

import random
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.store.kpis.once import counting
from abkit.workflows.kpis.import_kpis import import_files
from abkit.workflows.kpis.imports import undo_import
from tests.conftest import MakeDatabase
from tests.kpi_files import run_import, write

START = date(2026, 1, 1)
Row = tuple[int, str, str, int, int]  # day, ad, value, impressions, clicks


def _rows(dice: random.Random, values: tuple[str, ...], days: int = 4) -> list[Row]:
    return [
        (day, ad, value, dice.randint(400, 3000), dice.randint(5, 60))
        for day in range(days)
        for ad in ("1201", "1202")
        for value in values
    ]


def _wholes(rows: list[Row], called: str, more: int = 0) -> list[Row]:
    sums: dict[tuple[int, str], list[int]] = {}
    for day, ad, _, shown, clicks in rows:
        both = sums.setdefault((day, ad), [more, 0])
        both[0] += shown
        both[1] += clicks
    return [(day, ad, called, *figures) for (day, ad), figures in sums.items()]  # type: ignore[misc]


def _table(rows: list[Row], column: str = "Country") -> str:
    lines = [f"{START + timedelta(day)},{ad},{value},{shown},{clicks}" for day, ad, value, shown, clicks in rows]
    return "\n".join([f"Day,Ad ID,{column},Impressions,Clicks", *lines]) + "\n"


def _counted(store: Store) -> int:
    with store.read() as session:
        return deliveries(session, Filters()).impressions


PARTS = _rows(random.Random(1), ("DE", "AT", "CH"))
TOTAL = sum(row[3] for row in PARTS)


@pytest.mark.parametrize(("column", "called"), [("Country", "DACH"), ("placement", "Σ"), ("Device", "zusammengefasst")])
def test_a_total_of_any_name_in_the_same_file_counts_once_and_is_noted(
    store: Store, tmp_path: Path, column: str, called: str
) -> None:
    path = write(tmp_path / "k.csv", _table([*PARTS, *_wholes(PARTS, called)], column))
    notes: list[str] = []
    (summary,) = import_files(store, [path], KpiOptions(), note=notes.append)
    assert _counted(store) == TOTAL
    assert [(one.reason.value, one.impressions) for one in summary.not_counted] == [("breakdown", TOTAL)]
    assert [called in note and "a total of all others" in note for note in notes].count(True) == 1


def test_in_another_file_and_in_any_order(new_database: MakeDatabase, tmp_path: Path) -> None:
    more = [(row[0] + 4, *row[1:]) for row in _rows(random.Random(2), ("DE", "AT", "CH"))]
    files = [PARTS, _wholes(PARTS, "DACH"), [*more, *_wholes(more, "DACH")]]
    for place, order in enumerate(permutations(files)):
        store = Store(new_database("sqlite", migrated=True))
        numbers = [
            run_import(store, write(tmp_path / f"{place}-{number}.csv", _table(rows)))[0].import_id
            for number, rows in enumerate(order)
        ]
        assert _counted(store) == TOTAL + sum(row[3] for row in more)
        if order[0] is PARTS:
            undo_import(store, numbers[0] or 0)
            assert _counted(store) == TOTAL + sum(row[3] for row in more)
        store.close()


@pytest.mark.parametrize("called", ["Global", "Weltweit", "Alle Länder", "(all)", "合計", "Total (3)", "Country total"])
def test_a_word_for_all_needs_no_figures(sqlite_store: Store, tmp_path: Path, called: str) -> None:
    one_day = [row for row in PARTS if row[:2] == (0, "1201")]
    run_import(sqlite_store, write(tmp_path / "parts.csv", _table(one_day)))
    run_import(sqlite_store, write(tmp_path / "all.csv", _table(_wholes(one_day, called))))
    assert _counted(sqlite_store) == sum(row[3] for row in one_day)


@pytest.mark.parametrize(
    "rows",
    [
        # One off in every ad and day.
        [*PARTS, *_wholes(PARTS, "FR", more=1)],
        # The same round figures every day prove nothing.
        [(day, "1201", value, n, n // 9) for day in range(9) for value, n in (("DE", 90), ("AT", 180), ("FR", 270))],
        # One value beside another.
        [(*row[:2], value, *row[3:]) for row in PARTS[::3] for value in ("DE", "FR")],
    ],
)
def test_what_is_no_sum_of_others_adds_up(sqlite_store: Store, tmp_path: Path, rows: list[Row]) -> None:
    run_import(sqlite_store, write(tmp_path / "k.csv", _table(rows)))
    assert _counted(sqlite_store) == sum(row[3] for row in rows)


@pytest.mark.parametrize(("looked_at", "left_over"), [(0, 4), (1, 3), (4, 0)])
def test_values_of_few_ads_that_are_too_many_to_examine_are_counted_in_a_note(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_at: int, left_over: int
) -> None:
    # Of six ads the first and the fourth are looked at; each of the others has a country of its own.
    monkeypatch.setattr(counting, "_MOST_ADS", 2)
    monkeypatch.setattr(counting, "_MOST_RARE", looked_at)
    countries = ("DE", "AT", "CH", "FR", "IT", "ES")
    rows = [(0, f"120{ad}", country, 900 + ad, 10) for ad, country in enumerate(countries)]
    notes: list[str] = []
    path = write(tmp_path / "k.csv", _table(rows))
    import_files(sqlite_store, [path], KpiOptions(), note=notes.append)
    said = [note for note in notes if "not examined for totals" in note]
    expected = f"{left_over} combinations of values that few ads have were not examined for totals of others"
    assert [note.removeprefix(f"{path}: ") for note in said] == ([expected] if left_over else [])
    assert _counted(sqlite_store) == sum(row[3] for row in rows)


@pytest.mark.parametrize(("more", "is_said"), [(0, True), (1, False)])
def test_a_sum_of_all_others_in_too_few_rows_to_be_sure_counts_and_is_said(
    more: int, is_said: bool, store: Store, tmp_path: Path
) -> None:
    parts = [row for row in PARTS if row[:2] == (0, "1201")]
    path = write(tmp_path / "k.csv", _table([*parts, *_wholes(parts, "DACH", more)]))
    (summary,) = run_import(store, path)
    said = [note for note in summary.notes if "in too few rows to tell" in note]
    assert [note.split(":")[0] for note in said] == (["country 'DACH'"] if is_said else [])
    assert _counted(store) == 2 * sum(row[3] for row in parts) + more
