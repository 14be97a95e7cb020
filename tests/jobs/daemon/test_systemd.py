"""The service manager hears that the daemon has started, that it still polls, and that it stops."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from abkit.jobs.daemon import systemd

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def test_a_state_arrives_at_the_socket_of_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        systemd.notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "notify"])
def test_without_a_manager_nothing_happens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("name", ["abkit", "abkit-web"])
def test_systemd_finds_nothing_wrong_with_our_units(name: str, tmp_path: Path) -> None:
    unit = (EXAMPLES / f"{name}.service").read_text()
    assert "/opt/abkit/bin/abkit" in unit
    copy = tmp_path / f"{name}.service"
    copy.write_text(unit.replace("/opt/abkit/bin/abkit", sys.executable))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    assert (said.returncode, [line for line in said.stderr.splitlines() if copy.name in line]) == (0, [])
