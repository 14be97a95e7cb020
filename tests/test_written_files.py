"""Files for users appear whole or not at all, whatever the disk does, and the message names the file."""

import os
import stat
import threading
from collections.abc import Callable
from datetime import date
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import altair as alt
import pytest

from abkit.commands.operate import preflight
from abkit.commands.output import write_csv
from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.reporting.charts.theme import save_chart
from abkit.reporting.page.html import write_page
from abkit.reporting.tables.experiments import programme
from abkit.workflows.learning.retraining.tables import write_table
from abkit.workflows.upkeep.workspace import make_workspace
from abkit.workflows.uploads import keep_exports
from abkit.written_files import whole_file
from tests.limited_disk import limited

ROWS = [{"creative": f"ad-{number}", "score": number} for number in range(2000)]
CHART = alt.Chart(alt.Data(values=ROWS)).mark_point().encode(x="score:Q")


def _workbook(path: Path) -> Path:
    empty: Any = SimpleNamespace(rows=(), cumulative=(), notes=(), as_of=date(2026, 1, 1))
    return programme.write_xlsx(empty, path)


def _summary(path: Path) -> Path:
    preflight._write_summary(path, SimpleNamespace(), "")  # type: ignore[arg-type]
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "rows.csv": lambda path: write_csv(ROWS, path),
    "outcomes.csv": lambda path: write_table(ROWS, path),
    "report.html": lambda path: write_page("<p>" * 3000, path),
    "chart.json": lambda path: save_chart(CHART, path),
    "chart.svg": lambda path: save_chart(CHART, path),
    "chart.html": lambda path: save_chart(CHART, path),
    "programme.xlsx": _workbook,
    "summary.md": _summary,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.reporting.charts.theme.chart_svg", lambda _: "<svg>" * 1000)
    monkeypatch.setattr(programme, "flat_rows", lambda _: ROWS[:100])
    monkeypatch.setattr(programme, "_summary", lambda _: ["one"])
    monkeypatch.setattr("abkit.reporting.tables.preflight.summary.summary", lambda *_, **__: "text " * 1000)


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_one_sentence_names_the_file_and_what_was_there_stays(name: str, tmp_path: Path) -> None:
    path, write = tmp_path / name, WRITERS[name]
    with limited(1000), pytest.raises(AbkitError, match="cannot be written") as said:
        write(path)
    assert str(path) in said.value.message
    assert "file too large" in said.value.message
    assert said.value.hint
    assert list(tmp_path.iterdir()) == []
    write(path)
    whole = path.read_bytes()
    path.write_bytes(b"former")
    with limited(1000), pytest.raises(AbkitError, match="cannot be written"):
        write(path)
    assert path.read_bytes() == b"former"
    assert len(list(tmp_path.iterdir())) == 1
    assert len(whole) > 1000


@pytest.mark.parametrize("name", WRITERS)
def test_where_nothing_can_be_written_one_sentence_names_the_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", Path("/proc")):
        path = folder / name
        with pytest.raises(AbkitError) as said:
            WRITERS[name](path)
        assert str(path) in said.value.message


def test_a_file_keeps_its_rights_and_a_link_its_place(tmp_path: Path) -> None:
    target, link = tmp_path / "shared.csv", tmp_path / "link.csv"
    target.write_text("former")
    target.chmod(0o640)
    link.symlink_to(target)
    write_csv(ROWS[:1], link)
    assert link.is_symlink()
    assert target.read_text().startswith("creative,score")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    dangling = tmp_path / "dangling.csv"
    dangling.symlink_to(tmp_path / "made.csv")
    write_csv(ROWS[:1], dangling)
    assert (tmp_path / "made.csv").is_file()


def test_a_pipe_is_written_as_it_is_and_a_device_that_is_full_says_so(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_csv(ROWS[:1], pipe)
    reader.join(5)
    assert got[0].startswith("creative,score")
    with pytest.raises(AbkitError, match="/dev/full cannot be written: no space left on device"):
        write_csv(ROWS, Path("/dev/full"))


def test_whatever_ends_the_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    def stopped() -> None:
        with whole_file(tmp_path / "a.csv") as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_an_upload_and_a_new_workspace_are_whole_or_not_there(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    with limited(1000), pytest.raises(AbkitError, match="an upload cannot be written"):
        keep_exports(settings, [("a.csv", BytesIO(b"x" * 5000))])
    assert not list((tmp_path / "uploads").rglob("*.csv"))
    with limited(10), pytest.raises(AbkitError, match=r"abkit\.toml cannot be written"):
        make_workspace(tmp_path / "new")
    assert not (tmp_path / "new" / "abkit.toml").exists()
