import numpy as np
import pytest
from scipy import stats

from abkit_model.studies.query_activity import MIN_IMAGES, query_report

VALUES = np.arange(1.0, 8.0)


def some(n: int = 40, queries: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations and distributions that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, [0.1, 0.2, 0.3, 0.4][:queries], (n, queries)), rng.dirichlet(np.ones(7), n)


def test_the_images_at_both_ends_are_those_with_the_highest_and_lowest_activation() -> None:
    activations, distributions = some()
    report = query_report(activations, distributions, VALUES, members=2, top=3)
    assert [(query.member, query.number) for query in report.queries] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for place, query in enumerate(report.queries):
        order = np.argsort(activations[:, place])
        assert query.most == tuple(order[::-1][:3])
        assert query.least == tuple(order[:3])


def test_no_image_stands_at_both_ends() -> None:
    activations, distributions = some(n=9)
    for query in query_report(activations, distributions, VALUES, members=1, top=12).queries:
        assert not set(query.most) & set(query.least)


def test_an_effect_is_what_the_tilt_does_to_the_mean_opinion() -> None:
    # Tilt distributions by hand, with a small activation, and see by how much their means really move.
    _, distributions = some(n=500)
    tilt = (np.arange(7) - 3) / np.arange(7).std(ddof=1)
    activations = np.random.default_rng(1).normal(0, 1e-3, (500, 1))
    tilted = distributions * np.exp(activations * tilt)
    moved = (tilted / tilted.sum(axis=1, keepdims=True)) @ VALUES - distributions @ VALUES
    report = query_report(activations, distributions, VALUES, members=1, resamples=50)
    assert report.queries[0].effect.value == pytest.approx(moved.std(), rel=0.02)
    assert report.queries[0].share.value == pytest.approx(moved.std() / (distributions @ VALUES).std(), rel=0.02)


def test_a_member_counts_its_share_of_the_ensemble() -> None:
    activations, distributions = some()
    one = query_report(activations, distributions, VALUES, members=1, resamples=20)
    two = query_report(activations, distributions, VALUES, members=2, resamples=20)
    assert two.queries[0].effect.value == pytest.approx(one.queries[0].effect.value / 2)


def test_the_twin_is_the_query_that_ranks_the_images_most_alike() -> None:
    activations, distributions = some()
    activations[:, 3] = activations[:, 1] + 0.01 * activations[:, 3]
    report = query_report(activations, distributions, VALUES, members=2)
    assert report.queries[1].twin == (2, 2)
    expected = stats.spearmanr(activations[:, 1], activations[:, 3]).statistic
    assert report.queries[1].alike.value == pytest.approx(expected)
    assert report.queries[1].alike.low <= expected <= report.queries[1].alike.high


def test_a_constant_query_has_no_twin_and_no_share() -> None:
    activations, distributions = some()
    activations[:, 0] = 0.3
    report = query_report(activations, distributions, VALUES, members=2)
    assert report.queries[0].share.value == pytest.approx(0, abs=1e-12)
    assert np.isnan(report.queries[0].alike.value)


def test_too_few_images_say_nothing() -> None:
    activations, distributions = some(n=MIN_IMAGES - 1)
    with pytest.raises(ValueError, match="too few"):
        query_report(activations, distributions, VALUES, members=2)
