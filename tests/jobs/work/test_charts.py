"""An alert about a drift decision brings the page of its check to channels that take files, and words to all."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from abkit.config import AlertSettings, ChannelSettings, Settings
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work import charts
from abkit.jobs.work.upkeep import deliver_alerts
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.workflows.drift.check import check_drift
from tests.alerts.conftest import Service, new_service  # noqa: F401  # a fixture
from tests.reporting.page.test_drift_page import AS_OF, world

NOON = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 23, 59, 59, tzinfo=UTC)
MOVED = {"reference": "campaign:before", "current": "campaign:after"}


@pytest.fixture
def alarmed(sqlite_store: Store, tmp_path: Path) -> Callable[..., None]:
    """A store whose standing check said retrain; a function delivers to these channels, so many minutes later."""
    world(sqlite_store, tmp_path, shift=3.0)
    assert check_drift(sqlite_store, Settings(drift=MOVED), as_of=AS_OF).decision == "retrain"

    def deliver(minutes: int, *names: str) -> None:
        at = NOON + timedelta(minutes=minutes)
        told = AlertSettings(channel=tuple(ChannelSettings(name=name, url_env=name.upper()) for name in names))
        with recorded_run(sqlite_store, "schedule", {}) as run:
            tick = Tick(schedule="d", at=at, started_at=at, attempt=1, run=run)
            deliver_alerts(sqlite_store, Settings(drift=MOVED, alerts=told, workspace=tmp_path), tick, Arguments())

    return deliver


def test_the_page_of_the_check_goes_to_a_channel_that_takes_files_and_the_words_to_one_that_takes_none(
    alarmed: Callable[..., None],
    new_service: Callable[[], Service],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, words = new_service(), new_service()
    monkeypatch.setenv("FILES", files.url)
    monkeypatch.setenv("WORDS", f"gotify://127.0.0.1:{words.port}/a-token")

    alarmed(1, "files", "words")

    (told,) = files.received
    (attached,) = told["attachments"]
    page = base64.b64decode(attached["base64"]).decode()
    assert attached["filename"].endswith(".html")
    assert attached["mimetype"] == "text/html"
    assert "These creatives moved it most" in page
    assert len(page) < charts.MOST_BYTES
    (plain,) = words.received
    assert "attachments" not in plain
    assert plain["message"] == told["message"]
    assert plain["title"] == told["title"]


def test_a_page_that_is_too_large_does_not_hold_up_the_message(
    alarmed: Callable[..., None],
    new_service: Callable[[], Service],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(charts, "MOST_BYTES", 1000)
    service = new_service()
    monkeypatch.setenv("FILES", service.url)

    alarmed(1, "files")

    assert "is not attached: it has" in caplog.text
    assert [told["attachments"] for told in service.received] == [[]]


def test_a_channel_that_refuses_a_message_with_the_page_gets_it_without(
    alarmed: Callable[..., None],
    new_service: Callable[[], Service],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = new_service()
    monkeypatch.setenv("FILES", service.url)
    service.status = 413
    alarmed(1, "files")
    service.status = 200

    alarmed(5, "files")

    assert [told["attachments"] for told in service.received] == [[]]
