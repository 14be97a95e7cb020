import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from abkit.reporting.charts.scorer import head_chart
from abkit.reporting.charts.theme import save_chart
from abkit.workflows.models.compare import HeadStudy
from abkit_model.evaluation.metrics import Estimate
from abkit_model.studies.compare import FIGURES, QUERIES, HeadComparison, HeadFigures
from tests.commands.conftest import Here, quick_recipe_of
from tests.images import make_image, save_images


def figures(name: str, srcc: float, gap: tuple[float, float, float]) -> HeadFigures:
    one = Estimate(srcc, srcc - 0.05, srcc + 0.05)
    found = dict.fromkeys(FIGURES, one) | dict.fromkeys(("srcc_difference", "plcc_difference"), Estimate(*gap))
    return HeadFigures(name=name, parameters=100, seconds=1.5, **found)


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ((0.02, 0.01, 0.03), "more than it"),
        ((-0.02, -0.03, -0.01), "less than it"),
        ((0.01, -0.01, 0.03), "not significantly different from it"),
    ],
)
def test_the_verdict_claims_no_more_than_its_interval(gap: tuple[float, float, float], words: str) -> None:
    heads = (figures(f"{QUERIES}, ensemble", 0.75, (0, 0, 0)), figures("ridge", 0.74, gap))
    assert HeadStudy(HeadComparison(heads, n=100, subjects=30, folds=5, repeats=5)).verdict.endswith(words)


def test_the_chart_shows_every_head(tmp_path: Path) -> None:
    heads = (figures(f"{QUERIES}, ensemble", 0.75, (0, 0, 0)), figures("ridge", 0.74, (0.01, 0, 0.02)))
    path = save_chart(head_chart(HeadComparison(heads, 100, 30, 5, 5)), tmp_path / "heads.svg")
    assert "ridge" in path.read_text()
    assert "100 images of 30 subjects" in path.read_text()


def test_explain_writes_overlays_and_says_why_a_file_has_none(here: Here, tmp_path: Path) -> None:
    make_image(1).save(tmp_path / "ad one.png")
    (tmp_path / "text.jpg").write_text("no image")
    result = here("model", "explain", tmp_path / "ad one.png", tmp_path / "text.jpg", "--out", "o", "-f", "json")
    assert result.returncode == 0, result.stderr
    explained, rejected = json.loads(result.stdout)
    assert len(explained["overlays"]) == 1 + 4
    assert all((tmp_path / name).stat().st_size > 0 for name in explained["overlays"])
    assert rejected["status"] == "rejected"
    assert "not an image" in rejected["reason"]
    assert "emonstration" in result.stderr


def write_sevens(folder: Path) -> None:
    """Images of ten subjects, and histograms of random ratings on 1…7."""
    random = np.random.default_rng(0)
    rows = ["file,n1,n2,n3,n4,n5,n6,n7,subject"]
    for number, path in enumerate(save_images(folder / "images", 40, size=(64, 64))):
        rows.append(",".join([path.name, *map(str, random.integers(0, 9, 7)), f"s{number % 10}"]))
    (folder / "ratings.csv").write_text("\n".join(rows))


LITE = ("--encoder", "bundled:efficientnet-lite0")
TABLE = ("ratings.csv", "--images", "images", "--group-column", "subject")
WORK = {
    "train": ("model", "train", *TABLE, *LITE, "--out", "new"),
    "evaluate": ("model", "evaluate", *TABLE),
    "compare": ("model", "compare", *TABLE, *LITE, "--repeats", "1"),
}


@pytest.mark.parametrize("what", WORK)
def test_the_settings_limit_what_is_kept_of_the_encoder(
    here: Here, quick_workspace: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    from abkit_model.studies import compare, heads

    quick_recipe_of(monkeypatch, members=1, epochs=1)
    monkeypatch.setattr(compare, "HEADS", {"ridge": heads.ridge, QUERIES: heads.ridge})
    write_sevens(quick_workspace)
    tokens = quick_workspace / ".abkit" / "cache" / "tokens"
    for megabytes in (0, 1):
        (quick_workspace / "abkit.toml").write_text(f"[scoring]\ntoken_cache_mb = {megabytes}\n")
        done = here(*(f"{a}{megabytes}" if a == "new" else a for a in WORK[what]), cwd=quick_workspace)
        assert done.returncode == 0, done.stderr
        kept = [path.stat().st_size for path in tokens.rglob("*.tokens")]
        assert bool(kept) == bool(megabytes)
        assert sum(kept) <= megabytes * 2**20


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ("new/x.pdf", "x.pdf: a chart cannot be written as '.pdf'"),
        ("x", "a file without an ending"),
        ("ratings.csv/x.svg", "ratings.csv/x.svg: cannot be written"),
        ("folder.svg", "folder.svg: cannot be written"),
    ],
)
def test_a_chart_that_could_not_be_saved_is_refused_before_the_work(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chart: str, said: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr("abkit.workflows.models.compare.compare", refuse)
    (tmp_path / "ratings.csv").write_text("file,n1,n2\n")
    (tmp_path / "folder.svg").mkdir()
    result = here("model", "compare", *TABLE, *LITE, "--chart", chart)
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("Error:") == 1
    assert not (tmp_path / "new").exists()


def test_ratings_with_other_column_names_are_asked_about_once_and_the_command_works(
    here: Here, quick_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit_model.studies import compare, heads

    monkeypatch.setattr(compare, "HEADS", {"ridge": heads.ridge, QUERIES: heads.ridge})
    rows = [f"{path.name},a word,{1 + i % 7}" for i, path in enumerate(save_images(quick_workspace / "my ads", 30))]
    (quick_workspace / "stars.csv").write_text("\n".join(["picture,note,stars", *rows]))
    table = ("stars.csv", "--images", "my ads", "--scale", "1..7")
    asked = (("evaluate", "--checkpoint", "checkpoint"), ("compare", *LITE, "--repeats", "1"))
    for study, *options in asked:
        refused = here("model", study, *table, *options, cwd=quick_workspace)
        assert refused.returncode == 1
        command = shlex.split(refused.stderr[refused.stderr.index(f"abkit model {study} stars.csv") :])
        assert command[-4:] == ["--map", "picture=image", "--map", "stars=mean"]
        assert set(options) < set(command)
        done = here(*command[1:], "-f", "json", cwd=quick_workspace)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["n"] == 30
        other = here("model", study, *table, *options, "--map", "stars=appeal", cwd=quick_workspace)
        assert other.returncode == 2
        assert "--map names fields that ratings do not have: appeal" in other.stderr
