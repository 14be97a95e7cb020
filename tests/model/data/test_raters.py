import numpy as np
import pytest
from scipy import stats

from abkit_model.data.raters import (
    agreement,
    agreement_interval,
    corrected_distributions,
    rater_model,
    ratings_needed,
    spread_over_bins,
)


def votes(seed: int = 0, items: int = 80, raters: int = 30, share: float = 0.6):
    rng = np.random.default_rng(seed)
    truth, bias = rng.normal(4, 1, items), rng.normal(0, 0.8, raters)
    noise = rng.choice([0.4, 2.0], raters)
    item, rater = np.nonzero(rng.random((items, raters)) < share)
    return truth, bias - bias.mean(), noise, item, rater, truth[item] + bias[rater] + rng.normal(0, noise[rater])


def test_it_finds_bias_and_consistency_of_raters() -> None:
    _, bias, noise, item, rater, score = votes()
    model = rater_model(item, rater, score)
    assert np.corrcoef(model.bias, bias)[0, 1] > 0.95
    assert (model.noise[noise == 0.4] < model.noise[noise == 2.0].min()).all()


def test_corrected_means_are_nearer_to_the_truth_than_plain_ones() -> None:
    for seed in range(5):
        truth, _, _, item, rater, score = votes(seed)
        plain = np.bincount(item, score) / np.bincount(item)
        corrected = rater_model(item, rater, score).truth
        assert stats.pearsonr(corrected, truth).statistic > stats.pearsonr(plain, truth).statistic


def test_standard_errors_of_the_truth_are_right_on_average() -> None:
    errors = []
    for seed in range(20):
        truth, _, _, item, rater, score = votes(seed)
        model = rater_model(item, rater, score)
        shift = np.mean(model.truth - truth)  # bias and truth share one free constant
        errors.append((model.truth - shift - truth) / model.truth_se)
    assert 0.85 < np.std(errors) < 1.25


def test_agreement_matches_the_pairwise_definition_of_alpha() -> None:
    rng = np.random.default_rng(3)
    item = np.repeat(np.arange(12), rng.integers(1, 6, 12))
    score = rng.integers(1, 6, len(item)).astype(float)
    rater = np.arange(len(item))
    kept = [score[item == i] for i in range(12) if (item == i).sum() >= 2]
    everything = np.concatenate(kept)
    n = len(everything)
    observed = sum(((a[:, None] - a[None, :]) ** 2).sum() / (len(a) - 1) for a in kept) / n
    expected = ((everything[:, None] - everything[None, :]) ** 2).sum() / (n * (n - 1))
    assert agreement(item, rater, score).alpha == pytest.approx(1 - observed / expected)


def test_icc_matches_one_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(4)
    table = rng.normal(0, 1, 20)[:, None] + rng.normal(0, 1, (20, 5))
    item, rater = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)
    result = agreement(item, rater, table.ravel())
    f = stats.f_oneway(*table).statistic
    assert result.icc_single == pytest.approx((f - 1) / (f + 4))
    assert result.icc_mean == pytest.approx(1 - 1 / f)


def test_one_vote_each_says_nothing_about_agreement() -> None:
    assert np.isnan(agreement(np.arange(5), np.arange(5), np.arange(5.0)).alpha)


def test_ratings_needed_follow_spearman_and_brown() -> None:
    k = ratings_needed(0.15, 0.88)
    assert k * 0.15 / (1 + (k - 1) * 0.15) >= 0.88 > (k - 1) * 0.15 / (1 + (k - 2) * 0.15)
    with pytest.raises(ValueError, match="no number of ratings"):
        ratings_needed(-0.1, 0.9)


def test_shrunk_biases_are_better_where_raters_gave_a_handful_of_votes() -> None:
    errors = []
    for seed in range(15):
        truth, _, _, item, rater, score = votes(seed, items=200, raters=400, share=0.015)
        kept = np.unique(item)
        item, rater = (np.unique(v, return_inverse=True)[1] for v in (item, rater))
        found = [rater_model(item, rater, score, shrink_bias=shrink).truth for shrink in (True, False)]
        found.append(np.bincount(item, score) / np.bincount(item))
        errors.append([np.std(means - truth[kept]) for means in found])
    shrunk, plain_p910, means = np.mean(errors, axis=0)
    assert shrunk < 0.95 * plain_p910 < 0.95 * means


def test_shrinking_leaves_raters_of_many_votes_alone() -> None:
    _, _, _, item, rater, score = votes(items=400)
    plain, shrunk = (rater_model(item, rater, score, shrink_bias=shrink).bias for shrink in (False, True))
    assert shrunk == pytest.approx(plain, abs=0.05)


def test_corrected_distributions_are_valid_and_their_means_are_the_truths_within_the_scale() -> None:
    truth, _, _, item, rater, score = votes(share=0.9)
    values = np.arange(-5.0, 14.0)  # so wide that nothing is cut
    model = rater_model(item, rater, score)
    corrected = corrected_distributions(item, rater, score, model, values)
    assert corrected.shape == (len(truth), len(values))
    assert corrected.min() >= 0
    assert corrected.sum(axis=1) == pytest.approx(1)
    assert corrected @ values == pytest.approx(model.truth, abs=1e-5)
    narrow = corrected_distributions(item, rater, score, model, np.arange(1.0, 8.0))
    assert narrow.sum(axis=1) == pytest.approx(1)


def test_votes_on_bins_stay_there_and_count_as_often_as_they_weigh() -> None:
    item, score, weight = np.array([0, 0, 0, 1]), np.array([1.0, 3.0, 9.0, 2.5]), np.array([1.0, 2.0, 1.0, 5.0])
    spread = spread_over_bins(item, score, weight, np.array([1.0, 2.0, 3.0, 4.0]))
    assert spread.tolist() == [[0.25, 0, 0.5, 0.25], [0, 0.5, 0.5, 0]]


def test_intervals_of_agreement_cover_the_truth_as_often_as_they_say() -> None:
    covered, single = 0, 0.5  # as much variance between images as within
    for seed in range(60):
        rng = np.random.default_rng(seed)
        item = np.repeat(np.arange(150), rng.integers(2, 7, 150))
        score = rng.normal(size=150)[item] + rng.normal(size=len(item))
        interval = agreement_interval(item, score, resamples=200, seed=seed)
        covered += interval.icc_single[0] <= single <= interval.icc_single[1]
        assert interval.alpha[0] <= agreement(item, np.arange(len(item)), score).alpha <= interval.alpha[1]
    assert 51 <= covered <= 60
