"""`abkit schedule check`: a line of cron sees that no daemon runs, and tells the channels."""

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
