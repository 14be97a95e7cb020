"""Addresses that somebody asks to be scored: only what everybody can reach is fetched for them."""

import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from abkit.config import Settings
from abkit.intake.remote.fetch import Fetched
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.job import Tick
from abkit.jobs.requests import ask_for
from abkit.jobs.schedules import CATALOG
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.scoring import score

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
INSIDE = [
    "https://127.0.0.1/a.png", "https://2130706433/a.png", "https://0x7f.1/a.png", "https://[::1]/a.png",
    "https://[::ffff:10.0.0.1]/a.png", "https://localhost/a.png", "https://example.com:8443/a.png",
    "https://inside.example/a.png",
]  # fmt: skip


def test_a_job_fetches_nothing_from_this_machine_or_the_network_behind_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, seen = socket.getaddrinfo, []

    def resolve(host: str, *asked: Any, **options: Any) -> Any:
        return honest("10.0.0.1" if host == "inside.example" else host, *asked, **options)

    def scores(_store: Store, _settings: Settings, found: Fetched, **_: Any) -> Any:
        seen.append(found)
        return SimpleNamespace(campaign="c", model_version="m", notice="", files=())

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for connects in ("create_connection", "socket.connect"):
        monkeypatch.setattr(f"socket.{connects}", lambda *_, **__: pytest.fail("connected"))
    monkeypatch.setattr(score, "score_paths", scores)
    claims, job, now = Claims(store, Settings(), CATALOG.keys(), "daemon"), CATALOG["score_addresses"], NOW
    ask_for(store, "score_addresses", {"addresses": INSIDE, "campaign": "c"}, by="ada")
    (claimed,) = claims.next(now, 1)
    lease = claimed.lease
    run = RunRecord(store, lease.run_id, attempt=lease.attempt)
    tick = Tick(schedule=lease.schedule, at=lease.tick, started_at=now, attempt=lease.attempt, run=run)
    job.run(store, Settings(), tick, job.arguments.model_validate(dict(lease.arguments)))
    (found,) = seen
    assert found.paths == ()
    reasons = [one.reason for one in found.refused]
    assert len(reasons) == len(INSIDE)
    assert all("not on the public web" in str(why) or "on the usual port" in str(why) for why in reasons), reasons
