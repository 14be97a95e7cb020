"""Planned looks: against multivariate normal integrals, published boundaries and spotify-confidence's solver."""

import numpy as np
import pytest
from scipy import stats

from abkit.errors import InvalidInput
from abkit.stats.sequential.group_sequential import alpha_spent, inflation, plan_looks, power_of_plan


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # gsDesign's sfLDOF and sfLDPocock, one-sided 0.025, five even looks.
        ("obrien-fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_boundaries_are_the_published_ones(spending: str, published: list[float]) -> None:
    plan = plan_looks([0.2, 0.4, 0.6, 0.8, 1.0], spending=spending)  # type: ignore[arg-type]
    assert plan.boundaries == pytest.approx(published, abs=2e-4)


@pytest.mark.parametrize("information", [[0.3, 1.0], [0.1, 0.5, 0.9], [0.5, 0.55, 1.0]])
@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_the_error_spent_agrees_with_the_multivariate_normal(information: list[float], spending: str) -> None:
    plan = plan_looks(information, spending=spending)  # type: ignore[arg-type]
    t = np.array(information)
    covariance = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    law = stats.multivariate_normal(np.zeros(len(t)), covariance)
    law.abseps = law.releps = 1e-9
    z = np.array(plan.boundaries)
    inside = law.cdf(z, lower_limit=-z)
    assert 1 - inside == pytest.approx(alpha_spent(information[-1], spending=spending), rel=1e-5)  # type: ignore[arg-type]


def test_boundaries_agree_with_spotify_confidence_for_its_spending_function(monkeypatch: pytest.MonkeyPatch) -> None:
    from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds

    from abkit.stats.sequential import group_sequential

    monkeypatch.setattr(group_sequential, "alpha_spent", lambda t, *, alpha, spending: alpha * t**2)
    information = np.array([0.2, 0.5, 0.7, 1.0])
    group_sequential._plan.cache_clear()
    ours = plan_looks(information.tolist(), alpha=0.05).boundaries
    group_sequential._plan.cache_clear()
    theirs = bounds(information, alpha=0.05, rho=2, ztrun=8, sides=2).bounds
    # Their solver stops within 1e-7 of the error to be spent, and holds one tail at a time.
    assert ours == pytest.approx(theirs, rel=2e-3)


def test_the_inflation_buys_back_the_power_that_looking_costs() -> None:
    plan = plan_looks([0.2, 0.4, 0.6, 0.8, 1.0], spending="pocock")
    factor = inflation(plan, power=0.8)
    single = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
    assert power_of_plan(plan, single * np.sqrt(factor)) == pytest.approx(0.8, abs=1e-4)
    assert 1.15 < factor < 1.25


@pytest.mark.parametrize("information", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.2], [0.8, 0.2]])
def test_looks_that_do_not_rise_are_refused(information: list[float]) -> None:
    with pytest.raises(InvalidInput, match="expected rising shares"):
        plan_looks(information)
