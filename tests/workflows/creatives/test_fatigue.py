"""Tired creatives in the store: those that run, at equal placement, with what they lose a week."""

from datetime import date, timedelta

import numpy as np
import pytest

from abkit.reporting.tables.show import view
from abkit.store.database.engine import Store
from abkit.vocabulary import Fatigue
from abkit.workflows.creatives.fatigue import FatigueReport, find_fatigue
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 3, 3)
DAYS = 35


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    return seeded(sqlite_store)


def _find(seed: Seed, day: date = DAY + timedelta(DAYS - 1)) -> FatigueReport:
    with seed.store.read() as session:
        return find_fatigue(session, day)


def _deliver(seed: Seed, ad: int, *, loss: float = 0.0, days: int = DAYS, **more: object) -> None:
    rate = 0.02 * np.exp(-loss * np.arange(days) / DAYS)
    clicks = np.round(20_000 * rate).astype(int)
    same = {"ad_id": ad, "impressions": 20_000}
    seed.kpis([{**same, "day": DAY + timedelta(day), "clicks": clicks[day]} | more for day in range(days)])


def test_a_tired_creative_is_listed_with_what_it_loses_a_week_and_others_are_not(seed: Seed) -> None:
    tired, steady, young, stopped = seed.creatives("c", [4.0, 5.0, 6.0, 7.0])
    _deliver(seed, tired, loss=0.9, spend=10.0)
    _deliver(seed, steady, spend=10.0)
    seed.kpis([{"ad_id": young, "day": DAY + timedelta(DAYS - 2), "impressions": 900, "clicks": 9, "spend": 1.0}])
    _deliver(seed, stopped, loss=0.9, days=DAYS - 8, spend=10.0)
    found = _find(seed)
    states = {one.creative: one.state for one in found.creatives}
    assert states == {"creative 1": Fatigue.TIRED, "creative 2": Fatigue.STEADY, "creative 3": Fatigue.FRESH}
    (one,) = found.tired
    assert one.change is not None
    assert one.lost_per_week is not None
    share = 1 - np.exp(-0.9 * 28 / DAYS)
    assert one.change.estimate == pytest.approx(-share, abs=0.01)
    # 70 EUR in the last week, of which that share bought nothing that the first week would not have bought.
    assert one.lost_per_week.estimate == pytest.approx(70 * share, abs=1)
    assert one.lost_per_week.ci_low < one.lost_per_week.estimate < one.lost_per_week.ci_high
    assert (one.currency, one.worn_out) == ("EUR", DAY + timedelta(int(np.ceil(DAYS * np.log(2) / 0.9))))
    assert found.sentence.startswith("Of 3 running creatives 1 are tired, 1 steady and 1 fresh; 0 cannot")


def test_without_spend_nothing_is_said_of_money(seed: Seed) -> None:
    (ad,) = seed.creatives("c", [4.0])
    _deliver(seed, ad, loss=0.9)
    (one,) = _find(seed).tired
    assert (one.lost_per_week, one.currency) == (None, "")


def test_amounts_in_two_currencies_leave_the_rest_and_say_why(seed: Seed) -> None:
    euros, dollars = seed.creatives("c", [4.0, 5.0])
    _deliver(seed, euros, loss=0.9, spend=10.0)
    _deliver(seed, dollars, spend=10.0, currency="USD")
    found = _find(seed)
    assert [one.lost_per_week for one in found.tired] == [None]
    assert found.notes[0].startswith("no amounts:")


def test_weeks_are_left_out_with_their_number_and_a_store_without_delivery_says_so(seed: Seed) -> None:
    assert _find(seed).sentence == f"No linked creative has run in the seven days up to {DAY + timedelta(DAYS - 1)}."
    (ad,) = seed.creatives("c", [4.0])
    seed.kpis(
        [{"ad_id": ad, "period_start": DAY, "period_end": DAY + timedelta(6), "impressions": 9_000, "clicks": 90}]
    )
    assert _find(seed, DAY + timedelta(6)).notes == ("1 rows of more than a day are left out",)


def test_the_table_names_state_change_day_and_money(seed: Seed) -> None:
    (ad,) = seed.creatives("c", [4.0])
    _deliver(seed, ad, loss=0.9, spend=10.0)
    text = str(view(_find(seed)).tables[0])
    assert all(word in text for word in ("tired", "EUR", "95 % interval", "worn out"))
