"""Effects of groups: Q and the spread agree with statsmodels, and borrowing from the others is nearer to the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from abkit.errors import InvalidInput
from abkit.stats.verdicts.partial_pooling import pool_partially

EFFECTS = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.02, 0.5)), min_size=2, max_size=12)


@given(EFFECTS)
@pytest.mark.filterwarnings("ignore:divide by zero")  # in statsmodels, where all effects are equal
def test_q_its_p_value_and_the_spread_are_those_of_statsmodels(groups: list[tuple[float, float]]) -> None:
    effects, errors = map(np.array, zip(*groups, strict=True))
    found = pool_partially(effects, errors)
    theirs = combine_effects(effects, errors**2)
    weights = 1 / errors**2
    q = float(weights @ (effects - np.average(effects, weights=weights)) ** 2)
    assert found.q == pytest.approx(theirs.q, rel=1e-6, abs=1e-9)
    assert found.q == pytest.approx(q, rel=1e-6, abs=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(q, len(effects) - 1), rel=1e-6, abs=1e-12)
    # The spread makes Q what it is expected to be; statsmodels' search for it does not always converge.
    weights = 1 / (errors**2 + found.spread**2)
    left = float(weights @ (effects - np.average(effects, weights=weights)) ** 2)
    assert left == pytest.approx(len(effects) - 1, rel=1e-6) or (found.spread == 0 and left < len(effects) - 1)


def test_the_spread_between_groups_is_that_of_statsmodels() -> None:
    effects, errors = np.array([0.1, 0.02, 0.05, 0.3, -0.2]), np.array([0.05, 0.1, 0.08, 0.06, 0.1])
    theirs = combine_effects(effects, errors**2, method_re="iterated")
    found = pool_partially(effects, errors)
    assert found.spread**2 == pytest.approx(theirs.tau2, rel=1e-5)
    assert found.mean.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-5)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.05])
def test_drawn_effects_are_nearer_to_the_truth_than_raw_ones_and_their_intervals_cover(spread: float) -> None:
    rng = np.random.default_rng(3)
    drawn = raw = covered = 0.0
    rounds, groups = 300, 8
    for _ in range(rounds):
        errors = 0.05 * np.exp(rng.normal(0, 0.4, groups))
        true = 0.1 + rng.normal(0, spread, groups)
        seen = rng.normal(true, errors)
        found = pool_partially(seen, errors).pooled
        drawn += sum((one.estimate - truth) ** 2 for one, truth in zip(found, true, strict=True))
        raw += float(((seen - true) ** 2).sum())
        covered += sum(not one.excludes(truth) for one, truth in zip(found, true, strict=True))
    assert drawn < 0.7 * raw
    assert covered / (rounds * groups) > 0.95


def test_groups_that_plainly_differ_are_left_apart_and_two_say_nothing_of_how_groups_scatter() -> None:
    apart = pool_partially([0.0, 1.0, 2.0, 3.0, 4.0], [0.01] * 5)
    assert apart.p_value < 1e-9
    assert [one.estimate for one in apart.pooled] == pytest.approx([0, 1, 2, 3, 4], abs=0.01)
    assert pool_partially([0.0, 1.0], [0.1, 0.1]).pooled == ()
    assert np.isnan(pool_partially([0.3], [0.1]).p_value)


def test_the_most_extreme_group_is_drawn_most_and_its_interval_is_no_wider() -> None:
    found = pool_partially([0.1, 0.1, 0.12, 0.08, 0.5], [0.15] * 5)
    shifts = [abs(one.estimate - raw) for one, raw in zip(found.pooled, [0.1, 0.1, 0.12, 0.08, 0.5], strict=True)]
    assert max(shifts) == shifts[-1]
    assert 0.1 < found.pooled[-1].estimate < 0.5


@pytest.mark.parametrize("groups", [([], []), ([0.1], [0.0]), ([0.1, np.nan], [0.1, 0.1]), ([0.1], [0.1, 0.2])])
def test_what_is_no_group_is_refused(groups: tuple[list[float], list[float]]) -> None:
    with pytest.raises(InvalidInput, match="group"):
        pool_partially(*groups)
