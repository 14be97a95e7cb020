"""P(A beats B) of queries that learned from comparisons: the spread is found again, and the probabilities hold."""

import numpy as np
import pytest
import statsmodels.api as sm

from abkit_model.evaluation.pair_calibration import comparison_calibration, spread_of_comparisons

FOLDS = 5


def simulated(
    rng: np.random.Generator, *, spread: float, images: int = 300, a_fold: int = 400
) -> tuple[np.ndarray, ...]:
    """Scores, folds and pairs of images whose true quality is normal around the score; most prefer the better one."""
    scores = rng.normal(0, 1, images)
    quality = scores + rng.normal(0, spread, images)
    folds = np.arange(images) % FOLDS
    firsts, seconds = [], []
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds == fold)
        drawn = np.array([rng.choice(inside, 2, replace=False) for _ in range(a_fold)])
        firsts.append(drawn[:, 0])
        seconds.append(drawn[:, 1])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    share = np.where(quality[first] > quality[second], 0.8, 0.2)
    return scores, folds, first, second, share


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.5])
def test_the_spread_is_found_again_and_the_probabilities_hold(spread: float) -> None:
    scores, folds, first, second, share = simulated(np.random.default_rng(3), spread=spread, images=2000, a_fold=2000)
    found = comparison_calibration(scores, folds, first, second, share, resamples=200)
    assert found.error_spread == pytest.approx(spread, rel=0.1)
    assert found.overconfidence.low < 0.03
    assert found.overconfidence.high > -0.03
    assert found.ece.value < 0.05
    assert found.pairs == len(share)


def test_the_spread_is_that_of_an_independent_probit_regression() -> None:
    scores, _, first, second, share = simulated(np.random.default_rng(4), spread=1.0)
    gap = scores[first] - scores[second]
    typical = np.abs(gap).mean()  # of the pair more that went half each way
    won, gaps = np.r_[share > 0.5, 0.5], np.r_[gap, typical]
    family = sm.families.Binomial(sm.families.links.Probit())
    slope = float(sm.GLM(won, gaps, family=family).fit().params[0])
    assert spread_of_comparisons(gap, share) == pytest.approx(1 / (np.sqrt(2) * slope), rel=1e-4)


def test_comparisons_that_all_agree_with_the_scores_do_not_make_them_certain_of_everything() -> None:
    gap = np.linspace(0.5, 1.5, 39)
    spread = spread_of_comparisons(gap, np.ones(39))
    assert spread > 0.2
    assert spread_of_comparisons(gap[::8], np.ones(5)) > spread


def test_nine_of_ten_intervals_of_the_share_right_hold_the_truth() -> None:
    """Images are resampled, for pairs that share one are not independent; the truth is the mean over 100 worlds."""
    rng = np.random.default_rng(5)
    worlds = [
        comparison_calibration(*simulated(rng, spread=1.0, images=100, a_fold=60), resamples=200).right
        for _ in range(100)
    ]
    truth = np.mean([w.value for w in worlds])
    covered = sum(w.low <= truth <= w.high for w in worlds)
    assert covered >= 88  # of 95 % intervals; fewer happen once or twice in a thousand


def test_scores_that_say_nothing_give_probabilities_of_one_half_or_so() -> None:
    scores, folds, first, second, share = simulated(np.random.default_rng(6), spread=1.0)
    shuffled = np.random.default_rng(7).permutation(scores)
    found = comparison_calibration(shuffled, folds, first, second, share, resamples=50)
    assert found.error_spread > 5
    assert found.said < 0.6


def test_comparisons_that_go_against_the_scores_have_an_infinite_spread() -> None:
    gap = np.linspace(0.1, 1, 10)
    assert spread_of_comparisons(gap, np.full(10, 0.1)) == float("inf")


def test_ties_and_constant_scores_say_nothing() -> None:
    assert np.isnan(spread_of_comparisons(np.ones(4), np.full(4, 0.5)))
    assert np.isnan(spread_of_comparisons(np.zeros(4), np.full(4, 0.9)))
    scores, folds, first, second, share = simulated(np.random.default_rng(8), spread=1.0, a_fold=5)
    assert comparison_calibration(np.zeros_like(scores), folds, first, second, share) is None
