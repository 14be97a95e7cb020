"""Shifts of embeddings: against plain sums over all pairs, and by simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from abkit.stats.monitoring.shifts import kernel_shift
from abkit.stats.monitoring.shifts.kernel_shift import EmbeddingShift, embedding_shift


def standardized(*windows: np.ndarray) -> list[np.ndarray]:
    pooled = np.concatenate(windows)
    return [(window - pooled.mean(axis=0)) / pooled.std(axis=0) for window in windows]


@pytest.mark.parametrize("block", [7, 50, 512])
def test_both_are_the_plain_means_over_all_pairs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_shift, "_BLOCK", block)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 7)) * 3, rng.normal(0.5, 2, size=(50, 7))
    a, b = standardized(x, y)
    between, inside_a, inside_b = cdist(a, b).mean(), cdist(a, a).sum() / (60 * 59), cdist(b, b).sum() / (50 * 49)
    width = np.median(pdist(np.concatenate([a, b])))

    def alike(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return np.exp(-(cdist(p, q) ** 2) / (2 * width**2))

    inside = (alike(a, a).sum() - 60) / (60 * 59) + (alike(b, b).sum() - 50) / (50 * 49)

    found = embedding_shift(x, y)

    assert found.energy.effect == pytest.approx((2 * between - inside_a - inside_b) / (2 * between), rel=1e-4)
    assert found.mmd.statistic == pytest.approx(inside - 2 * alike(a, b).mean(), rel=1e-4)
    assert found.mmd.effect == pytest.approx(1 - 2 * alike(a, b).mean() / inside, rel=1e-4)


def test_the_p_values_agree_with_scipys_permutation_test() -> None:
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(30, 3)), rng.normal(0.3, 1, size=(25, 3))
    pooled = np.concatenate(standardized(x, y))
    width = np.median(pdist(pooled))

    def mmd(first: np.ndarray, second: np.ndarray) -> float:
        a, b = pooled[first], pooled[second]
        aa, bb, ab = (np.exp(-(cdist(p, q) ** 2) / (2 * width**2)) for p, q in ((a, a), (b, b), (a, b)))
        n, m = len(a), len(b)
        return float((aa.sum() - n) / (n * (n - 1)) + (bb.sum() - m) / (m * (m - 1)) - 2 * ab.mean())

    theirs = stats.permutation_test(
        (np.arange(30), np.arange(30, 55)), mmd, n_resamples=2_000, alternative="greater", rng=rng
    )
    found = embedding_shift(x, y, permutations=2_000).mmd
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-4)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.03)


def test_both_effects_of_a_shift_by_d_deviations_are_a_quarter_of_its_square() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(400, 100)), rng.normal(0.5, 1, size=(400, 100))
    found = embedding_shift(x, y, permutations=99)
    assert found.energy.effect == pytest.approx(0.5**2 / 4, rel=0.15)
    assert found.mmd.effect == pytest.approx(0.5**2 / 4, rel=0.15)
    assert found.mmd.p_value == pytest.approx(1 / 100)


@pytest.fixture(scope="module")
def calm() -> list[EmbeddingShift]:
    """Pairs of windows of one distribution, of unequal size."""
    rng = np.random.default_rng(6)
    return [
        embedding_shift(rng.normal(size=(100, 30)), rng.normal(size=(40, 30)), permutations=99, seed=i)
        for i in range(200)
    ]


@pytest.mark.parametrize("test", ["energy", "mmd"])
def test_without_a_shift_p_is_small_no_more_often_than_it_should_and_the_effect_is_zero_on_average(
    test: str, calm: list[EmbeddingShift]
) -> None:
    found = [getattr(one, test) for one in calm]
    assert sum(one.p_value <= 0.05 for one in found) <= stats.binom.ppf(0.999, len(found), 0.05)
    assert abs(np.mean([one.effect for one in found])) < 0.001


@pytest.mark.parametrize("n", [100, 1000])
def test_the_effects_do_not_grow_with_n(n: int) -> None:
    rng = np.random.default_rng(7)
    found = embedding_shift(rng.normal(size=(n, 20)), rng.normal(0.3, 1, size=(n, 20)), permutations=9)
    assert found.energy.effect == pytest.approx(0.3**2 / 4, abs=0.008)
    assert found.mmd.effect == pytest.approx(0.3**2 / 4, abs=0.008)


def test_the_new_creatives_that_differ_most_are_named_by_their_place() -> None:
    rng = np.random.default_rng(12)
    new = rng.normal(size=(40, 10))
    new[5] = np.nan
    strange = [3, 17, 31]
    new[strange] += 4
    found = embedding_shift(rng.normal(size=(80, 10)), new, permutations=9).mmd
    assert set(found.most_typical[:3]) == set(strange)
    assert 5 not in found.most_typical


def test_larger_windows_are_drawn_down_and_that_is_said() -> None:
    rng = np.random.default_rng(8)
    found = embedding_shift(rng.normal(size=(300, 4)), rng.normal(size=(150, 4)), most=100, permutations=9).mmd
    assert (found.n_reference, found.n_current) == (300, 150)
    assert "100 drawn" in found.method
    assert max(found.most_typical) >= 100


def test_nothing_one_constant_or_broken_rows_give_a_note_or_no_shift() -> None:
    for reference, current in ((np.zeros((0, 3)), np.ones((5, 3))), (np.full((4, 2), np.nan), np.ones((4, 2)))):
        found = embedding_shift(reference, current)
        assert "at least 2" in found.energy.note
        assert found.mmd.statistic is None
    same = embedding_shift(np.ones((5, 3)), np.ones((4, 3)))
    assert (same.energy.effect, same.energy.p_value, same.mmd.effect) == (0, 1, 0)


def test_windows_of_different_encoders_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 4 features"):
        embedding_shift(np.zeros((5, 3)), np.zeros((5, 4)))


def test_the_upper_end_of_the_energy_is_seldom_below_what_many_creatives_say() -> None:
    rng = np.random.default_rng(6)
    true = embedding_shift(rng.normal(size=(1_000, 12)), rng.normal(0.3, 1, size=(1_000, 12)), permutations=1).energy
    worlds = [
        embedding_shift(rng.normal(size=(50, 12)), rng.normal(0.3, 1, size=(80, 12)), permutations=1).energy
        for _ in range(100)
    ]
    effects = [one.effect for one in worlds]
    assert np.mean([one.upper < true.effect for one in worlds]) <= 0.09
    errors = [(one.upper - one.effect) / 1.96 for one in worlds]
    assert np.median(errors) == pytest.approx(np.std(effects), rel=0.35)


def _campaigns(rng: np.random.Generator, many: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Campaigns of six creatives that look alike, and their labels."""
    apart = np.repeat(rng.normal(size=(many, 8)), 6, axis=0)
    return 0.8 * apart + 0.6 * rng.normal(size=(6 * many, 8)) + shift, np.repeat(np.arange(many), 6)


def test_creatives_of_a_campaign_that_look_alike_make_no_false_alarm() -> None:
    from abkit.stats.monitoring.shifts.classifier_shift import classifier_shift

    rng = np.random.default_rng(12)
    one_by_one, as_a_whole = [], []
    for _ in range(16):
        (x, old), (y, new) = _campaigns(rng, 10), _campaigns(rng, 8)
        one_by_one.append(embedding_shift(x, y, permutations=99).energy.p_value)
        found = embedding_shift(x, y, permutations=99, groups=(old, new))
        told_apart = classifier_shift(x, y, permutations=99, groups=(old, new))
        as_a_whole.append([found.energy.p_value, found.mmd.p_value, told_apart.p_value])
    assert np.mean(np.array(one_by_one) <= 0.05) > 0.8
    assert (np.array(as_a_whole) <= 0.05).mean() < 0.2


def test_campaigns_of_another_kind_are_found_and_their_uncertainty_is_between_campaigns() -> None:
    rng = np.random.default_rng(13)
    (x, old), (y, new) = _campaigns(rng, 10), _campaigns(rng, 10, shift=1.5)
    found = embedding_shift(x, y, permutations=199, groups=(old, new))
    single = embedding_shift(x, y, permutations=199)
    assert max(found.energy.p_value or 1, found.mmd.p_value or 1) <= 0.02
    assert found.energy.effect == single.energy.effect
    assert (found.energy.upper or 0) > (single.energy.upper or 0)
    assert "of 10 and 10 groups" in found.energy.method


def test_too_few_campaigns_to_deal_are_dealt_creative_by_creative_and_it_says_so() -> None:
    rng = np.random.default_rng(14)
    (x, old), (y, new) = _campaigns(rng, 3), _campaigns(rng, 3)
    found = embedding_shift(x, y, groups=(old, new)).energy
    assert found.p_value == embedding_shift(x, y).energy.p_value
    assert "of single creatives, as of 3 and 3 groups there are too few to deal" in found.method
