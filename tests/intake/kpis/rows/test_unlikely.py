"""What a wrong column or a misread date would look like is imported and said; halves of numbers are refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from abkit.workflows.kpis.import_kpis import ImportSummary
from tests.kpi_files import figures, rows, run_import, write

HEADER = "Date,Ad ID,Impressions,Clicks,Conversions"


def imported(store: Store, tmp_path: Path, *lines: str, header: str = HEADER) -> ImportSummary:
    return run_import(store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0]


def lines(conversions: str) -> list[str]:
    return [f"2026-01-{day:02},1,1000,100,{conversions}" for day in range(5, 15)]


@pytest.mark.parametrize(
    ("conversions", "said"),
    [("0.031", "if they are rates"), ("150", "more conversions (1,500) than there are clicks (1,000)"), ("3", "")],
)
def test_conversions_that_look_like_something_else_are_said(
    sqlite_store: Store, tmp_path: Path, conversions: str, said: str
) -> None:
    summary = imported(sqlite_store, tmp_path, *lines(conversions))
    assert summary.imported == 10
    found = [note for note in summary.notes if "if they are rates" in note or "than there are clicks" in note]
    assert len(found) == bool(said)
    assert all(said in note for note in found)


def test_some_shared_conversions_are_no_rates(sqlite_store: Store, tmp_path: Path) -> None:
    summary = imported(sqlite_store, tmp_path, *lines("0.5"), "2026-02-01,1,1000,100,1.5")
    assert not any("rates" in note for note in summary.notes)


def test_days_to_come_are_said(sqlite_store: Store, tmp_path: Path) -> None:
    day = (datetime.now(UTC) + timedelta(days=40)).date()
    summary = imported(sqlite_store, tmp_path, f"{day},1,1000,10,1", *lines("1"))
    assert any(f"1 rows are of days to come, the first of {day}" in note for note in summary.notes)


def test_what_stands_in_a_column_without_a_name_is_said(sqlite_store: Store, tmp_path: Path) -> None:
    numbered = [f"{number},{line}" for number, line in enumerate(lines("1"))]
    summary = imported(sqlite_store, tmp_path, *numbered, header=f",{HEADER}")
    assert "a column without a name is not read: it begins with '0'" in summary.notes
    assert summary.imported == 10


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_decimals_that_a_comma_divided_from_their_number_are_refused(
    sqlite_store: Store, tmp_path: Path, delimiter: str
) -> None:
    text = rows("2026-01-05,1,1000,10,5,50", "2026-01-06,1,1000,10,6,05", header="Date,Ad ID,Impressions,Clicks,Cost,")
    path = write(tmp_path / "k.csv", text.replace(",", delimiter))
    (summary,) = run_import(sqlite_store, path)
    assert summary.error is not None
    assert f"'5{delimiter}50' without quotes" in summary.error
    assert figures(sqlite_store) == []


def test_an_empty_column_without_a_name_says_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    summary = imported(sqlite_store, tmp_path, *(f"{line}," for line in lines("1")), header=f"{HEADER},")
    assert not any("without a name" in note for note in summary.notes)


def test_blank_campaigns_among_others_are_said(sqlite_store: Store, tmp_path: Path) -> None:
    header = "Campaign,Ad name,Date,Impressions,Clicks"
    days = ("c1,a.png,2026-01-05", ",b.png,2026-01-05", "c2,a.png,2026-01-05", ",b.png,2026-01-06")
    pivot = [f"{day},{100 * number},{number}" for number, day in enumerate(days, 1)]
    summary = imported(sqlite_store, tmp_path, *pivot, header=header)
    assert any("2 rows have no 'Campaign'" in note and "the one above" in note for note in summary.notes)


@pytest.mark.parametrize("campaign", ["", "c1"])
def test_a_campaign_in_no_row_or_in_each_is_not_mentioned(sqlite_store: Store, tmp_path: Path, campaign: str) -> None:
    header = "Campaign,Ad name,Date,Impressions,Clicks"
    summary = imported(sqlite_store, tmp_path, f"{campaign},a.png,2026-01-05,100,1", header=header)
    assert not any("rows have no" in note for note in summary.notes)


@pytest.mark.parametrize(("cost", "is_said"), [("1500000", True), ("1500", False), ("15000", False)])
def test_amounts_that_may_be_millionths_are_said(sqlite_store: Store, tmp_path: Path, cost: str, is_said: bool) -> None:
    line = f"2026-01-05,1,1000,10,{cost}"
    summary = imported(sqlite_store, tmp_path, line, header="Date,Ad ID,Impressions,Clicks,Cost")
    assert any("if these are millionths" in note for note in summary.notes) == is_said


@pytest.mark.parametrize(
    ("ids", "rejected"),
    [
        (("120210000000123000", "120210000000456000"), 2),
        (("120210000000123000", "120210000000456000", "120210000000456789"), 0),
        (("120210000000123000",), 0),
        (("1202100000001230", "1202100000004560"), 0),
        (("12021000", "12022000", "12023000"), 0),
    ],
)
def test_long_ids_that_all_end_in_zeros_were_cut_by_a_spreadsheet(
    sqlite_store: Store, tmp_path: Path, ids: tuple[str, ...], rejected: int
) -> None:
    lines = [f"2026-01-{day:02},{ad},1000,20,1" for day, ad in enumerate(ids, 5)]
    summary = imported(sqlite_store, tmp_path, *lines)
    assert (summary.rejected, summary.imported) == (rejected, len(ids) - rejected)
    assert not rejected or summary.reasons == {"the ad id was rounded by a spreadsheet": rejected}
