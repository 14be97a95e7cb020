"""A sheet with more than one table: one is read, and what is not read is said."""

import warnings
from pathlib import Path

import pytest
import xlsxwriter

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.workflows.kpis.import_kpis import ImportSummary, import_files
from abkit.workflows.kpis.imports import show_import
from tests.kpi_files import figures

HEADER = ["Date", "Ad ID", "Ad name", "Impressions", "Clicks"]
ROWS = [["2026-01-05", "1", "a.png", 1000, 10], ["2026-01-06", "1", "a.png", 2000, 20]]


def workbook(path: Path, sheets: dict[str, dict[tuple[int, int], list[list[object]]]], *, hidden: int = -1) -> Path:
    book = xlsxwriter.Workbook(str(path))
    for name, blocks in sheets.items():
        sheet = book.add_worksheet(name)
        for (row, column), lines in blocks.items():
            for number, cells in enumerate(lines):
                sheet.write_row(row + number, column, cells)
        if hidden >= 0:
            sheet.set_row(hidden, None, None, {"hidden": True})
    book.close()
    return path


def imported(store: Store, path: Path) -> ImportSummary:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the reader says are notes of the import
        (summary,) = import_files(store, [path], KpiOptions())
    assert summary.error is None
    return summary


@pytest.mark.parametrize(
    "beside",
    [
        [["Campaign", "Currency"], ["sale", "USD"]],
        [["Campaign", "Cost"], ["sale", 5], ["winter", 6], ["spring", 7]],
    ],
)
def test_a_table_beside_the_first_lends_it_no_columns(
    sqlite_store: Store, tmp_path: Path, beside: list[list[object]]
) -> None:
    summary = imported(sqlite_store, workbook(tmp_path / "k.xlsx", {"S": {(0, 0): [HEADER, *ROWS], (0, 6): beside}}))
    assert (summary.rows, summary.imported, summary.rejected) == (2, 2, 0)
    assert any("another table beside the first; its columns are not read: 'Campaign'" in note for note in summary.notes)
    assert not any("in several currencies" in note for note in summary.notes)


def test_a_column_behind_an_empty_one_belongs_to_the_table_when_its_rows_are_the_same(
    sqlite_store: Store, tmp_path: Path
) -> None:
    beside: list[list[object]] = [["Campaign"], ["sale"], ["sale"]]
    summary = imported(sqlite_store, workbook(tmp_path / "k.xlsx", {"S": {(0, 0): [HEADER, *ROWS], (0, 6): beside}}))
    assert not any("another table" in note for note in summary.notes)


def test_other_sheets_and_hidden_rows_are_said(sqlite_store: Store, tmp_path: Path) -> None:
    other = [HEADER[:4], ["2026-02-05", "1", "a.png", 9000]]
    path = workbook(tmp_path / "k.xlsx", {"Jan": {(0, 0): [HEADER, *ROWS]}, "Feb": {(0, 0): other}}, hidden=2)
    summary = imported(sqlite_store, path)
    assert "sheet 'Jan' is read, and 'Feb' not (--sheet 'Feb')" in summary.notes
    assert "1 hidden rows of sheet 'Jan' are read like the others" in summary.notes
    assert [row[1] for row in figures(sqlite_store)] == [1000, 2000]


def test_what_was_guessed_is_kept_with_the_import(sqlite_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_bytes("Date,Ad name,Impressions,Clicks\n2026-01-05,Frühling à Paris,10,1\n".encode("cp1252"))
    summary = imported(sqlite_store, path)
    assert any(note.startswith("not UTF-8: read as windows-1252") for note in summary.notes)
    assert any("no column holds conversions" in note for note in summary.notes)
    assert summary.import_id is not None
    shown = show_import(sqlite_store, summary.import_id)
    assert shown.notes == summary.notes
    assert "no column holds conversions" in str(shown)
    assert "no column holds conversions" in str(summary)
