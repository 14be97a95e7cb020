"""`abkit alerts`: list, show, acknowledge, silence; channels that are tested in a real process."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from abkit.alerts.episodes import observe
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from tests.alerts.conftest import SECRET, Service, new_service  # noqa: F401  # a fixture
from tests.commands.conftest import Here
from tests.conftest import Abkit

NewService = Callable[[], Service]


@pytest.fixture
def workspace(here: Here, tmp_path: Path) -> Path:
    here("init")
    store = Store(f"sqlite:///{tmp_path / 'abkit.db'}")
    run = begin_run(store, "test", {})
    with store.write() as session:
        observe(
            session,
            fingerprint="decision:all",
            rule="decision",
            labels={},
            severity="critical",
            title="Drift check all: retrain",
            message="Cause: taste has changed.",
            evidence={"command": "abkit drift list"},
            firing=True,
            now=datetime.now(UTC),
            run_id=run.id,
        )
    store.close()
    return tmp_path


def test_list_show_ack_and_silence(here: Here, workspace: Path) -> None:
    assert workspace.is_dir()
    listed = here("alerts", "list", "--exit-code")
    assert listed.returncode == 3
    assert "Drift check all: retrain" in listed.stdout

    assert here("alerts", "ack", 1, "--by", "the analyst").returncode == 0
    shown = here("alerts", "show", 1)
    for part in ("acknowledged", "the analyst", "taste has changed", "abkit drift list"):
        assert part in shown.stdout
    assert here("alerts", "list", "--exit-code").returncode == 0

    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    assert here("alerts", "silence", 1, "--until", until, "--reason", "known; labels are coming").returncode == 0
    (alert,) = json.loads(here("alerts", "list", "-f", "json").stdout)
    assert (alert["state"], alert["silence_reason"]) == ("silenced", "known; labels are coming")


def test_bad_input_is_one_sentence(here: Here, workspace: Path) -> None:
    assert workspace.is_dir()
    for arguments, said in [
        (["ack", 99], "there is no alert 99"),
        (["silence", 1, "--until", "2020-01-01", "--reason", "x"], "is in the past"),
        (["silence", 1, "--until", "2099-01-01", "--reason", " "], "--reason is empty"),
        (["test"], "no channel is configured"),
        (["test", "ops"], "there is no channel 'ops'"),
    ]:
        result = here("alerts", *arguments)
        assert result.returncode == 2
        assert said in result.stderr.splitlines()[0]


def test_channels_are_tested_and_their_addresses_never_shown(
    abkit: Abkit,
    here: Here,
    workspace: Path,
    new_service: NewService,  # noqa: F811
) -> None:
    service = new_service()
    (workspace / "ops.url").write_text(service.url + "\n")
    (workspace / "abkit.toml").write_text(
        '[[alerts.channel]]\nname = "ops"\nurl_file = "ops.url"\n'
        '[[alerts.channel]]\nname = "typo"\nurl_env = "TYPO"\n'
        '[[alerts.channel]]\nname = "unset"\nurl_env = "UNSET_HERE"\n'
    )
    secrets = {"TYPO": f"slak://{SECRET}"}
    only = here("alerts", "test", "ops", **secrets)
    assert (only.returncode, only.stdout) == (0, "ops: accepted\n")
    assert "Test message" in service.received[0]["title"]

    every = here("alerts", "test", "--dry-run", **secrets)
    assert every.returncode == 1
    assert "ops: its address is valid" in every.stdout
    assert "slak://" in every.stdout
    assert "UNSET_HERE is not set" in every.stdout
    service.status = 500
    refused = abkit("alerts", "test", "ops", **secrets)
    assert (refused.returncode, refused.stdout) == (1, "ops: the service answered with status 500\n")
    for result in (only, every, refused):
        assert SECRET not in result.stdout + result.stderr
