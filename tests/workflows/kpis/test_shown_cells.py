"""Cells of a spreadsheet that show something else than the number they hold, and days that are counted from 1904."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import xlsxwriter
from sqlalchemy import select

from abkit.store.database.engine import Store
from abkit.store.schema import KpiReject
from tests.kpi_files import figures, run_import

HEADER = ("Day", "Ad ID", "Impressions", "Clicks", "Conversions", "Cost", "CTR")


def workbook(path: Path, formats: Mapping[str, str], *, day: object = "2026-01-05", **options: bool) -> Path:
    """A table of two ads; by column, the format of the cells of the second."""
    book = xlsxwriter.Workbook(path, options)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER)
    for row, ad in enumerate(("11", "12"), 1):
        for column, value in enumerate((day, ad, 1000, 50, 2.5, 7.5, 0.05)):
            shown = formats.get(HEADER[column]) if row > 1 else None
            sheet.write(row, column, value, book.add_format({"num_format": shown}) if shown else None)
    book.close()
    return path


@pytest.mark.parametrize(
    ("column", "code", "said"),
    [
        ("Conversions", "0%", "as a percentage"),
        ("Clicks", "0.00%", "as a percentage"),
        ("Conversions", '0.0" %"', "as a percentage"),
        ("Impressions", '0.0"k"', "with 'k' behind it"),
        ("Cost", "0\\M", "with 'M' behind it"),
        ("Impressions", '#,##0" Tsd."', "with 'Tsd.' behind it"),
        ("Clicks", '0"000"', "with '000' behind it"),
        ("Impressions", '0"万"', "with '万' behind it"),
    ],
)
def test_a_cell_that_shows_another_figure_is_rejected_by_its_name(
    column: str, code: str, said: str, sqlite_store: Store, tmp_path: Path
) -> None:
    (summary,) = run_import(sqlite_store, workbook(tmp_path / "a.xlsx", {column: code}))
    assert (summary.imported, summary.rejected) == (1, 1)
    with sqlite_store.read() as session:
        (reason,) = session.scalars(select(KpiReject.reason))
    assert reason.startswith(f"cell {'ABCDEF'[HEADER.index(column)]}3 holds ")
    assert f" and is shown {said}" in reason


@pytest.mark.parametrize("code", ["0", "#,##0.00", "0.00E+00", '0.00" €"', "#,##0.00 [$€-407]", '0" clicks"', "#,##0,"])
def test_a_format_that_shows_the_number_changes_nothing(code: str, sqlite_store: Store, tmp_path: Path) -> None:
    formats = dict.fromkeys(("Impressions", "Clicks", "Conversions", "Cost"), code) | {"CTR": "0%"}
    (summary,) = run_import(sqlite_store, workbook(tmp_path / "a.xlsx", formats))
    assert (summary.imported, summary.rejected) == (2, 0)
    assert [row[1:] for row in figures(sqlite_store)] == [(1000, 50, 2.5)] * 2


@pytest.mark.parametrize(("from_1904", "number"), [(True, 44562), (False, 46024)])
def test_day_numbers_count_from_where_the_workbook_says(
    from_1904: bool, number: int, sqlite_store: Store, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "a.xlsx", {}, day=number, date_1904=from_1904)
    (summary,) = run_import(sqlite_store, path)
    assert [str(row[0]) for row in figures(sqlite_store)] == ["2026-01-02"] * 2
    (note,) = (note for note in summary.notes if "day number" in note)
    assert ("as the workbook counts from 1904" in note) is from_1904


def _shown_in(path: Path, codes: Sequence[str], header: Sequence[str] = HEADER[:6]) -> Path:
    """One row for each format of its cost."""
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, header)
    for row, code in enumerate(codes, 1):
        sheet.write_row(row, 0, (f"2026-01-{row:02}", "11", 1000, 50, 2))
        sheet.write(row, 5, 7.5, book.add_format({"num_format": code}) if code else None)
        sheet.write_row(row, 6, ["EUR"] * (len(header) - 6))
    book.close()
    return path


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (('#,##0.00" €"', "[$$-409]#,##0.00"), "shown in $ and EUR"),
        (("[$€-407] 0", "[$CHF] 0", "0"), "shown in CHF and EUR"),
        (("0\\ €", '0" zł"'), "shown in EUR and PLN"),
        (('#,##0.00" €"', "[$€-407]#,##0.00", "0"), ""),
        (("$#,##0", "[$USD] #,##0"), ""),
        (("0", '0" clicks"'), ""),
    ],
)
def test_amounts_that_are_shown_in_several_currencies_are_refused(
    codes: Sequence[str], said: str, sqlite_store: Store, tmp_path: Path
) -> None:
    (summary,) = run_import(sqlite_store, _shown_in(tmp_path / "a.xlsx", codes))
    assert (summary.imported > 0) == (not said)
    assert said in (summary.error or "")


def test_an_amount_above_the_header_says_nothing_of_the_rows(sqlite_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "Budget")
    sheet.write(0, 5, 5000, book.add_format({"num_format": "[$USD] #,##0"}))
    sheet.write_row(2, 0, HEADER[:6])
    for row in (3, 4):
        sheet.write_row(row, 0, (f"2026-01-{row:02}", "11", 1000, 50, 2))
        sheet.write(row, 5, 7.5, book.add_format({"num_format": '0" €"'}))
    book.close()
    (summary,) = run_import(sqlite_store, path)
    assert (summary.imported, summary.error) == (2, None)


def test_a_column_of_currencies_says_what_formats_leave_open(sqlite_store: Store, tmp_path: Path) -> None:
    path = _shown_in(tmp_path / "a.xlsx", ('0" €"', "$0"), (*HEADER[:6], "Currency"))
    (summary,) = run_import(sqlite_store, path)
    assert (summary.imported, summary.error) == (2, None)
