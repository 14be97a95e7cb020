"""Figures of heads from predictions that were made by hand."""

import numpy as np
import pytest
import torch

from abkit_model.data.dataset import Comparisons, Examples
from abkit_model.data.tokens import Features
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.studies.compare import QUERIES, HeadFigures, Repeat, compare_heads, summarize, transfer
from abkit_model.studies.heads import Fold
from abkit_model.training.loop import fit
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

SURE, DIVIDED = [0.0, 1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0, 0.5]  # spread 0 and 2 steps, means 2 and 3
HALF = [0.0, 0.5, 0.0, 0.5, 0.0]  # spread 1, mean 3


def compared(predicted: np.ndarray, observed: np.ndarray) -> HeadFigures:
    """What a comparison says about one head, named as the queries are."""
    examples = Examples([], observed, np.arange(1.0, 6.0), [str(i) for i in range(len(observed))])
    names = (QUERIES, f"{QUERIES}, ensemble")
    repeat = Repeat(dict.fromkeys(names, predicted), {QUERIES: 1}, {QUERIES: 1.0})
    return summarize([repeat], examples, folds=5, resamples=50).heads[0]


def test_a_head_that_expects_more_dissent_than_there_is_has_a_positive_spread_bias() -> None:
    observed = np.array([SURE, HALF] * 10)
    bias = compared(np.array([HALF, DIVIDED] * 10), observed).spread_bias
    assert bias.value == pytest.approx(1)
    assert (bias.low, bias.high) == pytest.approx((1, 1))
    assert compared(observed, observed).spread_bias.value == pytest.approx(0)


def test_the_bias_is_that_of_the_mean_and_the_rank_correlation_that_of_single_images() -> None:
    observed = np.array([SURE, DIVIDED] * 10)
    figures = compared(np.array([DIVIDED, SURE] * 10), observed)
    assert figures.spread_bias.value == pytest.approx(0)
    assert figures.spread_srcc.value == pytest.approx(-1)


SMALL = Recipe(components=4)


def guess(fold: Fold) -> tuple[np.ndarray, int]:
    """A head of five members that learns nothing."""
    return np.random.default_rng(0).dirichlet(np.ones(5), size=(5, len(fold.test))), 0


def rated(sizes: list[int]) -> Examples:
    """Random tokens and ratings of subjects with so many images each."""
    rng = np.random.default_rng(0)
    rows = [(torch.randn(4, 6), torch.ones(4, dtype=torch.bool), torch.randn(8), (2, 2)) for _ in range(sum(sizes))]
    groups = [f"s{number}" for number, size in enumerate(sizes) for _ in range(size)]
    view = Features(rows, [str(i) for i in range(len(rows))])
    return Examples([view], rng.dirichlet(np.ones(5), size=len(rows)), np.arange(1.0, 6.0), groups)


@pytest.mark.parametrize("subjects", [1, 4, 5, 6])
def test_too_few_subjects_to_compare_on_is_said_with_the_number_that_is_needed(subjects: int) -> None:
    with pytest.raises(TrainingError, match=rf"^{subjects} subjects? .* 7 are needed") as caught:
        compare_heads(rated([4] * subjects), heads={"guess": guess}, recipe=SMALL, repeats=1)
    assert caught.value.hint


def test_as_many_subjects_as_are_said_to_be_needed_are_enough() -> None:
    result = compare_heads(rated([4] * 7), heads={"guess": guess}, recipe=SMALL, repeats=3, resamples=10)
    assert (result.subjects, result.n) == (7, 28)


def test_subjects_so_unequal_that_a_fold_leaves_too_few_are_refused_in_whichever_repeat_that_happens() -> None:
    sizes = [40, 40, 40, 40, *[1] * 12]
    fatal = next(seed for seed in range(50) if left(sizes, seed) < 5)
    with pytest.raises(TrainingError, match=r"16 subjects are too unequal .* leaves 4 of them, 5 are needed") as caught:
        compare_heads(rated(sizes), heads={"guess": guess}, recipe=SMALL, repeats=fatal + 1)
    assert caught.value.hint


def left(sizes: list[int], seed: int) -> int:
    """Subjects that the largest fold leaves to train on."""
    groups = np.array(rated(sizes).groups)
    fold_of = grouped_folds(groups.tolist(), seed=seed)
    return min(len(set(groups[fold_of != number])) for number in range(5))


def test_comparisons_need_as_many_subjects_as_there_are_parts_to_tune_on() -> None:
    images = rated([1] * 4)
    comparisons = Comparisons(images.views, np.array([0, 1]), np.array([2, 3]), np.array([0.0, 1.0]), np.ones(2))
    with pytest.raises(TrainingError, match=r"^4 subjects .* 5 are needed"):
        transfer(rated([4] * 4), comparisons, heads={"guess": guess}, recipe=SMALL)
    assert transfer(rated([4] * 5), comparisons, heads={"guess": guess}, recipe=SMALL, resamples=5)


def test_a_loss_that_is_not_a_number_comes_with_advice_that_can_be_followed() -> None:
    examples = rated([4] * 7)
    examples.targets[0] = np.nan
    with pytest.raises(TrainingError, match="not a number") as caught:
        fit(RatingLabels(examples), Recipe(components=4, members=1, epochs=1))
    assert "extreme values in the table" in caught.value.hint
    assert "learning rate" not in caught.value.hint
