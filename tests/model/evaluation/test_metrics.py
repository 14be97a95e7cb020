import numpy as np
import pytest
from scipy import stats

from abkit_model.evaluation.metrics import (
    clustered_bootstrap,
    conformal_coverage,
    conformal_half_width,
    evaluate,
    grouped_folds,
    spearman,
)


def test_folds_never_split_a_group_and_are_of_similar_size() -> None:
    groups = [f"g{i}" for i in range(60) for _ in range(i % 7 + 1)]
    folds = grouped_folds(groups, folds=5, seed=3)
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups, strict=True) if g == group}) == 1
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 7
    assert (folds == grouped_folds(groups, folds=5, seed=3)).all()
    assert (folds != grouped_folds(groups, folds=5, seed=4)).any()


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="2 groups"):
        grouped_folds(["a", "b", "b"], folds=5)


def test_correlation_with_a_constant_is_not_defined() -> None:
    assert np.isnan(spearman(np.ones(10), np.arange(10.0)))


def test_conformal_intervals_cover_new_residuals_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        residuals = np.abs(rng.standard_t(3, size=101))
        half = conformal_half_width(residuals[:100], 0.9)
        assert half is not None
        covered += residuals[100] <= half
    low, high = stats.binom.ppf([0.0005, 0.9995], 2000, 91 / 101)
    assert low <= covered <= high


def test_too_few_residuals_give_no_interval() -> None:
    assert conformal_half_width(np.ones(8), 0.9) is None
    assert conformal_coverage(np.ones(8), np.arange(8) % 2, 0.9) is None


def test_the_bootstrap_is_wider_when_images_come_in_groups() -> None:
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(size=40), 10)
    alone = clustered_bootstrap(lambda i: [values[i].mean()], [str(i) for i in range(400)])[0]
    grouped = clustered_bootstrap(lambda i: [values[i].mean()], [str(i // 10) for i in range(400)])[0]
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.low < grouped.value < grouped.high


def test_the_figures_of_an_evaluation_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    observed = rng.dirichlet(np.ones(5), size=60)
    predicted = 0.5 * observed + 0.5 * rng.dirichlet(np.ones(5), size=60)
    values = np.arange(1.0, 6.0)
    result = evaluate(predicted, observed, values, [str(i) for i in range(60)], np.arange(60) % 5, resamples=50)
    p, y = predicted @ values, observed @ values
    assert result.srcc.value == pytest.approx(stats.spearmanr(p, y).statistic)
    assert result.plcc.value == pytest.approx(stats.pearsonr(p, y).statistic)
    emd = [stats.wasserstein_distance(values, values, a, b) for a, b in zip(predicted, observed, strict=True)]
    assert result.emd.value == pytest.approx(np.mean(emd))
    assert len(result.srcc_by_fold) == 5
