import numpy as np
import pytest
from PIL import Image

from abkit_model.explain import (
    METHODS,
    attention_maps,
    blurred,
    explain,
    occlude,
    score_map,
    score_occlusion,
    with_cells_of,
    with_random_queries,
)
from abkit_model.scorer import Scorer
from tests.model.conftest import photograph


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_one_figure_a_cell(scorer: Scorer, method: str) -> None:
    prepared = scorer.prepare(photograph(0, 300, 150))
    heat = score_map(scorer, prepared, method)
    assert heat.shape == scorer.encode([prepared]).grid[0]
    assert np.isfinite(heat).all()
    assert np.abs(heat).max() > 0


@pytest.mark.parametrize("method", METHODS)
def test_flat_areas_as_in_adverts_leave_no_hole_in_a_map(scorer: Scorer, method: str) -> None:
    advert = Image.new("RGB", (320, 320), "white")
    advert.paste(photograph(2, 120, 120), (180, 180))
    assert np.isfinite(score_map(scorer, scorer.prepare(advert), method)).all()


def test_there_is_one_map_for_the_score_and_one_for_each_query_of_each_set(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(1))
    found = explain(scorer, prepared)
    assert found.score.shape == scorer.encode([prepared]).grid[0]
    assert found.queries.shape == (3, 4, *found.score.shape)
    totals = found.queries.sum(axis=(2, 3))
    assert (found.queries >= 0).all()
    assert ((np.abs(totals - 1) < 1e-6) | (totals == 0)).all()
    assert totals.max() > 0
    assert found.cell * found.score.shape[0] == prepared.pixels.shape[0]
    assert scorer.network.members[0].queries.requires_grad is False


@pytest.mark.parametrize("method", ["attention", "gradient", "relevance"])
def test_maps_of_attention_are_shares(scorer: Scorer, method: str) -> None:
    maps = attention_maps(scorer, scorer.encode([scorer.prepare(photograph(1))]), 0, method)
    totals = maps.sum(axis=1)
    assert (maps >= 0).all()
    assert ((np.abs(totals - 1) < 1e-6) | (totals == 0)).all()


def test_the_effects_of_the_windows_are_dealt_to_their_cells(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(6, 300, 150))
    occluded = occlude(scorer, prepared)
    means = np.array([score.mean for score in scorer.score_tokens(occluded.encoded)])
    expected = np.zeros(occluded.windows.shape[1:])
    for row, column in np.ndindex(expected.shape):
        covering = [k for k, window in enumerate(occluded.windows) if window[row, column]]
        expected[row, column] = np.mean([(means[0] - means[k + 1]) / occluded.windows[k].sum() for k in covering])
    np.testing.assert_allclose(score_occlusion(scorer, occluded), expected, atol=1e-12)


def test_an_area_that_is_a_blur_already_has_no_effect(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(7))
    nothing = blurred(blurred(blurred(prepared)))
    sharp = np.abs(score_map(scorer, prepared, "occlusion")).max()
    assert np.abs(score_map(scorer, nothing, "occlusion")).max() < 0.5 * sharp


def test_explaining_leaves_scores_as_they_were(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(2))
    before = scorer.score_prepared([prepared])[0].mean
    explain(scorer, prepared)
    for method in METHODS:
        score_map(scorer, prepared, method)
    assert scorer.score_prepared([prepared])[0].mean == before


def test_a_scorer_with_random_queries_says_something_else_and_leaves_its_model_alone(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(2))
    before = scorer.score_prepared([prepared])[0]
    one, same, another = (with_random_queries(scorer, seed).score_prepared([prepared])[0] for seed in (1, 1, 2))
    assert one.query_activations == same.query_activations
    assert one.query_activations != another.query_activations
    assert one.query_activations != before.query_activations
    after = scorer.score_prepared([prepared])[0]
    assert (after.mean, after.query_activations) == (before.mean, before.query_activations)


def test_pixels_change_in_the_cells_that_are_named_and_nowhere_else(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(5))
    cells = np.zeros([side // 32 for side in prepared.shape])
    cells[1, 2] = 1
    changed = (with_cells_of(prepared, blurred(prepared), cells).pixels != prepared.pixels).any(axis=-1)
    assert changed[32:64, 64:96].mean() > 0.9
    changed[32:64, 64:96] = False
    assert not changed.any()


def test_blurring_takes_the_content_away_and_keeps_the_canvas(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(5))
    assert blurred(prepared).shape == prepared.shape
    assert blurred(prepared).pixels.std() < 0.7 * prepared.pixels.std()
