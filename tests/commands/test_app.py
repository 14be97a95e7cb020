"""The command line as a whole: help, completion, quiet, errors, and what starting it costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Here

HEAVY = ("torch", "scipy", "statsmodels", "pandas", "polars", "sqlalchemy", "altair")


@pytest.mark.parametrize("arguments", [(), ("score",), ("kpi",), ("kpi", "import"), ("model", "train")])
def test_h_is_help_everywhere(here: Here, arguments: tuple[str, ...]) -> None:
    done = here(*arguments, "-h")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:") or "Usage:" in done.stdout.splitlines()[1]
    assert done.stdout == here(*arguments, "--help").stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('loaded:', [name for name in sys.argv[1:] if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout


def test_a_command_loads_no_other_and_a_typo_still_finds_its_neighbor(here: Here) -> None:
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main(['--quiet', 'db', '--help'])\n"
        "except SystemExit: print('loaded:', [name for name in sys.modules if name.startswith('abkit.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "abkit.commands.operate.db" in done.stdout
    assert not [room for room in ("loop", "creative") if f"abkit.commands.{room}" in done.stdout]
    assert "Did you mean 'score'" in here("scor").stderr


def test_quiet_prints_the_result_and_no_notes(here: Here, tmp_path: Path) -> None:
    loud = here("init", str(tmp_path / "one"))
    assert loud.stderr
    quiet = here("--quiet", "init", str(tmp_path / "two"))
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert quiet.stdout.strip() == str(tmp_path / "two" / "abkit.toml")


def test_quiet_still_prints_errors(here: Here, tmp_path: Path) -> None:
    done = here("--quiet", "report", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error:")


def test_the_shell_completes_commands() -> None:
    asked = {"_ABKIT_COMPLETE": "complete_bash", "COMP_WORDS": "abkit sc", "COMP_CWORD": "1"}
    command = [str(Path(sys.executable).parent / "abkit")]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["score", "schedule"]


def test_a_bug_is_one_sentence_with_a_way_to_see_more(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("something unforeseen")

    monkeypatch.setattr("abkit.workflows.upkeep.workspace.make_workspace", broken)
    done = here("init", "shop")
    assert done.returncode == 1
    assert "Error: RuntimeError: something unforeseen" in done.stderr
    assert "abkit --debug" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_code_page_that_lacks_letters_gets_stand_ins_and_json_keeps_the_names(tmp_path: Path) -> None:
    table = tmp_path / "tests.csv"
    table.write_text("test,arm,views,clicks\n герой,a,1000,50\n герой,b,1010,80\n", encoding="utf-8")
    options = ["--experiment-col", "test", "--variant-col", "arm", "--impressions-col", "views"]
    command = ["experiment", "analyze", "--table", str(table), *options, "--clicks-col", "clicks", "-f"]
    done = {
        form: subprocess.run(
            [sys.executable, "-m", "abkit", *command, form],
            env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"},
            capture_output=True,
            check=False,
        )
        for form in ("csv", "json")
    }
    assert [one.returncode for one in done.values()] == [0, 0]
    assert b"?????,a,b" in done["csv"].stdout
    assert done["csv"].stderr.count(b"lacks some letters") == 1
    assert json.loads(done["json"].stdout)["comparisons"][0]["experiment"] == "герой"


@pytest.mark.parametrize("name", ["100%20ads", "50% off", "a?b=c", "a#b"])
def test_a_workspace_may_be_called_anything_that_a_folder_may(here: Here, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert here("init", ".", cwd=folder).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert (folder / "abkit.db").is_file()
    assert here("schedule", "list", cwd=folder).returncode == 0
