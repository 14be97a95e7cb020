import numpy as np
import pytest

from abkit_model.data.dataset import Comparisons
from abkit_model.data.tokens import Features
from abkit_model.evaluation.comparison_agreement import against_comparisons


def test_agreement_does_not_depend_on_which_image_of_a_pair_comes_first() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.permutation(60).reshape(2, 30)
    view = Features([()] * 60, [f"{i:064x}" for i in range(60)])
    scores = rng.normal(size=60)
    share = np.full(30, 0.3)  # the table names the loser first
    pairs = Comparisons([view], first, second, share, np.ones(30))
    turned = Comparisons([view], second, first, 1 - share, np.ones(30))
    mixed = np.arange(30) % 2 == 0
    half = Comparisons(
        [view], np.where(mixed, first, second), np.where(mixed, second, first), np.where(mixed, 0.3, 0.7), np.ones(30)
    )
    one, other, third = (against_comparisons({"a": [scores]}, p, resamples=50)[0] for p in (pairs, turned, half))
    assert one.correlation.value == pytest.approx(other.correlation.value) == pytest.approx(third.correlation.value)
    assert one.picks_winner.value == pytest.approx(third.picks_winner.value)


def test_equal_scores_pick_half_of_the_winners() -> None:
    view = Features([()] * 20, [f"{i:064x}" for i in range(20)])
    pairs = Comparisons([view], np.arange(10), np.arange(10, 20), np.linspace(0.1, 0.9, 10), np.ones(10))
    found = against_comparisons({"a": [np.ones(20)]}, pairs, resamples=50)[0]
    assert found.picks_winner.value == 0.5
    assert np.isnan(found.correlation.value)


def test_resamples_without_a_decided_pair_are_left_out_of_the_interval_without_a_warning() -> None:
    view = Features([()] * 4, [f"{i:064x}" for i in range(4)])
    pairs = Comparisons([view], np.array([0, 2]), np.array([1, 3]), np.array([0.9, 0.5]), np.ones(2))
    with np.errstate(all="raise"):
        found = against_comparisons({"a": [np.arange(4.0)]}, pairs, resamples=50)[0]
    assert (found.picks_winner.value, found.picks_winner.low, found.picks_winner.high) == (0, 0, 0)
