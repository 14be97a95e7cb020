"""The report of a large store shows the campaigns that ran last and have room, and says how many others there are."""

from datetime import date, timedelta

import pytest

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.reporting.page.page import render_report
from abkit.store.database.engine import Store
from tests.monitoring_rows import seeded

LAST = date(2025, 6, 30)


@pytest.fixture
def large(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Five campaigns of three creatives; the third had the most impressions in the last week, the first before it."""
    monkeypatch.setattr("abkit.reporting.page.gather.MOST_CREATIVES", 7)
    seed = seeded(store)
    for campaign, (earlier, last) in enumerate([(9000, 100), (500, 300), (500, 900), (500, 200), (500, 800)]):
        ads = seed.creatives(f"c{campaign}", [4.1, 4.2, 4.3])
        days = [(LAST - timedelta(days=40), earlier), (LAST - timedelta(days=1), last)]
        seed.kpis(
            [
                {"ad_id": ad, "day": day, "impressions": shown, "clicks": 4 + place}
                for place, ad in enumerate(ads)
                for day, shown in days
            ]
        )
    return store


def test_the_campaigns_of_the_last_week_that_have_room_are_shown(large: Store) -> None:
    data = gather(large, as_of=LAST, settings=Settings(kpi={"analysis_rows": 10}))
    assert data.campaigns == ("c2", "c4")
    assert data.others == 3
    assert {ranking.campaign for ranking in data.rankings} == {"c2", "c4"}
    page = render_report(data)
    assert "The page has no room for 3 more campaigns" in page


def test_what_the_page_covers_is_of_the_whole_store(large: Store) -> None:
    part = gather(large, as_of=LAST, settings=Settings(kpi={"analysis_rows": 10})).coverage
    whole = gather(large, as_of=LAST, settings=Settings(kpi={"analysis_rows": 0})).coverage
    assert part == whole
    assert part.impressions == 3 * (9000 + 4 * 500 + 100 + 300 + 900 + 200 + 800)


def test_who_names_a_campaign_gets_it_whatever_the_size(large: Store) -> None:
    data = gather(large, campaign="c0", as_of=LAST, settings=Settings(kpi={"analysis_rows": 10}))
    assert (data.campaigns, data.others) == (("c0",), 0)


def test_creatives_without_room_are_counted_on_the_page(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.reporting.page.creatives.MOST_CREATIVES", 7)
    data = gather(large, as_of=LAST, settings=Settings(kpi={"analysis_rows": 0}))
    # The best and the worst of each campaign, until the page is full: small campaigns do not make it longer.
    assert [[one.rank for one in ranking.creatives] for ranking in data.rankings] == [[1, 3], [1, 3], [1, 3], [1]]
    assert data.left_out == 8
    page = render_report(data)
    assert "<b>8 creatives are not on this page</b>" in page
    assert "<summary>7 of 15 creatives: " in page
    assert "abkit creative list --campaign KEY --limit 15" in page


def test_thumbnails_without_room_are_counted_on_the_page(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.reporting.page.creatives.THUMBNAIL_BYTES", 0)
    data = gather(large, as_of=LAST, settings=Settings(kpi={"analysis_rows": 0}))
    assert "15 creatives are without their image" in render_report(data)


def test_a_store_that_is_not_large_is_shown_whole(large: Store) -> None:
    data = gather(large, as_of=LAST, settings=Settings())
    assert (data.campaigns, data.others, len(data.rankings)) == ((), 0, 5)
