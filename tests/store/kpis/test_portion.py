"""A store with more rows than an analysis reads: whole campaigns, drawn by chance, stand for all, and that is said."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.store.kpis import portion as drawing
from abkit.store.kpis.portion import portion
from abkit.store.schema import Ad
from abkit.workflows.correlate import correlate
from abkit.workflows.drift.check import check_drift
from tests.monitoring_rows import seeded

DAY = date(2025, 6, 1)
LAST = DAY + timedelta(days=1)
CAMPAIGNS, EACH = 16, 5


@pytest.fixture
def large(store: Store) -> Store:
    """16 campaigns of five creatives, each with two days."""
    seed = seeded(store)
    for campaign in range(CAMPAIGNS):
        scores = [4 + 0.1 * ((7 * one + campaign) % 5) for one in range(EACH)]
        ads = seed.creatives(f"c{campaign:02d}", scores)
        seed.kpis(
            [
                {"ad_id": ad, "day": DAY + timedelta(days=day), "impressions": 2000, "clicks": 20 + 3 * place + day}
                for place, ad in enumerate(ads)
                for day in (0, 1)
            ]
        )
    return store


def campaigns_of(store: Store, ads: tuple[int, ...]) -> dict[int, int]:
    """How many of the ads each campaign has."""
    with store.read() as session:
        found = session.scalars(select(Ad.campaign_id).where(Ad.id.in_(ads))).all()
    return {one: found.count(one) for one in found if one is not None}


def test_what_can_be_read_whole_is_read_whole(large: Store) -> None:
    with large.read() as session:
        assert portion(session, None, None, 160) is None
        assert portion(session, LAST, None, 80) is None
        assert portion(session, None, None, 0) is None


def test_whole_campaigns_are_drawn_and_the_same_ones_each_time(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FEWEST_CAMPAIGNS", 4)
    with large.read() as session:
        found, again = (portion(session, None, None, 80) for _ in range(2))
        fewer = portion(session, None, None, 40)
    assert found is not None
    assert fewer is not None
    assert found == again
    assert set(campaigns_of(large, found.ads).values()) == {EACH}
    assert 5 <= len(campaigns_of(large, found.ads)) <= 11
    # A store that has grown keeps what it looked at, as far as it fits.
    assert set(fewer.ads) < set(found.ads)
    said = f"{found.campaigns} of 16 campaigns, drawn by chance, stand for all: they have about 50 %"
    assert str(found).startswith(said)


def test_of_few_campaigns_creatives_are_drawn(large: Store) -> None:
    with large.read() as session:
        found = portion(session, None, None, 80)
    assert found is not None
    assert len(campaigns_of(large, found.ads)) == CAMPAIGNS
    assert 0.3 * CAMPAIGNS * EACH <= len(found.ads) <= 0.7 * CAMPAIGNS * EACH
    assert str(found).startswith("creatives, drawn by chance")


def test_a_correlation_and_a_check_say_what_they_looked_at(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FEWEST_CAMPAIGNS", 4)
    settings = Settings(kpi={"analysis_rows": 80})
    part = correlate(large, settings, metric="ctr", as_of=LAST)
    whole = correlate(large, Settings(), metric="ctr", as_of=LAST)
    (few,), (every,) = ({one.n for one in report.versions[0].results} for report in (part, whole))
    assert every == CAMPAIGNS * EACH
    assert few < every
    assert few % EACH == 0
    assert "drawn by chance" in part.note
    assert whole.note == ""
    assert part.versions[0].left_out == {}

    part_of_it, all_of_it = (check_drift(large, one, as_of=LAST).notes for one in (settings, Settings()))
    assert any("drawn by chance" in note for note in part_of_it)
    assert not any("drawn by chance" in note for note in all_of_it)


def test_one_campaign_is_read_whole(large: Store) -> None:
    settings = Settings(kpi={"analysis_rows": 5})
    report = correlate(large, settings, metric="ctr", campaign="c03", as_of=LAST)
    assert {one.n for one in report.versions[0].results} == {EACH}
    assert report.note == ""
