"""`abkit review next` on the command line: the table to read, and the table to fill in."""

import csv
import io
import json
from pathlib import Path

from tests.commands.conftest import Here
from tests.images import save_images


def test_the_csv_of_questions_is_filled_in_and_imported(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 6)
    assert here("score", "ads", "--campaign", "spring", cwd=quick_workspace).returncode == 0
    seen = here("review", "next", "--campaign", "spring", "--count", "4", cwd=quick_workspace)
    assert seen.returncode == 0, seen.stderr
    assert "which is better? 6 creatives" in seen.stdout
    assert "unknown: nothing like it was labeled" in seen.stdout
    made = here("review", "next", "--count", "4", "-f", "csv", cwd=quick_workspace)
    questions = list(csv.DictReader(io.StringIO(made.stdout)))
    assert [row["rank"] for row in questions] == ["1", "2", "3", "4"]
    assert f"abkit ratings import FILE --images {quick_workspace / 'ads'}" in made.stderr.replace("\n", "")
    answers = quick_workspace / "answers.csv"
    with answers.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(questions[0]))
        writer.writeheader()
        writer.writerows([{**row, "choice": "left", "rater": "ann"} for row in questions])
    imported = here("ratings", "import", "answers.csv", "--images", "ads", "-f", "json", cwd=quick_workspace)
    assert json.loads(imported.stdout)[0]["imported"] == 4, imported.stderr
    images = json.loads(here("review", "next", "--images", "-n", "2", "-f", "json", cwd=quick_workspace).stdout)
    assert [one["right"] for one in images["questions"]] == ["", ""]
    assert all(0 < one["gain"] < 1 for one in images["questions"])


def test_a_workspace_without_scores_says_what_to_do(here: Here, quick_workspace: Path) -> None:
    said = here("review", "next", cwd=quick_workspace)
    assert said.returncode != 0
    assert "there is nothing to label" in said.stderr
    assert "abkit score IMAGES" in said.stderr
