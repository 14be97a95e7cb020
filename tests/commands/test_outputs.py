"""What cannot be printed is one sentence and a code that is not 0, whatever lies behind standard output."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from abkit.commands import app as front
from abkit.commands.app import main
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here
from tests.limited_disk import limited

COMPARED = ("calc", "compare", "--control", "10/100", "--treatment", "20/100")
# Each way to print: a word, a table, JSON, CSV, the help of the command line itself.
COMMANDS = (
    ("--version",),
    ("--help",),
    ("db", "current"),
    COMPARED,
    (*COMPARED, "--format", "json"),
    (*COMPARED, "--format", "csv"),
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_workspace(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def _code(arguments: tuple[str, ...]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_behind_the_output_is_one_sentence(
    arguments: tuple[str, ...], workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert _code(arguments) == 1
    said = capsys.readouterr().err
    assert "Error: the output cannot be written: no space left on device\n" in said
    assert "Traceback" not in said
    assert "bug" not in said


def test_an_error_that_a_library_caught_is_told_at_the_end(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prints(*_: object, **__: object) -> None:
        with suppress(Exception):
            sys.stdout.write("lost")
            sys.stdout.flush()

    monkeypatch.setattr(front, "app", prints)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert _code(()) == 1
    assert "the output cannot be written: no space left on device\n" in capsys.readouterr().err


def test_an_output_that_is_closed_or_may_not_grow_is_one_sentence(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        assert _code(("db", "current")) == 1
    assert "the output cannot be written: it is closed\n" in capsys.readouterr().err
    with monkeypatch.context() as patched, (tmp_path / "out.txt").open("w", encoding="utf-8") as out:
        patched.setattr(sys, "stdout", out)
        with limited(100):
            assert _code(("--help",)) == 1
    assert "the output cannot be written: file too large\n" in capsys.readouterr().err


def test_notes_that_cannot_be_written_stop_nothing(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (None, open("/dev/full", "w", encoding="utf-8")):  # noqa: SIM115  # closed at the end
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stream)
            assert _code(("alerts", "list")) == 0
            assert _code(("kpi", "import", "no-such-file.csv")) != 0
    assert "Traceback" not in capsys.readouterr().out


def test_a_file_that_cannot_grow_anywhere_else_is_no_bug(
    here: Here, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/rows")

    monkeypatch.setattr("abkit.workflows.kpis.import_kpis.import_files", full)
    (workspace / "a.csv").write_text("day,ad,impressions,clicks\n2026-05-01,a,1000,10\n")
    said = here("kpi", "import", "a.csv", "--yes", cwd=workspace)
    assert said.returncode == 1
    assert "Error: a file (/somewhere/rows) cannot be written: no space left on device\n" in said.stderr
    assert "bug" not in said.stderr


def test_a_real_output_that_is_full_ends_the_process_with_one_sentence(workspace: Path) -> None:
    command = f"{sys.executable} -m abkit --version > /dev/full"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the output cannot be written: no space left on device\nHint: ")
    assert done.stderr.count("\n") == 2


def test_a_shell_may_close_every_stream_and_no_file_takes_their_numbers(workspace: Path) -> None:
    """Else a library that prints would print into the store."""
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:2]\n"
        "from abkit.commands import app\n"
        "def looks(*_, **__): os.write(9, ' '.join(os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)).encode())\n"
        "app._run = looks\n"
        "app.main([])\n"
    )
    read, write = os.pipe()
    shell = 'exec 9>&"$3" 0<&- 1>&- 2>&-; exec "$0" -c "$1" "$2"'
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, script, root, str(write)], pass_fds=[write], check=False
    )
    os.close(write)
    with os.fdopen(read, "rb") as held:
        assert held.read().decode() == " ".join([os.devnull] * 3)
    assert done.returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_process_ends_with_one_sentence_whatever_its_output_is(workspace: Path, arguments: tuple[str, ...]) -> None:
    abkit = f"{sys.executable} -m abkit {' '.join(arguments)}"
    cases = {
        f"{abkit} > /dev/full": "no space left on device",
        f"{abkit} >&-": "it is closed",
        **({} if arguments[0] == "db" else {f"ulimit -f 0; {abkit} > out.txt": "file too large"}),
        f"{abkit} > /dev/full 2> /dev/full": "",
        f"{abkit} >&- 2>&-": "",
    }
    for command, why in cases.items():
        done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
        assert done.returncode == 1, (command, done.stderr)
        assert done.stderr.startswith(f"Error: the output cannot be written: {why}\nHint: " if why else ""), command
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    done = subprocess.run(["bash", "-c", f"{abkit} | head -c 1"], check=False, capture_output=True, text=True)
    assert done.stderr == ""
