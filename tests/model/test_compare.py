"""Figures of heads from predictions that were made by hand."""

import numpy as np
import pytest

from abkit_model.compare import QUERIES, HeadFigures, Repeat, summarise
from abkit_model.dataset import Examples

SURE, DIVIDED = [0.0, 1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0, 0.5]  # spread 0 and 2 steps, means 2 and 3
HALF = [0.0, 0.5, 0.0, 0.5, 0.0]  # spread 1, mean 3


def compared(predicted: np.ndarray, observed: np.ndarray) -> HeadFigures:
    """What a comparison says about one head, named as the queries are."""
    examples = Examples([], observed, np.arange(1.0, 6.0), [str(i) for i in range(len(observed))])
    names = (QUERIES, f"{QUERIES}, ensemble")
    repeat = Repeat(dict.fromkeys(names, predicted), {QUERIES: 1}, {QUERIES: 1.0})
    return summarise([repeat], examples, folds=5, resamples=50).heads[0]


def test_a_head_that_expects_more_dissent_than_there_is_has_a_positive_spread_bias() -> None:
    observed = np.array([SURE, HALF] * 10)
    bias = compared(np.array([HALF, DIVIDED] * 10), observed).spread_bias
    assert bias.value == pytest.approx(1)
    assert (bias.low, bias.high) == pytest.approx((1, 1))
    assert compared(observed, observed).spread_bias.value == pytest.approx(0)


def test_the_bias_is_that_of_the_mean_and_the_rank_correlation_that_of_single_pictures() -> None:
    observed = np.array([SURE, DIVIDED] * 10)
    figures = compared(np.array([DIVIDED, SURE] * 10), observed)
    assert figures.spread_bias.value == pytest.approx(0)
    assert figures.spread_srcc.value == pytest.approx(-1)
