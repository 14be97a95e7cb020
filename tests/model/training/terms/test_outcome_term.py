"""The closed form for outcomes: what it finds, when it stays with the parent, and which other labels it listens to."""

import numpy as np
import pytest

from abkit_model.training.terms.outcome_term import NEVER, REACHES, Rows, Term, fit_term

N, WIDTH, CELLS = 240, 30, 40
RNG = np.random.default_rng(0)
SEEN = RNG.normal(size=(N, WIDTH))
TRUTH = RNG.normal(size=WIDTH) / WIDTH**0.5
CELL = np.repeat(np.arange(CELLS), N // CELLS)
PARTS = CELL % 5


def rows_of(value: np.ndarray, noise: float = 0.3, seed: int = 1) -> Rows:
    """Appeals with noise, in cells that differ on the whole."""
    rng = np.random.default_rng(seed)
    observed = value + rng.normal(0, noise, N) + 3 * rng.normal(size=CELLS)[CELL]
    return Rows(image=np.arange(N), cell=CELL, value=observed, variance=np.full(N, noise**2 + float(value.var())))


def correlation(term: Term, truth: np.ndarray = SEEN @ TRUTH) -> float:
    return float(np.corrcoef(SEEN @ term.weights.mean(axis=0), truth)[0, 1])


def test_it_finds_a_linear_truth_under_levels_of_campaigns_that_it_never_asks_for() -> None:
    term = fit_term(SEEN, rows_of(SEEN @ TRUTH), PARTS)
    assert term.weights.shape == (5, WIDTH)
    assert correlation(term) > 0.95
    assert term.reach > 0
    assert term.gained > 0.5
    assert not term.gain.any()


def test_a_level_of_a_campaign_changes_nothing() -> None:
    rows = rows_of(SEEN @ TRUTH)
    moved = Rows(image=rows.image, cell=rows.cell, value=rows.value + 7.0 * CELL, variance=rows.variance)
    one, other = fit_term(SEEN, rows, PARTS), fit_term(SEEN, moved, PARTS)
    assert one.weights == pytest.approx(other.weights)


def test_outcomes_that_carry_nothing_leave_the_parent_as_it_is() -> None:
    stayed = 0
    for seed in range(10):
        noise = np.random.default_rng(100 + seed).normal(size=N)
        term = fit_term(SEEN, rows_of(noise, seed=seed), PARTS, scores=SEEN[:, 0])
        stayed += term.reach == 0
        assert term.gained < 0.05
    assert stayed >= 5


def test_a_parent_that_is_right_keeps_its_gain_and_one_that_contradicts_the_clicks_has_no_say() -> None:
    truth = 0.5 * SEEN[:, 0]
    right = fit_term(SEEN, rows_of(truth), PARTS, scores=2 * SEEN[:, 0])
    assert right.gain.mean() == pytest.approx(0.25, abs=0.1)
    wrong = fit_term(SEEN, rows_of(truth), PARTS, scores=-2 * SEEN[:, 0])
    assert not wrong.gain.any()
    assert correlation(wrong, truth) > 0.9


def test_certain_rows_count_for_more() -> None:
    loud = np.arange(N) % 2 == 0
    rng = np.random.default_rng(3)
    variance = np.where(loud, 25.0, 0.05)
    value = SEEN @ TRUTH + rng.normal(0, variance**0.5)
    weighted = fit_term(SEEN, Rows(image=np.arange(N), cell=CELL, value=value, variance=variance), PARTS)
    plain = fit_term(SEEN, Rows(image=np.arange(N), cell=CELL, value=value, variance=np.ones(N)), PARTS)
    assert correlation(weighted) > correlation(plain) + 0.1


def test_ratings_that_help_are_listened_to_and_poisoned_ones_count_nothing() -> None:
    rng = np.random.default_rng(4)
    more = rng.normal(size=(400, WIDTH))
    seen, parts = np.concatenate([SEEN, more]), np.r_[PARTS, np.full(400, NEVER)]
    rows = rows_of(SEEN @ TRUTH, noise=1.5)
    rating = more @ TRUTH + rng.normal(0, 0.3, 400)
    image, cell = N + np.arange(400), np.zeros(400, dtype=np.intp)
    unit = float(rows.variance[0])

    def beside(value: np.ndarray) -> Rows:
        return Rows(image=image, cell=cell, value=value / value.std() * unit**0.5, variance=np.full(400, unit))

    alone = fit_term(seen, rows, parts)
    helped = fit_term(seen, rows, parts, beside={"ratings": beside(rating)})
    assert helped.shares["ratings"] > 0
    assert correlation(helped) > correlation(alone) + 0.05
    poisoned = fit_term(seen, rows, parts, beside={"ratings": beside(-rating)})
    assert poisoned.shares == {"ratings": 0.0}
    assert poisoned.weights == pytest.approx(alone.weights)


def test_more_images_than_channels_need_no_rotation() -> None:
    narrow = SEEN[:, :10]
    truth = narrow @ TRUTH[:10]
    assert correlation_of(narrow, fit_term(narrow, rows_of(truth), PARTS), truth) > 0.95


def correlation_of(seen: np.ndarray, term: Term, truth: np.ndarray) -> float:
    return float(np.corrcoef(seen @ term.weights.mean(axis=0), truth)[0, 1])


def test_not_to_move_is_one_of_the_candidates() -> None:
    assert REACHES[0] == 0
