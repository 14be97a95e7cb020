"""A row has one currency: amounts of a column that names another one are left out, and named."""

from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.schema import Kpi
from abkit.workflows.kpis.import_kpis import import_files
from tests.kpi_files import write

EUR = [("EUR", 5.5, None), ("EUR", 6, 0)]
BOTH = [("EUR", 5, None), ("USD", 6, 8)]
NEITHER = [("EUR", None, None), ("USD", None, None)]


@pytest.mark.parametrize(
    ("header", "cells", "kept", "said"),
    [
        ("Spend (EUR),Revenue (USD)", ["5.5,9", "6,0"], EUR, "1 amounts of 'Revenue (USD)'"),
        ("Revenue (USD),Spend (EUR)", ["9,5.5", "0,6"], EUR, "in USD and their rows in EUR"),
        ("Spend (EUR),Revenue (EUR)", ["5,9", "6,8"], [("EUR", 5, 9), ("EUR", 6, 8)], ""),
        ("Spend,Revenue (USD)", ["5,9", "6,8"], [("USD", 5, 9), ("USD", 6, 8)], ""),
        ("Currency,Spend,Revenue (USD)", ["EUR,5,9", "usd,6,8"], BOTH, "their rows in EUR"),
        ("Currency,Spend (GBP)", ["EUR,5", "USD,6"], NEITHER, "their rows in EUR, USD"),
    ],
)
def test_amounts_in_another_currency_than_their_row_are_left_out_with_a_note(
    sqlite_store: Store,
    tmp_path: Path,
    header: str,
    cells: list[str],
    kept: list[tuple[str, float | None, float | None]],
    said: str,
) -> None:
    lines = [f"2026-01-0{day},1,1000,10,{text}" for day, text in enumerate(cells, 1)]
    file = write(tmp_path / "a.csv", "\n".join([f"Day,Ad ID,Impressions,Clicks,{header}", *lines]) + "\n")
    remarks: list[str] = []
    (summary,) = import_files(sqlite_store, [file], KpiOptions(), note=remarks.append)
    assert (summary.imported, summary.rejected) == (2, 0)
    with sqlite_store.read() as session:
        found = session.execute(select(Kpi.currency, Kpi.spend, Kpi.revenue).order_by(Kpi.period_start)).all()
    assert [tuple(row) for row in found] == kept
    notes = [note for note in remarks if "left out: they are in" in note]
    assert len(notes) == bool(said)
    assert all(said in note for note in notes)


@pytest.mark.parametrize(
    ("header", "cells", "kept"),
    [
        ("Cost", ["€1.50", "€2", "3"], [("EUR", 1.5), ("EUR", 2), ("EUR", 3)]),
        ("Cost", ["1.50 zł", "2 zł"], [("PLN", 1.5), ("PLN", 2)]),
        ("Cost", ["$1.50", "$2"], [("", 1.5), ("", 2)]),  # of which dollars nobody says
        ("Cost (USD)", ["€1.50", "$2"], [("USD", 2)]),
        ("Cost,Currency", ["$1.50,CAD", "$2,EUR", "kr 3,DKK", "kr 4,USD"], [("CAD", 1.5), ("DKK", 3)]),
        ("Cost,Currency", ["€1.50,", "€2,EUR"], [("EUR", 1.5), ("EUR", 2)]),
        ("Cost", ["€5", "£7", "EUR 6"], [("EUR", 5), ("GBP", 7), ("EUR", 6)]),
        ("Cost", ["€5", "$7", "0"], [("EUR", 5), ("", 7), ("", 0)]),
        ("Cost", ["€5", "$7", "US$8"], [("EUR", 5), ("USD", 7), ("USD", 8)]),
        ("Cost", ["US$5", "$7", "8"], [("USD", 5), ("USD", 7), ("USD", 8)]),
        ("Cost", ["€5", "£7", "6"], [("EUR", 5), ("GBP", 7)]),  # nobody says what the third is in
        ("Cost", ["€5", "$7", "kr 6"], [("EUR", 5)]),  # two that nobody names would be added up
        ("Cost,Revenue", ["€5,9", "£7,£2", "€6,£3"], [("EUR", 5), ("GBP", 7)]),
        ("Cost (EUR)", ["€5", "£7"], [("EUR", 5)]),
    ],
)
def test_the_currency_that_amounts_wear_is_that_of_their_rows(
    sqlite_store: Store, tmp_path: Path, header: str, cells: list[str], kept: list[tuple[str, float]]
) -> None:
    lines = [f"2026-01-0{day},1,1000,10,{text}" for day, text in enumerate(cells, 1)]
    file = write(tmp_path / "a.csv", "\n".join([f"Day,Ad ID,Impressions,Clicks,{header}", *lines]) + "\n")
    remarks: list[str] = []
    (summary,) = import_files(sqlite_store, [file], KpiOptions(), note=remarks.append)
    assert summary.rejected == len(cells) - len(kept)
    with sqlite_store.read() as session:
        found = session.execute(select(Kpi.currency, Kpi.spend).order_by(Kpi.period_start)).all()
    assert [tuple(row) for row in found] == kept
    guessed = header in ("Cost", "Cost,Revenue") and kept[0][0] != ""
    assert any("as their cells say" in remark for remark in remarks) == guessed


@pytest.mark.parametrize(
    ("header", "cells", "kept"),
    [
        ("Spend,Revenue", "€5.50,$7.50", ("EUR", 5.5, None)),
        ("Spend,Revenue", "$5.50,€7.50", ("EUR", None, 7.5)),
        ("Spend,Revenue", "£5.50,kr 7.50", ("GBP", 5.5, None)),
        ("Spend,Revenue", "$5.50,kr 7.50", ("", 5.5, None)),
        ("Spend (EUR),Revenue", "5.50,$7.50", ("EUR", 5.5, None)),
        ("Spend (USD),Revenue", "5.50,$7.50", ("USD", 5.5, 7.5)),
        ("Spend,Revenue", "$5.50,$7.50", ("", 5.5, 7.5)),
        ("Spend,Revenue", "€5.50,€7.50", ("EUR", 5.5, 7.5)),
    ],
)
def test_a_row_never_has_amounts_of_two_signs(
    sqlite_store: Store, tmp_path: Path, header: str, cells: str, kept: tuple[str, float | None, float | None]
) -> None:
    lines = [f"2026-01-0{day},1,1000,10,{cells}" for day in (1, 2)]
    file = write(tmp_path / "a.csv", "\n".join([f"Day,Ad ID,Impressions,Clicks,{header}", *lines]) + "\n")
    remarks: list[str] = []
    (summary,) = import_files(sqlite_store, [file], KpiOptions(), note=remarks.append)
    assert (summary.imported, summary.rejected) == (2, 0)
    with sqlite_store.read() as session:
        found = session.execute(select(Kpi.currency, Kpi.spend, Kpi.revenue)).all()
    assert [tuple(row) for row in found] == [kept, kept]
    assert any("are left out" in remark for remark in remarks) == (None in kept)
