"""Old spreadsheets (XLS): cells that hold no figure refuse their row, as in an XLSX and an ODS."""

import contextlib
import random
import struct
from pathlib import Path

import pytest

from abkit.errors import AbkitError
from abkit.intake.tables.experiments import read_arms
from abkit.store.database.engine import Store
from abkit.store.imports import kpi_rejects
from abkit_model.data.files.spreadsheets.xls_cells import look_through_old
from abkit_model.errors import TableError
from tests.kpi_files import figures, run_import, write
from tests.old_sheets import Cell, Fault, Number, old_sheet

HEADER = ["date", "ad id", "impressions", "clicks", "spend"]


def day(number: int, clicks: Cell, spend: Cell = 3.5) -> list[Cell]:
    return [f"2026-01-{number:02d}", "7001", Number(1204, packed=True), clicks, spend]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (Fault("error"), "has an error"),
        (Fault("formula error"), "has an error"),
        (Fault("never"), "has a formula that was never calculated"),
        (Number(35, '0" k"'), "holds 35 and is shown with 'k' behind it"),
        (Number(35, '0" Tsd."', packed=True), "holds 35 and is shown with 'Tsd.' behind it"),
        (Number(2, "0%"), "holds 2 and is shown as a percentage"),
    ],
)
def test_cells_of_an_xls_that_hold_no_figure_refuse_their_row_and_name_it(
    sqlite_store: Store, tmp_path: Path, cell: Cell, why: str, small: bool
) -> None:
    content = old_sheet([["Report"], HEADER, day(1, 35), day(2, cell), day(3, Number(36, "#,##0"))], small=small)
    (done,) = run_import(sqlite_store, write(tmp_path / "k.xls", content))
    assert (done.imported, done.rejected) == (2, 1)
    assert [row[1:3] for row in figures(sqlite_store)] == [(1204, 35), (1204, 36)]
    with sqlite_store.read() as session:
        (reject,) = kpi_rejects(session, done.import_id, 9)
    assert why in reject["reason"]
    assert "cell D4" in reject["reason"]


def test_hidden_rows_of_an_xls_are_said_and_amounts_in_several_currencies_are_refused(
    sqlite_store: Store, tmp_path: Path
) -> None:
    rows = [HEADER, day(1, 35, Number(3, "#,##0.00 [$€-407]")), day(2, 36, Number(3, "#,##0.00 [$€-407]"))]
    (done,) = run_import(sqlite_store, write(tmp_path / "k.xls", old_sheet(rows, hidden=[2, 7])))
    assert done.imported == 2
    assert "1 hidden rows of sheet 'R' are read like the others" in done.notes
    rows[2] = day(2, 36, Number(3, '#,##0.00 "USD"'))
    (done,) = run_import(sqlite_store, write(tmp_path / "l.xls", old_sheet(rows)))
    assert "are shown in EUR and USD" in (done.error or "")


def test_errors_in_arms_of_an_xls_are_refused(tmp_path: Path) -> None:
    rows: list[list[Cell]] = [["variant", "successes", "trials"], ["A", 20, 1000], ["B", Fault("error"), 1000]]
    with pytest.raises(AbkitError, match="cell B3 has an error"):
        read_arms(write(tmp_path / "a.xls", old_sheet(rows)))


def test_a_damaged_xls_is_looked_through_without_an_end(tmp_path: Path) -> None:
    """Whatever is in it, looking ends, in a result or in a refusal."""
    whole = old_sheet([HEADER, *(day(1 + at, Number(at, "0%")) for at in range(20))])
    assert len(list(look_through_old(whole).sheets["R"].shown.cells("D"))) == 20
    chance = random.Random(1)
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(8, len(whole) + 1)])
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(8, len(damaged) + 1) - 1
            damaged[at] = chance.randrange(256)
            if at % 4 == 0 and at + 4 <= len(damaged):
                struct.pack_into("<I", damaged, at, chance.choice([0, 1, 2, 0xFFFFFFF0, 0xFFFFFFFE]))
        with contextlib.suppress(TableError):
            look_through_old(bytes(damaged))
