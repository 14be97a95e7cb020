"""Margins relative to the control: the control's noise counts, at every margin and at any look."""

import numpy as np
import pytest
from scipy import stats

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts, Moments
from abkit.stats.means.compare import compare_means
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.score import ratio_limits, ratio_z
from abkit.stats.verdicts.equivalence import equivalent, non_inferior


def test_the_edge_of_a_margin_is_as_uncertain_as_the_control() -> None:
    rates = compare(Counts(5000, 100_000), Counts(5830, 100_000))
    found = equivalent(rates, margin=0.2, relative=True)
    assert found.p_value == pytest.approx(0.0627, abs=5e-4)
    # Wald with the variances of treatment and 1.2·control: another way to the same answer.
    wald = (0.0583 - 1.2 * 0.05) / np.sqrt(0.0583 * 0.9417 / 1e5 + 1.44 * 0.05 * 0.95 / 1e5)
    assert found.p_value == pytest.approx(stats.norm.cdf(wald), abs=1e-3)
    # With the control taken as known it would have held.
    assert equivalent(rates, margin=0.2 * 0.05).holds


def test_means_are_judged_by_fiellers_interval() -> None:
    arms = Moments(400, 10.0, 900.0), Moments(500, 11.9, 1000.0)
    found = equivalent(compare_means(*arms), margin=0.5, relative=True)
    v0, v1 = 900 / 400, 1000 / 500
    dof = min((v1 + r * r * v0) ** 2 / ((r * r * v0) ** 2 / 399 + v1**2 / 499) for r in (0.5, 1.5))
    ends = [stats.t.sf(s * (11.9 - r * 10) / np.sqrt(v1 + r * r * v0), dof) for r, s in ((0.5, 1), (1.5, -1))]
    assert found.p_value == pytest.approx(max(ends), rel=1e-9)


@pytest.mark.parametrize("margin", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize(("n0", "n1"), [(20_000, 20_000), (40_000, 10_000)])
def test_the_size_is_five_percent_at_every_margin(margin: float, n0: int, n1: int) -> None:
    rng, tests, rate = np.random.default_rng(31), 4000, 0.05
    for edge in (1 - margin, 1 + margin):
        x0, x1 = rng.binomial(n0, rate, tests), rng.binomial(n1, rate * edge, tests)
        p = [
            max(
                stats.norm.sf(ratio_z(a, n0, b, n1, 1 - margin)),
                stats.norm.cdf(ratio_z(a, n0, b, n1, 1 + margin)),
            )
            for a, b in zip(x0.tolist(), x1.tolist(), strict=True)
        ]
        assert (np.array(p) <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tests)


def test_the_size_for_means_is_five_percent_too() -> None:
    rng, tests, n = np.random.default_rng(32), 2000, 400
    for edge in (0.5, 1.5):
        draws = [rng.gamma(1.0, mean, (tests, n)) for mean in (1.0, edge)]
        arms = [[Moments.from_values(row) for row in rows] for rows in draws]
        held = [equivalent(compare_means(*pair), margin=0.5, relative=True).holds for pair in zip(*arms, strict=True)]
        assert np.mean(held) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tests)


def test_an_any_time_margin_holds_its_error_over_many_looks() -> None:
    rng, tests, looks, step = np.random.default_rng(33), 400, 25, 2000
    x0, x1 = (np.cumsum(rng.binomial(step, p, (tests, looks)), axis=1).tolist() for p in (0.1, 0.08))
    ever = 0
    for one, other in zip(x0, x1, strict=True):
        for look, (a, b) in enumerate(zip(one, other, strict=True), start=1):
            comparison = compare(Counts(a, look * step), Counts(b, look * step), method="sequential")
            if non_inferior(comparison, margin=0.2, relative=True, tuning=100_000).holds:
                ever += 1
                break
    assert ever / tests <= 0.05
    assert non_inferior(compare(10_000, 100_000, 9900, 100_000), margin=0.2, relative=True, tuning=100_000).holds


def test_the_interval_is_where_the_score_meets_the_reach() -> None:
    for figures in ((48, 1000, 56, 900), (3, 10_000, 0, 400), (900, 1000, 700, 800)):
        low, high = ratio_limits(*figures, 1.7)
        assert ratio_z(*figures, 1 + high) == pytest.approx(-1.7, rel=1e-9)
        if figures[2]:
            assert ratio_z(*figures, 1 + low) == pytest.approx(1.7, rel=1e-9)
        else:
            assert low == -1
    assert ratio_limits(0, 100, 5, 100, 1.96)[1] == np.inf


def test_a_margin_that_cannot_be_meant_is_refused() -> None:
    rates = compare(5, 100, 6, 100)
    with pytest.raises(InvalidInput, match=r"the margin is 1\.0; expected a share of the control, below 1"):
        non_inferior(rates, margin=1.0, relative=True)
    with pytest.raises(InvalidInput, match="the control is 0"):
        non_inferior(compare(0, 100, 6, 100), margin=0.1, relative=True)
