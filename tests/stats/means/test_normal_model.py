"""The normal model of a difference: by simulation."""

import math

import numpy as np
import pytest

from abkit.stats.means.normal_model import normal_posterior


def test_the_normal_posterior_agrees_with_simulation() -> None:
    estimate, posterior = normal_posterior(0.02, 0.01, prior_mean=0.0, prior_sd=0.02, practical=0.01)
    draws = np.random.default_rng(5).normal(estimate.estimate, 0.01 * 0.02 / math.hypot(0.01, 0.02), 400_000)
    assert estimate.estimate == pytest.approx(0.016, rel=1e-9)
    assert posterior.chance_to_win == pytest.approx((draws > 0).mean(), abs=0.002)
    assert posterior.expected_loss == pytest.approx(np.maximum(-draws, 0).mean(), rel=0.05)
    assert posterior.chance_of_practical_lift == pytest.approx((draws > 0.01).mean(), abs=0.003)
