"""Leaderboards are made ahead by the daemon: asked for once after anything that changes them, no matter who did."""

import pickle
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import StoreError
from abkit.jobs.daemon.ahead import REST_S, Ahead
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.job import Tick
from abkit.jobs.requests import ask_for_leaderboard
from abkit.jobs.schedules import CATALOG, synchronize
from abkit.jobs.work.leaderboards import ask
from abkit.store import leaderboards as boards
from abkit.store.catalog.campaigns import outdate_leaderboards
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run, recorded_run
from abkit.store.schema import (
    Ad,
    AdCreative,
    Campaign,
    CampaignCreative,
    Creative,
    JobRequest,
    Leaderboard,
    LeaderboardEntry,
    ModelVersion,
    Promotion,
    Schedule,
)
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


def _promote(session: Session, run: int) -> None:
    reference = {"encoder": "x", "encoder_fingerprint": "x", "card": {}, "location": "", "demonstration": False}
    version = ModelVersion(
        digest="a" * 64, name="v", scale_low=1, scale_high=7, created_at=NOW, run_id=run, **reference
    )
    session.add(version)
    session.flush()
    said = {"promoted_at": NOW, "promoted_by": "ada", "why": "x", "segment": ""}
    session.add(Promotion(model_version_id=version.id, run_id=run, **said))


def _link(session: Session, run: int) -> None:
    ad = Ad(platform="meta", account="1", external_id="9", creative_name="", campaign_id=1, run_id=run)
    session.add(ad)
    session.flush()
    session.add(AdCreative(ad_id=ad.id, creative_id=1, linked_by="hand", run_id=run))


def _join(session: Session, run: int) -> None:
    session.add(CampaignCreative(campaign_id=2, creative_id=2, created_at=NOW, run_id=run))


@pytest.mark.parametrize("change", [_promote, _link, _join, lambda session, _run: outdate_leaderboards(session)])
def test_the_daemon_asks_once_for_what_a_change_made_due(shop: Store, change: Callable[[Session, int], None]) -> None:
    ahead = Ahead(shop)
    ahead.look()
    ahead.look()
    assert waiting(shop) == [{}]
    refresh_due(shop, Settings())
    age(shop)
    with shop.write() as session:
        session.query(JobRequest).delete()
    ahead.look()
    assert waiting(shop) == []
    with recorded_run(shop, "x", {}) as run, shop.write() as session:
        change(session, run.id)
    ahead.look()
    assert waiting(shop) == [{}]
    # One that cannot be made is not asked for again and again.
    with shop.write() as session:
        session.query(JobRequest).delete()
    ahead.look()
    assert waiting(shop) == []


def test_the_daemon_looks_again_later_at_what_was_made_just_now(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh_due(shop, Settings())
    with recorded_run(shop, "x", {}) as run, shop.write() as session:
        _join(session, run.id)
    ahead = Ahead(shop)
    ahead.look()
    age(shop)
    ahead.look()
    assert waiting(shop) == []
    rested = time.monotonic() + REST_S
    monkeypatch.setattr(time, "monotonic", lambda: rested)
    ahead.look()
    assert waiting(shop) == [{}]


def test_the_daemon_waits_for_leaderboards_that_are_being_made(shop: Store) -> None:
    Ahead(shop).look()
    Claims(shop, Settings(), CATALOG.keys(), "one").next(NOW, 2)
    Ahead(shop).look()
    with shop.read() as session:
        assert len(session.scalars(select(JobRequest)).all()) == 1


def test_a_store_that_does_not_answer_is_looked_at_later(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise StoreError("the server does not answer")

    ahead = Ahead(shop)
    with monkeypatch.context() as patch:
        patch.setattr(boards, "changes_stamp", gone)
        ahead.look()
    ahead.look()
    assert waiting(shop) == []


def test_the_request_is_claimed_once_and_makes_them(shop: Store) -> None:
    ask(shop, {}, by="daemon")
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
    assert not ask_for_leaderboard(shop, 1, by="page")
    now = datetime.now(UTC)
    synchronize(shop, [], now)
    assert ask_for_leaderboard(shop, 1, by="page")
    assert ask_for_leaderboard(shop, 1, by="page")
    assert waiting(shop) == [{"campaign": 1}]
    with shop.write() as session:
        session.execute(update(Schedule).values(next_run_at=now - timedelta(hours=1)))
    assert not ask_for_leaderboard(shop, 2, by="page")
