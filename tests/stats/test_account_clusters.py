"""Accounts as clusters: where a score is right in one account and wrong in another, intervals count accounts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from abkit.stats.account_clusters import account_labels
from abkit.stats.appeal.appeal import appeals
from abkit.stats.appeal.relation import relation
from abkit.stats.appeal.rows import DeliveryRows
from abkit.stats.listening.averages import ByChance, mean_over_campaigns, share_of_campaigns
from abkit.stats.listening.pairs import pairs_right
from abkit.stats.listening.policy import policy_value
from abkit.stats.listening.sample import Clusters, listening_sample
from abkit.stats.listening.winners import winner_recall
from abkit.stats.monitoring.correlation import correlate

Interval = tuple[float, float, float]
ACCOUNTS, CAMPAIGNS, SIZE, WORLDS = 20, 3, 6, 60


class World:
    """Accounts of three campaigns of six creatives; what a score is worth differs from account to account."""

    def __init__(self, seed: int, accounts: int = ACCOUNTS, differs: float = 0.3) -> None:
        rng = np.random.default_rng(seed)
        self.campaign = np.repeat(np.arange(accounts * CAMPAIGNS), SIZE)
        self.account = self.campaign // CAMPAIGNS
        self.score = rng.normal(size=len(self.campaign))
        slope = 0.1 + differs * rng.normal(size=accounts)
        appeal = slope[self.account] * self.score + rng.normal(0, 0.2, len(self.score))
        self.events = rng.poisson(200 * np.exp(appeal)).astype(float)
        creative = np.arange(len(self.score))
        rows = DeliveryRows(
            events=self.events, exposure=np.full(len(creative), 1e4), creative=creative, campaign=self.campaign,
            cell=self.campaign, age=np.zeros(len(creative)),
        )  # fmt: skip
        self.appeals = appeals(rows)

    def listened(self, account: NDArray[np.int64] | None) -> dict[str, Interval]:
        sample = listening_sample(
            score=self.score, events=self.events, expected=self.appeals.expected, campaign=self.campaign,
            shrunk=self.appeals.shrunk, shrunk_sd=self.appeals.shrunk_sd, account=account,
        )  # fmt: skip
        found = (
            policy_value(sample, 3, randomized=True).lift,
            pairs_right(sample).share,
            winner_recall(sample, 3).recall,
        )
        return {
            name: (one.estimate, one.ci_low, one.ci_high)
            for name, one in zip(("lift", "pairs", "recall"), found, strict=True)
        }

    def figures(self, account: NDArray[np.int64] | None) -> dict[str, Interval]:
        slope = relation(self.appeals, self.score, account=account)
        found: dict[str, Interval] = {"slope": (slope.slope or 0, slope.ci_low or 0, slope.ci_high or 0)}
        for name, statistic, campaign in (
            ("srcc", "srcc", self.campaign), ("plcc", "plcc", self.campaign), ("srcc over all", "srcc", None),
        ):  # fmt: skip
            one = correlate(self.score, self.events, statistic=statistic, campaign=campaign, account=account)
            found[name] = (one.estimate or 0, one.ci_low or 0, one.ci_high or 0)
        return found | self.listened(account)


@pytest.fixture(scope="module")
def coverage() -> dict[str, tuple[float, float]]:
    """The share of worlds whose interval holds the truth, that of a large world: without accounts, and with them."""
    truth = {name: one[0] for name, one in World(1_000_000, accounts=1000).figures(None).items()}
    held = {name: [0, 0] for name in truth}
    for seed in range(WORLDS):
        world = World(seed)
        for place, account in enumerate((None, world.account)):
            for name, (_, low, high) in world.figures(account).items():
                held[name][place] += low <= truth[name] <= high
    return {name: (alone / WORLDS, together / WORLDS) for name, (alone, together) in held.items()}


@pytest.mark.parametrize("name", ["slope", "srcc", "plcc", "srcc over all", "lift", "pairs", "recall"])
def test_intervals_hold_the_truth_of_other_accounts_only_where_accounts_are_counted(
    coverage: dict[str, tuple[float, float]], name: str
) -> None:
    alone, together = coverage[name]
    assert together > 0.86  # 95 %, and three standard errors of 60 worlds
    assert alone < together - 0.08


def test_where_accounts_do_not_differ_intervals_stay_about_as_wide() -> None:
    world = World(3, differs=0.0)
    alone, together = world.figures(None), world.figures(world.account)
    for name, (estimate, low, high) in together.items():
        assert estimate == alone[name][0], name
        assert 1 <= (high - low) / (alone[name][2] - alone[name][1]) < 1.6, name


def test_fewer_than_ten_accounts_change_nothing() -> None:
    world = World(4, accounts=9)
    assert world.figures(world.account) == world.figures(None)


def test_campaigns_without_an_account_do_not_count_among_the_ten_where_few_accounts_have_scores() -> None:
    world = World(6, accounts=24)
    named = {campaign: f"meta/{campaign // CAMPAIGNS}" for campaign in range(12 * CAMPAIGNS)}
    account = account_labels(world.campaign, named)
    assert account is not None
    assert world.figures(account) != world.figures(None)
    world.score[(world.account >= 2) & (world.account < 12)] = np.nan
    assert world.figures(account) == world.figures(None)


@pytest.mark.parametrize("accounts", [12, 40])
def test_a_share_counts_no_more_campaigns_than_there_are_and_no_fewer_than_accounts(accounts: int) -> None:
    owner, campaigns = np.repeat(np.arange(accounts), 5), np.arange(5 * accounts)

    def low(hits: NDArray[np.bool_], clusters: Clusters) -> float:
        return share_of_campaigns(hits, clusters).ci_low

    each, together = Clusters.of(np.arange(accounts)), Clusters.of(campaigns, owner)
    agreeing = owner % 2 == 0
    assert low(agreeing, together) == pytest.approx(low(agreeing[::5], each))
    assert low(campaigns >= 0, together) == pytest.approx(low(campaigns[::5] >= 0, each))
    opposed = (campaigns + owner) % 2 == 0  # two or three of five in each account
    assert low(opposed, together) == pytest.approx(low(opposed, Clusters.of(campaigns)))


def test_one_large_account_counts_as_few() -> None:
    values = np.random.default_rng(5).normal(size=60)
    chance = [ByChance(variance=1e-9, freedom=9)] * 60
    even, uneven = np.repeat(np.arange(12), 5), np.r_[np.zeros(49, int), np.arange(1, 12)]
    widths = [
        found.ci_high - found.ci_low
        for account in (even, uneven)
        for found in [mean_over_campaigns(values, Clusters.of(range(60), account), chance=chance)]
    ]
    assert widths[1] > 2 * widths[0]
