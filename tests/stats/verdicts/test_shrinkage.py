"""The winner's curse: by simulation."""

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.verdicts.shrinkage import EffectPrior, exaggeration, fit_effect_prior, shrink


def test_the_prior_is_found_again_and_shrinking_removes_the_winners_curse() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0.0, 0.1, 3000)
    errors = rng.uniform(0.05, 0.2, 3000)
    seen = rng.normal(truth, errors)
    prior = fit_effect_prior(seen.tolist(), errors.tolist())
    assert prior.sd == pytest.approx(0.1, rel=0.1)
    winners = seen / errors > 1.96
    shrunk = np.array([shrink(e, s, prior).estimate for e, s in zip(seen[winners], errors[winners], strict=True)])
    raw_bias = (seen - truth)[winners].mean()
    assert raw_bias > 0.05
    assert abs((shrunk - truth[winners]).mean()) < 3 * 0.1 / np.sqrt(winners.sum())
    covered = [
        shrink(e, s, prior).ci_low <= t <= shrink(e, s, prior).ci_high
        for e, s, t in zip(seen[winners], errors[winners], truth[winners], strict=True)
    ]
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.05 * 0.95 / len(covered))


def test_exaggeration_and_type_s_agree_with_simulation() -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(0.1, 0.1, 400_000)
    significant = np.abs(seen) > 1.959964 * 0.1
    result = exaggeration(0.1, 0.1)
    assert result.power == pytest.approx(significant.mean(), abs=0.002)
    assert result.type_s == pytest.approx((seen[significant] < 0).mean(), abs=0.002)
    assert result.exaggeration == pytest.approx(np.abs(seen[significant]).mean() / 0.1, rel=0.01)


def test_a_prior_from_too_few_tests_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 past tests"):
        fit_effect_prior([0.1, 0.2, 0.3], [0.1] * 3)
    assert shrink(0.3, 0.1, EffectPrior(0.0, 0.0, 20, "")).estimate == 0
