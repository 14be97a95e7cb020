"""`abkit report` on the command line: where the page goes, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Abkit


@pytest.fixture
def workspace(abkit: Abkit, tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    assert abkit("init", folder).returncode == 0
    return folder


def test_the_page_goes_into_the_workspace_and_its_path_to_stdout(abkit: Abkit, workspace: Path) -> None:
    done = abkit("report", cwd=workspace)
    assert (done.returncode, done.stdout.strip()) == (0, str(workspace / "report.html"))
    assert "Nobody has checked yet" in (workspace / "report.html").read_text()


def test_out_and_as_of_are_followed(abkit: Abkit, workspace: Path) -> None:
    assert abkit("report", "--as-of", "2025-03-03", "--out", "pages/march.html", cwd=workspace).returncode == 0
    assert "as of 03 Mar 2025" in (workspace / "pages" / "march.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--campaign", "spring"), 2, "no creative of a campaign 'spring' has been scored"),
        (("--as-of", "yesterday"), 2, "yesterday"),
        (("--out", "abkit.toml/report.html"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    abkit: Abkit, workspace: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = abkit("report", *arguments, cwd=workspace)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
