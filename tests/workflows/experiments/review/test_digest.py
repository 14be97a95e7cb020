"""The digest of a week says what happened and what waits, and goes out once through the channels of alerts."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from abkit.config import Settings
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.findings import digest
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Ad, AdCreative, Alert, Campaign, Creative
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.review.digest import weekly_digest
from tests.workflows.experiments.deliveries import START, Deliveries, plan

DAY = START + timedelta(19)


def test_the_week_has_what_was_launched_decided_won_and_waits(store: Store) -> None:
    made = Deliveries(store)
    for name, rate, daily in (("A", 0.02, 2000), ("B", 0.03, 2000), ("C", 0.02, 1400), ("D", 0.01, 2000)):
        made.ad(name, rate, daily=daily)
    create_experiment(store, plan(key="won", variants={"old": "A", "new": "B"}, starts_on=START))
    analyze_experiment(store, "won", as_of=START + timedelta(1))
    analyze_experiment(store, "won", as_of=DAY)
    for key, treatment in (("off", "C"), ("lost", "D")):
        create_experiment(store, plan(key=key, variants={"old": "A", "new": treatment}, starts_on=START))
        analyze_experiment(store, key, as_of=DAY)
    decide_experiment(store, "won", "ship", variant=None, person="Ana", reason="clear", as_of=DAY)
    found = weekly_digest(store, DAY)
    assert (found.launched, found.decided) == ((), ("won: ship by Ana (clear)",))
    assert [text.partition(":")[0] for text in (*found.winners, *found.losers)] == ["won", "lost"]
    assert found.needs_a_person[0].startswith("off: There is no verdict on new: the arms got")
    assert found.needs_a_person[1].startswith("lost waits for a decision")
    assert weekly_digest(store, START + timedelta(1)).launched == ("won",)
    later = weekly_digest(store, DAY + timedelta(30))
    assert (later.decided, later.winners) == ((), ())
    assert "Winners: none" in later.text()

    at = datetime(DAY.year, DAY.month, DAY.day, 7, tzinfo=UTC) + timedelta(1)
    for _ in range(2):
        with recorded_run(store, "schedule", {}) as run:
            tick = Tick(schedule="w", at=at, started_at=at, attempt=1, run=run)
            assert digest(store, Settings(), tick, Arguments())["Winners"] == 1
    with store.read() as session:
        (alert,) = session.scalars(select(Alert)).all()
    assert (alert.title, alert.times_seen, alert.resolved_at) == (f"Digest of {DAY - timedelta(6)} to {DAY}", 1, None)
    assert "- won: ship by Ana (clear)" in alert.message


def test_a_creative_is_tired_when_its_ctr_fell_clearly_and_not_when_it_only_wavers(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("fresh", 0.02, days=30)
    made.ad("tired", 0.03, days=10)
    made.ad("later", 0.015, days=30, skip=tuple(range(20)))
    with sqlite_store.write() as session:
        campaign = Campaign(key="c", created_at=datetime.now(UTC), run_id=made.run)
        session.add(campaign)
        session.flush()
        common = {
            "width": 1, "height": 1, "media_type": "image/png", "bytes": 1, "perceptual_hash": "0" * 16,
            "created_at": datetime.now(UTC), "run_id": made.run,
        }  # fmt: skip
        creatives = [Creative(sha256=name, **common) for name in ("fresh", "tired")]
        session.add_all(creatives)
        session.flush()
        shows = {"fresh": creatives[0], "tired": creatives[1], "later": creatives[1]}
        for ad in session.scalars(select(Ad)):
            ad.campaign_id = campaign.id
            creative = shows[ad.external_id].id
            session.add(AdCreative(ad_id=ad.id, creative_id=creative, linked_by="name", run_id=made.run))
    (one,) = weekly_digest(sqlite_store, START + timedelta(29)).tired
    assert -0.65 < one.change.ci_low < one.change.estimate < one.change.ci_high < -0.35
    assert weekly_digest(sqlite_store, START + timedelta(19)).tired == ()
