"""What abkit writes is for its user: others read nothing of it unless they are let."""

import os
import stat
from pathlib import Path

import pytest

from abkit.commands.app import main
from abkit.workflows.upkeep.workspace import make_workspace


def _open_to_others(folder: Path) -> list[str]:
    """Return what others may read, write or enter."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]


def _run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0


@pytest.mark.parametrize("umask", [0o000, 0o177])
def test_a_command_lets_nobody_else_read_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    (tmp_path / "ads.csv").write_text("day,ad,impressions,clicks\n2026-05-01,a,1000,10\n")
    workspace = tmp_path / "new" / "workspace"
    workspace.mkdir(mode=0o700, parents=True)
    former = os.umask(umask)
    try:
        _run("init", workspace)
        monkeypatch.chdir(workspace)
        _run("kpi", "import", tmp_path / "ads.csv")
        _run("report", "--out", "pages/report.html" if umask != 0o177 else "report.html")
        assert os.umask(umask) == umask, "that of the process is as it was"
    finally:
        os.umask(former)
    assert {"abkit.toml", "abkit.db"} <= {path.name for path in workspace.iterdir()}
    assert _open_to_others(workspace) == []
    if umask == 0o177:
        assert stat.S_IMODE((workspace / "abkit.toml").stat().st_mode) == 0o600


def test_a_workspace_made_from_python_has_a_private_store(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    former = os.umask(0o022)
    try:
        make_workspace(folder)
    finally:
        os.umask(former)
    assert _open_to_others(tmp_path) == []
