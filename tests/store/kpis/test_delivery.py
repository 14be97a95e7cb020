"""Delivery: summed per creative and campaign, each figure counted once, and what is left out is told."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import event, text

from abkit.errors import UsageError
from abkit.metrics import METRICS
from abkit.store.catalog.campaigns import campaign_rows
from abkit.store.catalog.creatives import campaign_keys
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import (
    NO_CREATIVE,
    SEVERAL_CREATIVES,
    Deliveries,
    Filters,
    daily_impressions,
    day_sums,
    deliveries,
    delivery_rows,
    first_day,
    first_deliveries,
    parse_segment,
    without_their_campaign,
)
from abkit.store.schema import Ad, KpiImport
from abkit.vocabulary import Metric
from tests.conftest import MakeDatabase
from tests.monitoring_rows import Seed, seeded
from tests.store.rows import day


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    return seeded(sqlite_store)


def row(ad: int, number: int = 1, impressions: int = 100, clicks: int = 10, **columns: Any) -> dict[str, Any]:
    return {"ad_id": ad, "day": day(number), "impressions": impressions, "clicks": clicks, **columns}


def period(ad: int, first: int, last: int, impressions: int) -> dict[str, Any]:
    return row(ad, 1, impressions, 0) | {"period_start": day(first), "period_end": day(last)}


def read(seed: Seed, **filters: Any) -> Deliveries:
    with seed.store.read() as session:
        return deliveries(session, Filters(**filters))


def impressions(found: Deliveries) -> list[int]:
    return [one.impressions for one in found.rows]


def left_out(found: Deliveries) -> dict[str, tuple[int, int]]:
    return {reason: (one.count, one.impressions) for reason, one in found.left_out.items()}


def aside(found: Deliveries) -> dict[str, tuple[int, int]]:
    return {one.reason.value: (one.rows, one.impressions) for one in found.set_aside}


def test_days_and_ads_of_a_creative_add_up_in_its_campaign(store: Store) -> None:
    seed = seeded(store)
    first, second = seed.creatives("spring", [1.0, 2.0])
    seed.kpis([row(first, 1, 100, 10, conversions=1), row(first, 2, 50, 5), row(second, 3, 10, 0)])
    found = read(seed)
    assert [(one.creative_id, one.impressions, one.clicks, one.conversions) for one in found.rows] == [
        (1, 150, 15, 1),
        (2, 10, 0, 0),
    ]
    assert (found.first, found.last, found.impressions, left_out(found)) == (day(1), day(3), 160, {})
    assert all(type(one.impressions) is int for one in found.rows)


def test_a_period_must_lie_inside_the_window(seed: Seed) -> None:
    (ad,) = seed.creatives("spring", [1.0])
    seed.kpis([row(ad, 1), row(ad, 5, 7, 1), period(ad, 7, 12, 1000)])
    assert impressions(read(seed, start=day(2), end=day(11))) == [7]
    assert read(seed, start=day(20)) == Deliveries(rows=(), left_out={}, first=None, last=None, impressions=0)


def test_of_periods_that_overlap_those_with_most_impressions_count(store: Store) -> None:
    seed = seeded(store)
    month, crossing, daily = seed.creatives("spring", [1.0, 2.0, 3.0])
    seed.kpis([period(month, 1, 28, 1000), row(month, 1), row(month, 4), row(month, 29, 7, 0)])
    seed.kpis([period(crossing, 1, 7, 300), period(crossing, 5, 10, 400)])
    seed.kpis([row(daily, number) for number in (1, 2)])
    found = read(seed)
    assert sorted(impressions(found)) == [200, 400, 1007]
    assert aside(found) == {"period": (3, 500)}


def test_of_breakdowns_and_conversion_events_the_one_with_most_impressions_counts(store: Store) -> None:
    seed = seeded(store)
    (ad,) = seed.creatives("spring", [1.0])
    feed, story, young = seed.segment(placement="feed"), seed.segment(placement="story"), seed.segment(age="18-24")
    seed.kpis([row(ad, segment_id=feed), row(ad, segment_id=story), row(ad, segment_id=young, impressions=150)])
    seed.kpis([row(ad, segment_id=feed, event="sale", impressions=90)])
    found = read(seed)
    assert impressions(found) == [200]
    assert aside(found) == {"breakdown": (1, 150), "event": (1, 90)}


def test_between_equal_breakdowns_the_one_with_more_clicks_and_then_more_dimensions_counts(seed: Seed) -> None:
    (ad,) = seed.creatives("spring", [1.0])
    two, one = seed.segment(placement="feed", country="DE"), seed.segment(platform="meta")
    seed.kpis([row(ad, clicks=3, segment_id=two), row(ad, clicks=4, segment_id=one)])
    seed.kpis([row(ad, 2, clicks=1, segment_id=two), row(ad, 2, clicks=1, segment_id=one)])
    assert [one.clicks for one in read(seed).rows] == [5]
    with seed.store.read() as session:
        assert [one.segment_id for one in delivery_rows(session, None, day(9))] == [two, one]


def test_ads_without_one_creative_are_left_out_and_their_impressions_told(seed: Seed) -> None:
    one, two = seed.creatives("spring", [1.0, 2.0])
    (nothing,) = seed.creatives("summer", [3.0], link=False)
    seed.link(two, one)
    seed.kpis([row(one), row(two, impressions=20), row(nothing, impressions=3, clicks=0)])
    found = read(seed)
    assert impressions(found) == [100]
    assert left_out(found) == {SEVERAL_CREATIVES: (1, 20), NO_CREATIVE: (1, 3)}
    assert found.impressions == 123


def test_a_segment_and_a_campaign_filter_what_counts(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    (ad,) = seed.creatives("spring", [1.0])
    (other,) = seed.creatives("summer", [1.0])
    feed = seed.segment(placement="feed", country="DE")
    seed.kpis([row(ad, segment_id=feed, impressions=40), row(ad, impressions=60), row(other, impressions=5, clicks=0)])
    assert impressions(read(seed, segment={"placement": "feed"})) == [40]
    assert impressions(read(seed, segment={"placement": "feed", "country": "FR"})) == []
    assert impressions(read(seed, campaign="summer")) == [5]
    with pytest.raises(UsageError, match="no campaign 'winter'"):
        read(seed, campaign="winter")


def test_figures_go_to_the_campaign_that_their_row_names_for_every_reader(store: Store) -> None:
    seed = seeded(store)
    ad, alone = seed.creatives("spring", [1.0, 1.0])
    (other,) = seed.creatives("summer", [1.0])
    nowhere, spring, summer = seed.segment(), seed.segment(campaign="spring"), seed.segment(campaign="summer")
    seed.kpis([
        row(ad, segment_id=spring, impressions=40, spend=1), row(ad, 2, segment_id=summer, impressions=60, spend=2),
        row(other, segment_id=summer, impressions=70, spend=3), row(alone, segment_id=spring, impressions=30, spend=4),
        row(ad, 3, segment_id=nowhere, impressions=5, clicks=1, spend=5),
    ])  # fmt: skip
    assert sorted(impressions(read(seed, campaign="spring"))) == [30, 45]
    assert sorted(impressions(read(seed, campaign="summer"))) == [60, 70]
    with seed.store.read() as session:
        keys = campaign_keys(session)
        priced = deliveries(session, Filters(), with_money=True).rows
        assert sorted((keys[one.campaign_id or 0], one.impressions, one.spend) for one in priced) == [
            ("spring", 30, 4), ("spring", 45, 6), ("summer", 60, 2), ("summer", 70, 3),
        ]  # fmt: skip
        days = day_sums(session, Filters(), METRICS[Metric.CTR], None)
        assert sorted((keys[campaign or 0], int(sums[2])) for (_, campaign), sums in days.items()) == [
            ("spring", 30), ("spring", 45), ("summer", 60), ("summer", 70),
        ]  # fmt: skip
        rows = delivery_rows(session, None, day(9))
        assert sorted((keys[one.campaign_id], one.impressions) for one in rows) == [
            ("spring", 5), ("spring", 30), ("spring", 40), ("summer", 60), ("summer", 70),
        ]  # fmt: skip
        (creative,) = (one.creative_id for one in rows if one.impressions == 40)
        launched = first_deliveries(session, [creative])
        assert {keys[campaign]: found for (_, campaign), found in launched.items()} == {
            "spring": day(1), "summer": day(2),
        }  # fmt: skip
        assert [(one["campaign"], one["ads"], one["impressions"]) for one in campaign_rows(session)] == [
            ("spring", 2, 75), ("summer", 2, 130),
        ]  # fmt: skip
        # What is in a row without a campaign is with that of the ad, and said.
        assert without_their_campaign(session, Filters()).startswith("5 impressions of ads that ran in several")
        assert without_their_campaign(session, Filters(campaign="spring", end=day(2))) == ""
        assert without_their_campaign(session, Filters(campaign="summer")) == ""


def test_an_ad_without_a_campaign_counts_in_the_only_one_of_its_creative(store: Store) -> None:
    seed = seeded(store)
    (ad,) = seed.creatives("spring", [1.0])
    with store.write() as session:
        campaign = session.get_one(Ad, ad).campaign_id
        session.get_one(Ad, ad).campaign_id = None
    seed.kpis([row(ad)])
    assert [(one.campaign_id, one.impressions) for one in read(seed).rows] == [(campaign, 100)]
    assert impressions(read(seed, campaign="spring")) == [100]
    with store.read() as session:
        assert [one.campaign_id for one in delivery_rows(session, None, day(9))] == [campaign]


def test_rows_of_periods_are_summed_over_ads_and_follow_the_same_rules(store: Store) -> None:
    seed = seeded(store)
    first, second = seed.creatives("spring", [1.0, 2.0])
    young = seed.segment(platform="x", age="18-24")
    seed.kpis([row(first, 2, 30, 3), row(first, 1, 20, 2), row(first, 1, 10, 1, segment_id=young)])
    seed.kpis([row(first, 3, 0, 0), period(second, 1, 5, 500), row(second, 2, 90)])
    with store.read() as session:
        found = delivery_rows(session, None, day(9))
        inside = delivery_rows(session, day(2), day(4))
    assert [(one.creative_id, one.period_start, one.period_end, one.impressions, one.clicks) for one in found] == [
        (1, day(1), day(1), 20, 2),
        (1, day(2), day(2), 30, 3),
        (2, day(1), day(5), 500, 0),
    ]
    # The period that covers the day lies outside this window.
    assert [(one.creative_id, one.impressions) for one in inside] == [(1, 30), (2, 90)]


def test_clicks_of_days_without_impressions_belong_to_what_was_shown_before(store: Store) -> None:
    seed = seeded(store)
    first, second, third = seed.creatives("spring", [1.0, 2.0, 3.0])
    seed.kpis([row(first, 2, 100, 5), row(first, 3, 0, 2, conversions=1), row(first, 4, 80, 4), row(first, 9, 0, 1)])
    seed.kpis([row(second, 1, 0, 3), row(second, 5, 60, 6), row(third, 5, 0, 1)])
    young = seed.segment(platform="x", age="18-24")
    seed.kpis([row(second, 7, 0, 1, segment_id=young)])
    with store.read() as session:
        found = delivery_rows(session, None, day(9))
    assert [(one.creative_id, one.period_start, one.impressions, one.clicks, one.conversions) for one in found] == [
        (1, day(2), 100, 7, 1),
        (1, day(4), 80, 5, 0),
        (2, day(5), 60, 10, 0),  # the third was never shown: it has no rate
    ]


def test_the_first_delivery_is_the_first_day_with_impressions_or_the_launch_if_earlier(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    first, second, third = seed.creatives("spring", [1.0, 2.0, 3.0], launched=[None, day(1), None])
    seed.kpis([row(first, 1, 0, 0), row(first, 3), row(first, 2), row(second, 4), row(third, 1)])
    with sqlite_store.read() as session:
        assert first_deliveries(session, [1, 2]) == {(1, 1): day(2), (2, 1): day(1)}
        assert first_deliveries(session, []) == {}


def test_impressions_by_day_leave_out_longer_periods(seed: Seed) -> None:
    first, second = seed.creatives("spring", [1.0, 2.0])
    seed.kpis([row(first, 1), row(second, 1, 50), row(first, 2, 7, 0), row(first, 9), period(second, 2, 4, 1000)])
    with seed.store.read() as session:
        assert daily_impressions(session, day(1), day(8)) == {day(1): 150, day(2): 7}


@pytest.mark.parametrize("wrong", ["placement", "=feed", "size=big", "placement=feed,DE"])
def test_a_segment_that_is_not_name_and_value_is_refused_with_the_names(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a segment") as refused:
        parse_segment(wrong)
    assert "platform, placement, country, device, age, gender, other, region" in refused.value.hint


def test_a_segment_may_be_empty_or_have_spaces() -> None:
    assert parse_segment(None) == parse_segment("") == {}
    assert parse_segment(" placement = feed , ") == {"placement": "feed"}


def test_the_first_day_is_that_of_delivery_with_totals_and_without(store: Store) -> None:
    seed = seeded(store)
    (ad,) = seed.creatives("spring", [1.0])
    seed.kpis([row(ad, 1, 0, 0), row(ad, 3), row(ad, 9)])

    def first() -> object:
        with store.read() as session:
            return first_day(session, day(20))

    def say(totals: bool) -> None:
        with store.write() as session:
            session.get_one(KpiImport, seed.import_id).options = {"has_totals": totals}

    say(totals=False)
    assert first() == day(3)
    seed.kpis([period(ad, 2, 12, 5000)])
    say(totals=True)
    assert first() == day(2)


def test_postgresql_adds_up_delivery_without_nested_loops_and_is_free_again_afterwards(
    new_database: MakeDatabase,
) -> None:
    store = Store(new_database("postgresql", migrated=True))
    said: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    with store.read() as session:
        delivery_rows(session, None, date(2026, 1, 1))
        (at,) = (k for k, statement in enumerate(said) if "sum(kpi.impressions)" in statement)
        assert said[at - 1] == "SET LOCAL enable_nestloop = off"
        assert session.scalar(text("SHOW enable_nestloop")) == "on"
    store.close()
