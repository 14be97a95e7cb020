"""Ranked arms: by simulation, and against two arms compared."""

import numpy as np
import pytest

from abkit.stats.arms import Counts
from abkit.stats.proportions.bayes import rank
from abkit.stats.proportions.compare import compare


def test_chances_to_be_best_sum_to_one_and_agree_with_simulation() -> None:
    arms = [Counts(48, 1000), Counts(56, 1000), Counts(50, 900), Counts(0, 10)]
    ranked = rank({str(index): arm for index, arm in enumerate(arms)}).arms
    assert sum(arm.chance_to_be_best for arm in ranked) == pytest.approx(1, abs=1e-9)
    rng = np.random.default_rng(4)
    draws = np.array([rng.beta(arm.successes + 1, arm.trials - arm.successes + 1, 400_000) for arm in arms])
    best = draws.max(axis=0)
    assert [arm.chance_to_be_best for arm in ranked] == sorted((arm.chance_to_be_best for arm in ranked), reverse=True)
    for arm in ranked:
        index = int(arm.variant)
        assert arm.chance_to_be_best == pytest.approx((draws[index] == best).mean(), abs=0.003)
        assert arm.expected_loss == pytest.approx((best - draws[index]).mean(), rel=0.02)


def test_two_arms_ranked_are_two_arms_compared() -> None:
    ranked = rank({"a": (48, 1000), "b": (56, 1000)}).arms
    assert ranked[0].variant == "b"
    posterior = compare(Counts(48, 1000), Counts(56, 1000), method="bayes").bayes
    assert ranked[0].chance_to_be_best == pytest.approx(posterior.chance_to_win, rel=1e-9)
    assert ranked[0].expected_loss == pytest.approx(posterior.expected_loss, rel=1e-6)
