"""The leaderboard of a campaign: what commands say about each creative, kept, sorted and filtered in the store."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.store.leaderboards import EntryFilter
from abkit.store.schema import Leaderboard
from abkit.vocabulary import CreativeAction, LeaderboardOrder
from abkit.workflows.leaderboard.pair import compare_pair
from abkit.workflows.leaderboard.read import Leaderboard as Board
from abkit.workflows.leaderboard.read import read_campaigns, read_leaderboard
from abkit.workflows.leaderboard.refresh import refresh_leaderboard
from abkit.workflows.leaderboard.summary import HEADING
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 1)
AS_OF = START + timedelta(days=13)


@pytest.fixture
def seed(store: Store) -> Seed:
    return seed_of(store)


@pytest.fixture
def sqlite_seed(sqlite_store: Store) -> Seed:
    return seed_of(sqlite_store)


def seed_of(store: Store) -> Seed:
    """Six creatives: four of them ran for two weeks, the third at half the CTR; prices are known of the first two."""
    made = seeded(store)
    ads = made.creatives("spring", [5.0, 4.5, 4.0, 3.5, 3.0, None])
    made.kpis([
        {
            "ad_id": ad, "day": START + timedelta(days=day), "impressions": 10_000,
            "clicks": 100 + 7 * (day % 3) if place == 2 else 200 + 7 * (day % 3), "conversions": 10 + day % 2,
            "spend": 50.0 if place < 2 else None, "revenue": 200.0 + 10 * (day % 4) if place < 2 else None,
        }
        for place, ad in enumerate(ads[:4])
        for day in range(14)
    ])  # fmt: skip
    return made


def made(store: Store, **options: object) -> Board:
    refresh_leaderboard(store, Settings(), 1, as_of=AS_OF)
    return read_leaderboard(store, "spring", **options)  # type: ignore[arg-type]


def test_every_figure_is_that_of_the_commands(store: Store, seed: Seed) -> None:
    board = made(store)
    rows = {row.name: row for row in board.creatives}
    with store.read() as session:
        delivered = {row.creative_id: row for row in deliveries(session, Filters(end=AS_OF, campaign="spring")).rows}
    for row in board.creatives:
        if row.impressions:
            assert (row.impressions, row.clicks) == (
                delivered[row.creative_id].impressions, delivered[row.creative_id].clicks
            )  # fmt: skip
    best = rows["spring-0"]
    assert (best.rank, best.score, best.first_day, best.age(AS_OF)) == (1, 5.0, START, 14)
    assert best.ctr == pytest.approx(best.clicks / best.impressions)
    assert best.ctr_low < best.ctr < best.ctr_high
    assert best.cpa == pytest.approx(700 / best.conversions)
    assert best.cpa_low < best.cpa < best.cpa_high
    assert best.roas_low < best.roas < best.roas_high
    assert rows["spring-2"].lift_high < 0
    assert rows["spring-2"].action is CreativeAction.DROP
    assert board.summary is not None
    assert "rop 1" in board.summary.headline
    assert (board.summary.creatives, board.summary.scored, board.summary.delivered) == (6, 5, 4)


def test_what_is_not_known_is_none_and_comes_last(store: Store, seed: Seed) -> None:
    made(store)
    for order in (LeaderboardOrder.CPA, LeaderboardOrder.SCORE, LeaderboardOrder.CTR):
        for reverse in (False, True):
            rows = read_leaderboard(store, "spring", order=order, reverse=reverse).creatives
            known = [getattr(row, order.value) is not None for row in rows]
            assert known == sorted(known, reverse=True)
            values = [getattr(row, order.value) for row in rows if getattr(row, order.value) is not None]
            rising = (order is LeaderboardOrder.CPA) != reverse
            assert values == sorted(values, reverse=not rising)
    unscored = next(row for row in read_leaderboard(store, "spring").creatives if row.name == "spring-5")
    assert (unscored.score, unscored.ctr, unscored.cpa, unscored.fatigue, unscored.first_day) == (None,) * 5


def test_filters_leave_what_is_wanted(store: Store, seed: Seed) -> None:
    made(store)

    def names(**wanted: object) -> set[str]:
        return {row.name for row in read_leaderboard(store, "spring", wanted=EntryFilter(**wanted)).creatives}

    assert names(delivered=False) == {"spring-4", "spring-5"}
    assert names(action=CreativeAction.DROP) == {"spring-2"}
    assert names(score=(3.5, 4.5)) == {"spring-1", "spring-2", "spring-3"}
    assert names(ctr=(None, 0.015)) == {"spring-2"}
    assert names(spend=(1.0, None)) == {"spring-0", "spring-1"}
    assert names(first_day=(START + timedelta(days=1), None)) == set()
    assert names(first_day=(None, START)) == {"spring-0", "spring-1", "spring-2", "spring-3"}
    assert names(text="NG-0") == {"spring-0"}
    assert names(text="%") == set()


def test_figures_are_current_until_something_changes(sqlite_store: Store, sqlite_seed: Seed) -> None:
    assert not read_leaderboard(sqlite_store, "spring").current
    assert read_leaderboard(sqlite_store, "spring").due
    refresh_leaderboard(sqlite_store, Settings(), 1)
    assert read_leaderboard(sqlite_store, "spring").current
    sqlite_seed.creatives("spring", [4.2], prefix="later-")
    board = read_leaderboard(sqlite_store, "spring")
    assert not board.current
    assert not board.due  # they are a moment old: a busy store does not make them anew all the time


def test_two_creatives_are_compared_by_score_and_by_clicks(sqlite_store: Store, sqlite_seed: Seed) -> None:
    board = made(sqlite_store)
    ids = {row.name: row.creative_id for row in board.creatives}
    pair = compare_pair(sqlite_store, 1, ids["spring-0"], ids["spring-2"])
    assert pair.p_first is None
    assert "never measured" in pair.why_no_p
    assert pair.ctr is not None
    assert pair.ctr.lift.ci_high < 0
    with pytest.raises(UsageError):
        compare_pair(sqlite_store, 1, ids["spring-0"], ids["spring-0"])
    with pytest.raises(UsageError):
        compare_pair(sqlite_store, 1, ids["spring-0"], 999)


def test_a_campaign_without_anything_has_a_leaderboard_too(sqlite_store: Store, sqlite_seed: Seed) -> None:
    sqlite_seed.creatives("empty", [], link=False)
    with pytest.raises(UsageError):
        read_leaderboard(sqlite_store, "empty", page=2)
    refresh_leaderboard(sqlite_store, Settings(), 2, as_of=AS_OF)
    board = read_leaderboard(sqlite_store, "empty")
    assert (board.total, board.creatives) == (0, ())
    found = read_campaigns(sqlite_store, text="EMP")
    assert [one.key for one, _ in found.campaigns] == ["empty"]


def test_the_list_of_campaigns_says_what_their_leaderboards_say(store: Store, seed: Seed) -> None:
    summary = made(store).summary
    assert summary is not None
    ((_, heading),) = read_campaigns(store).campaigns
    assert heading is not None
    assert heading.to_dict() == {name: summary.to_dict()[name] for name in HEADING}
    assert (heading.impressions, heading.first_day) == (560_000, START)
    with store.write() as session:
        kept = session.scalars(select(Leaderboard)).one()
        kept.summary = {**kept.summary, "version": 0}
    assert [heading for _, heading in read_campaigns(store).campaigns] == [None]


def test_a_large_store_judges_a_campaign_alone_and_says_so(
    store: Store, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {row.name: row.action for row in made(store).creatives}
    monkeypatch.setattr("abkit.workflows.leaderboard.refresh.MOST_ROWS", 1)
    monkeypatch.setattr("abkit.store.kpis.delivery._FEW_CREATIVES", 0)
    board = made(store)
    assert {row.name: row.action for row in board.creatives} == before
    assert board.summary is not None
    assert "by this campaign alone" in board.summary.notes[0]
