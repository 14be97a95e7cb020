"""Names and ids mean what they meant before a spreadsheet or a web page wrote them: one ad stays one."""

from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from abkit.store.database.engine import Store
from abkit.store.schema import Ad
from tests.kpi_files import rows, run_import, write

HEADER = "day,ad,creative,campaign,impressions,clicks"


def ids(store: Store) -> list[str]:
    with store.read() as session:
        return sorted(session.scalars(select(Ad.external_id)))


@pytest.mark.parametrize(
    "written",
    ["12,345,678,901", "12.345.678.901", "12 345 678 901", "12\u202f345\u202f678\u202f901", "12345678901.0",
     "\u200f12345678901", "12345678901\u200b", "\ufeff12345678901\u00a0", "\u206812345678901\u2069", "'12345678901"],
)  # fmt: skip
def test_an_id_is_the_same_however_a_spreadsheet_shows_it(sqlite_store: Store, tmp_path: Path, written: str) -> None:
    lines = ["2026-01-01,12345678901,a.png,spring,100,1", f'2026-01-02,"{written}",a.png,spring,100,1']
    assert run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))[0].imported == 2
    assert ids(sqlite_store) == ["12345678901"]


def test_letters_that_nobody_sees_make_no_second_creative(sqlite_store: Store, tmp_path: Path) -> None:
    names = ["my hero.png", "\u200bmy hero.png", "my\u00a0hero.png", "my her\u00ado.png", "\u200fmy hero.png "]
    lines = [f"2026-01-0{number},{name},100,1" for number, name in enumerate(names, 1)]
    table = rows(*lines, header="\u200bday,creative,impressions\u200f,clicks")
    assert run_import(sqlite_store, write(tmp_path / "k.csv", table))[0].imported == 5
    assert ids(sqlite_store) == ["my hero.png"]


def test_joiners_within_words_stay(sqlite_store: Store, tmp_path: Path) -> None:
    name = "می\u200cخواهم.png"
    run_import(sqlite_store, write(tmp_path / "k.csv", f"day,creative,impressions,clicks\n2026-01-01,{name},100,1\n"))
    assert ids(sqlite_store) == [name]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("Campaign ID", "1.2E+17"), ("Account ID", "1,2E+15"), ("Ad set ID", "1.202e17"), ("ad", "120200000000000011.0")],
)
def test_any_id_that_lost_digits_is_refused(sqlite_store: Store, tmp_path: Path, column: str, cell: str) -> None:
    own = "" if column == "ad" else "ad,"
    lines = [f'2026-01-01,{own and "7,"}"{cell}",100,1', f"2026-01-02,{own and '7,'}123,100,1"]
    table = rows(*lines, header=f"day,{own}{column},impressions,clicks")
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", table))[0]
    assert (summary.imported, summary.rejected) == (1, 1)
    assert "rounded by a spreadsheet" in next(iter(summary.reasons))


def test_ids_in_a_column_of_floating_point_numbers_are_whole_or_refused(sqlite_store: Store, tmp_path: Path) -> None:
    frame = {"day": ["2026-01-01"] * 3, "ad": [12.0, 120200000000000011.0, float("nan")], "creative": ["a", "b", ""]}
    pl.DataFrame(frame | {"impressions": [100, 100, 70], "clicks": [1, 1, 1]}).write_parquet(tmp_path / "k.parquet")
    summary = run_import(sqlite_store, tmp_path / "k.parquet")[0]
    assert (summary.imported, summary.rejected) == (1, 2), summary.reasons
    assert ids(sqlite_store) == ["12"]
