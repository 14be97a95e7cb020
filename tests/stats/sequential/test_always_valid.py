"""Sequences and verdicts: what they refuse, when they stop, and what may be said."""

import math

import pytest

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.sequential.always_valid import always_valid_p, confidence_sequence, multiplier
from abkit.stats.verdicts.guards import Guard
from abkit.stats.verdicts.verdict import judge
from abkit.vocabulary import GuardStatus


def sequence(*arms: tuple[int, int, int]):  # type: ignore[no-untyped-def]
    """Cumulative looks: n an arm, successes of control and treatment."""
    pairs = [(Counts(x0, n), Counts(x1, n)) for n, x0, x1 in arms]
    return confidence_sequence(
        [compare(*pair, method="sequential") for pair in pairs],
        [compare(*pair) for pair in pairs],
    )


def test_the_multiplier_is_smallest_where_it_was_tuned_to_relative_to_the_sample() -> None:
    # The width is multiplier ÷ √n; at the tuned n it is the least that any tuning gives.
    at = {tuning: multiplier(5000, tuning=tuning) for tuning in (500, 2000, 5000, 12_000, 50_000)}
    assert min(at, key=lambda tuning: at[tuning]) == 5000
    assert multiplier(5000) > 1.96


def test_the_p_value_falls_below_alpha_exactly_where_the_interval_excludes_zero() -> None:
    for n in (10, 5000, 10**9):
        z = multiplier(n)
        assert always_valid_p(z * 1.0001, n) < 0.05 < always_valid_p(z * 0.9999, n)


def test_it_stops_once_and_later_looks_do_not_take_it_back() -> None:
    found = sequence((5000, 250, 260), (20_000, 1000, 1200), (21_000, 1060, 1200))
    assert found.stopped_at == 2
    assert not found.looks[2].difference.excludes(0)
    assert found.verdict == "better"
    assert found.looks[2].p_value == found.looks[1].p_value


def test_looks_on_both_sides_of_zero_are_contradicted() -> None:
    found = sequence((5000, 150, 350), (50_000, 3500, 2500))
    assert found.verdict == "contradicted"
    assert math.isnan(found.looks[-1].running.ci_low)


def test_looks_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInput, match="look 2 has 2000 observations after 4000"):
        sequence((2000, 50, 60), (1000, 30, 30))
    with pytest.raises(InvalidInput, match="0 any-time looks"):
        confidence_sequence([], [])
    with pytest.raises(InvalidInput, match="tuned to 0"):
        multiplier(100, tuning=0)


def verdict(control: Counts, treatment: Counts, **options: object):  # type: ignore[no-untyped-def]
    settings = {"allocation": "random", "treatment": "b", "control": "a"} | options
    return judge(compare(control, treatment), settings.pop("guards", []), **settings)  # type: ignore[arg-type]


def test_the_verdict_follows_the_figures() -> None:
    assert verdict(Counts(500, 10_000), Counts(700, 10_000)).state == "better"
    assert verdict(Counts(700, 10_000), Counts(500, 10_000)).state == "worse"
    assert verdict(Counts(500, 10_000), Counts(510, 10_000)).state == "undecided"
    assert verdict(Counts(500, 10_000), Counts(700, 10_000), adjusted_p=0.2).state == "undecided"
    assert verdict(Counts(50_000, 10**6), Counts(50_100, 10**6), planned_lift=0.1).state == "futile"


def test_a_guard_that_blocks_wins_over_any_figure() -> None:
    guard = Guard("sample_ratio", GuardStatus.BLOCK, "the arms got 5 : 9", "start again")
    found = verdict(Counts(500, 10_000), Counts(900, 10_000), guards=[guard])
    assert (found.state, found.blocked_by) == ("blocked", ("sample_ratio",))
    assert "the arms got 5 : 9 → start again" in found.sentence


def test_without_random_allocation_nothing_is_caused() -> None:
    found = verdict(Counts(700, 10_000), Counts(500, 10_000), allocation="optimized")
    assert not found.causal
    assert "caused" not in found.sentence
    assert "lower than a's by 0.0200" in found.sentence
