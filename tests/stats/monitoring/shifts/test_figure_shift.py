"""Several figures at once: against scipy, and the share of false finds among them."""

import numpy as np
import pytest
from scipy import stats

from abkit.stats.monitoring.shifts.figure_shift import figure_shifts, shifts_from_moments


def test_p_and_q_are_scipys_and_the_effect_is_the_shift_in_standard_deviations() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4000, 3)), rng.normal((0, 0.5, -1), 1, size=(3000, 3))
    found = figure_shifts(["a", "b", "c"], x, y)
    theirs = stats.mannwhitneyu(y, x, axis=0).pvalue
    assert [one.p_value for one in found] == pytest.approx(theirs, rel=1e-9)
    assert [one.q_value for one in found] == pytest.approx(stats.false_discovery_control(theirs), rel=1e-9)
    assert [one.effect for one in found] == pytest.approx([0, 0.5, -1], abs=0.07)


def test_among_many_figures_none_is_found_where_none_moved() -> None:
    rng = np.random.default_rng(2)
    runs = 150
    false = sum(
        any((one.q_value or 1) < 0.05 for one in figure_shifts(list("abcdefgh"), *rng.normal(size=(2, 40, 8))))
        for _ in range(runs)
    )
    assert false <= stats.binom.ppf(0.999, runs, 0.05)


def test_the_movers_lie_furthest_out_on_the_side_to_which_the_figure_moved() -> None:
    new = np.linspace(-1, 0.2, 30)
    new[4] = np.nan
    one = figure_shifts(["a"], np.linspace(0, 1, 40), new)[0]
    assert (one.effect or 0) < 0
    assert one.movers[:5] == (0, 1, 2, 3, 5)
    assert figure_shifts(["a"], np.linspace(-3, 0, 40), new)[0].movers[0] == 29


def test_windows_that_do_not_overlap_are_far_apart_and_not_infinitely_far() -> None:
    one = figure_shifts(["a"], np.zeros(50), np.ones(40))[0]
    assert np.isfinite(one.effect)
    assert (one.effect or 0) > 3
    same = figure_shifts(["a"], np.zeros(50), np.zeros(40))[0]
    assert (same.effect, same.p_value) == (0, 1)


def test_a_figure_that_few_creatives_have_gives_a_note_and_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 2)), rng.normal(2, 1, size=(50, 2))
    y[3:, 0] = np.nan
    few, moved = figure_shifts(["few", "moved"], x, y)
    assert "3 current" in few.note
    assert few.effect is None
    assert moved.q_value == moved.p_value


def test_moments_stand_for_a_reference_whose_rows_are_gone() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(3, 2, size=400), rng.normal(4, 1, size=60)
    one = shifts_from_moments(["a"], [x.mean()], [x.std(ddof=1)], len(x), y)[0]
    assert one.p_value == pytest.approx(stats.ttest_ind(y, x, equal_var=False).pvalue, rel=1e-9)
    assert one.effect == pytest.approx((y.mean() - x.mean()) / x.std(ddof=1))
    assert "does not vary" in shifts_from_moments(["a"], [1.0], [0.0], 400, y)[0].note
