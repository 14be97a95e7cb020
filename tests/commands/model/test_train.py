"""`abkit model train`: number of queries, parents and segments, correction of raters; bad labels are one sentence."""

import functools
import json
import shlex
from pathlib import Path

import pytest

from tests.commands.conftest import Here, quick_recipe_of
from tests.commands.model.test_commands import COUNT, write_table
from tests.images import save_images

LITE = ("--encoder", "bundled:efficientnet-lite0")
TRAIN = ("model", "train", "ratings.csv", "--images", "images", "--group-column", "subject", *LITE)


@pytest.fixture
def quick_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training that is over at once: what it learns does not matter here."""
    quick_recipe_of(monkeypatch, members=1, epochs=1)


@pytest.mark.usefixtures("quick_recipe")
def test_auto_shows_the_curve_of_srcc_by_queries_and_how_differently_they_look(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit_model.training import pipeline

    few = functools.partial(pipeline.choose_queries, candidates=(1, 2), folds=2)
    monkeypatch.setattr(pipeline, "choose_queries", few)
    write_table(tmp_path)
    done = here(*TRAIN, "--out", "auto", "--queries", "auto", "-f", "json")
    assert done.returncode == 0, done.stderr
    figures = {row["figure"]: row for row in json.loads(done.stdout)}
    curve = {name: row for name, row in figures.items() if name.startswith("srcc_of_")}
    assert set(curve) == {"srcc_of_1_queries", "srcc_of_2_queries"}
    assert all(row["ci_low"] <= row["estimate"] <= row["ci_high"] for row in curve.values())
    assert f"srcc_of_{figures['queries']['estimate']}_queries" in curve
    assert "query_diversity" in figures
    assert "within one standard error" in done.stderr


@pytest.mark.usefixtures("quick_recipe")
def test_ratings_with_other_column_names_are_asked_about_once_and_the_command_works(here: Here, tmp_path: Path) -> None:
    rows = [f"{path.name},a word,{1 + i % 5}" for i, path in enumerate(save_images(tmp_path / "my images", 30))]
    (tmp_path / "stars.csv").write_text("\n".join(["picture,note,stars", *rows]))
    refused = here("model", "train", "stars.csv", "--images", "my images", "--out", "ours", *LITE, "--seed", "2")
    assert refused.returncode == 1
    command = shlex.split(refused.stderr[refused.stderr.index("abkit model train") :])
    assert command[-4:] == ["--map", "picture=image", "--map", "stars=mean"]
    done = here(*command[1:], "-f", "json")
    assert done.returncode == 0, done.stderr
    assert "no column says how many ratings are behind 'stars': each counts as 2" in done.stderr
    card = json.loads((tmp_path / "ours" / "card.json").read_text())
    assert (card["encoder"], card["training"]["seed"], card["data"]["images"]) == (LITE[1], 2, 30)


def test_fields_of_ratings_and_of_outcomes_in_one_command_are_refused(here: Here, tmp_path: Path) -> None:
    write_table(tmp_path)
    refused = here(*TRAIN, "--out", "ours", "--map", "n1=score", "--map", "n2=campaign")
    assert refused.returncode == 2
    assert "--map names fields of ratings and of outcomes" in refused.stderr


def test_a_segment_with_too_few_images_keeps_the_global_queries(here: Here, quick_workspace: Path) -> None:
    write_table(quick_workspace, steps=7)
    segment = ("--out", "games", "--parent", "active", "--segment", "games", "-f", "json")
    result = here(*TRAIN, *segment, cwd=quick_workspace)
    assert result.returncode == 0, result.stderr
    rows = {row["figure"]: row for row in json.loads(result.stdout)}
    assert (rows["images"]["found"], rows["images"]["needed"]) == (COUNT, 100)
    assert rows["subjects"]["decision"] == "insufficient_data"
    assert "not enough data for segment games" in result.stderr
    assert "the global queries stay" in result.stderr
    assert not (quick_workspace / "games").exists()
    (version,) = json.loads(here("model", "list", "-f", "json", cwd=quick_workspace).stdout)
    assert version["active_for"] == "all"


def test_a_parent_that_is_not_there_is_one_sentence(here: Here, quick_workspace: Path) -> None:
    write_table(quick_workspace)
    for options, said in [
        (("--parent", "nobody"), "no model version in this store for 'nobody'"),
        (("--parent", "champion", "--queries", "2"), "keep their number"),
        (("--queries", "many"), "neither auto nor a number"),
        (("--queries", "0"), "neither auto nor a number"),
    ]:
        result = here(*TRAIN, "--out", "none", *options, cwd=quick_workspace)
        assert result.returncode == 2
        assert said in result.stderr
        assert result.stderr.count("Error:") == 1
    assert not (quick_workspace / "none").exists()


def votes(folder: Path, rows: list[str]) -> None:
    write_table(folder)
    (folder / "ratings.csv").write_text("\n".join(["rater,image,score,subject", *rows]))


def good_votes(raters: int = 3) -> list[str]:
    return [
        f"r{r},creative_{i:04d}.png,{min(5, 1 + i // 10 + r % 2)},s{i // 2}"
        for i in range(COUNT)
        for r in range(raters)
    ]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (good_votes(1), (), "all 40 ratings are by one rater"),
        (["r0,creative_0000.png,9,s"] * 30, ("--scale", "1..5"), "the score 9 is outside 1 to 5"),
        ([f"r{r},creative_{i:04d}.png,3,s" for i in range(COUNT) for r in (0, 1)], (), "the same mean rating"),
        ([row.replace("creative", "absent") for row in good_votes()], (), "0 of 40 rated images are usable"),
        ([f"r{i},creative_{i:04d}.png,3,s" for i in range(COUNT)], (), "has 1 vote; 2 are needed"),
        (good_votes()[:3] * 30, (), "the same rater voted on creative_0000.png before"),
    ],
    ids=["one rater", "out of range", "constant", "missing images", "one vote each", "duplicates"],
)
def test_labels_that_teach_nothing_are_one_sentence_and_nothing_is_written(
    here: Here, tmp_path: Path, rows: list[str], options: tuple[str, ...], said: str
) -> None:
    votes(tmp_path, rows)
    result = here(*TRAIN, "--out", "m", *options)
    assert result.returncode == 1
    assert result.stderr.count("Error:") == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.usefixtures("quick_recipe")
def test_some_bad_votes_are_named_and_the_others_train_with_raters_corrected(here: Here, tmp_path: Path) -> None:
    bad = ["r0,creative_0000.png,1,s0", "r9,creative_0001.png,7,s0", "r0,absent.png,3,x", "r1,absent.png,3,x"]
    votes(tmp_path, [*good_votes(), *bad, "r0,lonely.png,3,y"])
    result = here(*TRAIN, "--out", "m", "--scale", "1..5", "--queries", "1", "--correct-raters")
    assert result.returncode == 0, result.stderr
    assert "3 rows could not be used, the first: 122: the same rater voted on creative_0000.png before" in result.stderr
    assert "1 image could not be used, the first: absent.png" in result.stderr
    assert json.loads((tmp_path / "m" / "card.json").read_text())["data"]["raters_corrected"] is True


def test_raters_cannot_be_corrected_where_nobody_is_named(here: Here, tmp_path: Path) -> None:
    write_table(tmp_path)
    result = here(*TRAIN, "--out", "m", "--correct-raters")
    assert result.returncode == 1
    assert "does not say who rated" in result.stderr
