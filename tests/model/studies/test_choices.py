import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit

from abkit_model.data.dataset import Preferences
from abkit_model.data.tokens import Features
from abkit_model.errors import LabelError
from abkit_model.evaluation.comparison_agreement import against_choices
from abkit_model.studies.choices import bradley_terry, fit_preferences


def choices(seed: int, items: int = 30, pairs: int = 300):
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=items)
    first = rng.integers(items, size=pairs)
    second = (first + rng.integers(1, items, size=pairs)) % items
    wins = rng.binomial(20, expit(strength[first] - strength[second])) / 20
    return strength, first, second, wins, np.full(pairs, 20.0)


def test_strengths_are_those_of_logistic_regression() -> None:
    _, first, second, wins, weight = choices(0)
    ours = bradley_terry(first, second, wins, weight, 30, prior_sd=1e3).strength
    design = np.zeros((300, 30))
    design[np.arange(300), first], design[np.arange(300), second] = 1, -1
    theirs = sm.GLM(wins, design[:, 1:], sm.families.Binomial(), var_weights=weight).fit().params
    theirs = np.concatenate([[0.0], theirs])
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-3)


def test_strengths_and_their_errors_are_honest() -> None:
    z = []
    for seed in range(10):
        strength, first, second, wins, weight = choices(seed)
        fit = bradley_terry(first, second, wins, weight, 30)
        z.append((fit.strength - strength + strength.mean()) / fit.se)
    assert 0.8 < np.std(z) < 1.15


def test_a_picture_that_always_won_has_a_finite_strength() -> None:
    fit = bradley_terry(np.array([0, 0]), np.array([1, 2]), np.ones(2), np.full(2, 50.0), 4)
    assert np.isfinite(fit.strength).all()
    assert fit.strength[0] > fit.strength[3] > fit.strength[1]


def test_impossible_choices_are_refused() -> None:
    one, two = np.array([0]), np.array([1])
    for arguments in [(one, two, [1.5], [1.0]), (one, two, [0.5], [-1.0]), (one, one, [0.5], [1.0])]:
        first, second, wins, weight = arguments
        with pytest.raises(LabelError):
            bradley_terry(first, second, np.array(wins), np.array(weight), 2)


def test_preferences_are_learned_from_score_differences() -> None:
    rng = np.random.default_rng(1)
    X, direction = rng.normal(size=(200, 50)), rng.normal(size=50)
    first, second = rng.permutation(200), rng.permutation(200)
    keep = first != second
    first, second = first[keep], second[keep]
    wins = expit((X[first] - X[second]) @ direction)
    learned = fit_preferences(X, first, second, wins, np.ones(len(first)), penalty=0.02)
    fresh = rng.normal(size=(500, 50))
    assert stats.spearmanr(fresh @ learned, fresh @ direction).statistic > 0.9
    # at the optimum of the penalised likelihood the gradient vanishes
    difference = X[first] - X[second]
    gradient = difference.T @ (wins - expit(difference @ learned)) - 0.02 * 50 * learned
    assert np.abs(gradient).max() < 1e-6


def test_agreement_does_not_depend_on_which_picture_of_a_pair_comes_first() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.permutation(60).reshape(2, 30)
    view = Features([()] * 60, [f"{i:064x}" for i in range(60)])
    scores = rng.normal(size=60)
    share = np.full(30, 0.3)  # the table names the loser first
    pairs = Preferences([view], first, second, share, np.ones(30))
    turned = Preferences([view], second, first, 1 - share, np.ones(30))
    mixed = np.arange(30) % 2 == 0
    half = Preferences(
        [view], np.where(mixed, first, second), np.where(mixed, second, first), np.where(mixed, 0.3, 0.7), np.ones(30)
    )
    one, other, third = (against_choices({"a": [scores]}, p, 50)[0] for p in (pairs, turned, half))
    assert one.correlation.value == pytest.approx(other.correlation.value) == pytest.approx(third.correlation.value)
    assert one.picks_winner.value == pytest.approx(third.picks_winner.value)


def test_equal_scores_pick_half_of_the_winners() -> None:
    view = Features([()] * 20, [f"{i:064x}" for i in range(20)])
    pairs = Preferences([view], np.arange(10), np.arange(10, 20), np.linspace(0.1, 0.9, 10), np.ones(10))
    found = against_choices({"a": [np.ones(20)]}, pairs, 50)[0]
    assert found.picks_winner.value == 0.5
    assert np.isnan(found.correlation.value)
