"""The winner's curse: by simulation."""

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.verdicts.shrinkage import EffectPrior, exaggeration, fit_effect_prior, shrink, shrink_many
from abkit.vocabulary import Alternative


def test_the_prior_is_found_again_and_shrinking_removes_the_winners_curse() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0.0, 0.1, 3000)
    errors = rng.uniform(0.05, 0.2, 3000)
    seen = rng.normal(truth, errors)
    prior = fit_effect_prior(seen.tolist(), errors.tolist())
    assert prior.sd == pytest.approx(0.1, rel=0.1)
    winners = seen / errors > 1.96
    shrunk, low, high = shrink_many(seen[winners], errors[winners], prior)
    raw_bias = (seen - truth)[winners].mean()
    assert raw_bias > 0.05
    assert abs((shrunk - truth[winners]).mean()) < 3 * 0.1 / np.sqrt(winners.sum())
    assert ((low <= truth[winners]) & (truth[winners] <= high)).mean() > 0.94
    one = shrink(seen[winners][0], errors[winners][0], prior)
    assert (one.estimate, one.ci_low, one.ci_high) == pytest.approx((shrunk[0], low[0], high[0]), rel=1e-12)


LAWS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "t3": lambda rng, n: rng.standard_t(3, n),
    "80 % null": lambda rng, n: np.where(rng.random(n) < 0.8, 0.0, rng.normal(0, 1, n)),
}


@pytest.mark.parametrize("name", list(LAWS))
def test_with_two_hundred_past_tests_the_interval_covers_the_winners(name: str) -> None:
    covered, raw = [], []
    for repeat in range(120):
        rng = np.random.default_rng(repeat)
        truth, errors = LAWS[name](rng, 200), rng.uniform(0.5, 1.5, 200)
        seen = rng.normal(truth, errors)
        winners = seen > 1.96 * errors
        _, low, high = shrink_many(seen[winners], errors[winners], fit_effect_prior(seen.tolist(), errors.tolist()))
        covered += ((low <= truth[winners]) & (truth[winners] <= high)).tolist()
        raw += (np.abs(seen - truth)[winners] <= 1.96 * errors[winners]).tolist()
    assert np.mean(covered) >= 0.93
    assert np.mean(raw) < 0.90


def test_the_interval_is_made_of_quantiles_of_the_posterior() -> None:
    prior = EffectPrior(
        mean=0.02,
        sd=0.1,
        tests=200,
        method="",
        null_share=0.5,
        parts=((0.5, 0.0, 0.0), (0.3, 0.05, 0.1), (0.2, 0.0, 0.3)),
    )
    found = shrink(0.3, 0.12, prior, level=1 - 0.05 / 0.7)
    rng = np.random.default_rng(7)
    law = rng.choice(3, 2_000_000, p=[0.5, 0.3, 0.2])
    truth = np.array([0.0, 0.05, 0.0])[law] + np.array([0.0, 0.1, 0.3])[law] * rng.normal(size=len(law))
    like = truth[np.abs(rng.normal(truth, 0.12) - 0.3) < 0.004]
    low, high = np.quantile(like, [0.025, 0.975])
    assert found.estimate == pytest.approx(like.mean(), abs=0.005)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=0.02)


def test_exaggeration_and_type_s_agree_with_simulation() -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(0.1, 0.1, 400_000)
    significant = np.abs(seen) > 1.959964 * 0.1
    result = exaggeration(0.1, 0.1)
    assert result.power == pytest.approx(significant.mean(), abs=0.002)
    assert result.type_s == pytest.approx((seen[significant] < 0).mean(), abs=0.002)
    assert result.exaggeration == pytest.approx(np.abs(seen[significant]).mean() / 0.1, rel=0.01)


def test_a_prior_from_too_few_tests_is_refused() -> None:
    with pytest.raises(InvalidInput, match="199 past tests; a prior takes at least 200"):
        fit_effect_prior([0.1] * 199, [0.1] * 199)
    assert shrink(0.3, 0.1, EffectPrior(mean=0.0, sd=0.0, tests=20, method="")).estimate == 0


def test_exaggeration_goes_by_the_test_that_is_made() -> None:
    rng = np.random.default_rng(4)
    seen = rng.normal(0.1, 0.1, 400_000)
    for alternative, significant in (("greater", seen > 1.644854 * 0.1), ("less", seen < -1.644854 * 0.1)):
        result = exaggeration(0.1, 0.1, alternative=Alternative(alternative))
        assert result.power == pytest.approx(significant.mean(), abs=0.002)
        assert result.exaggeration == pytest.approx(np.abs(seen[significant]).mean() / 0.1, rel=0.03)
        assert result.type_s == (0.0 if alternative == "greater" else 1.0)
    assert exaggeration(0.1, 0.1, reach=3.0).exaggeration > exaggeration(0.1, 0.1).exaggeration
