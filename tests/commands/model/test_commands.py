"""`abkit model`: train on a table, measure, list, promote, roll back; bad input is one sentence."""

import csv
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from abkit.workflows.active_model import read_checkpoint
from tests.commands.conftest import Here
from tests.images import save_images

COUNT = 40
# The command in a process of its own, with a recipe that is soon over: what it learns does not matter here.
SOON_OVER = (
    "import functools; from abkit_model.training import request; from abkit.commands.app import main\n"
    "recipe = request.Recipe(members=2, epochs=3)\n"
    "request.TrainingRequest = functools.partial(request.TrainingRequest, recipe=recipe)\n"
    "main()"
)


def write_table(folder: Path, *, count: int = COUNT, steps: int = 5) -> Path:
    """Images, and histograms of ratings on 1…steps whose level follows the number of the image."""
    paths = save_images(folder / "images", count)
    table = folder / "ratings.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *(f"n{step}" for step in range(1, steps + 1)), "subject"])
        for index, path in enumerate(paths):
            level = 1 + (steps - 1) * index / count
            votes = [max(0, round(12 - 6 * abs(level - step))) for step in range(1, steps + 1)]
            writer.writerow([path.name, *votes, f"s{index // 2}"])
    return table


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A workspace in which a scorer was trained, and what the command printed."""
    folder = tmp_path_factory.mktemp("training")
    write_table(folder)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", SOON_OVER, *arguments], cwd=folder, capture_output=True, text=True)

    assert run("init").returncode == 0
    done = run(
        "model", "train", "ratings.csv", "--images", "images", "--out", "models/ours",
        "--encoder", "bundled:efficientnet-lite0", "--group-column", "subject", "-f", "json",
    )  # fmt: skip
    return folder, done


def test_training_prints_held_out_figures_with_intervals_and_registers(
    trained: tuple[Path, "subprocess.CompletedProcess[str]"], here: Here
) -> None:
    folder, done = trained
    assert done.returncode == 0, done.stderr
    figures = {row["figure"]: row for row in json.loads(done.stdout)}
    assert figures.keys() >= {"srcc", "plcc", "coverage"}
    assert figures["srcc"]["n"] == COUNT
    assert figures["srcc"]["ci_low"] <= figures["srcc"]["estimate"] <= figures["srcc"]["ci_high"]
    (version,) = json.loads(here("model", "list", "-f", "json", cwd=folder).stdout)
    assert version["name"] == "ours"
    assert version["active_for"] == ""
    assert version["n_images"] == COUNT


def test_a_trained_version_scores_once_it_is_promoted(
    trained: tuple[Path, "subprocess.CompletedProcess[str]"], here: Here
) -> None:
    folder, _ = trained
    assert here("model", "promote", "ours", "--why", "first of its kind", cwd=folder).returncode == 0
    scored = json.loads(here("score", "images", "-f", "json", cwd=folder).stdout)
    assert len(scored) == COUNT
    assert all(row["scale"] == [1, 5] for row in scored)
    back = here("model", "rollback", cwd=folder)  # to the weights that ship, although they were never active here
    assert back.returncode == 0, back.stderr
    assert back.stdout.strip() == read_checkpoint(None).card.digest
    again = here("model", "rollback", cwd=folder)
    assert again.returncode == 2
    assert "no earlier active model to go back to" in again.stderr
    assert here("model", "promote", "ours", "--why", "again", cwd=folder).returncode == 0


def test_evaluating_on_the_table_it_was_trained_on_is_said(
    trained: tuple[Path, "subprocess.CompletedProcess[str]"], here: Here
) -> None:
    folder, _ = trained
    result = here("model", "evaluate", "ratings.csv", "--images", "images", "--model", "ours", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "too good" in result.stderr
    state, outcome = last_run(folder, "model evaluate")
    assert state == "done"
    assert outcome["n"] == COUNT


def test_an_evaluation_that_fails_is_a_failed_run(
    trained: tuple[Path, "subprocess.CompletedProcess[str]"], here: Here
) -> None:
    folder, _ = trained
    result = here("model", "evaluate", "nowhere.csv", "--images", "images", "--model", "ours", cwd=folder)
    assert result.returncode == 1
    state, outcome = last_run(folder, "model evaluate")
    assert state == "failed"
    assert "nowhere.csv" in outcome["error"]


def last_run(folder: Path, what: str) -> tuple[str, dict[str, Any]]:
    """State and outcome of the last run of a command."""
    with closing(sqlite3.connect(folder / "abkit.db")) as connection:
        query = "SELECT state, outcome FROM run WHERE what = ? ORDER BY id DESC LIMIT 1"
        state, outcome = connection.execute(query, (what,)).fetchone()
    return state, json.loads(outcome)


def test_training_does_not_overwrite_a_checkpoint(
    trained: tuple[Path, "subprocess.CompletedProcess[str]"], here: Here
) -> None:
    folder, _ = trained
    before = (folder / "models" / "ours" / "card.json").read_bytes()
    again = here("model", "train", "ratings.csv", "--images", "images", "--out", "models/ours", cwd=folder)
    assert again.returncode == 1
    assert again.stderr.count("Error:") == 1
    assert (folder / "models" / "ours" / "card.json").read_bytes() == before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "the file is empty"),
        ("file,n1,n2,n3\n", "usable ratings of 0 images"),
        ("file,score\nmissing.png,3\n", "none of the known layouts"),
        ("a,b\n1,2\n", "none of the known layouts"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(here: Here, tmp_path: Path, table: str, said: str) -> None:
    save_images(tmp_path / "images", 1)
    (tmp_path / "ratings.csv").write_text(table)
    result = here("model", "train", "ratings.csv", "--images", "images", "--out", "m")
    assert result.returncode == 1
    assert result.stderr.count("Error:") == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "m").exists()


def test_an_encoder_without_weights_says_what_is_missing_and_how_to_get_it(here: Here, tmp_path: Path) -> None:
    write_table(tmp_path, count=4)
    result = here(
        "model",
        "train",
        "ratings.csv",
        "--images",
        "images",
        "--out",
        "m",
        "--encoder",
        "openclip:ViT-B-32/nowhere.pt",
    )
    assert result.returncode == 1
    assert "nowhere.pt" in result.stderr
    assert "Hint:" in result.stderr
    assert "Traceback" not in result.stderr
