"""`abkit schedule check`: a line of cron sees that no daemon runs, and tells the channels."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import synchronize
from abkit.store.database.engine import Store
from tests.commands.conftest import Here
from tests.jobs.inbox import Inbox

MINUTE = timedelta(minutes=1)


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    server = Inbox()
    monkeypatch.setenv("OPS_URL", f"json://127.0.0.1:{server.server_port}/")
    return server


def test_the_commands_say_so_and_exit_with_3(here: Here, inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "abkit.toml").write_text('[[alerts.channel]]\nname = "ops"\nurl_env = "OPS_URL"\n')
    assert here("init").returncode == 0
    store = Store(f"sqlite:///{tmp_path / 'abkit.db'}")
    well = here("schedule", "check")
    assert (well.returncode, well.stdout) == (0, "ok\n")
    synchronize(store, (), wall_clock() - 10 * MINUTE)
    for arguments in (("check", "--tell"), ("status", "--exit-code")):
        said = here("schedule", *arguments)
        assert said.returncode == 3, said.stderr
        assert "no daemon runs" in said.stdout + said.stderr
    assert len(inbox.received) == 1
    store.close()
    (tmp_path / "abkit.db").write_bytes(b"not a database, and long enough to be seen as none at all" * 20)
    broken = here("schedule", "check", "--tell")
    assert broken.returncode == 1
    assert "The store cannot be read" in inbox.received[1]


def test_what_is_configured_is_listed_and_checked_before_the_first_start(here: Here, tmp_path: Path) -> None:
    (tmp_path / "abkit.toml").write_text(
        '[daemon]\nport = 0\n[[schedule]]\nkey = "images"\njob = "score_folder"\ncron = "@daily"\n'
        'arguments = { folder = "inbox" }\n[[source]]\nkey = "pull"\ncommand = ["true"]\n'
    )
    assert here("init").returncode == 0
    listed = here("schedule", "list", "-f", "json")
    rows = {row["key"]: row for row in json.loads(listed.stdout)}
    assert set(rows) == {"images", "pull"}
    assert {row["state"] for row in rows.values()} == {"not started"}
    assert "--dry-run" in listed.stderr
    checked = here("schedule", "run", "--dry-run")
    assert checked.returncode == 1
    assert "inbox does not" in " ".join(checked.stdout.split())
    (tmp_path / "inbox").mkdir()
    assert here("schedule", "run", "--dry-run").returncode == 0
    rows = json.loads(here("schedule", "list", "-f", "json").stdout)
    assert {row["state"] for row in rows} == {"not started"}, "nothing was brought into the store"
