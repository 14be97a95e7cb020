import numpy as np
import pytest

from abkit_model.explain import METHODS, blurred, explain, faithfulness, overlay, score_map
from abkit_model.scorer import Scorer
from tests.model.conftest import photograph


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_one_figure_a_cell(scorer: Scorer, method: str) -> None:
    prepared = scorer.prepare(photograph(0, 300, 150))
    heat = score_map(scorer, prepared, method)
    assert heat.shape == scorer.encode([prepared]).grid[0]
    assert np.isfinite(heat).all()
    assert np.abs(heat).max() > 0


def test_maps_of_queries_are_shares_of_attention(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(1))
    found = explain(scorer, prepared)
    assert found.queries.shape == (3, 4, *found.score.shape)
    totals = found.queries.sum(axis=(2, 3))
    assert ((np.abs(totals - 1) < 1e-6) | (totals == 0)).all()
    assert scorer.network.members[0].queries.requires_grad is False


def test_explaining_leaves_scores_as_they_were(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(2))
    before = scorer.score([prepared])[0].mean
    explain(scorer, prepared)
    assert scorer.score([prepared])[0].mean == before


def test_an_overlay_is_as_large_as_its_picture(scorer: Scorer) -> None:
    picture = photograph(3, 211, 97)
    prepared = scorer.prepare(picture)
    down, across = scorer.encode([prepared]).grid[0]
    heat = np.zeros((down, across))
    heat[0, 0], heat[-1, -1] = 1, -1
    drawn = np.asarray(overlay(picture, prepared, heat, signed=True)).astype(int)
    assert drawn.shape == (97, 211, 3)
    assert drawn[5, 5, 0] > drawn[5, 5, 2]  # orange where it raises the score
    assert drawn[-5, -5, 2] > drawn[-5, -5, 0]  # blue where it lowers it


def test_faithfulness_compares_every_method_with_random_maps(scorer: Scorer) -> None:
    rows = faithfulness(scorer, [scorer.prepare(photograph(4))], methods=["attention"], steps=2)
    assert [row.method for row in rows] == ["attention", "random"]
    assert all(row.deletion >= 0 and row.insertion >= 0 and row.n == 1 for row in rows)
    assert rows[-1].deletion_beats_random == 0


def test_blurring_takes_the_content_away_and_keeps_the_canvas(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(5))
    assert blurred(prepared).shape == prepared.shape
    assert blurred(prepared).pixels.std() < 0.7 * prepared.pixels.std()
