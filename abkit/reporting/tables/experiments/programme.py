"""How the programme and the weekly digest are shown: tables, sentences, and a sheet for the monthly review."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abkit.errors import AbkitError
from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, interval
from abkit.workflows.experiments.review.programme import (
    Programme,
    ProgrammeRow,
    cumulative_in_words,
    rates_in_words,
)
from abkit.written_files import whole_file


@view_of.register
def _(programme: Programme) -> View:
    return View(
        tables=(Table.of([_shown(row) for row in programme.rows], title=f"Experiments as of {programme.as_of}"),),
        sentences=(*rates_in_words(programme), *(cumulative_in_words(one) for one in programme.cumulative)),
        notes=programme.notes,
    )


def _shown(row: ProgrammeRow) -> dict[str, Any]:
    definition = METRICS[row.metric]
    lift = row.lift
    values = [
        None if value is None else definition.show(value, row.currency) for value in (row.value, row.control_value)
    ]
    return {
        "experiment": row.experiment,
        "treatment": row.treatment,
        "metric": definition.name,
        "lift": percent(lift.estimate, 1, sign=True) if lift else None,
        "interval": interval(lift.ci_low, lift.ci_high, 1, sign=True) if lift else None,
        "value": values[0],
        "control": values[1],
        "verdict": row.verdict,
        "state": "over" if row.over else "running",
        "decision": row.decision,
    }


def flat_rows(programme: Programme) -> list[dict[str, Any]]:
    """Return the rows for a spreadsheet: plain values, the interval in columns of its own."""
    return [
        {
            "experiment": row.experiment,
            "treatment": row.treatment,
            "control": row.control,
            "metric": row.metric.value,
            "verdict": row.verdict.value if row.verdict else None,
            "lift": row.lift.estimate if row.lift else None,
            "low": row.lift.ci_low if row.lift else None,
            "high": row.lift.ci_high if row.lift else None,
            "value": row.value,
            "control_value": row.control_value,
            "currency": row.currency or None,
            "p_value": row.p_value,
            "starts_on": row.starts_on,
            "ends_on": row.ends_on,
            "as_of": row.as_of,
            "looks": row.looks,
            "over": row.over,
            "decision": row.decision.value if row.decision else None,
            "decided_by": row.decided_by or None,
            "archived": row.archived,
        }
        for row in programme.rows
    ]


def write_xlsx(programme: Programme, path: Path) -> Path:
    """Write the programme as a workbook of two sheets: the experiments, and what they add up to.

    Texts stay texts: a name that begins like a formula is not one.

    Raises:
        AbkitError: The name does not end with .xlsx, or the file cannot be written.
    """
    import xlsxwriter

    if path.suffix.lower() != ".xlsx":
        raise AbkitError(f"{path.name} does not end with .xlsx", hint="name the workbook such as programme.xlsx")
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with whole_file(path, folders=True) as unfinished, _as_its_cause():
        book = xlsxwriter.Workbook(str(unfinished), options)
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        sheet = book.add_worksheet("experiments")
        rows = flat_rows(programme)
        names = list(rows[0]) if rows else ["experiment"]
        sheet.write_row(0, 0, names, bold)
        for number, row in enumerate(rows, start=1):
            for place, name in enumerate(names):
                _write(sheet, number, place, row[name], day)
        sheet.freeze_panes(1, 1)
        summary = book.add_worksheet("summary")
        for number, line in enumerate(_summary(programme)):
            summary.write_string(number, 0, line)
        book.close()
    return path


@contextmanager
def _as_its_cause() -> Iterator[None]:
    """Raise what kept the library from writing as the error of the system that it was."""
    from xlsxwriter.exceptions import XlsxWriterException

    try:
        yield
    except XlsxWriterException as error:
        raise error.__cause__ or error.__context__ or OSError(str(error)) from error


def _write(sheet: Any, row: int, column: int, value: Any, day: Any) -> None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, str):
        sheet.write_string(row, column, value)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    else:
        sheet.write_datetime(row, column, value, day)


def _summary(programme: Programme) -> Iterator[str]:
    yield f"as of {programme.as_of}"
    yield from rates_in_words(programme)
    yield from (cumulative_in_words(one) for one in programme.cumulative)
    yield from programme.notes
