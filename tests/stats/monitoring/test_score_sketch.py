"""A sketch of scores: it can be merged, and what it says is never further off than it admits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.monitoring.score_sketch import merge, sketch, sketch_shift

VALUES = st.lists(st.integers(-50, 50).map(float), max_size=120)


def rows(one: object) -> tuple[object, ...]:
    return one.values, one.counts, one.error  # type: ignore[attr-defined]


@given(st.lists(VALUES, min_size=1, max_size=4), VALUES.filter(bool), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_distances_are_within_the_errors_of_those_of_the_values(
    lots: list[list[float]], current: list[float], size: int
) -> None:
    values = [value for lot in lots for value in lot]
    merged = merge(sketch(lot, size) for lot in lots)
    found = sketch_shift(merged, current)

    assert (merged.n, found.n_reference, found.n_current) == (len(values), len(values), len(current))
    if not values:
        assert found.p_value is None
        return
    ks, wasserstein = stats.ks_2samp(values, current).statistic, stats.wasserstein_distance(values, current)
    assert abs(found.ks - ks) <= found.ks_error + 1e-12
    assert abs(found.wasserstein - wasserstein) <= found.wasserstein_error + 1e-9


@given(VALUES, VALUES, VALUES)
@settings(max_examples=40, deadline=None)
def test_it_does_not_matter_in_which_order_lots_are_merged(a: list[float], b: list[float], c: list[float]) -> None:
    one, two, three = (sketch(lot, 7) for lot in (a, b, c))
    together = merge([one, two, three])
    assert rows(merge([merge([three, one]), two])) == rows(together)
    assert merge([]) == sketch([])


def test_a_few_values_are_kept_as_they_are_and_what_is_no_number_is_left_out() -> None:
    found = sketch([3.0, np.nan, 1.0, np.inf])
    assert (found.values, found.counts, found.error, found.moved) == ((1.0, 3.0), (1, 1), 0, 0.0)


def test_the_share_that_is_wrong_does_not_grow_with_the_months() -> None:
    rng = np.random.default_rng(0)
    months = [sketch(rng.normal(size=16_000)) for _ in range(60)]
    merged = merge(months)
    assert merged.error / merged.n == pytest.approx(months[0].error / months[0].n)
    assert merged.error / merged.n <= 1 / 500


def test_p_is_that_of_the_smallest_distance_that_the_error_allows() -> None:
    rng = np.random.default_rng(0)
    exact, rough = (sketch(rng.normal(size=5000), size) for size in (5000, 10))
    current = rng.normal(0.3, 1, 400)
    assert sketch_shift(exact, current).p_value < 0.01  # type: ignore[operator]
    assert sketch_shift(rough, current).p_value > sketch_shift(exact, current).p_value  # type: ignore[operator]
    assert sketch_shift(exact, current).p_value == pytest.approx(
        stats.kstwo.sf(sketch_shift(exact, current).ks, round(5000 * 400 / 5400))
    )
