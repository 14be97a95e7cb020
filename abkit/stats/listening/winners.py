"""Winner recall: how often the idea that wins is among the best by score, against chance and what noise allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import share_of_campaigns
from abkit.stats.listening.sample import CampaignSample, Floats, ListeningSample
from abkit.vocabulary import WinnerRule

DRAWS = 500
_SEED = 20_260_314


@dataclass(frozen=True, kw_only=True)
class WinnerRecall(Record):
    """How often the winner of a campaign is among the best k by score.

    Attributes:
        k: How many ideas of each campaign are kept; at most half of them.
        campaigns: Campaigns with a winner.
        recall: Share of them whose winner is kept, with its exact interval.
        chance: The share that a choice at random would keep.
        ceiling: The share that the true appeals would keep: who wins is noisy, so not even they keep every winner.
        shown: Whether the interval lies above chance.
    """

    k: int
    campaigns: int
    recall: Estimate
    chance: float
    ceiling: float
    shown: bool


@dataclass(frozen=True, kw_only=True)
class Droppable(Record):
    """How many variants can be dropped before launch without losing the winner.

    Attributes:
        keep_winner: In this share of campaigns the winner has to be among those kept.
        share: The largest share of variants whose lowest scores can be dropped so; 0 where none can.
        shown: The same, by the lower end of the interval.
        by_chance: The share that could be dropped so at random.
    """

    keep_winner: float
    share: float
    shown: float
    by_chance: float


def winner_weights(one: CampaignSample, rule: WinnerRule) -> Floats | None:
    """Return which idea of a campaign wins, shape (n,), shared among ties; None where nobody can."""
    measure = {
        WinnerRule.SHRUNK: one.shrunk,
        WinnerRule.RATIO: one.ratio,
        WinnerRule.EVENTS: one.ratio * one.expected,
    }[rule]
    best = np.abs(measure - measure.max()) <= 1e-12
    return None if best.all() else best / best.sum()


def winner_recall(
    sample: ListeningSample,
    k: int,
    *,
    rule: WinnerRule = WinnerRule.SHRUNK,
    level: float = 0.95,
    seed: int = _SEED,
) -> WinnerRecall:
    """Return how often the winner is among the best k by score.

    The ceiling is the share that would be kept if ideas were chosen by their true appeals: these are drawn from
    what the clicks say about them, and the winner as measured is among the true best k in so many of the draws.

    Args:
        sample: The campaigns.
        k: How many are kept, at least 1; at most half of a campaign's.
        rule: Who counts as the winner of a campaign.
        level: Confidence level of the interval.
        seed: Seed of the draws.

    Raises:
        InvalidInput: k is below 1.
    """
    if k < 1:
        raise InvalidInput(f"k is {k}; expected at least 1 idea to keep in each campaign")
    return _recall(sample, [one.kept(k) for one in sample], rule, level, seed, k)


def droppable(
    sample: ListeningSample,
    *,
    keep_winner: float = 0.8,
    rule: WinnerRule = WinnerRule.SHRUNK,
    level: float = 0.95,
) -> Droppable:
    """Return how many variants can be dropped by their scores so that the winner stays in most campaigns.

    Args:
        sample: The campaigns.
        keep_winner: The share of campaigns in which the winner has to stay, between 0 and 1.
        rule: Who counts as the winner of a campaign.
        level: Confidence level of the bound.

    Raises:
        InvalidInput: The share is not between 0 and 1.
    """
    if not 0 < keep_winner < 1:
        raise InvalidInput(f"the share of winners to keep is {keep_winner}; expected one between 0 and 1, such as 0.8")
    share = shown = by_chance = 0.0
    going = {"share", "shown", "chance"}
    for dropped in np.arange(0.05, 1.0, 0.05):
        sizes = [max(1, math.ceil(round((1 - dropped) * one.n, 9))) for one in sample]
        really = 1 - sum(sizes) / max(sample.ideas, 1)
        found = _recall(sample, sizes, rule, level, _SEED, 0, ceiling=False)
        if not found.campaigns:
            continue
        # Only as far as everything less holds, too.
        going -= {"share"} if found.recall.estimate < keep_winner else set()
        going -= {"shown"} if found.recall.ci_low < keep_winner else set()
        going -= {"chance"} if found.chance < keep_winner else set()
        share = really if "share" in going else share
        shown = really if "shown" in going else shown
        by_chance = really if "chance" in going else by_chance
    return Droppable(keep_winner=keep_winner, share=share, shown=shown, by_chance=by_chance)


def _recall(
    sample: ListeningSample,
    sizes: Sequence[int],
    rule: WinnerRule,
    level: float,
    seed: int,
    k: int,
    *,
    ceiling: bool = True,
) -> WinnerRecall:
    hits, chances, ceilings, places, labels = [], [], [], [], set()
    rng = np.random.default_rng(seed)
    for place, (one, size) in enumerate(zip(sample, sizes, strict=True)):
        winner = winner_weights(one, rule)
        if winner is None:
            continue
        hits.append(float(winner @ one.top(size)))
        chances.append(min(size / one.n, 1.0))
        places.append(place)
        labels.add(one.campaign)
        if ceiling:
            ceilings.append(_kept_by_truth(one, winner, size, rng))
    clusters = sample.clusters(places)
    recall = share_of_campaigns(hits, clusters, level)
    chance = float(np.mean(chances)) if chances else math.nan
    return WinnerRecall(
        k=k,
        campaigns=len(labels),
        recall=recall,
        chance=chance,
        ceiling=float(np.mean(ceilings)) if ceilings else math.nan,
        shown=bool(hits) and recall.ci_low > chance,
    )


def _kept_by_truth(one: CampaignSample, winner: Floats, k: int, rng: np.random.Generator) -> float:
    """Return how often the measured winner is among the true best k, over draws of the true appeals."""
    drawn = one.shrunk + one.shrunk_sd * rng.standard_normal((DRAWS, one.n))
    # Its rank among the draws: how many others are above it.
    places = np.flatnonzero(winner)
    above = (drawn[:, None, :] > drawn[:, places, None]).sum(axis=2)
    return float(((above < k) @ winner[places]).mean())
