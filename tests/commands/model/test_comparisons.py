"""`abkit model train` on nothing but comparisons: what is printed and registered, its scores, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Here, quick_recipe_of
from tests.commands.model.test_commands import write_table
from tests.images import save_images

COUNT = 30
TRAIN = ("model", "train", "comparisons.csv", "--images", "images", "--encoder", "bundled:efficientnet-lite0")


@pytest.fixture
def chosen(quick_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with images, each compared with the next four, and with a recipe that is over at once."""
    quick_recipe_of(monkeypatch, members=2, epochs=2)
    names = [path.name for path in save_images(quick_workspace / "images", COUNT)]
    rows = ["image_a,image_b,wins_a,wins_b", "nobody.png,,1,2"]
    rows += [f"{names[i]},{names[(i + k) % COUNT]},{6 + k},{14 - k}" for i in range(COUNT) for k in (1, 2, 3, 4)]
    (quick_workspace / "comparisons.csv").write_text("\n".join(rows))
    return quick_workspace


def test_comparisons_alone_train_a_scorer_whose_scores_are_chances(here: Here, chosen: Path) -> None:
    done = here(*TRAIN, "--out", "taste", "-f", "json", cwd=chosen)
    assert done.returncode == 0, done.stderr
    figures = {row["figure"]: row for row in json.loads(done.stdout)}
    assert figures.keys() >= {"picks_winner", "comparison_correlation", "queries"}
    picks = figures["picks_winner"]
    assert picks["ci_low"] <= picks["estimate"] <= picks["ci_high"]
    assert 20 <= picks["n"] < 4 * COUNT
    assert "chances, from 0 to 1, that an image is preferred over the average one" in done.stderr
    assert "there is no interval" in done.stderr
    assert "1 row could not be used, the first: 2: an image of the pair is not named" in done.stderr
    assert figures["picks_winner"]["estimate"] == picks["estimate"]
    (version,) = [v for v in json.loads(here("model", "list", "-f", "json", cwd=chosen).stdout) if v["name"] == "taste"]
    assert version["digest"] == picks["model_version"]
    assert (version["scale"], version["active_for"], version["srcc"]) == ("0…1", "", "–")
    assert version["picks_winner"].startswith(f"{picks['estimate']:.3f} [")
    assert version["n_images"] == COUNT
    scored = here("score", "images", "--model", "taste", "--campaign", "spring", "-f", "json", cwd=chosen)
    assert scored.returncode == 0, scored.stderr
    rows = json.loads(scored.stdout)
    assert len(rows) == COUNT
    assert all(0 < row["mean"] < 1 and row["ci_low"] is None for row in rows)
    listed = here("shortlist", "--campaign", "spring", "--model", "taste", cwd=chosen)
    assert listed.returncode == 0, listed.stderr
    assert "what most people who choose between such images would prefer" in listed.stdout
    assert f"({COUNT} images) the higher score won" in listed.stdout
    here("model", "promote", "taste", cwd=chosen)
    page = here("report", "--out", "report.html", cwd=chosen)
    assert page.returncode == 0, page.stderr
    assert "Predicted chance, from 0 to 1, that somebody prefers the creative" in (chosen / "report.html").read_text()
    measured = here("model", "evaluate", "comparisons.csv", "--images", "images", "--model", "taste", cwd=chosen)
    assert measured.returncode == 0, measured.stderr
    assert f"trained on {COUNT} of these images" in measured.stderr


def test_comparisons_tune_the_active_model_and_say_whether_it_got_better(here: Here, chosen: Path) -> None:
    done = here(*TRAIN, "--out", "tuned", "--parent", "active", "--segment", "story", "-f", "json", cwd=chosen)
    assert done.returncode == 0, done.stderr
    figures = {row["figure"]: row for row in json.loads(done.stdout)}
    assert "picks_winner_against_parent" in figures
    assert "pairs picked right" in done.stderr
    assert "scores stay on the parent's scale" in done.stderr
    versions = {v["name"]: v for v in json.loads(here("model", "list", "-f", "json", cwd=chosen).stdout)}
    assert versions["tuned"]["scale"] != "0…1"
    assert versions["tuned"]["segment"] == "story"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--group-column", "subject"), "--group-column can only be used with ratings"),
        (("--scale", "1..7", "--correct-raters"), "--scale, --correct-raters can only be used with ratings"),
        (
            ("--comparisons", "comparisons.csv", "--comparison-images", "images"),
            "--comparisons can only be used with ratings",
        ),
        (("--queries", "auto"), "--queries auto can only be used with ratings"),
        (("--parent", "nobody"), "no model version in this store for 'nobody'"),
    ],
)
def test_options_that_comparisons_cannot_follow_are_one_sentence(
    here: Here, chosen: Path, options: tuple[str, ...], said: str
) -> None:
    done = here(*TRAIN, "--out", "none", *options, cwd=chosen)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("Error:") == 1
    assert not (chosen / "none").exists()


def test_chances_and_ratings_are_not_mixed_up(here: Here, chosen: Path) -> None:
    assert here(*TRAIN, "--out", "taste", cwd=chosen).returncode == 0
    write_table(chosen)
    ratings = ("ratings.csv", "--images", "images", "--group-column", "subject")
    compared = here("model", "compare", "comparisons.csv", "--images", "images", cwd=chosen)
    assert compared.returncode == 2
    assert "heads are trained on ratings" in compared.stderr
    measure = ("model", "evaluate", *ratings, "--model", "taste")
    tune = ("model", "train", *ratings, "--out", "child", "--parent", "taste")
    for command in (measure, tune):
        done = here(*command, cwd=chosen)
        assert done.returncode == 2
        assert "taste learned from comparisons alone" in done.stderr
    assert not (chosen / "child").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (10, "comparisons between 11 images, 20 are needed"),
        (1, "1 pair, 2 are needed"),
    ],
)
def test_too_few_comparisons_are_one_sentence_and_nothing_is_written(
    here: Here, chosen: Path, rows: int, said: str
) -> None:
    names = [f"creative_{i:04d}.png" for i in range(COUNT)]
    lines = ["winner,loser", *(f"{names[i]},{names[i + 1]}" for i in range(rows))]
    (chosen / "comparisons.csv").write_text("\n".join(lines))
    done = here(*TRAIN, "--out", "none", cwd=chosen)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("Error:") == 1
    assert not (chosen / "none").exists()
