"""Looks of the standing check: between two of them nothing is judged anew; levels follow from their number."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from abkit.config import DriftSettings, Settings
from abkit.store import results
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Alert
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import DriftReport, LayerResult
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 3)
LOOKS = (148, 149, 150, 156, 163, 164)  # one day before, five days of one look, the next look


def _launch(seed: Seed, days: int, *, shift_from: int, shift: float) -> None:
    rng = np.random.default_rng(4)
    launched = [START + timedelta(days=index) for index in range(days)]
    moved = np.arange(days) >= shift_from
    scores = rng.normal(4, 0.7, days) + 0.7 * shift * moved
    embeddings = rng.normal(size=(days, 16)) + shift * moved[:, None]
    seed.creatives("spring", [float(s) for s in scores], embeddings=embeddings, launched=launched)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One creative a day; from day 160 on they are of another kind."""
    folder: Path = tmp_path_factory.mktemp("looks")
    store = Store(f"sqlite:///{folder / 'looks'}.db")
    migrate.upgrade(store)
    _launch(seeded(store), 260, shift_from=160, shift=0.9)
    yield store
    store.close()


def _input(report: DriftReport) -> LayerResult:
    return next(row for row in report.results if row.test == "energy")


def test_between_two_looks_the_last_verdict_stands(moved: Store) -> None:
    found = [_input(check_drift(moved, Settings(), as_of=START + timedelta(days=index))) for index in LOOKS]

    # 150 and 165 creatives: multiples of a quarter of 60.
    before, *between, after = found
    assert len({(row.p_value, row.detail["level"]) for row in between}) == 1
    assert before.p_value != between[0].p_value
    assert after.p_value != between[0].p_value


def test_a_comparison_that_somebody_asks_for_sees_the_latest_creatives(moved: Store) -> None:
    ps = {
        _input(check_drift(moved, Settings(), current="creatives:60", as_of=START + timedelta(days=index))).p_value
        for index in (151, 155, 159)
    }
    assert len(ps) == 3


def test_a_larger_budget_is_a_larger_level(moved: Store) -> None:
    def level(words: str) -> float:
        settings = Settings(drift=DriftSettings(false_alarms=words))
        return float(_input(check_drift(moved, settings, as_of=START + timedelta(days=150))).detail["level"])

    one = level("1 per year")
    assert one == pytest.approx(1 / 5 / (365.25 / 15), rel=0.02)
    assert level("1 in 5 years") == pytest.approx(one / 5)
    assert level("4 per year") == pytest.approx(4 * one)


def test_an_alert_stays_open_until_the_shift_is_clearly_gone(moved: Store) -> None:
    for index in range(150, 260, 9):
        check_drift(moved, Settings(), as_of=START + timedelta(days=index))
    with moved.read() as session:
        opened = session.scalars(select(Alert)).all()

    assert len(opened) == 1


def test_checks_that_are_made_weekly_have_the_looks_of_a_week(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _launch(seed, 120, shift_from=200, shift=0.0)
    settings = Settings(drift=DriftSettings(current="days:28"))

    def level(index: int) -> float:
        report = check_drift(sqlite_store, settings, as_of=START + timedelta(days=index))
        return float(_input(report).detail["level"])

    weekly = [level(index) for index in range(56, 113, 7)]

    assert weekly[0] == pytest.approx(1 / 5 / (365.25 / 7), rel=0.02)  # a quarter of 28 days
    settings = Settings(drift=DriftSettings(current="days:20"))
    assert level(113) == pytest.approx(1 / 5 / (365.25 * 5 / 28), rel=0.02)


def test_other_comparisons_do_not_count_as_checks(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _launch(seed, 60, shift_from=200, shift=0.0)
    for index in range(40, 50):
        check_drift(sqlite_store, Settings(), current="days:8", as_of=START + timedelta(days=index))
    with sqlite_store.read() as session:
        assert results.standing_days(session, START + timedelta(days=49)) == []
