"""Correlation of score and KPI: against scipy, against the bootstrap, and coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.monitoring.correlation import Statistic, correlate
from abkit.stats.within_groups import pooled_pearson, pooled_spearman

BOTH = pytest.mark.parametrize("statistic", ["srcc", "plcc"])


@BOTH
@pytest.mark.parametrize("ties", [False, True])
def test_over_all_it_is_what_scipy_says(statistic: Statistic, ties: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    y = x + rng.normal(size=80)
    if ties:
        x, y = np.round(x), np.round(y)
    theirs = stats.spearmanr(x, y)[0] if statistic == "srcc" else stats.pearsonr(x, y)[0]
    assert correlate(x, y, statistic=statistic).estimate == pytest.approx(theirs)


def test_within_campaign_pearson_is_the_partial_correlation_given_the_campaign() -> None:
    rng = np.random.default_rng(2)
    campaign = np.repeat(np.arange(5), 12)
    x, y = rng.normal(size=60) + campaign, rng.normal(size=60) - 3 * campaign
    dummies = np.eye(5)[campaign]

    def rest(v: np.ndarray) -> np.ndarray:
        return v - dummies @ np.linalg.lstsq(dummies, v, rcond=None)[0]

    ours = correlate(x, y, statistic="plcc", campaign=campaign)
    assert ours.estimate == pytest.approx(stats.pearsonr(rest(x), rest(y))[0])


def test_within_campaign_spearman_is_the_mean_of_the_campaigns_with_the_stated_weights() -> None:
    rng = np.random.default_rng(3)
    sizes = (3, 8, 20)
    campaign = np.repeat(np.arange(3), sizes)
    x = rng.normal(size=31)
    y = 0.5 * x + rng.normal(size=31)
    of_each = [stats.spearmanr(x[campaign == c], y[campaign == c])[0] for c in range(3)]
    weights = [n * (n - 1) / (n + 1) for n in sizes]
    assert correlate(x, y, statistic="srcc", campaign=campaign).estimate == pytest.approx(
        np.average(of_each, weights=weights)
    )


@pytest.mark.parametrize("pooled", [pooled_pearson, pooled_spearman])
def test_the_influence_of_a_row_is_what_leaving_it_out_changes(pooled) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(4)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    group = np.repeat([0, 1], 30)
    whole = pooled(x, y, group)
    left_out = [whole.estimate - pooled(*(np.delete(v, i) for v in (x, y, group))).estimate for i in range(60)]
    if pooled is pooled_pearson:
        np.testing.assert_allclose(whole.influence, left_out, atol=1e-12)
    else:
        # Infinitesimal, not exact: the same standard error within a few percent.
        ours, theirs = np.sqrt((whole.influence**2).sum()), np.sqrt((np.array(left_out) ** 2).sum())
        assert ours == pytest.approx(theirs, rel=0.08)


@BOTH
def test_the_standard_error_agrees_with_the_bootstrap_under_heavy_tails(statistic: Statistic) -> None:
    rng = np.random.default_rng(5)
    tail = np.sqrt(4 / rng.chisquare(4, 400))
    z = rng.normal(size=(2, 400))
    x, y = z[0] * tail, (0.5 * z[0] + math.sqrt(0.75) * z[1]) * tail
    found = correlate(x, y, statistic=statistic)
    of = stats.spearmanr if statistic == "srcc" else stats.pearsonr
    draws = [of(x[i], y[i])[0] for i in rng.integers(0, 400, size=(800, 400))]
    assert found.ci_low is not None
    assert found.ci_high is not None
    ours = (math.atanh(found.ci_high) - math.atanh(found.ci_low)) / 2 / 1.96
    assert ours == pytest.approx(np.std(np.arctanh(draws)), rel=0.2)


@BOTH
@pytest.mark.parametrize(("n", "campaigns", "rho"), [(10, 1, 0.0), (30, 1, 0.5), (60, 3, 0.5)])
@pytest.mark.parametrize("heavy", [False, True])
def test_the_interval_covers_the_truth(statistic: Statistic, n: int, campaigns: int, rho: float, heavy: bool) -> None:
    rng = np.random.default_rng(6)
    runs = 300
    campaign = np.arange(n) % campaigns
    truth = _truth(statistic, rho, heavy)
    covered = 0
    for _ in range(runs):
        x, y = _pair(rng, n, rho, heavy)
        level = rng.normal(size=campaigns)[campaign]
        several = {"campaign": campaign} if campaigns > 1 else {}
        found = correlate(x + level * bool(several), y - level * bool(several), statistic=statistic, **several)
        assert found.ci_low is not None
        assert found.ci_high is not None
        covered += found.ci_low <= truth <= found.ci_high
    # Nominal 95 %; with 93 % true coverage fewer than this happens once in a thousand.
    assert covered >= stats.binom.ppf(0.001, runs, 0.93)


def _pair(rng: np.random.Generator, n: int, rho: float, heavy: bool) -> tuple[np.ndarray, np.ndarray]:
    z = rng.normal(size=(2, n))
    x, y = z[0], rho * z[0] + math.sqrt(1 - rho**2) * z[1]
    if heavy:
        tail = np.sqrt(5 / rng.chisquare(5, n))
        x, y = x * tail, y * tail
    return x, y


def _truth(statistic: Statistic, rho: float, heavy: bool) -> float:
    if statistic == "plcc":
        return rho
    x, y = _pair(np.random.default_rng(0), 400_000, rho, heavy)
    return float(stats.spearmanr(x, y)[0])


def test_a_creative_in_several_campaigns_does_not_make_the_interval_narrower_each_time() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=20)
    y = x + rng.normal(size=20)
    copies = 6
    campaign, creative = np.repeat(np.arange(copies), 20), np.tile(np.arange(20), copies)
    once = correlate(x, y, statistic="plcc")
    many = correlate(np.tile(x, copies), np.tile(y, copies), statistic="plcc", campaign=campaign, creative=creative)
    assert many.n == 20
    assert many.ci_high is not None
    assert many.ci_low is not None
    assert once.ci_high is not None
    assert once.ci_low is not None
    assert many.ci_high - many.ci_low > 0.6 * (once.ci_high - once.ci_low)


@BOTH
def test_missing_numbers_are_left_out_and_counted(statistic: Statistic) -> None:
    assert correlate([1, 2, np.nan, 4, 5], [1, 2, 3, np.inf, 5], statistic=statistic).note == (
        "creatives with score and KPI: 3; needed: 4 (2 more have no number for score or KPI)"
    )


@BOTH
def test_a_perfect_order_of_few_is_no_proof_of_a_perfect_relation(statistic: Statistic) -> None:
    found = correlate(range(6), range(6), statistic=statistic)
    assert found.estimate == pytest.approx(1)
    assert found.ci_low is not None
    assert found.ci_low < 0.95


@BOTH
@given(
    rows=st.lists(
        st.tuples(st.integers(-50, 50), st.integers(0, 50), st.integers(0, 3)),
        max_size=40,
    )
)
@settings(max_examples=80, deadline=None)
def test_for_any_rows_there_is_an_interval_around_the_estimate_or_a_reason(
    statistic: Statistic, rows: list[tuple[int, int, int]]
) -> None:
    for campaign in (None, [row[2] for row in rows]):
        found = correlate([r[0] for r in rows], [r[1] for r in rows], statistic=statistic, campaign=campaign)
        if found.estimate is None:
            assert found.note
        else:
            assert found.ci_low is not None
            assert found.ci_high is not None
            assert -1 <= found.ci_low <= found.estimate <= found.ci_high <= 1


def test_sizes_of_one_idea_count_once_and_the_interval_covers_as_often_as_it_says() -> None:
    rng, truth, ideas, sizes, worlds = np.random.default_rng(8), 0.4, 40, 4, 400
    covered, alone = 0, 0
    for _ in range(worlds):
        x, y = rng.multivariate_normal([0, 0], [[1, truth], [truth, 1]], ideas).T
        columns = [np.repeat(v, sizes) + 0.05 * rng.normal(size=ideas * sizes) for v in (x, y)]
        found = correlate(*columns, statistic="plcc", idea=np.repeat(np.arange(ideas), sizes))
        assert (found.n, found.ideas) == (ideas * sizes, ideas)
        covered += found.ci_low <= truth <= found.ci_high
        one = correlate(*columns, statistic="plcc")
        alone += one.ci_low <= truth <= one.ci_high
    # 95 % less three standard errors of a share of 400; taken for independent, they cover far less.
    assert covered / worlds >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / worlds)
    assert alone / worlds < 0.8


def test_too_few_ideas_are_too_few_however_many_sizes_they_have() -> None:
    x = np.arange(30.0)
    found = correlate(x, x % 7, statistic="srcc", idea=np.arange(30) % 3)
    assert (found.estimate, found.note) == (None, "the 30 creatives are 3 ideas; needed: 4")
