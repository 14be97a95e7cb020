"""Weeks under other names of ads than the days: refused where the sums of a campaign agree, said where they do not."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from abkit.reporting.tables.show import view
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.workflows.kpis.imports import list_imports, undo_import
from tests.kpi_files import run_import, write

MONDAY = date(2026, 1, 5)
Row = tuple[int, int, int, int]  # day, ad, impressions, clicks


def _delivered(days: int, ads: int = 2) -> list[Row]:
    dice = random.Random(11)
    return [(n, ad, dice.randint(900, 3000), dice.randint(5, 60)) for n in range(days) for ad in range(ads)]


def _days(rows: list[Row], *, campaign: str = "C", ad: str = "hero {}") -> str:
    lines = [f"{MONDAY + timedelta(n)},{campaign},{ad.format(a)},{i},{c}" for n, a, i, c in rows]
    return "\n".join(["Day,Campaign,Ad name,Impressions,Clicks", *lines]) + "\n"


def _weeks(rows: list[Row], *, campaign: str = "C", more: int = 0, one_ad: bool = False) -> str:
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for n, ad, shown, clicks in rows:
        key = n // 7, 0 if one_ad else ad
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + shown, before[1] + clicks
    lines = [
        f"{first},{first + timedelta(6)},{campaign},Variant {'AB'[ad]},{i + more},{c}"
        for (week, ad), (i, c) in sums.items()
        for first in [MONDAY + timedelta(7 * week)]
    ]
    return "\n".join(["Reporting starts,Reporting ends,Campaign,Ad name,Impressions,Clicks", *lines]) + "\n"


def _shown(store: Store) -> int:
    with store.read() as session:
        return deliveries(session, Filters()).impressions


@pytest.mark.parametrize(
    ("days", "options", "names"),
    [
        (14, {}, ("C", "C")),
        (2, {}, ("C", "C")),  # fewer than three dates
        (14, {"one_ad": True}, ("C", "C")),  # no ad has the sum of another
        (3, {"one_ad": True}, ("", "")),  # an export that names no campaign
        (3, {"one_ad": True}, ("C", "")),
        (3, {"one_ad": True}, ("", "C")),
    ],
)
def test_weeks_with_the_sums_of_a_campaigns_days_never_count_beside_them(
    days: int, options: dict[str, bool], names: tuple[str, str], sqlite_store: Store, tmp_path: Path
) -> None:
    store = sqlite_store
    rows = _delivered(days)
    daily = write(tmp_path / "days.csv", _days(rows, campaign=names[0]))
    weekly = write(tmp_path / "weeks.csv", _weeks(rows, campaign=names[1], **options))
    for order in ((daily, weekly), (weekly, daily)):
        first, second = (run_import(store, path)[0] for path in order)
        assert first.error is None
        assert _shown(store) == sum(row[2] for row in rows)
        if second.error:
            assert "would count twice" in second.error
            assert f"abkit kpi undo {first.import_id}" in (second.hint or "")
            assert second.rejected == second.rows > 0
        else:
            assert second.not_counted
        for one in list_imports(store).imports:
            if one.undone_at is None:
                undo_import(store, one.import_id)


def test_weeks_beside_days_of_other_figures_are_two_ads_and_said(store: Store, tmp_path: Path) -> None:
    rows = _delivered(14)
    run_import(store, write(tmp_path / "days.csv", _days(rows)))
    (summary,) = run_import(store, write(tmp_path / "weeks.csv", _weeks(rows, more=900)))
    assert summary.error is None
    (note,) = [note for note in summary.notes if "count twice" in note]
    assert "import 2 of campaign 'C' has totals (2026-01-" in note
    assert f"up to {sum(row[2] for row in rows):,} impressions" in note
    assert note in view(list_imports(store)).notes
    undo_import(store, 2)
    (refused,) = run_import(store, write(tmp_path / "equal.csv", _weeks(rows, one_ad=True)))
    assert "would count twice" in (refused.error or "")


@pytest.mark.parametrize("other", ["another campaign", "another platform", "other days", "the same export"])
def test_weeks_beside_days_that_cannot_be_theirs_are_not_doubted(
    other: str, sqlite_store: Store, tmp_path: Path
) -> None:
    store, rows = sqlite_store, _delivered(14)
    if other == "the same export":
        # Both ads have weeks, one has days as well: what a platform gives beside each other is not the same.
        run_import(store, write(tmp_path / "weeks.csv", _weeks(rows)))
        daily = _days([row for row in rows if row[1] == 0], ad="Variant A")
        (summary,) = run_import(store, write(tmp_path / "days.csv", daily))
    else:
        run_import(store, write(tmp_path / "days.csv", _days(rows)), platform="meta")
        platform = "tiktok" if other == "another platform" else "meta"
        campaign = "D" if other == "another campaign" else "C"
        late = [(n + 70, *row) for n, *row in rows] if other == "other days" else rows
        weekly = _weeks(late, campaign=campaign)  # type: ignore[arg-type]
        (summary,) = run_import(store, write(tmp_path / "weeks.csv", weekly), platform=platform)
    assert summary.error is None
    assert not [note for note in summary.notes if "count twice" in note]
    assert list_imports(store).totals_beside_days is None


@pytest.mark.parametrize("names", [("C", "C"), ("", ""), ("C", "")])
@pytest.mark.parametrize("number", [1, 12])
def test_equal_days_of_a_campaign_in_other_ads_count_and_are_said(
    number: int, names: tuple[str, str], sqlite_store: Store, tmp_path: Path
) -> None:
    """One ad that another file has as two: no ad agrees, and the campaign does."""
    rows = _delivered(number, ads=1)
    halves = [(n, part, i // 2 + part * (i % 2), c // 2 + part * (c % 2)) for n, _, i, c in rows for part in (0, 1)]
    late = [row for row in rows if row[0] >= number - 2]
    run_import(sqlite_store, write(tmp_path / "one.csv", _days(late, campaign=names[0])))
    (summary,) = run_import(sqlite_store, write(tmp_path / "two.csv", _days(halves, campaign=names[1], ad="half {}")))
    assert summary.error is None
    (note,) = [note for note in summary.notes if "count twice" in note]
    assert "import 1 has the same impressions and clicks of" in note
    assert f"{sum(row[2] for row in late):,} impressions count twice" in note


def test_days_of_a_campaign_that_differ_in_one_click_are_not_doubted(sqlite_store: Store, tmp_path: Path) -> None:
    rows = _delivered(12, ads=1)
    other = [(n, ad, i, c + (n == 11)) for n, ad, i, c in rows]
    halves = [(n, part, i // 2 + part * (i % 2), c // 2 + part * (c % 2)) for n, _, i, c in other for part in (0, 1)]
    run_import(sqlite_store, write(tmp_path / "one.csv", _days(rows)))
    (summary,) = run_import(sqlite_store, write(tmp_path / "two.csv", _days(halves, ad="half {}")))
    assert not [note for note in summary.notes if "count twice" in note]


@pytest.mark.parametrize("one_file", [True, False])
def test_days_that_only_grow_are_said_to_be_running_totals(one_file: bool, sqlite_store: Store, tmp_path: Path) -> None:
    rows = _delivered(7)
    grown: list[Row] = []
    for n, ad, shown, clicks in rows:
        _, _, i, c = next((row for row in reversed(grown) if row[1] == ad), (0, 0, 0, 0))
        grown.append((n, ad, i + shown, c + clicks))
    files = [grown] if one_file else [[row for row in grown if row[0] == n] for n in range(7)]
    for number, some in enumerate(files):
        (summary,) = run_import(sqlite_store, write(tmp_path / f"{number}.csv", _days(some)))
    (note,) = [note for note in summary.notes if "running totals" in note]
    assert note.startswith("impressions and clicks of 2 of 2 ads only grow")
    undo_import(sqlite_store, summary.import_id or 0)


@pytest.mark.parametrize("number", [7, 28])
def test_days_that_rise_and_fall_are_no_running_totals(number: int, sqlite_store: Store, tmp_path: Path) -> None:
    (summary,) = run_import(sqlite_store, write(tmp_path / "days.csv", _days(_delivered(number))))
    assert not [note for note in summary.notes if "running totals" in note]


def test_one_account_under_two_platforms_counts_and_is_said(sqlite_store: Store, tmp_path: Path) -> None:
    run_import(sqlite_store, write(tmp_path / "one.csv", _days(_delivered(7))), platform="meta")
    (summary,) = run_import(sqlite_store, write(tmp_path / "two.csv", _days(_delivered(7)) + "\n"), platform="shop")
    assert [note for note in summary.notes if "under other names of ads, accounts, platforms or segments" in note]
