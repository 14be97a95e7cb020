"""P(A beats B), P(best) and ties: right by simulation; and a calibration that notices when they are not."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.evaluation.pair_calibration import pair_calibration, spread_of_errors
from abkit_model.selection import best_probabilities, error_spread, pair_probability, smallest_set, tie_groups

score = st.floats(1, 7)
spread = st.floats(0.01, 5)


@given(a=score, b=score, s=spread)
def test_one_of_two_images_wins(a: float, b: float, s: float) -> None:
    assert float(pair_probability(a, b, s)) + float(pair_probability(b, a, s)) == pytest.approx(1, abs=1e-12)


@given(a=score, b=score, c=score, s=spread)
def test_a_higher_score_never_wins_less_often(a: float, b: float, c: float, s: float) -> None:
    low, high = sorted((a, b))
    assert pair_probability(low, c, s) <= pair_probability(high, c, s)


@settings(deadline=None)
@given(means=st.lists(score, min_size=1, max_size=30), s=spread)
def test_the_best_is_one_of_the_candidates(means: list[float], s: float) -> None:
    chances = best_probabilities(means, s)
    assert chances.sum() == pytest.approx(1, abs=1e-9)
    order = np.argsort(means, kind="stable")
    assert (np.diff(chances[order]) >= -1e-12).all()


@given(a=score, b=score, s=spread)
def test_of_two_candidates_the_best_is_the_one_that_beats_the_other(a: float, b: float, s: float) -> None:
    assert best_probabilities([a, b], s)[0] == pytest.approx(float(pair_probability(a, b, s)), abs=1e-9)


def test_p_best_agrees_with_a_simulation() -> None:
    means = np.array([5.2, 5.1, 4.9, 4.9, 4.2, 3.0, 2.0])
    draws = np.random.default_rng(0).normal(means, 0.6, size=(400_000, len(means)))
    won = np.bincount(draws.argmax(axis=1), minlength=len(means)) / len(draws)
    assert best_probabilities(means, 0.6) == pytest.approx(won, abs=4 * math.sqrt(0.25 / len(draws)))


def test_p_best_holds_for_thousands_of_candidates_and_for_equal_ones() -> None:
    means = np.random.default_rng(1).normal(4, 0.5, size=3000)
    assert best_probabilities(means, 0.5).sum() == pytest.approx(1, abs=1e-9)
    assert best_probabilities([4.0] * 1300, 0.5) == pytest.approx(np.full(1300, 1 / 1300), rel=1e-9)


def test_a_scorer_that_knows_nothing_tells_nothing_apart() -> None:
    assert best_probabilities([6.0, 2.0, 1.0, 1.0], math.inf) == pytest.approx([0.25] * 4)
    assert tie_groups([6.0, 2.0], math.inf, 0.9) == [1, 1]


def test_what_is_no_spread_and_no_score_is_refused() -> None:
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            pair_probability(5.0, 4.0, wrong)
    with pytest.raises(ValueError, match="at least one score"):
        best_probabilities([], 0.5)
    with pytest.raises(ValueError, match="finite"):
        best_probabilities([4.0, math.nan], 0.5)


def test_the_smallest_set_is_not_larger_than_needed() -> None:
    assert [smallest_set([0.5, 0.3, 0.15, 0.05], p) for p in (0.5, 0.51, 0.8, 0.95, 1)] == [1, 2, 2, 3, 4]


def test_ties_start_anew_at_the_first_that_is_told_apart() -> None:
    # 1.28 · √2 · 0.5 = 0.906 is the gap at which P reaches 0.9.
    assert tie_groups([5.0, 4.5, 4.1, 4.0, 3.2, 3.0], 0.5, 0.9) == [1, 1, 1, 2, 2, 3]


def test_a_card_without_pair_calibration_falls_back_on_its_interval_and_says_so() -> None:
    old = error_spread({}, {"level": 0.9, "half_width": 1.2, "n": 616})
    assert old is not None
    assert old.std == pytest.approx(1.2 / stats.norm.ppf(0.95))
    assert not old.measured
    assert "not measured" in old.source

    new = error_spread({"pairs": {"error_spread": 0.55, "n": 616}}, {"level": 0.9, "half_width": 1.2, "n": 616})
    assert new is not None
    assert (new.std, new.measured) == (0.55, True)
    assert error_spread({}, {"level": 0.9, "half_width": None, "n": 8}) is None


def test_a_card_whose_scores_did_not_follow_the_ratings_tells_nothing_apart() -> None:
    spread = error_spread({"pairs": {"error_spread": None, "n": 616}}, {"level": 0.9, "half_width": 1.2, "n": 616})
    assert spread is not None
    assert math.isinf(spread.std)


# --- calibration ----------------------------------------------------------------------------------------------


def held_out(
    *, noise: float = 0.6, slope: float = 1.0, subjects: int = 120, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Scores and ratings of three images a subject: rating = slope · score + noise."""
    rng = np.random.default_rng(seed)
    groups = [f"s{i // 3}" for i in range(3 * subjects)]
    predicted = rng.normal(4, 0.6, size=len(groups))
    observed = 4 + slope * (predicted - 4) + rng.normal(0, noise, size=len(groups))
    return predicted, observed, groups, grouped_folds(groups, seed=seed)


def test_probabilities_of_normal_errors_are_calibrated() -> None:
    figures = pair_calibration(*held_out(), resamples=300)
    assert figures is not None
    assert figures.error_spread == pytest.approx(0.6, abs=0.06)
    assert figures.overconfidence.low < 0 < figures.overconfidence.high
    assert figures.ece.value < 0.04
    assert figures.brier.high < figures.coin_brier
    assert sum(one.pairs for one in figures.bins) == figures.pairs


def test_scores_that_are_too_flat_or_too_steep_are_put_right_by_their_slope() -> None:
    for slope in (0.5, 2.0):
        predicted, observed, groups, folds = held_out(slope=slope)
        spread, found = spread_of_errors(predicted, observed, folds)
        assert found == pytest.approx(slope, rel=0.15)
        assert spread == pytest.approx(0.6 / slope, rel=0.15)
        figures = pair_calibration(predicted, observed, groups, folds, resamples=100)
        assert figures is not None
        assert figures.ece.value < 0.05


def test_overconfidence_is_noticed() -> None:
    # Errors of one fold are far larger than those of the others, from which its spread comes.
    predicted, observed, groups, folds = held_out(subjects=200)
    noise = np.random.default_rng(7).normal(0, 1, size=len(folds))
    observed = predicted + noise * np.where(folds == 0, 3.0, 0.1)
    figures = pair_calibration(predicted, observed, groups, folds, resamples=300)
    assert figures is not None
    calm = pair_calibration(predicted, predicted + 0.1 * noise, groups, folds, resamples=300)
    assert calm is not None
    assert figures.bins[-1].right.high < figures.bins[-1].said < 1
    assert figures.bins[-1].pairs > 1000
    assert abs(calm.bins[-1].said - calm.bins[-1].right.value) < 0.01


def test_the_spread_of_a_pair_comes_from_other_folds() -> None:
    # Two folds: ratings of one follow the scores to the dot, those of the other are noise. Judged with its own
    # spread, each fold would look calibrated.
    predicted, observed, groups, _ = held_out(noise=0.01)
    folds = np.array([int(group[1:]) % 2 for group in groups])
    observed[folds == 1] = predicted[folds == 1] + np.random.default_rng(3).normal(0, 2, size=(folds == 1).sum())
    figures = pair_calibration(predicted, observed, groups, folds, resamples=100)
    assert figures is not None
    assert figures.ece.low > 0.1


def test_pairs_of_one_subject_and_of_two_folds_are_not_judged() -> None:
    predicted, observed, groups, folds = held_out(subjects=10)
    figures = pair_calibration(predicted, observed, groups, folds, resamples=10)
    assert figures is not None
    apart = [(i, j) for i in range(len(groups)) for j in range(i) if folds[i] == folds[j] and groups[i] != groups[j]]
    assert figures.pairs == len(apart)


def test_too_many_pairs_are_sampled() -> None:
    data = held_out(subjects=200)
    few = pair_calibration(*data, resamples=50, max_pairs=5000)
    every = pair_calibration(*data, resamples=50)
    assert few is not None
    assert every is not None
    assert 4500 < few.pairs <= 5000 < every.pairs
    assert few.right.value == pytest.approx(every.right.value, abs=0.03)


def test_scores_that_run_against_the_ratings_end_in_coin_flips_and_plain_json() -> None:
    predicted, observed, groups, folds = held_out(slope=-1.0)
    figures = pair_calibration(predicted, observed, groups, folds, resamples=20)
    assert figures is not None
    assert figures.said == 0.5
    plain = json.loads(json.dumps(figures.to_dict(), allow_nan=False))
    assert plain["error_spread"] is None
    assert plain["bins"][-1]["said"] is None


def test_what_cannot_be_judged_has_no_calibration() -> None:
    predicted, observed, groups, folds = held_out(subjects=20)
    assert pair_calibration(np.full_like(predicted, 4.0), observed, groups, folds) is None
    assert pair_calibration(predicted, observed, groups, np.zeros_like(folds)) is None
    assert pair_calibration(predicted, observed, ["one"] * len(groups), folds) is None


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.long
def test_p_a_beats_b_holds_on_photographs_of_subjects_never_seen(testdata: Path, tmp_path: Path) -> None:
    # Chosen before looking: every second subject, the small encoder, and a calibration error below 0.06.
    from abkit_model.data.dataset import load_dataset
    from abkit_model.encoders.load import load_encoder
    from abkit_model.training.holdout import cross_validate
    from abkit_model.training.ratings import RatingLabels
    from abkit_model.training.request import Recipe

    folder = testdata / "oasis_beauty"
    header, *lines = (folder / "ratings_per_image.csv").read_text(encoding="utf-8").splitlines()
    subjects = sorted({line.rsplit(",", 1)[1] for line in lines})[::2]
    half = [line for line in lines if line.rsplit(",", 1)[1] in subjects]
    (tmp_path / "half.csv").write_text("\n".join([header, *half]), encoding="utf-8")
    encoder = load_encoder("bundled:efficientnet-lite0")
    dataset = load_dataset(tmp_path / "half.csv", folder / "images", encoder, group_column="subject", mirrored=False)
    examples = dataset.examples
    answers = cross_validate(RatingLabels(examples), Recipe(members=1))
    held, folds = answers.distributions, answers.folds
    figures = pair_calibration(
        held @ examples.values, examples.targets @ examples.values, examples.groups, folds, resamples=300
    )
    assert figures is not None
    assert figures.pairs > 5000
    assert figures.ece.value < 0.06
    assert figures.brier.high < figures.coin_brier
    assert figures.overconfidence.low < 0.03
    assert figures.overconfidence.high > -0.03
