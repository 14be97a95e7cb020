"""Whether new creatives can be told apart: against a plain leave-out loop, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from abkit.stats.monitoring.shifts import classifier_shift as module
from abkit.stats.monitoring.shifts.classifier_shift import classifier_shift


def test_the_figure_is_the_area_under_the_curve_of_creatives_judged_by_the_other_folds() -> None:
    rng = np.random.default_rng(1)
    components, labels = rng.normal(size=(60, 4)), (np.arange(60) >= 35).astype(float)
    components[35:] += 0.8
    folds = rng.permutation(60) % 5
    judged = np.zeros(60)
    for row in range(60):
        others = folds != folds[row]
        x = components[others] - components[others].mean(axis=0)
        y = labels[others] - labels[others].mean()
        ridge = np.linalg.inv(x.T @ x + 0.1 * others.sum() * np.eye(4)) @ x.T @ y
        judged[row] = (components[row] - components[others].mean(axis=0)) @ ridge

    found = module._judged_by_others(components, folds, labels[:, None])[:, 0]

    assert found == pytest.approx(judged, abs=1e-12)


def test_the_area_is_that_of_ranks() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 6)), rng.normal(0.6, 1, size=(30, 6))
    found = classifier_shift(x, y, permutations=19)
    # Of the 20 values, the one observed is the largest: the windows can be told apart.
    assert found.p_value == 1 / 20
    assert 0.7 < (found.effect or 0) < 1
    again = classifier_shift(x, y, permutations=19)
    assert (again.effect, again.most_typical) == (found.effect, found.most_typical)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 30, 300), (120, 25, 8)])
def test_without_a_shift_p_is_small_no_more_often_than_it_should(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(3)
    found = [
        classifier_shift(rng.normal(size=(n, d)), rng.normal(size=(m, d)), permutations=19, seed=i) for i in range(150)
    ]
    assert sum((one.p_value or 1) <= 0.05 for one in found) <= stats.binom.ppf(0.999, len(found), 0.05)
    assert np.mean([one.effect for one in found]) == pytest.approx(0.5, abs=0.03)


def test_the_most_typical_new_creatives_are_those_that_differ() -> None:
    rng = np.random.default_rng(4)
    new = rng.normal(size=(60, 20))
    strange = rng.choice(60, 15, replace=False)
    new[strange, 3] += 6
    new[0] = np.nan
    found = classifier_shift(rng.normal(size=(100, 20)), new, permutations=19)
    assert set(found.most_typical) <= set(strange.tolist())
    assert len(found.most_typical) == 12


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (np.zeros((0, 3)), np.ones((5, 3))),
        (np.ones((3, 3)), np.ones((3, 3))),
        (np.full((9, 2), np.inf), np.ones((9, 2))),
    ],
)
def test_too_little_gives_a_note(reference: np.ndarray, current: np.ndarray) -> None:
    found = classifier_shift(reference, current)
    assert found.statistic is None
    assert "needed" in found.note


def test_features_that_never_vary_tell_nothing_apart() -> None:
    found = classifier_shift(np.ones((20, 3)), np.ones((15, 3)), permutations=19)
    assert found.effect == 0.5
    assert found.p_value == 1
