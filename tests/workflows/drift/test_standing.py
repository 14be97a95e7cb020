"""The standing check owns headline and alert; an ad-hoc comparison is logged, and changes neither."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.jobs.job import Tick
from abkit.jobs.work.findings import DriftCheck, drift_check
from abkit.reporting.page.gather import gather
from abkit.store import models, results
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, Decision
from abkit.workflows.drift.check import check_drift
from abkit.workflows.experiments.review.digest import weekly_digest
from tests.monitoring_rows import seeded

DAY = date(2025, 3, 3)
CALM = {"reference": "campaign:before", "current": "campaign:same"}
MOVED = {"reference": "campaign:before", "current": "campaign:other"}


@pytest.fixture
def kinds(sqlite_store: Store) -> Store:
    """Two campaigns of one kind of image, and one of another."""
    seed = seeded(sqlite_store)
    for number, (name, shift) in enumerate((("before", 0.0), ("same", 0.0), ("other", 2.0))):
        rng = np.random.default_rng(number)
        seed.creatives(name, rng.normal(4 + shift, 0.7, 40).tolist(), embeddings=rng.normal(shift, 1, (40, 8)))
    return sqlite_store


def configured(**drift: Any) -> Settings:
    return Settings(drift=drift)


def alerts(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count(Alert.id))) or 0


def test_an_ad_hoc_comparison_neither_opens_an_alert_nor_becomes_the_headline(kinds: Store) -> None:
    settings = configured(**CALM)
    standing = check_drift(kinds, settings, as_of=DAY)
    ad_hoc = check_drift(kinds, settings, **MOVED, as_of=DAY + timedelta(days=1))

    assert [(one.decision, one.standing) for one in (standing, ad_hoc)] == [("stable", True), ("retrain", False)]
    assert alerts(kinds) == 0
    with kinds.read() as session:
        made = results.last_decision(session)
        assert made is not None
        assert made.run_id == standing.run_id
        assert results.last_check(session, DAY + timedelta(days=9)) == DAY
        assert [row.standing for row in results.last_decisions(session, 5)] == [False, True]
    page = gather(kinds, as_of=DAY + timedelta(days=1), settings=settings)
    assert page.decision is not None
    assert page.decision.run_id == standing.run_id
    digest = weekly_digest(kinds, DAY + timedelta(days=2))
    assert digest.drift == (
        f"stable (3 of 5 layers judged, 1 for major shifts only) as of {DAY}. "
        "Nothing that could be judged has moved by more than its floor: "
        "keep using the scores.",
    )


def test_an_ad_hoc_comparison_does_not_calm_an_open_alert(kinds: Store) -> None:
    settings = configured(**MOVED)
    check_drift(kinds, settings, as_of=DAY)
    for index in range(1, 6):
        check_drift(kinds, settings, **CALM, as_of=DAY + timedelta(days=index))
    with kinds.read() as session:
        alert = session.scalars(select(Alert)).one()
    assert alert.resolved_at is None
    assert alert.clear_since is None
    assert "retrain (3 of 5 layers judged)" in alert.title
    assert "can no longer be relied on" in alert.message


def test_what_the_configuration_says_is_the_standing_check_even_when_it_is_written_out(kinds: Store) -> None:
    settings = configured(**CALM)
    assert check_drift(kinds, settings, **CALM, metric="ctr", model="test-model", as_of=DAY).standing
    assert not check_drift(kinds, settings, metric="cpc", as_of=DAY).standing
    assert not check_drift(kinds, settings, current="creatives:5", as_of=DAY).standing


def test_a_break_that_an_ad_hoc_comparison_found_ends_no_reference(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    for standing, as_of, start in ((False, DAY, DAY), (True, DAY + timedelta(days=9), DAY + timedelta(days=3))):
        row = Decision(
            run_id=begin_run(sqlite_store, "test", {}).id,
            model_version_id=seed.version_id,
            decision="retrain",
            cause="concept_shift",
            reasons={},
            standing=standing,
            window_start=start,
            as_of=as_of,
            decided_at=datetime.now(UTC),
        )
        with sqlite_store.write() as session:
            session.add(row)
    with sqlite_store.read() as session:
        version = models.version(session, seed.version_id)
        assert version is not None
        late = DAY + timedelta(days=20)
        assert results.first_break(session, version.id, late) == DAY + timedelta(days=9)
        assert results.broken_window(session, version.id, late) == DAY + timedelta(days=3)
        assert results.broken_window(session, version.id, DAY + timedelta(days=9)) is None


def tick(store: Store) -> Tick:
    at = datetime(2025, 3, 3, 22, tzinfo=UTC)
    return Tick(schedule="drift", at=at, started_at=at, attempt=1, run=begin_run(store, "drift_check", {}))


def test_the_scheduled_job_is_the_standing_check(kinds: Store) -> None:
    outcome = drift_check(kinds, configured(**MOVED), tick(kinds), DriftCheck())
    assert (outcome["decision"], outcome["standing"], outcome["layers_judged"]) == ("retrain", True, 3)
    assert alerts(kinds) == 1
    drift_check(kinds, configured(**MOVED), tick(kinds), DriftCheck(current="campaign:other"))


def test_a_schedule_that_asks_for_other_windows_is_refused_with_what_to_write(kinds: Store) -> None:
    with pytest.raises(UsageError, match="asks for other windows") as caught:
        drift_check(kinds, configured(**CALM), tick(kinds), DriftCheck(current="days:7"))
    assert 'write current = "days:7" under [drift]' in str(caught.value.hint)


@pytest.mark.parametrize("window", ["yesterday", "creatives:0", "days:", "model"])
def test_a_standing_window_that_is_none_is_refused_when_the_configuration_is_read(window: str) -> None:
    with pytest.raises(ValueError, match="current"):
        configured(current=window)
