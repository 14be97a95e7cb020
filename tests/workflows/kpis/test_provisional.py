"""Results say what they use of days that the platform may still change, and of conversions that it models."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.reporting.page.page import render_report
from abkit.store import experiments
from abkit.store.database.engine import Store
from abkit.store.kpis.once.provisional import Provisional
from abkit.store.schema import Kpi, KpiImport
from abkit.workflows.correlate import correlate
from abkit.workflows.drift.check import check_drift
from abkit.workflows.experiments.experiments import create_experiment
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.looks.worth import NOT_KNOWN
from abkit.workflows.kpis.imports import undo_import
from tests.kpi_files import add_creatives, rows, run_import, write
from tests.monitoring_rows import seeded
from tests.workflows.experiments.deliveries import Deliveries, look, plan

START, DAYS = date(2026, 3, 1), 10
LAST = START + timedelta(DAYS - 1)
# Of a file that came on the day after the last one.
FRESH = Provisional(rows=2 * 3, impressions=3 * (1000 + 2000))


def _file(path: Path, *, days: range = range(DAYS), more: int = 0, account: str = "one") -> Path:
    lines = [
        f"{START + timedelta(day)},{account},{ad},hero{ad}.png,spring,{1000 * ad + more},{20 + day}"
        for day in days
        for ad in (1, 2)
    ]
    return write(path, rows(*lines, header="day,account,ad,creative,campaign,impressions,clicks"))


def _import(store: Store, path: Path, came: date) -> int:
    number = run_import(store, path)[0].import_id
    assert number is not None
    at = datetime(came.year, came.month, came.day, 12, tzinfo=UTC)
    with store.write() as session:
        session.execute(update(KpiImport).where(KpiImport.id == number).values(imported_at=at))
    return number


def _said(store: Store, last: date = LAST) -> Provisional | None:
    report = correlate(store, Settings(), metric="ctr", as_of=last)
    drift = check_drift(store, Settings(), reference="days:7", current="days:3", as_of=last)
    page = gather(store, as_of=last)
    assert report.provisional == drift.provisional == page.coverage.provisional
    assert (f"Provisional: {report.provisional}" in render_report(page)) is (report.provisional is not None)
    return report.provisional


def test_results_say_what_they_use_of_the_last_days_before_an_import(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "hero1.png", "hero2.png")
    _import(store, _file(tmp_path / "a.csv"), LAST + timedelta(1))
    assert _said(store) == FRESH
    assert _said(store, LAST - timedelta(3)) is None
    assert str(FRESH).startswith("6 rows, 9,000 impressions, were imported within 3 days of their end: ")
    with store.read() as session:
        ads = experiments.ads_named(session, "hero1.png")
        found = experiments.delivery(session, ads, None, LAST)
    assert found.provisional == Provisional(rows=3, impressions=3000)


def test_days_that_came_again_later_are_no_longer_provisional_changed_or_not(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "hero1.png", "hero2.png")
    _import(store, _file(tmp_path / "a.csv"), LAST + timedelta(1))
    _import(store, _file(tmp_path / "other.csv", account="two"), LAST + timedelta(20))  # of another account
    assert _said(store) == FRESH
    later = _import(store, _file(tmp_path / "same.csv", days=range(5, DAYS + 5)), LAST + timedelta(30))
    assert _said(store) is None
    undo_import(store, later)
    assert _said(store) == FRESH
    _import(store, _file(tmp_path / "changed.csv", more=5), LAST + timedelta(30))
    assert _said(store) is None


def test_an_experiment_says_it_once_for_all_arms(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02)
    made.ad("B", 0.03)
    create_experiment(sqlite_store, plan())
    assert said(look(sqlite_store)) == []
    came = datetime(2026, 3, 22, 1, tzinfo=UTC)  # the last day is 21 March
    with sqlite_store.write() as session:
        session.execute(update(KpiImport).values(imported_at=came))
    (note,) = said(look(sqlite_store))
    assert note.startswith("12 rows, ")  # three days of two arms in two placements


def said(analysis: Analysis) -> list[str]:
    """Return the notes on the figures: that no money is known says nothing about them."""
    return [note for note in analysis.notes if note != NOT_KNOWN]


@pytest.mark.parametrize("split", [False, True])
def test_fractions_of_conversions_are_said_to_be_modeled_even_where_they_add_up(
    sqlite_store: Store, split: bool
) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02)
    made.ad("B", 0.03)
    create_experiment(sqlite_store, plan(metric="cvr"))
    assert said(look(sqlite_store)) == []
    with sqlite_store.write() as session:
        # Halves in both placements of a day add up to a whole.
        placements = made.segments if split else made.segments[:1]
        half = update(Kpi).where(Kpi.segment_id.in_(placements), Kpi.period_end == date(2026, 3, 5))
        session.execute(half.values(conversions=Kpi.conversions + 0.5))
    analysis = look(sqlite_store)
    assert [note.split(":")[0] for note in said(analysis)] == ["conversions are fractions"]
    assert analysis.analyzed_by == "days"


def test_correlate_and_the_report_say_that_conversions_are_modeled(store: Store) -> None:
    seed = seeded(store)
    ads = seed.creatives("spring", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    day = date(2025, 3, 3)
    for place in (day, day + timedelta(1)):
        seed.kpis([{"ad_id": ad, "day": place, "impressions": 9000, "clicks": 900, "conversions": 8.5} for ad in ads])
    said = correlate(store, Settings(), metric="cvr", as_of=date(2025, 12, 31))
    assert said.note.startswith("conversions are fractions: the platform models them")
    assert correlate(store, Settings(), metric="ctr", as_of=date(2025, 12, 31)).note == ""
    page = gather(store, as_of=date(2025, 12, 31))
    assert "Conversions are fractions: the platform models them" in render_report(page)
    with store.write() as session:
        session.execute(update(Kpi).values(conversions=17))
    assert correlate(store, Settings(), metric="cvr", as_of=date(2025, 12, 31)).note == ""
    assert "fractions" not in render_report(gather(store, as_of=date(2025, 12, 31)))
