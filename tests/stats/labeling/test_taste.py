"""What labels say about a taste: against the exact posterior, and how it moves with what is answered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from abkit.stats.labeling.taste import MOST_VOTES, SLOPE, SPREADS, TYPICAL, Labels, kernel, learn_taste


def rated(image: list[int], rating: list[float], ratings: list[float]) -> Labels:
    none = np.zeros(0, dtype=np.intp)
    return Labels(
        first=none,
        second=none,
        share=np.zeros(0),
        votes=np.zeros(0),
        image=np.array(image),
        rating=np.array(rating),
        ratings=np.array(ratings),
    )


def pool(n: int, seed: int = 0) -> np.ndarray:
    return kernel(np.random.default_rng(seed).standard_normal((n, 6)))


def test_a_rating_and_a_choice_are_of_one_scale() -> None:
    # of two ratings with a standard deviation of 1 each the difference is higher than 0 with Φ(d / √2)
    d = np.linspace(-6, 6, 200)
    assert abs(expit(SLOPE * d) - ndtr(d / np.sqrt(2))).max() < 0.011


def test_without_labels_it_is_what_is_believed_beforehand() -> None:
    alike = pool(5)
    taste = learn_taste(alike, Labels.none())
    assert taste.spread == SPREADS[np.abs(np.log(SPREADS / TYPICAL)).argmin()]
    assert taste.mean == pytest.approx(np.zeros(5))
    assert taste.covariance == pytest.approx(taste.spread * alike + 1.0)


def test_ratings_give_the_exact_normal_posterior() -> None:
    alike = pool(6)
    taste = learn_taste(alike, rated([0, 3, 5], [1.0, -0.5, 0.25], [4, 2, 9]))
    prior = taste.spread * alike + 1.0
    seen, noise = [0, 3, 5], np.diag(1 / np.array([4.0, 2.0, 9.0]))
    gain = prior[:, seen] @ np.linalg.inv(prior[np.ix_(seen, seen)] + noise)
    assert taste.mean == pytest.approx(gain @ np.array([1.0, -0.5, 0.25]))
    assert taste.covariance == pytest.approx(prior - gain @ prior[seen])


def test_of_one_choice_it_is_close_to_the_posterior_by_brute_force() -> None:
    alike = np.diag([1.0, 1.0])
    taste = learn_taste(alike, Labels.of_pairs(np.array([0]), np.array([1]), np.array([1.0])))
    d = np.linspace(-8, 8, 4001)  # of the two: variance 2 · spread
    density = np.exp(-(d**2) / (4 * taste.spread)) * expit(SLOPE * d)
    mean = (density @ d) / density.sum()
    C = taste.covariance
    assert taste.mean[0] - taste.mean[1] == pytest.approx(mean, abs=0.06)
    variance = (density @ (d - mean) ** 2) / density.sum()
    assert C[0, 0] + C[1, 1] - 2 * C[0, 1] == pytest.approx(variance, rel=0.1)


def test_what_is_known_of_an_image_carries_over_to_those_like_it() -> None:
    alike = kernel(np.array([[0.0], [0.1], [5.0], [5.1]]))
    taste = learn_taste(alike, Labels.of_pairs(np.array([0]), np.array([2]), np.array([1.0])))
    assert taste.mean[1] > taste.mean[3]


def test_the_score_counts_as_far_as_labels_bear_it_out() -> None:
    rng = np.random.default_rng(3)
    score, noise = rng.standard_normal(60), rng.standard_normal((60, 200))
    i, j = rng.integers(30, size=(2, 80))
    chosen = (score[i] > score[j]).astype(float)
    other_way = learn_taste(kernel(noise, score), Labels.of_pairs(i, j, 1 - chosen)).mean[30:]
    this_way = learn_taste(kernel(noise, score), Labels.of_pairs(i, j, chosen)).mean[30:]
    assert np.corrcoef(this_way, score[30:])[0, 1] > 0.8
    assert np.corrcoef(other_way, score[30:])[0, 1] < -0.8


def test_an_outcome_of_a_billion_votes_does_not_drown_the_others() -> None:
    first, second, share = np.array([0, 1]), np.array([1, 2]), np.array([1.0, 1.0])
    tastes = [
        learn_taste(pool(3), Labels.of_pairs(first, second, share, np.array([votes, 1.0])))
        for votes in (1e9, MOST_VOTES)
    ]
    assert tastes[0].mean == pytest.approx(tastes[1].mean)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 12))
def test_labels_never_make_anything_less_known(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    alike = pool(8, seed)
    i, j = rng.integers(8, size=(2, pairs))
    labels = Labels.of_pairs(i[i != j], j[i != j], rng.random(int((i != j).sum())))
    taste = learn_taste(alike, labels)
    before = taste.spread * alike + 1.0
    assert (taste.covariance.diagonal() <= before.diagonal() + 1e-9).all()
    assert np.linalg.eigvalsh(taste.covariance).min() > -1e-9


def test_features_that_are_equal_everywhere_say_nothing() -> None:
    assert kernel(np.ones((4, 3)), np.full(4, 2.0)).tolist() == np.zeros((4, 4)).tolist()
