"""Quantiles compared: like a bootstrap that resamples, with the error rates that it promises."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from abkit.errors import InvalidInput
from abkit.stats.means.quantiles import compare_quantiles


def test_the_interval_is_that_of_a_bootstrap_that_draws_samples() -> None:
    rng = np.random.default_rng(1)
    old, new = rng.lognormal(0, 1, 400), rng.lognormal(0.2, 1, 500)
    found = compare_quantiles(old, new, q=0.5)
    drawn = bootstrap(
        (new, old),
        lambda one, two, axis: np.median(one, axis=axis) - np.median(two, axis=axis),
        n_resamples=20_000, method="percentile", vectorized=True, rng=rng,
    )  # fmt: skip
    width = drawn.confidence_interval.high - drawn.confidence_interval.low
    assert found.difference.estimate == pytest.approx(np.median(new) - np.median(old))
    assert found.difference.ci_low == pytest.approx(drawn.confidence_interval.low, abs=0.05 * width)
    assert found.difference.ci_high == pytest.approx(drawn.confidence_interval.high, abs=0.05 * width)
    assert found.treatment.standard_error == pytest.approx(  # type: ignore[union-attr]
        np.median(rng.choice(new, (20_000, 500)), axis=1).std(), rel=0.05
    )


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_equal_quantiles_are_called_different_in_at_most_5_percent(q: float) -> None:
    """Of 160: at most 16, three standard errors of the binomial above 5 %."""
    rng = np.random.default_rng(2)
    wrong = sum(
        compare_quantiles(*rng.lognormal(0, 1, (2, 300)), q=q, seed=seed).p_value <= 0.05 for seed in range(160)
    )
    assert wrong <= 16


def test_the_p_value_is_below_alpha_exactly_when_the_interval_excludes_zero() -> None:
    rng = np.random.default_rng(3)
    for seed in range(30):
        old, new = rng.normal(0, 1, 200), rng.normal(0.25, 1, 200)
        for side in ("two-sided", "greater", "less"):
            found = compare_quantiles(old, new, alternative=side, level=0.9, seed=seed)
            assert (found.p_value <= 0.1) == found.significant


def test_units_in_plenty_at_one_value_are_said() -> None:
    zeros = np.r_[np.zeros(80), np.ones(40)]
    found = compare_quantiles(zeros, zeros)
    assert found.p_value == 1
    assert "many units have the value of the quantile itself" in " ".join(found.notes)
    assert np.isnan(found.lift.estimate)
    assert "no finite lift" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("arm", "q", "said"),
    [(np.ones(15), 0.5, "15 units, of which 7.5 lie beyond"), (np.ones(99), 1.5, "quantile is 1.5"),
     (np.r_[np.ones(99), np.nan], 0.5, "missing or infinite")],
)  # fmt: skip
def test_what_no_quantile_can_be_told_from_is_refused(arm: np.ndarray, q: float, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        compare_quantiles(arm, arm, q=q)
