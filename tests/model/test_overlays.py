"""What is drawn and said about a map."""

import numpy as np
import pytest

from abkit_model.overlays import describe, overlay, sheet
from abkit_model.scorer import Scorer
from tests.model.conftest import photograph


def test_an_overlay_is_as_large_as_its_image(scorer: Scorer) -> None:
    image = photograph(3, 211, 97)
    prepared = scorer.prepare(image)
    down, across = scorer.encode([prepared]).grid[0]
    heat = np.zeros((down, across))
    heat[0, 0], heat[-1, -1] = 1, -1
    drawn = np.asarray(overlay(image, prepared, heat, signed=True)).astype(int)
    assert drawn.shape == (97, 211, 3)
    assert drawn[5, 5, 0] > drawn[5, 5, 2]  # orange where it raises the score
    assert drawn[-5, -5, 2] > drawn[-5, -5, 0]  # blue where it lowers it


@pytest.mark.parametrize("size", [(211, 97), (40, 900), (1000, 1000)])
def test_a_sheet_shows_original_and_overlay_side_by_side_with_a_legend(size: tuple[int, int]) -> None:
    image = photograph(3, *size)
    drawn = sheet(image, photograph(4, *size), "Without the top left the score would be lower. " * 4, signed=True)
    pixels = np.asarray(drawn).astype(int)
    half = round(480 * size[0] / max(size))
    high = round(480 * size[1] / max(size))
    first, second = pixels[16 : 16 + high, 16 : 16 + half], pixels[16 : 16 + high, 32 + half : 32 + 2 * half]
    assert np.abs(first - np.asarray(image.resize((half, high), 1))).mean() < 2
    assert np.abs(second - np.asarray(photograph(4, *size).resize((half, high), 1))).mean() < 2
    below = pixels[32 + high :]
    assert (below == (230, 97, 1)).all(axis=-1).any(), "the legend has the color that raises"
    assert (below == (33, 102, 172)).all(axis=-1).any(), "and the one that lowers"
    assert (below[40:] < 100).all(axis=-1).any(), "the sentence is there"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((0, 2), 0.1, "Without the top right the score would be about 0.40 rating steps lower; no area lowers it."),
        ((1, 1), -0.1, "Without the center the score would be about 0.40 rating steps higher; no area raises it."),
        ((2, 1), 0.001, "No area matters by itself"),
    ],
)
def test_the_sentence_names_the_area_that_matters_most(place: tuple[int, int], value: float, said: str) -> None:
    heat = np.zeros((6, 6))
    heat[2 * place[0] : 2 * place[0] + 2, 2 * place[1] : 2 * place[1] + 2] = value
    assert describe(heat).startswith(said)


def test_an_image_of_one_row_of_cells_has_a_sentence_too() -> None:
    assert describe(np.array([[0.0, 0.3]])).startswith("Without the")
