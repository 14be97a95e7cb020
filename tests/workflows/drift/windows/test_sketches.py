"""What is kept of months that are over: windows come out as if all had been read, whatever has changed since."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from abkit.config import DriftSettings, Settings
from abkit.store import models
from abkit.store.catalog import ideas
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import Campaign, CampaignCreative, Creative, IdeaCreative, ReferenceSketch, Score
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.drift.windows.launches import launches_until
from abkit.workflows.drift.windows.sketches import History, keep_history, read_history
from abkit.workflows.drift.windows.windows import DriftWindows, parse_window, resolve_windows
from tests.monitoring_rows import NOW, Seed, score_row, seeded

START = date(2024, 1, 10)
DAYS = 300
AS_OF = START + timedelta(days=DAYS - 1)
SMALL = DriftSettings(recent_creatives=20, max_images=100, min_images=8)


def account(store: Store, *, gap: int = 2) -> Seed:
    """A creative every other day for ten months; every seventh has no score."""
    seed = seeded(store)
    days = [START + timedelta(days=index) for index in range(0, DAYS, gap)]
    rng = np.random.default_rng(1)
    known = [None if i % 7 == 3 else float(score) for i, score in enumerate(rng.normal(4, 1, len(days)))]
    seed.creatives("spring", known, launched=days, embeddings=rng.normal(size=(len(days), 4)))
    return seed


def history(store: Store, as_of: date = AS_OF) -> History:
    """What is kept, brought up to date and kept again."""
    with store.write() as session:
        version = models.active_model(session)
        assert version is not None
        found = read_history(session, version, as_of)
        keep_history(session, 1, found)
    return found


def windows(
    store: Store, known: History | None, as_of: date, current: str = "creatives", reference: str = "creatives:30"
) -> DriftWindows:
    with store.read() as session:
        found = resolve_windows(
            session,
            parse_window(reference, current=False),
            parse_window(current, current=True),
            as_of=as_of,
            settings=SMALL.model_copy(update={"reference": reference, "current": current}),
            version=models.active_model(session),
            history=known,
        )
    return replace(found, version=None)  # rows of two sessions are never equal


def agree(store: Store, as_of: date = AS_OF) -> None:
    """Windows and counts are those of a store that keeps nothing."""
    kept = history(store, as_of)
    with store.read() as session:
        version = models.active_model(session)
        assert version is not None
        every, some = launches_until(session, as_of, version), kept.launches(session, as_of, ideas=10)
        assert some.scored_ideas == every.scored_ideas
        assert some.per_day() == pytest.approx(every.per_day())
    for current in ("creatives", "creatives:12", "days:40"):
        for reference in ("creatives:30", "days:70"):
            both = windows(store, kept, as_of, current, reference), windows(store, None, as_of, current, reference)
            assert both[0] == both[1]


def test_windows_are_those_of_a_store_that_keeps_nothing_at_any_day(store: Store) -> None:
    account(store)
    for index in (299, 120, 200, 299):
        agree(store, START + timedelta(days=index))


def test_what_lies_before_the_windows_is_not_read_again(sqlite_store: Store) -> None:
    account(sqlite_store)
    kept = history(sqlite_store)
    with sqlite_store.read() as session:
        found = kept.launches(session, AS_OF, ideas=10)
    assert min(found.days.values()) >= date(2024, 8, 1)
    assert min(found.earlier) == START
    assert not history(sqlite_store).changed


def test_of_months_that_are_not_over_only_the_last_days_are_read(store: Store) -> None:
    seed = account(store, gap=1)
    with store.write() as session:
        # Launched on two days of this month, and in one of the last days and long ago.
        ideas.put_together(session, RunRecord(store, seed.run_id), [298, 290], name="two sizes")
        ideas.put_together(session, RunRecord(store, seed.run_id), [297, 20], name="old and new")
    kept = history(store)
    with store.read() as session:
        found, every = kept.launches(session, AS_OF, ideas=10), launches_until(session, AS_OF, kept.version)
    assert len(found.days) < 20
    assert found.scored_ideas == every.scored_ideas
    assert found.scored_days + Counter(found.earlier) == every.scored_days
    agree(store)


def joined(seed: Seed, session: Session) -> None:
    ideas.put_together(session, RunRecord(seed.store, seed.run_id), [20, 100, 148], name="old and new")


def another_size(seed: Seed, session: Session) -> None:
    if not session.scalars(select(IdeaCreative.id)).all():
        joined(seed, session)
    else:
        ideas.put_together(session, RunRecord(seed.store, 2), [60, 20], name="")


def set_apart(seed: Seed, session: Session) -> None:
    if not session.scalars(select(IdeaCreative.id)).all():
        joined(seed, session)
    else:
        ideas.set_apart(session, RunRecord(seed.store, 2), [20], {})


def scored_late(seed: Seed, session: Session) -> None:
    without = select(Creative.id).where(Creative.id.not_in(select(Score.creative_id))).order_by(Creative.id).limit(9)
    missing = session.scalars(without).all()
    session.add_all(Score(**score_row(one, seed.version_id, 4.0), run_id=seed.run_id) for one in missing)


def unscored(_seed: Seed, session: Session) -> None:
    session.execute(delete(Score).where(Score.creative_id.in_([10, 70])))


def scored_and_deleted(seed: Seed, session: Session) -> None:
    unscored(seed, session)
    scored_late(seed, session)


def launched_earlier(_seed: Seed, session: Session) -> None:
    session.execute(update(CampaignCreative).where(CampaignCreative.creative_id == 90).values(launched_on=START))


def launched_another_day(_seed: Seed, session: Session) -> None:
    day = START + timedelta(days=1)
    session.execute(update(CampaignCreative).where(CampaignCreative.creative_id == 2).values(launched_on=day))


def in_another_campaign_before(seed: Seed, session: Session) -> None:
    made = session.scalars(select(Campaign).where(Campaign.key == "winter")).first()
    if made is not None:  # and out of it again
        session.execute(delete(CampaignCreative).where(CampaignCreative.campaign_id == made.id))
        return
    other = Campaign(key="winter", created_at=NOW, run_id=seed.run_id)
    session.add(other)
    session.flush()
    day = START + timedelta(days=5)
    session.add(
        CampaignCreative(campaign_id=other.id, creative_id=80, launched_on=day, created_at=NOW, run_id=seed.run_id)
    )


def first_size_launched_earlier(seed: Seed, session: Session) -> None:
    if not session.scalars(select(IdeaCreative.id)).all():
        joined(seed, session)
        return
    session.execute(update(CampaignCreative).where(CampaignCreative.creative_id == 100).values(launched_on=START))


@pytest.mark.parametrize(
    "change",
    [
        joined, another_size, set_apart, scored_late, unscored, scored_and_deleted, launched_earlier,
        launched_another_day, in_another_campaign_before, first_size_launched_earlier,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_a_change_of_old_rows_is_seen(sqlite_store: Store, change: Callable[[Seed, Session], None]) -> None:
    seed = account(sqlite_store)
    assert begin_run(sqlite_store, "test", {}).id == 2
    agree(sqlite_store)
    for _ in range(2):
        with sqlite_store.write() as session:
            change(seed, session)
        agree(sqlite_store)


def test_scores_are_compared_with_all_earlier_months_where_the_reference_holds_fewer(sqlite_store: Store) -> None:
    seed = account(sqlite_store)
    higher = update(Score).where(Score.creative_id > 110).values(mean=Score.mean + 2)
    with sqlite_store.write() as session:
        session.execute(higher)

    def long_run(reference: str) -> LayerResult | None:
        chosen = {"current": "creatives:20", "reference": reference}
        report = check_drift(seed.store, Settings(drift=SMALL), as_of=AS_OF, **chosen)
        return next((one for one in report.results if one.test == "long_run"), None)

    found = long_run("creatives:15")

    assert found is not None
    assert (found.verdict, found.explains, found.n_current) == ("watch", True, 20)
    assert "have moved in the long run: against all 101 of earlier months KS" in found.sentence
    assert long_run("creatives:200") is None


def test_a_check_keeps_the_months_with_the_version_and_does_not_write_them_again(store: Store) -> None:
    account(store)
    check_drift(store, Settings(drift=SMALL), as_of=AS_OF)
    with store.read() as session:
        (row,) = session.scalars(select(ReferenceSketch)).all()
    assert [month["first"] for month in row.content["months"]] == [f"2024-{month:02d}-01" for month in range(1, 10)]

    check_drift(store, Settings(drift=SMALL), as_of=AS_OF + timedelta(days=1))

    with store.read() as session:
        (again,) = session.scalars(select(ReferenceSketch)).all()
    assert again.run_id == row.run_id


def test_what_another_release_kept_is_made_anew(sqlite_store: Store) -> None:
    account(sqlite_store)
    history(sqlite_store)
    with sqlite_store.write() as session:
        session.execute(update(ReferenceSketch).values(content={"format": 0}))
    agree(sqlite_store)
