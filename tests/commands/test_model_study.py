import json
from pathlib import Path

import pytest

from abkit.commands.model_study import verdict
from abkit.reporting.head_chart import head_chart
from abkit.reporting.theme import save_chart
from abkit_model.compare import QUERIES, Comparison, HeadFigures
from abkit_model.evaluation import Estimate
from tests.conftest import Abkit
from tests.pictures import picture


def figures(name: str, srcc: float, gap: tuple[float, float, float]) -> HeadFigures:
    one = Estimate(srcc, srcc - 0.05, srcc + 0.05)
    return HeadFigures(name, 100, 1.5, one, one, one, one, one, one, Estimate(*gap), Estimate(*gap))


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ((0.02, 0.01, 0.03), "more than it"),
        ((-0.02, -0.03, -0.01), "less than it"),
        ((0.01, -0.01, 0.03), "not surely different from it"),
    ],
)
def test_the_verdict_claims_no_more_than_its_interval(gap: tuple[float, float, float], words: str) -> None:
    heads = (figures(f"{QUERIES}, ensemble", 0.75, (0, 0, 0)), figures("ridge", 0.74, gap))
    assert verdict(Comparison(heads, n=100, subjects=30, folds=5, repeats=5)).endswith(words)


def test_the_chart_shows_every_head(tmp_path: Path) -> None:
    heads = (figures(f"{QUERIES}, ensemble", 0.75, (0, 0, 0)), figures("ridge", 0.74, (0.01, 0, 0.02)))
    path = save_chart(head_chart(Comparison(heads, 100, 30, 5, 5)), tmp_path / "heads.svg")
    assert "ridge" in path.read_text()
    assert "100 pictures of 30 subjects" in path.read_text()


def test_explain_writes_overlays_and_says_why_a_file_has_none(abkit: Abkit, tmp_path: Path) -> None:
    picture(1).save(tmp_path / "ad one.png")
    (tmp_path / "text.jpg").write_text("no picture")
    result = abkit("model", "explain", tmp_path / "ad one.png", tmp_path / "text.jpg", "--out", "o", "-f", "json")
    assert result.returncode == 0, result.stderr
    explained, rejected = json.loads(result.stdout)
    assert len(explained["overlays"]) == 1 + 4
    assert all((tmp_path / name).stat().st_size > 0 for name in explained["overlays"])
    assert rejected["status"] == "rejected"
    assert "not an image" in rejected["reason"]
    assert "emonstration" in result.stderr
