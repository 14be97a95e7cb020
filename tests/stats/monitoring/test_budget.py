"""The budget of false alarms: read from words, shared by looks, tests and segments, and never overspent."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.stats.monitoring.budget import (
    TESTS,
    Budget,
    checks_per_year,
    in_words,
    last_look,
    looks_per_year,
    one_comparison,
    parse_budget,
    permutations_for,
    step_of,
)
from abkit.stats.monitoring.shifts.kernel_shift import embedding_shift
from abkit.vocabulary import Layer


@pytest.mark.parametrize(
    ("words", "per_year"),
    [
        ("1 per year", 1),
        ("10 per year", 10),
        ("1 in 5 years", 0.2),
        ("3 in 2 years", 1.5),
        ("2 per quarter", 8),
        ("1 a month", 12),
        ("0.5 per year", 0.5),
    ],
)
def test_a_budget_is_read_as_a_person_writes_it(words: str, per_year: float) -> None:
    assert parse_budget(words) == pytest.approx(per_year)


@pytest.mark.parametrize(
    "words",
    ["", "never", "0 per year", "1", "1 per day", "-1 per year", "1 in 0 years", "1 in 500 years", "nan a day"],
)
def test_what_is_no_budget_is_refused_with_an_example(words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_budget(words)
    assert "1 per year" in str(refused.value.hint)


@given(st.floats(0.02, 50))
def test_a_budget_in_words_is_read_back(per_year: float) -> None:
    assert parse_budget(in_words(float(f"{per_year:.3g}"))) == pytest.approx(per_year, rel=0.02)


@given(
    st.floats(0.01, 52),
    st.lists(st.floats(1, 366), min_size=5, max_size=5),
    st.integers(1, 9),
)
def test_all_looks_tests_and_segments_together_spend_no_more_than_the_budget(
    per_year: float, looks: list[float], segments: int
) -> None:
    by_layer = dict(zip(TESTS, looks, strict=True))
    budget = Budget(per_year=per_year, looks_per_year=by_layer, segments=segments)

    spent = sum(
        budget.level(layer, test) * by_layer[layer] * segments for layer, tests in TESTS.items() for test in tests
    )

    assert spent <= per_year * (1 + 1e-9)


def test_a_test_that_only_explains_raises_nothing() -> None:
    assert one_comparison(0.01).level(Layer.INPUT, "brightness") == 0


@given(st.integers(1, 2000), st.integers(0, 5000))
def test_a_look_sees_whole_quarters_and_never_more_than_there_is(window: int, count: int) -> None:
    seen = last_look(count, window)

    assert 0 <= count - seen < step_of(window)
    assert last_look(seen, window) == seen


def test_there_are_no_more_looks_than_checks_and_than_quarters_of_a_window() -> None:
    assert looks_per_year(60, 1 / 7) == pytest.approx(365.25 / 7 / 15)
    assert looks_per_year(60, 100.0, checks_per_year=52) == 52
    assert looks_per_year(60, 0.0) == 1


@pytest.mark.parametrize("level", [0.05, 0.01, 1e-3, 2e-4])
def test_there_are_enough_permutations_to_fall_below_the_level(level: float) -> None:
    assert 1 / (1 + permutations_for(level)) < level / 3


def test_more_permutations_are_drawn_only_where_the_shift_is_not_clearly_absent() -> None:
    rng = np.random.default_rng(0)
    calm = embedding_shift(rng.normal(size=(40, 8)), rng.normal(size=(40, 8)), permutations=4_000).energy
    moved = embedding_shift(rng.normal(size=(40, 8)), rng.normal(2, 1, size=(40, 8)), permutations=4_000).energy

    assert calm.p_value is not None
    assert calm.p_value > 0.005
    assert moved.p_value == pytest.approx(1 / 4_001)


@pytest.mark.parametrize(("every", "found"), [(1, 365.25), (7, 52.2), (30, 13.0)])
def test_the_looks_follow_from_how_often_checks_are_made(every: int, found: float) -> None:
    days = [date(2025, 1, 1) + timedelta(days=index) for index in range(0, 331, every)]
    assert checks_per_year(days, days[-1]) == pytest.approx(found, rel=0.08)


def test_checks_that_become_daily_count_as_daily_within_four_weeks() -> None:
    monthly = [date(2025, 1, 1) + timedelta(days=30 * month) for month in range(10)]
    daily = [monthly[-1] + timedelta(days=index) for index in range(28)]
    assert checks_per_year([*monthly, *daily], daily[-1]) == pytest.approx(365.25)
