"""Leaderboards are made ahead by the daemon: asked for once after whatever changes them."""

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from abkit.config import Settings
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.job import Tick
from abkit.jobs.requests import ask_for_leaderboards
from abkit.jobs.schedules import CATALOG, synchronize
from abkit.jobs.work.leaderboards import ThenLeaderboards, ask_if_due
from abkit.store import leaderboards as boards
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run, recorded_run
from abkit.store.schema import Campaign, CampaignCreative, Creative, JobRequest, Leaderboard, LeaderboardEntry, Schedule
from abkit.workflows.leaderboard.ahead import due_campaigns, refresh_due
from abkit.workflows.leaderboard.read import read_leaderboard

NOW = datetime.now(UTC)


@pytest.fixture
def shop(store: Store) -> Store:
    """A store of either engine with two campaigns of two creatives, and one that has none."""
    with recorded_run(store, "score", {}) as run, store.write() as session:
        own = {"created_at": NOW, "run_id": run.id}
        for number in (1, 2, 3):
            session.add(Campaign(id=number, key=f"c{number}", name=f"c{number}", **own))
        for number in range(1, 5):
            pixels = {"perceptual_hash": "0" * 16, "width": 1, "height": 1, "media_type": "image/png", "bytes": 1}
            session.add(Creative(id=number, sha256=f"{number:064x}", **pixels, **own))
            session.flush()
            session.add(CampaignCreative(campaign_id=1 + number % 2, creative_id=number, **own))
    return store


def waiting(store: Store) -> list[Mapping[str, Any]]:
    with store.read() as session:
        return [dict(row.arguments) for row in session.scalars(select(JobRequest)).all()]


def age(store: Store, **values: Any) -> None:
    """Let what was made be older than what has to wait."""
    with store.write() as session:
        session.execute(update(Leaderboard).values(made_at=NOW - timedelta(hours=1), **values))


def test_campaigns_are_due_until_their_leaderboards_are_made(shop: Store) -> None:
    assert due_campaigns(shop) == [2, 1]
    assert refresh_due(shop, Settings(), seconds=0) == (1, 1)
    assert due_campaigns(shop) == [1]
    assert refresh_due(shop, Settings()) == (1, 0)
    assert due_campaigns(shop) == []
    assert read_leaderboard(shop, 1).current
    with shop.read() as session:
        assert boards.stamps(session) == {one: boards.stamp_of(session, one) for one in (1, 2)}


def test_only_what_has_changed_is_made_anew_and_not_at_once(shop: Store) -> None:
    refresh_due(shop, Settings())
    with recorded_run(shop, "score", {}) as run, shop.write() as session:
        session.add(CampaignCreative(campaign_id=2, creative_id=2, created_at=NOW, run_id=run.id))
    assert due_campaigns(shop) == []
    age(shop)
    assert due_campaigns(shop) == [2]


def test_a_day_later_only_campaigns_that_still_run_are_due(shop: Store) -> None:
    refresh_due(shop, Settings())
    age(shop)
    tomorrow = NOW.date() + timedelta(days=1)
    assert due_campaigns(shop, today=tomorrow) == []
    with shop.write() as session:
        for campaign, days in ((1, 3), (2, 100)):
            where = LeaderboardEntry.campaign_id == campaign
            session.execute(update(LeaderboardEntry).where(where).values(last_day=NOW.date() - timedelta(days=days)))
    assert due_campaigns(shop, today=tomorrow) == [1]


def test_a_job_that_changed_something_asks_once(shop: Store) -> None:
    tick = Tick(schedule="inbox", at=NOW, started_at=NOW, attempt=1, run=begin_run(shop, "x", {}))
    job = ThenLeaderboards(lambda *_: {"files": 1})
    assert job(shop, Settings(), tick, None) == {"files": 1}
    job(shop, Settings(), tick, None)
    assert waiting(shop) == [{}]
    refresh_due(shop, Settings())
    with shop.write() as session:
        session.query(JobRequest).delete()
    assert not ask_if_due(shop, by="inbox")


def test_the_request_is_claimed_once_and_makes_them(shop: Store) -> None:
    ask_if_due(shop, by="inbox")
    (claimed,) = Claims(shop, Settings(), CATALOG.keys(), "one").next(NOW, 2)
    assert Claims(shop, Settings(), CATALOG.keys(), "other").next(NOW, 2) == []
    job = CATALOG[claimed.lease.job]
    run = begin_run(shop, "x", {})
    tick = Tick(schedule="request:1", at=NOW, started_at=NOW, attempt=1, run=run)
    assert job.run(shop, Settings(), tick, job.arguments()) == {"made": 2, "left": 0}
    assert due_campaigns(shop) == []
    assert read_leaderboard(shop, 1).run_id == run.id


@pytest.mark.parametrize("name", CATALOG)
def test_every_job_can_be_sent_to_the_process_that_runs_it(name: str) -> None:
    assert pickle.loads(pickle.dumps(CATALOG[name])) == CATALOG[name]  # noqa: S301  # our own


def test_a_page_asks_the_daemon_for_its_campaign_only_where_one_runs(shop: Store) -> None:
    assert not ask_for_leaderboards(shop, 1, by="page")
    now = datetime.now(UTC)
    synchronize(shop, [], now)
    assert ask_for_leaderboards(shop, 1, by="page")
    assert ask_for_leaderboards(shop, 1, by="page")
    assert waiting(shop) == [{"campaign": 1}]
    with shop.write() as session:
        session.execute(update(Schedule).values(next_run_at=now - timedelta(hours=1)))
    assert not ask_for_leaderboards(shop, 2, by="page")
