"""Rows for a spreadsheet: CSV and XLSX in which no text is taken for a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from abkit.records import to_plain

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: Any) -> Any:
    """Return a value of a CSV cell that no spreadsheet runs.

    >>> harmless("=1+1"), harmless("spring"), harmless(-2.5)
    ("'=1+1", 'spring', -2.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else to_plain(value)


def csv_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Return rows as CSV in UTF-8, with the mark by which Excel knows that."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([[harmless(row.get(name)) for name in columns] for row in rows])
    return file.getvalue().encode("utf-8-sig")


def xlsx_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], sheet_name: str) -> bytes:
    """Return rows as a workbook of one sheet; texts stay texts."""
    import xlsxwriter

    file = io.BytesIO()
    options = {
        "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True,
    }  # fmt: skip
    book = xlsxwriter.Workbook(file, options)
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet(sheet_name)
    sheet.write_row(0, 0, columns, bold)
    for number, row in enumerate(rows, start=1):
        for place, name in enumerate(columns):
            _write(sheet, number, place, row.get(name), day)
    sheet.freeze_panes(1, 1)
    book.close()
    return file.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any, day: Any) -> None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, date):
        sheet.write_datetime(row, column, value, day)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    else:
        sheet.write_string(row, column, str(value))
