"""`abkit report` on the command line: where the page goes, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Here


@pytest.fixture
def workspace(here: Here, tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    assert here("init", str(folder)).returncode == 0
    return folder


def test_the_page_goes_into_the_workspace_and_its_path_to_stdout(here: Here, workspace: Path) -> None:
    done = here("report", cwd=workspace)
    assert (done.returncode, done.stdout.strip()) == (0, str(workspace / "report.html"))
    assert "Nobody has checked yet" in (workspace / "report.html").read_text()


def test_out_and_as_of_are_followed(here: Here, workspace: Path) -> None:
    assert here("report", "--as-of", "2025-03-03", "--out", "pages/march.html", cwd=workspace).returncode == 0
    assert "as of 2025-03-03" in (workspace / "pages" / "march.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--campaign", "spring"), 2, "no creative of a campaign 'spring' has been scored"),
        (("--as-of", "yesterday"), 2, "yesterday"),
        (("--out", "abkit.toml/report.html"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    here: Here, workspace: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = here("report", *arguments, cwd=workspace)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_open_starts_the_browser_on_the_file(here: Here, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    assert here("report", "--open", cwd=workspace).returncode == 0
    assert opened == [(workspace / "report.html").as_uri()]


def test_without_a_browser_open_says_so_and_the_file_is_there(
    here: Here, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    done = here("report", "--open", cwd=workspace)
    assert (done.returncode, "open the file yourself" in done.stderr) == (0, True)
    assert (workspace / "report.html").exists()
