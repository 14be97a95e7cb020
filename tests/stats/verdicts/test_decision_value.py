"""What a difference is worth per week: as by numerical integration, and no gain where the interval has none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from abkit.errors import InvalidInput
from abkit.stats.estimate import Estimate
from abkit.stats.verdicts.decision_value import decision_value
from abkit.vocabulary import Direction


@given(st.floats(-0.01, 0.01), st.floats(1e-4, 0.02), st.sampled_from([0.8, 0.95, 0.99]))
def test_expected_gain_and_loss_are_the_integrals_over_a_normal_law_as_wide_as_the_interval(
    estimate: float, half: float, level: float
) -> None:
    found = decision_value(
        Estimate(estimate, estimate - half, estimate + half), volume_per_week=10_000, value=2.0, level=level
    )
    law = stats.norm(estimate * 20_000, half * 20_000 / stats.norm.ppf((1 + level) / 2))
    reach = 12 * law.std() + abs(law.mean())
    gain, _ = quad(lambda x: x * law.pdf(x), 0, reach, points=[max(law.mean(), 0)], limit=200)
    loss, _ = quad(lambda x: -x * law.pdf(x), -reach, 0, points=[min(law.mean(), 0)], limit=200)
    assert found.expected_gain == pytest.approx(gain, abs=1e-4)
    assert found.expected_loss == pytest.approx(loss, abs=1e-4)


def test_the_wrong_one_costs_what_the_interval_allows() -> None:
    undecided = decision_value(Estimate(0.001, -0.001, 0.003), volume_per_week=1000, value=10.0)
    assert (undecided.most_lost_by_shipping, undecided.most_lost_by_keeping) == pytest.approx((10.0, 30.0))
    clear = decision_value(Estimate(0.002, 0.001, 0.003), volume_per_week=1000, value=10.0)
    assert (clear.most_lost_by_shipping, clear.most_lost_by_keeping) == pytest.approx((0.0, 30.0))


def test_a_cost_that_falls_is_a_gain() -> None:
    found = decision_value(Estimate(-0.5, -0.8, -0.2), volume_per_week=100, direction=Direction.LOWER)
    assert (found.per_week.estimate, found.per_week.ci_low, found.per_week.ci_high) == pytest.approx((50, 20, 80))
    assert found.most_lost_by_shipping == 0


@pytest.mark.parametrize(
    ("difference", "changes", "says"),
    [
        (Estimate(0.1, -math.inf, 1.0), {}, "no interval with two ends"),
        (Estimate(0.1, 0.0, 1.0), {"volume_per_week": 0.0}, "volume per week is 0.0"),
        (Estimate(0.1, 0.0, 1.0), {"value": -1.0}, "value of a success is -1.0"),
    ],
)
def test_what_cannot_be_is_refused(difference: Estimate, changes: dict[str, float], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        decision_value(difference, **({"volume_per_week": 1.0} | changes))
