"""Intervals that are narrow where people agree: simulated errors that grow with the predicted dissent."""

import math

import numpy as np
import pytest
from scipy import stats

from abkit_model.checkpoint import Interval
from abkit_model.evaluation.intervals import coverage_by_stratum, fit_interval, held_out_half_widths
from abkit_model.evaluation.metrics import conformal_half_width

LEVEL = 0.9


def simulated(rng: np.random.Generator, n: int, growth: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors and predicted dissents; errors are normal with a spread of 0.1 + growth · dissent."""
    dissent = rng.uniform(0.3, 2.5, n)
    return np.abs(rng.normal(size=n)) * (0.1 + growth * dissent), dissent


def test_new_images_are_covered_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        residuals, dissent = simulated(rng, 101)
        interval = fit_interval(residuals[:100], dissent[:100], np.arange(100) % 5, LEVEL)
        covered += residuals[100] <= interval.half_width_at(dissent[100])
    low, high = stats.binom.ppf([0.0005, 0.9995], 1000, 91 / 101)
    assert low <= covered <= high


def test_every_third_of_the_dissent_is_covered_where_a_fixed_width_fails_the_highest() -> None:
    rng = np.random.default_rng(1)
    interval = fit_interval(*simulated(rng, 4000), np.arange(4000) % 5, LEVEL)
    residuals, dissent = simulated(rng, 6000)
    half = np.array([interval.half_width_at(value) for value in dissent])
    fixed = np.full(6000, interval.half_width)
    groups = [str(i) for i in range(6000)]
    unknown = np.full(6000, np.nan)
    shares = {}
    for name, widths in {"normalised": half, "fixed": fixed}.items():
        found = coverage_by_stratum(residuals, widths, dissent, unknown, groups, resamples=20)
        assert found is not None
        shares[name] = [one.coverage.value for one in found.strata]
        assert [one.n for one in found.strata] == [2000, 2000, 2000]
    tolerance = 4 * math.sqrt(LEVEL * (1 - LEVEL) / 2000)
    assert shares["normalised"] == pytest.approx([LEVEL] * 3, abs=tolerance)
    assert shares["fixed"][2] < LEVEL - tolerance < LEVEL + tolerance < shares["fixed"][0]
    assert half.mean() < fixed.mean()


def test_errors_that_do_not_grow_with_dissent_get_one_width_for_all() -> None:
    residuals = np.linspace(2, 1, 50)
    interval = fit_interval(residuals, np.linspace(1, 2, 50), np.arange(50) % 5, LEVEL)
    assert interval.per_dissent == 0
    assert interval.half_width_at(0.1) == interval.half_width_at(9.0) == conformal_half_width(residuals, LEVEL)


def test_a_half_width_is_never_below_zero() -> None:
    dissent = np.linspace(1, 2, 60)
    interval = fit_interval(10 * (dissent - 0.99), dissent, np.arange(60) % 5, LEVEL)
    assert interval.base == 0
    assert interval.half_width_at(0.0) == 0
    assert interval.half_width_at(0.5) > 0


def test_the_width_of_a_fold_comes_from_the_others() -> None:
    residuals, dissent = simulated(np.random.default_rng(2), 200)
    folds = np.arange(200) % 2
    wild = np.where(folds == 0, 100 * residuals, residuals)
    calm = held_out_half_widths(residuals, dissent, folds, LEVEL)
    np.testing.assert_array_equal(held_out_half_widths(wild, dissent, folds, LEVEL)[folds == 0], calm[folds == 0])


def test_too_few_images_give_no_interval() -> None:
    interval = fit_interval(np.ones(8), np.linspace(1, 2, 8), np.arange(8) % 2, LEVEL)
    assert (interval.half_width, interval.base, interval.coverage) == (None, None, None)
    assert math.isnan(interval.half_width_at(1.0))


def test_an_interval_of_an_earlier_release_is_as_wide_for_every_image() -> None:
    assert (
        Interval(level=0.9, half_width=1.19, n=616).half_width_at(0.2)
        == Interval(level=0.9, half_width=1.19, n=616).half_width_at(2.0)
        == 1.19
    )


def test_images_beyond_the_limit_are_a_stratum_of_their_own_and_in_no_share() -> None:
    residuals, half, dissent = np.r_[np.zeros(60), np.full(20, 5.0)], np.ones(80), np.linspace(1, 2, 80)
    novelty = np.r_[np.linspace(0.1, 1.0, 60), np.full(20, 1.5)]
    found = coverage_by_stratum(residuals, half, dissent, novelty, [str(i) for i in range(80)], resamples=20)
    assert found is not None
    assert found.share == 1
    assert {(one.by, one.part): one.coverage.value for one in found.strata}[("novelty", "beyond the limit")] == 0
    assert sum(one.n for one in found.strata if one.by == "novelty") == 80
