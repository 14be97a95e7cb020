"""Policy value: what the rate would be if only the best k by score of each campaign had been shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import ByChance, mean_over_campaigns
from abkit.stats.listening.sample import CampaignSample, ListeningSample


@dataclass(frozen=True, kw_only=True)
class PolicyValue(Record):
    """What showing only the best k by score is worth, as a share of the rate of a choice at random.

    Attributes:
        k: How many ideas of each campaign are shown, equally often; at most half of them.
        campaigns, ideas: What it rests on.
        lift: Rate of the policy over that of showing all, less 1, with its interval.
        randomized: Whether who saw which creative was drawn at random. If not, the platform chose, and what is seen
            here may be its choice: observational, no proof of cause.
    """

    k: int
    campaigns: int
    ideas: int
    lift: Estimate
    randomized: bool


def policy_value(sample: ListeningSample, k: int, *, randomized: bool, level: float = 0.95) -> PolicyValue:
    """Return the inverse-propensity estimate of a policy that shows the best k by score, equally often.

    An idea's expected events are those of its cells times its share of their delivery, which is its propensity in
    the log. So events over expected events weigh each event by the inverse of the propensity, and the mean of these
    ratios over the policy's ideas estimates its rate: without bias where delivery was drawn at random
    (Horvitz & Thompson 1952, doi 10.1080/01621459.1952.10483446). The measure is linear in the events, so noise and
    ideas without any event do not bias it. Campaigns count by their expected events, as money does.

    Args:
        sample: The campaigns.
        k: How many ideas of each campaign are shown; at most half of them.
        randomized: Whether delivery was drawn at random.
        level: Confidence level of the interval.

    Raises:
        InvalidInput: k is below 1.
    """
    if k < 1:
        raise InvalidInput(f"k is {k}; expected at least 1 idea to show in each campaign")
    values, weights, scatter, places, labels, ideas = [], [], [], [], set(), 0
    for place, one in enumerate(sample):
        average = float(one.ratio.mean())
        if not average > 0:
            continue
        kept = one.kept(k)
        shown = one.top(kept) / kept
        values.append(float(shown @ one.ratio) / average - 1)
        weights.append(float(one.expected.sum()))
        scatter.append(_scatter(one, kept, average))
        places.append(place)
        labels.add(one.campaign)
        ideas += one.n
    clusters = sample.clusters(places)
    return PolicyValue(
        k=k,
        campaigns=len(labels),
        ideas=ideas,
        lift=mean_over_campaigns(values, clusters, chance=scatter, weight=weights, level=level)
        if values
        else Estimate(math.nan, -math.inf, math.inf),
        randomized=randomized,
    )


def _scatter(one: CampaignSample, k: int, average: float) -> ByChance:
    """Return the variance of the lift where the k are drawn at random, without replacement."""
    away = one.ratio / average - 1
    return ByChance(variance=float(away.var(ddof=1)) * (1 / k - 1 / one.n), freedom=one.n - 1)
