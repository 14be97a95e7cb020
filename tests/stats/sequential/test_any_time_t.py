"""Looking at any time at few units: the mixture of t keeps its error where the normal mixture does not."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from abkit.stats.estimate import ArmMean
from abkit.stats.means.few_units import compare_few
from abkit.stats.sequential.always_valid import mixture_precision, multiplier
from abkit.stats.sequential.any_time_t import OVERSHOOT, always_valid_t_p, just_shown, t_multiplier
from abkit.vocabulary import Alternative


@pytest.mark.parametrize(("t", "n"), [(2.5, 12), (-4.0, 28), (0.3, 7), (2.9, 80)])
def test_it_is_the_likelihood_ratio_of_t_mixed_over_effects(t: float, n: int) -> None:
    """Noncentral t over central t: nine tenths at what the plan can just show, the rest drawn from a normal law."""
    spread, planned = math.sqrt(mixture_precision(0.05, 28)), just_shown(0.05) * math.sqrt(n / 28)
    mixed, _ = integrate.quad(
        lambda effect: stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * stats.norm.pdf(effect, scale=spread),
        -8 * spread, 8 * spread, limit=200,
    )  # fmt: skip
    mixed = 0.1 * mixed + 0.45 * (stats.nct.pdf(t, n - 1, planned) + stats.nct.pdf(t, n - 1, -planned))
    past = math.exp(-OVERSHOOT * just_shown(0.05) / math.sqrt(28))
    expected = min(1.0, past * stats.t.pdf(t, n - 1) / mixed)
    assert always_valid_t_p(t, n, n - 1, tuning=28) == pytest.approx(expected, rel=1e-6)


def test_it_is_tighter_than_the_normal_mixture_at_the_planned_end_and_not_much_wider_long_after() -> None:
    for planned in (1e4, 1e6):
        assert t_multiplier(planned, planned - 1, tuning=planned) < multiplier(planned, tuning=planned) - 0.2
        late = 10 * planned
        assert t_multiplier(late, late - 1, tuning=planned) < multiplier(late, tuning=planned) + 0.75


def test_the_p_value_is_alpha_where_the_interval_touches_zero() -> None:
    for n in (10, 28, 400):
        for alpha in (0.05, 0.01):
            reach = t_multiplier(n, n - 1, alpha=alpha, tuning=28)
            assert always_valid_t_p(reach, n, n - 1, alpha=alpha, tuning=28) == pytest.approx(alpha, rel=1e-9)
    # At α = 1 % a week is too short, whatever it shows.
    assert t_multiplier(7, 6, alpha=0.01, tuning=28) == math.inf
    assert always_valid_t_p(math.inf, 7, 6, alpha=0.01, tuning=28) > 0.01
    one_sided = always_valid_t_p(3.0, 28, 27, tuning=28, alternative=Alternative.GREATER)
    assert one_sided == pytest.approx(always_valid_t_p(3.0, 28, 27, tuning=28) / 2)
    assert always_valid_t_p(-3.0, 28, 27, tuning=28, alternative=Alternative.GREATER) == 1


def test_looking_every_day_keeps_the_error_and_taking_the_variance_as_known_does_not() -> None:
    rng = np.random.default_rng(0)
    tests, days = 4000, 120
    values = rng.normal(size=(tests, days))
    n = np.arange(1, days + 1)
    mean, squares = values.cumsum(axis=1) / n, (values**2).cumsum(axis=1)
    sd = np.sqrt((squares - n * mean**2)[:, 6:] / (n - 1)[6:])
    t = mean[:, 6:] / sd * np.sqrt(n[6:])
    ours = np.array([t_multiplier(day, day - 1, tuning=28) for day in n[6:]])
    normal = np.array([multiplier(day, tuning=28) for day in n[6:]])
    assert (np.abs(t) > ours).any(axis=1).mean() <= 0.05
    assert (np.abs(t) > normal).any(axis=1).mean() > 0.055


def test_two_arms_of_few_units_are_open_before_there_are_enough() -> None:
    found = compare_few(ArmMean(2, 0.01, 0.001), ArmMean(2, 0.02, 0.001), tuning=28)
    assert (found.difference.ci_low, found.difference.ci_high) == (-math.inf, math.inf)
    assert found.p_value > 0.05
    enough = compare_few(ArmMean(20, 0.01, 0.001), ArmMean(20, 0.02, 0.001), tuning=28)
    assert enough.difference.excludes(0)
    assert enough.p_value < 0.05
