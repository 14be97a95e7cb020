"""Randomized units compared by other draws of them: exact whatever their sizes, with intervals of the same test."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean
from abkit.stats.means.randomization import RandomizationTest, RandomizedUnits, compare_randomized, smallest_p
from abkit.vocabulary import Alternative


def drawn(rng: np.random.Generator, units: int, *, spread: float = 0.0, lift: float = 0.0) -> RandomizedUnits:
    """Units of unlike rates (sd 20 %) and sizes, half of them treated."""
    treated = np.zeros(units, dtype=bool)
    treated[rng.permutation(units)[: units // 2]] = True
    x = np.exp(rng.normal(11, spread, units)).round()
    rate = 0.01 * np.exp(rng.normal(0, 0.2, units)) * np.where(treated, 1 + lift, 1)
    return RandomizedUnits(
        y=rng.poisson(rate * x).astype(float), x=x, treated=treated, strata=np.zeros(units, dtype=np.int64)
    )


def test_all_draws_give_the_p_value_of_scipy() -> None:
    units = drawn(np.random.default_rng(1), 10, spread=0.5)

    def studentized(one: np.ndarray, other: np.ndarray) -> float:
        rates, variances = [], []
        for rows in (one.astype(int), other.astype(int)):
            y, x = units.y[rows], units.x[rows]
            rates.append(y.sum() / x.sum())
            variances.append(len(rows) / (len(rows) - 1) * ((y - rates[-1] * x) ** 2).sum() / x.sum() ** 2)
        return float((rates[1] - rates[0]) / math.sqrt(sum(variances)))

    rows = np.arange(10)
    arms = rows[~units.treated], rows[units.treated]
    # scipy doubles the smaller tail; with arms of one size the two tails mirror each other.
    theirs = stats.permutation_test(arms, studentized, n_resamples=np.inf, vectorized=False)
    assert RandomizationTest(units).p_value() == pytest.approx(theirs.pvalue, rel=1e-6)


def test_the_interval_has_the_effects_that_the_same_test_does_not_reject() -> None:
    units = drawn(np.random.default_rng(2), 16, spread=0.5, lift=0.6)
    found, test = compare_randomized(units), RandomizationTest(units)
    assert found.difference.excludes(0)
    assert found.lift.excludes(0)
    assert found.p_value <= 0.05
    for end, step in ((found.difference.ci_low, -1), (found.difference.ci_high, 1)):
        width = 0.02 * (found.difference.ci_high - found.difference.ci_low)
        assert test.p_value(shift=end + step * width) <= 0.05 < test.p_value(shift=end - step * width)
    for end in (found.lift.ci_low, found.lift.ci_high):
        assert test.p_value(ratio=1 + end) == pytest.approx(0.05, abs=0.01)


def test_a_true_null_is_rejected_as_often_as_it_says_however_unlike_the_sizes_are() -> None:
    rng = np.random.default_rng(3)
    rejected = [RandomizationTest(drawn(rng, 10, spread=1.2)).p_value() <= 0.05 for _ in range(400)]
    assert np.mean(rejected) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    assert np.mean(rejected) >= 0.02


def test_units_are_drawn_again_within_their_strata_only() -> None:
    """Pairs of a large and a small rate: between pairs nothing is compared."""
    rng = np.random.default_rng(4)
    control = {f"c{n}": (100.0 * 2**n + rng.normal(0, 1), 1e4) for n in range(8)}
    treatment = {f"t{n}": (110.0 * 2**n + rng.normal(0, 1), 1e4) for n in range(8)}
    strata = {f"{arm}{n}": str(n) for n in range(8) for arm in "ct"}
    matched = compare_randomized(RandomizedUnits.of(control, treatment, strata))
    loose = compare_randomized(RandomizedUnits.of(control, treatment))
    assert matched.p_value == pytest.approx(2 / 2**8)
    assert loose.p_value > 0.5
    assert "8 pairs" in matched.conventions["p_value"]
    assert matched.lift.ci_low > 0
    two = RandomizedUnits.of(control, treatment, {name: str(int(name[1]) // 4) for name in strata})
    assert two.sizes == ((4, 4), (4, 4))
    assert 0 < compare_randomized(two).p_value <= 1


def test_one_sided_p_values_of_both_sides_make_more_than_one() -> None:
    test = RandomizationTest(drawn(np.random.default_rng(5), 8))
    above, below = (test.p_value(alternative=side) for side in (Alternative.GREATER, Alternative.LESS))
    # The draw that was made counts on both sides.
    assert above + below == pytest.approx(1 + 1 / math.comb(8, 4))


@pytest.mark.parametrize(
    ("treated", "strata", "said"),
    [
        ([False, True, True], [0, 0, 1], "a stratum has units in one arm only"),
        ([False, True, False, True, True], [0, 0, 1, 1, 1], "one unit in an arm"),
        ([False, True], [0, 0], "one unit in an arm"),
    ],
)
def test_strata_that_cannot_be_compared_are_refused(treated: list[bool], strata: list[int], said: str) -> None:
    ones = np.ones(len(treated))
    with pytest.raises(InvalidInput, match=said):
        RandomizedUnits(y=ones, x=ones, treated=np.array(treated), strata=np.array(strata))


def test_few_units_say_the_smallest_p_value_they_allow() -> None:
    found = compare_randomized(drawn(np.random.default_rng(6), 6, lift=3.0))
    assert found.p_value == pytest.approx(0.1) == smallest_p([(3, 3)])
    assert not found.difference.excludes(0)
    assert any("smallest p-value" in note and "0.1" in note for note in found.notes)


def test_units_without_a_denominator_count_in_the_ratio_of_their_arm() -> None:
    control = {f"c{n}": (10.0, float(n % 2)) for n in range(8)}
    treatment = {f"t{n}": (10.0, 2.0) for n in range(8)}
    found = compare_randomized(RandomizedUnits.of(control, treatment))
    assert isinstance(found.control, ArmMean)
    assert (found.control.mean, found.treatment.mean) == (20.0, 5.0)  # type: ignore[union-attr]
    nothing = {name: (y, 0.0) for name, (y, _) in control.items()}
    with pytest.raises(InvalidInput, match="denominator of 0 in a stratum"):
        RandomizedUnits.of(nothing, treatment)


def test_a_draw_that_leaves_an_arm_without_a_denominator_counts_against_an_effect() -> None:
    x = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])
    units = RandomizedUnits(y=np.ones(8), x=x, treated=np.arange(8) < 4, strata=np.zeros(8, dtype=np.int64))
    empty = sum({0, 4} <= set(own) or not {0, 4} & set(own) for own in combinations(range(8), 4)) / math.comb(8, 4)
    assert RandomizationTest(units).p_value(ratio=3.0) >= empty > 0.4


def test_a_control_that_loses_has_no_lift() -> None:
    control = {f"c{n}": (-60.0 + n, 10.0) for n in range(8)}
    treatment = {f"t{n}": (-30.0 + n, 10.0) for n in range(8)}
    found = compare_randomized(RandomizedUnits.of(control, treatment))
    assert found.difference.ci_low > 0
    assert math.isnan(found.lift.estimate)


def pairs_of(conversions: list[tuple[int, int]], spend: float = 100.0) -> tuple[dict[str, tuple[float, float]], ...]:
    """What pairs of geographies spent, and their conversions."""
    return tuple(
        {f"{key}{number}": (spend, float(pair[side])) for number, pair in enumerate(conversions)}
        for side, key in enumerate("ab")
    )


def test_a_pair_without_a_conversion_counts_in_what_one_costs() -> None:
    """Weighed by conversions it would count for nothing, and the arm would look cheaper than it is."""
    control, treatment = pairs_of([(5, 8), (4, 9), (0, 3), (6, 11), (5, 7), (3, 8), (4, 6)])
    strata = {name: name[1] for side in (control, treatment) for name in side}
    units = RandomizedUnits.of(control, treatment, strata, inverse=True)
    found = compare_randomized(units)
    assert units.without == ()
    assert [found.control.mean, found.treatment.mean] == pytest.approx([700 / 27, 700 / 52])  # type: ignore[union-attr]
    assert found.lift.ci_high < 0
    assert found.p_value == pytest.approx(2 / 2**7)
    for end in (found.lift.ci_low, found.lift.ci_high):
        assert RandomizationTest(units).p_value(ratio=1 + end) == pytest.approx(0.05, abs=0.02)
    # The interval of the difference inverts the same test.
    assert found.difference.ci_low < found.difference.estimate < found.difference.ci_high < 0


def test_without_strata_a_cost_is_the_same_either_way_round() -> None:
    rng = np.random.default_rng(8)
    control, treatment = (
        {f"{key}{n}": (float(rng.uniform(50, 150)), float(rng.poisson(mean))) for n in range(8)}
        for key, mean in (("a", 6), ("b", 9))
    )
    one, other = (RandomizationTest(RandomizedUnits.of(control, treatment, inverse=turned)) for turned in (False, True))
    assert one.parts() == pytest.approx(other.parts())
    # A draw shows nearly as much of conversions per amount as of costs.
    assert one.p_value() == pytest.approx(other.p_value(), abs=0.02)
    assert one.p_value(alternative=Alternative.LESS) < 0.5 > other.p_value(alternative=Alternative.LESS)


def test_a_pair_with_nothing_to_divide_by_is_left_out_and_said() -> None:
    control = {f"c{n}": (2.0 + n, 20.0 if n else 0.0) for n in range(7)}
    treatment = {f"t{n}": (5.0 + n, 20.0) for n in range(7)}
    strata = {name: f"pair {name[1]}" for side in (control, treatment) for name in side}
    units = RandomizedUnits.of(control, treatment, strata)
    found = compare_randomized(units)
    assert units.without == ("pair 0",)
    assert any("1 pairs are left out" in note and "pair 0" in note for note in found.notes)
    # Its draws allow no smaller p-value.
    assert found.p_value == pytest.approx(2 / 2**6) == smallest_p(units.sizes)


def test_a_stratum_that_cannot_be_compared_is_named() -> None:
    rows = {f"c{n}": (1.0, float(n < 2)) for n in range(4)}, {f"t{n}": (1.0, 1.0) for n in range(4)}
    halves = {name: "north" if int(name[1]) < 2 else "south" for side in rows for name in side}
    with pytest.raises(InvalidInput, match="a denominator of 0 in the stratum 'south'"):
        RandomizedUnits.of(*rows, halves)
    with pytest.raises(InvalidInput, match="the stratum 'few' has one unit in an arm"):
        RandomizedUnits.of(*rows, halves | {"c0": "few", "t0": "few"})
    with pytest.raises(InvalidInput, match="the stratum 'alone' has units in one arm only"):
        RandomizedUnits.of(*rows, halves | {"c0": "alone"})
