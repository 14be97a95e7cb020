"""The GitHub Action and the pre-commit hook: their files are valid, and the script of the action does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.images import make_image

ROOT = Path(__file__).resolve().parent.parent
ACTION = ROOT / ".github" / "actions" / "preflight" / "action.yml"


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text())


def test_it_is_a_composite_action_whose_inputs_are_described(action: dict[str, Any]) -> None:
    assert action["runs"]["using"] == "composite"
    for entry in (*action["inputs"].values(), *action["outputs"].values()):
        assert entry["description"].strip()
    assert action["inputs"]["placement"]["required"] is True
    for step in action["runs"]["steps"]:
        assert "uses" in step or step["shell"] == "bash"


def test_every_input_is_used_and_none_is_part_of_a_script(action: dict[str, Any]) -> None:
    steps = action["runs"]["steps"]
    given = " ".join(str(value) for step in steps for value in (step.get("env") or step.get("with") or {}).values())
    assert set(re.findall(r"inputs\.([a-z-]+)", given)) == set(action["inputs"])
    for step in steps:
        assert "${{" not in step.get("run", "")


def test_the_docs_name_every_input(action: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "preflight.md").read_text()
    assert all(f"`{name}`" in page for name in action["inputs"])


def test_the_hook_is_one_process_that_runs_the_command() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "abkit preflight"
    assert hook["language"] == "python"
    assert hook["require_serial"] is True
    assert re.search(hook["files"], "ads/Spring.PNG")
    assert not re.search(hook["files"], "ads/logo.svg")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two commits: the second adds two images and a text."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    make_image(1, (90, 60)).save(folder / "old.png")
    git(folder, "add", "."), git(folder, "commit", "-qm", "first")
    make_image(2, (1080, 1080)).save(folder / "new one.PNG")
    (folder / "notes.md").write_text("x")
    git(folder, "add", "."), git(folder, "commit", "-qm", "second")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def run(action: dict[str, Any], folder: Path, tmp_path: Path, **given: str) -> tuple[int, str, str]:
    """Run the shell steps of the action in order, as a runner would; return status, summary and outputs.

    Their environment is made from the expressions of the action. Two steps are left out: the one that sets up Python,
    which is another action, and "Install abkit", which would install packages from the network; `abkit` on the path
    stands for what it installs.
    """
    commands = tmp_path / "bin"
    commands.mkdir(exist_ok=True)
    (commands / "abkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m abkit "$@"\n')
    (commands / "abkit").chmod(0o755)
    files = {name: tmp_path / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    known = {f"inputs.{name}": entry.get("default", "") for name, entry in action["inputs"].items()} | {
        "inputs.placement": "meta-feed",
        "github.event.pull_request.base.sha": git(folder, "rev-parse", "HEAD~1").strip(),
        "github.event.pull_request.head.repo.full_name": "owner/name",
        "github.event.pull_request.head.sha": "abc",
    }
    env = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'model'}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_WORKSPACE": str(folder),
        **{name: str(path) for name, path in files.items()},
    }
    steps = [step for step in action["runs"]["steps"] if "run" in step and step["name"] != "Install abkit"]
    assert steps
    for step in steps:
        own = {name: evaluated(text, known) for name, text in step.get("env", {}).items()}
        assert own.keys() >= given.keys()
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=folder, env={**env, **own, **given}, capture_output=True, text=True)
        if done.returncode:
            break
    made = [path.read_text() if path.exists() else "" for path in files.values()]
    return done.returncode, made[0], made[1] + done.stderr


def evaluated(text: str, known: dict[str, str]) -> str:
    """Return an expression of a workflow: names, of which the first that is known and not empty counts."""
    names = re.fullmatch(r"\$\{\{ ([\w.|& -]+) \}\}", text)
    assert names, text
    return next((known[name] for name in names[1].split(" || ") if known.get(name)), "")


def test_changed_images_are_checked_and_shown(action: dict[str, Any], repository: Path, tmp_path: Path) -> None:
    status, summary, output = run(action, repository, tmp_path)
    assert status == 0
    assert "verdict=pass" in output
    assert "new one.PNG" in summary
    assert "old.png" not in summary
    assert "notes" not in summary
    assert "https://github.com/owner/name/raw/abc/new%20one.PNG" in summary


def test_a_failure_fails_the_job_and_is_shown(action: dict[str, Any], repository: Path, tmp_path: Path) -> None:
    status, summary, output = run(action, repository, tmp_path, PATHS="old.png\n")
    assert status == 3
    assert "verdict=fail" in output
    assert "90×60 is smaller than" in summary


def test_a_change_without_images_passes(action: dict[str, Any], repository: Path, tmp_path: Path) -> None:
    status, summary, output = run(action, repository, tmp_path, BASE=git(repository, "rev-parse", "HEAD").strip())
    assert status == 0
    assert "verdict=none" in output
    assert "no images" in summary


def test_a_commit_that_is_not_there_is_said(action: dict[str, Any], repository: Path, tmp_path: Path) -> None:
    status, _, _ = run(action, repository, tmp_path, BASE="0" * 40)
    assert status == 1
