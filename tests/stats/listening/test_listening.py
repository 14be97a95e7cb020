"""Against a known truth: a random score gets nothing, a true one gets all that the noise leaves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import ByChance, mean_over_campaigns, share_of_campaigns
from abkit.stats.listening.gains import best_of_random, gain_curve, gain_when_dropping
from abkit.stats.listening.noise import noise_of
from abkit.stats.listening.pairs import pairs_right
from abkit.stats.listening.policy import policy_value
from abkit.stats.listening.sample import Clusters, ListeningSample
from abkit.stats.listening.savings import VariantCosts, savings
from abkit.stats.listening.winners import droppable, winner_recall
from abkit.vocabulary import WinnerRule
from tests.stats.listening.worlds import world

WORLDS = 40


def scored(sample: ListeningSample, by: str) -> ListeningSample:
    """The same campaigns with the truth, or nothing, for a score."""
    values = {"shrunk": lambda one: one.shrunk, "equal": lambda one: np.zeros(one.n)}[by]
    return replace(sample, campaigns=tuple(replace(one, score=values(one)) for one in sample))


def test_a_random_score_shows_nothing_at_the_stated_rate() -> None:
    worlds = [world(seed, rho=0.0, campaigns=8) for seed in range(WORLDS)]
    recalls = [winner_recall(one, 3) for one in worlds]
    assert np.mean([one.recall.estimate for one in recalls]) == pytest.approx(0.3, abs=0.06)
    assert {round(one.chance, 9) for one in recalls} == {0.3}
    gains = [gain_curve(one, most=3)[2].gain for one in worlds]
    lifts = [policy_value(one, 3, randomized=True).lift for one in worlds]
    pairs = [pairs_right(one).share for one in worlds]
    # At most 2.5 % of the worlds should show something: of 40, more than 4 would have a chance of 0.3 %.
    assert sum(one.shown for one in recalls) <= 4
    for found, nothing in ((gains, 0.0), (lifts, 0.0), (pairs, 0.5)):
        assert sum(one.ci_low > nothing for one in found) <= 4
        assert sum(one.ci_high < nothing for one in found) <= 4
        assert np.mean([one.estimate for one in found]) == pytest.approx(nothing, abs=0.05)  # 3.5 standard errors


def test_a_good_score_is_shown_and_its_intervals_hold_the_truth() -> None:
    worlds = [world(seed, rho=0.6, campaigns=20) for seed in range(20)]
    assert np.mean([winner_recall(one, 3).shown for one in worlds]) > 0.9
    assert np.mean([gain_curve(one, most=3)[2].gain.ci_low > 0 for one in worlds]) > 0.9
    lifts = [policy_value(one, 3, randomized=True).lift for one in worlds]
    # The best 3 of 10 normal scores are 1.066 standard deviations above the mean.
    truth = float(np.mean([one.estimate for one in lifts]))
    assert truth == pytest.approx(math.expm1(0.6 * 1.066 * 0.4), abs=0.03)
    assert sum(one.ci_low <= truth <= one.ci_high for one in lifts) >= 17
    trues = [noise_of(one).true for one in worlds]
    assert all(one is not None for one in trues)
    assert sum(one.ci_low <= 0.6 <= one.ci_high for one in trues if one) >= 17


def test_the_ceiling_is_what_the_true_appeals_would_reach() -> None:
    noisy, clear = world(3, rho=0.5, clicks=15.0), world(3, rho=0.5, clicks=20_000.0)
    assert winner_recall(clear, 1).ceiling > 0.95
    of_noisy = winner_recall(noisy, 1)
    assert of_noisy.chance < of_noisy.ceiling < 0.8
    perfect = winner_recall(scored(clear, "shrunk"), 1)
    assert perfect.recall.estimate == 1
    assert pairs_right(clear).ceiling > pairs_right(noisy).ceiling > 0.5


def test_tests_of_two_variants_count_by_the_better_one() -> None:
    sample = world(12, rho=0.5, campaigns=40, size=2)
    found, value = winner_recall(sample, 3), policy_value(sample, 3, randomized=True)
    assert (found.campaigns, found.chance, value.campaigns) == (40, 0.5, 40)
    ratio = [one.ratio[one.score.argmax()] / one.ratio.mean() - 1 for one in sample]
    traffic = [one.expected.sum() for one in sample]
    assert value.lift.estimate == pytest.approx(np.average(ratio, weights=traffic))


def test_equal_scores_are_chance() -> None:
    equal = scored(world(4, rho=0.5), "equal")
    found = winner_recall(equal, 2)
    assert found.recall.estimate == pytest.approx(found.chance)
    assert not found.shown
    assert pairs_right(equal).share.estimate == 0.5
    assert policy_value(equal, 2, randomized=False).lift.estimate == pytest.approx(0)
    assert gain_curve(equal, most=2)[1].gain.estimate == pytest.approx(0, abs=0.05)
    assert noise_of(equal).true is None
    assert "the score is the same" in noise_of(equal).measured.note


def test_with_few_clicks_there_is_no_noise_ceiling() -> None:
    sample = world(5, rho=0.5, clicks=2.0, campaigns=3)
    few = noise_of(replace(sample, campaigns=tuple(replace(one, ratio=np.ones(one.n)) for one in sample)))
    assert few.ceiling is few.true is few.reliability is None
    assert few.note.startswith("not enough clicks")
    assert noise_of(replace(sample, campaigns=())).note == "not enough clicks: 0 ideas in 0 campaigns"


def test_nothing_at_all_has_no_figures_and_open_intervals() -> None:
    none = replace(world(6, rho=0.0), campaigns=(), cluster=np.zeros(0, np.int64))
    assert winner_recall(none, 1).campaigns == 0
    assert math.isnan(winner_recall(none, 1).recall.estimate)
    assert gain_curve(none) == ()
    assert gain_when_dropping(none, 0.5) is None
    assert policy_value(none, 1, randomized=True).lift.ci_high == math.inf
    assert (pairs_right(none).pairs, pairs_right(none).campaigns) == (0, 0)
    assert math.isnan(pairs_right(none).share.estimate)
    assert droppable(none).share == 0


def test_who_wins_is_the_users_rule() -> None:
    sample = world(7, rho=0.0, campaigns=1)
    (one,) = sample.campaigns
    most_shown = replace(one, expected=np.where(np.arange(one.n) == one.score.argmax(), 1e6, 10.0))
    changed = replace(sample, campaigns=(most_shown,))
    assert winner_recall(changed, 1, rule=WinnerRule.EVENTS).recall.estimate == 1
    best_rate = replace(one, score=one.ratio)
    assert winner_recall(replace(sample, campaigns=(best_rate,)), 1, rule=WinnerRule.RATIO).recall.estimate == 1
    # Where nobody has a click, nobody wins.
    assert winner_recall(replace(sample, campaigns=(replace(one, shrunk=np.zeros(one.n)),)), 1).campaigns == 0


def test_regret_falls_and_the_curve_ends_where_all_are_kept() -> None:
    curve = gain_curve(world(8, rho=0.7), most=30)
    assert [point.k for point in curve] == list(range(1, 10))  # campaigns of 10
    regrets = [point.regret.estimate for point in curve]
    assert regrets == sorted(regrets, reverse=True)
    assert all(p.gain.estimate + p.regret.estimate == pytest.approx(p.regret_by_chance) for p in curve)


def test_the_best_of_k_at_random_is_the_mean_over_all_choices() -> None:
    values = np.array([[5.0, 1.0, 4.0, 2.0]])
    assert best_of_random(values, 4) == pytest.approx([3.0, 25 / 6, 19 / 4, 5.0])


def test_variants_can_be_dropped_as_far_as_the_winner_stays() -> None:
    clear = scored(world(9, rho=1.0, clicks=20_000, campaigns=40), "shrunk")
    found = droppable(clear, keep_winner=0.8)
    assert found.share == found.shown == pytest.approx(0.9)  # of ten, the best one
    assert found.by_chance == pytest.approx(0.2)
    nothing = droppable(world(9, rho=0.0, campaigns=40), keep_winner=0.8)
    assert nothing.shown <= nothing.by_chance
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        droppable(clear, keep_winner=1)


def test_sizes_of_an_idea_change_nothing() -> None:
    sample = world(10, rho=0.4, sizes=4, clicks=50)
    assert sample.creatives == 4 * sample.ideas == 480
    assert winner_recall(sample, 3).chance == pytest.approx(0.3)


def test_fewer_than_five_campaigns_speak_of_themselves_only() -> None:
    chance = [ByChance(variance=0.0001, freedom=9)] * 4
    wild = [0.5, -0.5, 0.5, -0.4]
    few = mean_over_campaigns(wild, Clusters.of(range(4)), chance=chance)
    more = mean_over_campaigns([*wild, 0.1], Clusters.of(range(5)), chance=[*chance, chance[0]])
    assert few.ci_high - few.ci_low < 0.05 < more.ci_high - more.ci_low
    shared = mean_over_campaigns([*wild, 0.1], Clusters.of([0, 0, 1, 2, 3]), chance=[*chance, chance[0]])
    assert shared.ci_high - shared.ci_low < 0.05


def test_campaigns_that_share_ideas_count_once_in_the_width() -> None:
    apart = share_of_campaigns([1, 1, 0, 0], Clusters.of(range(4)))
    together = share_of_campaigns([1, 1, 0, 0], Clusters.of([0, 0, 1, 1]))
    assert together.estimate == apart.estimate == 0.5
    assert together.ci_low < apart.ci_low < apart.ci_high < together.ci_high


def test_k_below_one_and_impossible_costs_are_refused() -> None:
    sample = world(11, rho=0.0, campaigns=2)
    for call in (lambda: winner_recall(sample, 0), lambda: policy_value(sample, 0, randomized=True)):
        with pytest.raises(InvalidInput, match="at least 1"):
            call()
    for costs in ({"money": -1.0}, {"hours": math.inf}):
        with pytest.raises(InvalidInput, match="0 or more"):
            VariantCosts(**costs)


def test_savings_say_only_what_costs_and_worth_are_known() -> None:
    regret = Estimate(0.02, -0.01, 0.05)
    unknown = savings(variants=10, share=0.5, costs=VariantCosts(), regret=regret, worth_of_rate=None)
    assert unknown.dropped == 5
    assert {unknown.money, unknown.hours, unknown.lost, unknown.net, unknown.break_even} == {None}
    known = savings(variants=10, share=0.5, costs=VariantCosts(money=50), regret=regret, worth_of_rate=1000)
    assert known.lost == Estimate(20.0, 0.0, 50.0)
    assert known.net == Estimate(230.0, 200.0, 250.0)
    assert known.break_even == Estimate(4.0, 0.0, 10.0)
    kept = savings(variants=10, share=0.0, costs=VariantCosts(money=50), regret=regret, worth_of_rate=1000)
    assert kept.break_even is None
