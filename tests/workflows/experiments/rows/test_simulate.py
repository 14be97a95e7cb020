"""Tests tried out on one's own rows."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from abkit.errors import InvalidInput
from abkit.workflows.experiments.rows.simulate import simulate
from abkit.workflows.experiments.rows.sums import SummedUnits, sum_per_unit


def units_of(values: np.ndarray) -> SummedUnits:
    return sum_per_unit([pl.DataFrame({"unit": range(len(values)), "variant": "all", "y": values, "x": 1.0})])


def test_an_honest_test_is_wrong_as_often_as_it_says_and_finds_what_the_formula_promises() -> None:
    values = np.random.default_rng(1).gamma(4, 1, 2_000)
    found = simulate(units_of(values), metric="revenue", lifts=[0.1], runs=400)
    none, ten = found.lifts
    assert found.honest
    assert none.ci_low <= 0.05 <= none.ci_high
    assert none.covered >= 0.92
    # 1,000 units per arm, mean 4 and sd 2: a lift of 0.4 is 4.5 standard errors.
    assert ten.share > 0.98
    small = simulate(units_of(values), metric="revenue", lifts=[0.1], runs=400, per_arm=400)
    mean, sd = values.mean(), values.std(ddof=1)
    drift = 0.1 * mean / (sd * np.sqrt((1 + 1.1**2) / 400))
    assert small.lifts[1].ci_low <= norm.sf(1.96 - drift) <= small.lifts[1].ci_high


def test_a_test_that_is_wrong_too_often_on_such_units_is_said() -> None:
    # Where a few units have most of the impressions, the delta method over 20 units knows little of the variance.
    rng = np.random.default_rng(2)
    x = rng.pareto(0.6, 200) + 0.1
    rows = pl.DataFrame({"unit": range(200), "variant": "all", "y": x * rng.beta(2, 5, 200), "x": x})
    found = simulate(sum_per_unit([rows]), metric="clicks", denominator="impressions", runs=200, per_arm=20)
    assert found.drawn == "without replacement"
    assert found.lifts[0].ci_low > 0.2
    assert not found.honest


def test_more_units_than_there_are_are_drawn_again() -> None:
    found = simulate(units_of(np.arange(100.0)), metric="y", runs=20, per_arm=500)
    assert (found.drawn, found.per_arm, found.units) == ("with replacement", 500, 100)


def test_a_quantile_is_tried_out_as_well() -> None:
    found = simulate(units_of(np.random.default_rng(3).lognormal(0, 1, 600)), metric="y", quantile=0.5, runs=100)
    assert found.lifts[0].share <= 0.12


@pytest.mark.parametrize(
    ("options", "said"),
    [({"per_arm": 1}, "1 units per arm"), ({"lifts": [-1]}, r"lifts are \[-1\]"), ({"alpha": 2}, "alpha 2")],
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        simulate(units_of(np.arange(100.0)), metric="y", **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="10 units with values"):
        simulate(units_of(np.arange(10.0)), metric="y")
