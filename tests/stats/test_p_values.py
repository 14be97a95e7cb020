"""A p-value is that of the interval beside it: at most α exactly where the interval at 1 − α excludes no difference."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abkit.stats.arms import Counts, Moments, PairMoments
from abkit.stats.estimate import Comparison
from abkit.stats.means.compare import compare_means
from abkit.stats.means.pairs import compare_ratios, compare_with_covariate
from abkit.stats.proportions.compare import compare
from abkit.stats.verdicts.equivalence import equivalent, non_inferior

OF_RATES = ("auto", "newcombe", "z", "score", "exact", "sequential")
ALTERNATIVES = ("two-sided", "greater", "less")

rates = st.tuples(st.integers(0, 60), st.integers(60, 3000)).map(lambda figures: Counts(*figures))
means = st.builds(Moments, n=st.integers(2, 400), mean=st.floats(-5, 20), variance=st.floats(0.01, 50))
levels = st.floats(0.51, 0.999)


def belongs(found: Comparison) -> None:
    alpha = 1 - found.level
    # At the level itself rounding decides.
    assume(abs(found.p_value - alpha) > 1e-9)
    assert (found.p_value <= alpha) is found.difference.excludes(0.0), found


@given(rates, rates, st.sampled_from(OF_RATES), st.sampled_from(ALTERNATIVES), levels)
@settings(max_examples=200, deadline=None)
def test_of_rates(control: Counts, treatment: Counts, method: str, alternative: str, level: float) -> None:
    belongs(compare(control, treatment, method=method, alternative=alternative, level=level, tuning=500))


# Not `sequential`: its mixture is tuned for a level, so the p-value at another level is another one.
@given(rates, rates, st.sampled_from(OF_RATES[:-1]), st.sampled_from(ALTERNATIVES), st.sampled_from((1e-6, -1e-6)))
@settings(max_examples=200, deadline=None)
def test_of_rates_near_the_level_itself(
    control: Counts, treatment: Counts, method: str, alternative: str, more: float
) -> None:
    options = {"method": method, "alternative": alternative, "tuning": 500}
    p_value = compare(control, treatment, **options).p_value
    if 1e-6 < p_value < 0.48:
        belongs(compare(control, treatment, level=1 - p_value * (1 + more), **options))


@given(means, means, st.sampled_from(("welch", "sequential")), st.sampled_from(ALTERNATIVES), levels)
@settings(max_examples=100, deadline=None)
def test_of_means(control: Moments, treatment: Moments, method: str, alternative: str, level: float) -> None:
    belongs(compare_means(control, treatment, method=method, alternative=alternative, level=level, tuning=500))


@given(means, means, st.floats(-0.9, 0.9), st.sampled_from(("welch", "sequential")), levels)
@settings(max_examples=60, deadline=None)
def test_of_ratios_and_cuped(y0: Moments, y1: Moments, correlation: float, method: str, level: float) -> None:
    arms = [
        PairMoments(
            n=y.n, mean_y=y.mean, mean_x=4.0, variance_y=y.variance, variance_x=2.0,
            covariance=correlation * math.sqrt(2.0 * y.variance),
        )
        for y in (y0, y1)
    ]  # fmt: skip
    belongs(compare_ratios(*arms, method=method, level=level))
    belongs(compare_with_covariate(*arms, method=method, level=level).adjusted)


@given(
    st.one_of(st.tuples(rates, rates), st.tuples(means, means)),
    st.sampled_from(ALTERNATIVES),
    st.sampled_from(("higher-is-better", "lower-is-better")),
    st.sampled_from((None, 500.0)),
    levels,
    st.floats(0.01, 0.9),
)
@settings(max_examples=200, deadline=None)
def test_of_a_margin_relative_to_the_control(
    arms: tuple[Counts, Counts] | tuple[Moments, Moments],
    alternative: str,
    direction: str,
    tuning: float | None,
    level: float,
    margin: float,
) -> None:
    first = arms[0]
    assume(first.successes > 0 if isinstance(first, Counts) else first.mean > 0.01)
    made = compare if isinstance(first, Counts) else compare_means
    comparison, plain = (made(*arms, alternative=side) for side in (alternative, "two-sided"))  # type: ignore[operator]
    found = non_inferior(comparison, margin=margin, relative=True, level=level, direction=direction, tuning=tuning)
    assume(abs(found.p_value - (1 - level)) > 1e-9)
    assert found.lift is not None
    inside = found.lift.ci_low > -margin if direction == "higher-is-better" else found.lift.ci_high < margin
    assert (found.p_value <= 1 - level) is inside
    assert found.holds is (inside and not comparison.warnings)
    # What the comparison beside it asks for does not matter.
    assert found == non_inferior(plain, margin=margin, relative=True, level=level, direction=direction, tuning=tuning)
    both = equivalent(comparison, margin=margin, relative=True, level=level, tuning=tuning)
    within = both.lift is not None and both.lift.ci_low > -margin and both.lift.ci_high < margin
    assert both.holds is (within and not comparison.warnings)


@pytest.mark.parametrize("counts", [(0, 400, 0, 380), (400, 400, 380, 380)])
def test_a_margin_where_nothing_varies_does_not_depend_on_the_alternative(counts: tuple[int, ...]) -> None:
    found = [non_inferior(compare(*counts, alternative=side), margin=0.05) for side in ALTERNATIVES]
    assert found[0] == found[1] == found[2]
    assert found[0].holds
    assert not non_inferior(compare(*counts), margin=0.001).holds
    assert found[0] == non_inferior(compare(*counts, level=0.8), margin=0.05)
