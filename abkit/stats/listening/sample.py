"""What a score is judged on: ideas with their scores and appeals, in campaigns that can say something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.stats.account_clusters import many_accounts
from abkit.stats.within_groups import group_index

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIED = 1e-9
"""Scores closer than this are equal: which of them is kept is chance."""


@dataclass(frozen=True, kw_only=True)
class CampaignSample:
    """One campaign with two ideas or more, or a group of it whose ideas were shown beside each other.

    Arrays have one entry per idea, shape (n,). Sizes of one idea are one candidate: they are launched and dropped
    together.

    Attributes:
        campaign: Label of the campaign; its groups have the same.
        score: The score that is listened to; the mean over the sizes of an idea.
        ratio: Events over those expected in its cells: 1 is the average of its campaign.
        shrunk, shrunk_sd: Mean and standard deviation of its true appeal (a log of the ratio), given the spread.
        variance: Sampling variance of its appeal.
        expected: Expected events.
        idea: Label of the idea.
    """

    campaign: int
    score: Floats
    ratio: Floats
    shrunk: Floats
    shrunk_sd: Floats
    variance: Floats
    expected: Floats
    idea: Ints

    @property
    def n(self) -> int:
        """Number of ideas."""
        return len(self.score)

    def kept(self, k: int) -> int:
        """Return how many ideas are kept where k are wanted: at most half of them, as an experiment may have only two.

        >>> one = CampaignSample(campaign=1, **dict.fromkeys(
        ...     ("score", "ratio", "shrunk", "shrunk_sd", "variance", "expected", "idea"), np.zeros(5)))
        >>> one.kept(1), one.kept(3)
        (1, 2)
        """
        return min(k, self.n // 2)

    def top(self, k: int) -> Floats:
        """Return how certainly each idea is among the best k by score: 1, 0, or a share where scores are tied.

        >>> one = CampaignSample(campaign=1, score=np.array([3.0, 2.0, 2.0, 1.0]), **dict.fromkeys(
        ...     ("ratio", "shrunk", "shrunk_sd", "variance", "expected", "idea"), np.zeros(4)))
        >>> one.top(2).tolist()
        [1.0, 0.5, 0.5, 0.0]
        """
        if k >= self.n:
            return np.ones(self.n)
        edge = np.sort(self.score)[::-1][k - 1]
        above, tied = self.score > edge + TIED, np.abs(self.score - edge) <= TIED
        share = (k - above.sum()) / tied.sum()
        return np.asarray(np.where(above, 1.0, np.where(tied, share, 0.0)), np.float64)

    def order(self, rng: np.random.Generator) -> Ints:
        """Return the ideas in the order of their scores, best first; ties in an order drawn at random."""
        return np.asarray(np.lexsort((rng.random(self.n), -np.round(self.score / TIED))), np.int64)


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Which campaigns are not independent of each other, each with numbers from 0 without gaps, shape (campaigns,).

    Attributes:
        related: Groups of one campaign, and campaigns that share an idea, have the same number.
        account: So have campaigns of one account; None where fewer than ten accounts are known.
    """

    related: Ints
    account: Ints | None = None

    @classmethod
    def of(cls, related: ArrayLike, account: ArrayLike | None = None) -> Self:
        """Number the labels of campaigns; accounts count from ten on."""
        many = many_accounts(account)
        return cls(related=group_index(related)[0], account=many[0] if many else None)

    @property
    def number(self) -> int:
        """Number of independent campaigns."""
        return int(self.related.max(initial=-1)) + 1

    @property
    def accounts(self) -> int:
        """Number of accounts; 0 where they do not count."""
        return 0 if self.account is None else int(self.account.max()) + 1


@dataclass(frozen=True, kw_only=True)
class ListeningSample:
    """All campaigns on which a score can be judged, and what was left out.

    Attributes:
        campaigns: The campaigns or their groups, each with at least two ideas.
        cluster: Shape (campaigns,): groups of one campaign, and campaigns that share an idea, have the same number, as
            they are not independent.
        account: Shape (campaigns,), the account of each; None where fewer than ten are known.
        creatives: How many creatives the ideas have.
        left_out: How many creatives are not in it, by reason.
    """

    campaigns: tuple[CampaignSample, ...]
    cluster: Ints
    creatives: int
    left_out: dict[str, int]
    account: Ints | None = None

    def clusters(self, places: Sequence[int]) -> Clusters:
        """Return which of some campaigns, given by their places, are not independent."""
        some = np.asarray(places, np.int64)
        return Clusters.of(self.cluster[some], None if self.account is None else self.account[some])

    @property
    def ideas(self) -> int:
        """Number of ideas, counted in each campaign that they run in."""
        return sum(one.n for one in self.campaigns)

    @property
    def size(self) -> int:
        """Number of campaigns; the groups of one count once."""
        return len({one.campaign for one in self.campaigns})

    def __iter__(self) -> Iterator[CampaignSample]:
        return iter(self.campaigns)


def listening_sample(
    *,
    score: ArrayLike,
    events: ArrayLike,
    expected: ArrayLike,
    campaign: ArrayLike,
    shrunk: ArrayLike,
    shrunk_sd: ArrayLike,
    group: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    idea: ArrayLike | None = None,
    account: ArrayLike | None = None,
    min_expected: float = 10.0,
) -> ListeningSample:
    """Sort creatives into campaigns that can say something. All arguments have one entry per creative and campaign.

    Args:
        score: The score; NaN where there is none.
        events, expected: Clicks (conversions, …) and those expected in the creative's cells.
        campaign: Label of the campaign, a whole number.
        shrunk, shrunk_sd: Mean and standard deviation of the true appeal, given the spread between creatives.
        group: Label of those that were shown beside each other, a whole number: only they are compared. A campaign is
            one group by default.
        variance: Sampling variance of the appeal; 1 / expected by default.
        idea: Label of the idea; each creative is its own by default.
        account: Label of the account that the campaign belongs to, a whole number; accounts count from ten on.
        min_expected: Creatives with fewer expected events are left out. The limit goes by what was expected, not by
            what came, so that it does not pick winners.

    Raises:
        InvalidInput: Arrays of different lengths, or counts below 0.

    >>> made = listening_sample(
    ...     score=[3, 2, 1, 5], events=[30, 20, 10, 9], expected=[20, 20, 20, 9], campaign=[1, 1, 1, 2],
    ...     shrunk=[0.3, 0, -0.5, 0], shrunk_sd=[0.1] * 4)
    >>> made.creatives, made.left_out
    (3, {'creatives with fewer than 10 expected events': 1})
    """
    columns = {"score": score, "events": events, "expected": expected, "shrunk": shrunk, "shrunk_sd": shrunk_sd}
    table = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    n = len(table["score"])
    labels = np.asarray(campaign, np.int64)
    beside = labels if group is None else np.asarray(group, np.int64)
    ideas = np.arange(n, dtype=np.int64) if idea is None else np.asarray(idea, np.int64)
    noise = 1 / np.maximum(table["expected"], 1e-12) if variance is None else np.asarray(variance, np.float64)
    owner = np.zeros(n, np.int64) if account is None else np.asarray(account, np.int64)
    if {len(one) for one in (*table.values(), labels, beside, ideas, noise, owner)} != {n}:
        raise InvalidInput("score, events, expected, campaign and appeals have different lengths; expected one each")
    if (table["events"] < 0).any() or (table["expected"] < 0).any():
        raise InvalidInput("a creative has fewer than 0 events, or fewer than 0 expected")
    known = np.isfinite(np.column_stack([*table.values(), noise])).all(axis=1)
    enough = known & (table["expected"] >= min_expected)
    left_out = {
        "creatives without score or appeal": int((~known).sum()),
        f"creatives with fewer than {min_expected:g} expected events": int((known & ~enough).sum()),
    }
    campaigns, owners, creatives, lone, family = [], [], 0, 0, 0
    for label, number in np.unique(np.column_stack([labels, beside])[enough], axis=0).tolist():
        of = np.flatnonzero(enough & (labels == label) & (beside == number))
        if len(of) < 2:
            lone += len(of)
        elif len(np.unique(ideas[of])) < 2:
            family += len(of)
        else:
            campaigns.append(_pooled(label, {name: one[of] for name, one in table.items()}, noise[of], ideas[of]))
            owners.append(int(owner[of[0]]))
            creatives += len(of)
    left_out["creatives that are alone in their campaign"] = lone
    left_out["creatives of campaigns whose creatives are all sizes of one idea"] = family
    return ListeningSample(
        campaigns=tuple(campaigns),
        cluster=_clusters(campaigns),
        creatives=creatives,
        left_out={reason: count for reason, count in left_out.items() if count},
        account=None if account is None else np.array(owners, np.int64),
    )


def _pooled(label: int, table: dict[str, Floats], variance: Floats, idea: Ints) -> CampaignSample:
    """Make one candidate of the creatives of each idea: counts add up, appeals are weighted by what was expected."""
    names, index = np.unique(idea, return_inverse=True)

    def summed(values: Floats) -> Floats:
        return np.asarray(np.bincount(index, values, len(names)), np.float64)

    weight = np.maximum(table["expected"], 1e-12)
    total = summed(weight)
    return CampaignSample(
        campaign=label,
        score=summed(table["score"]) / summed(np.ones(len(index))),
        ratio=summed(table["events"]) / total,
        shrunk=summed(weight * table["shrunk"]) / total,
        shrunk_sd=np.sqrt(summed((weight * table["shrunk_sd"]) ** 2)) / total,
        variance=summed(weight**2 * variance) / total**2,
        expected=total,
        idea=names.astype(np.int64),
    )


def _clusters(campaigns: list[CampaignSample]) -> Ints:
    """Number the campaigns so that those that share a label or an idea, also through others, have the same number."""
    parent = list(range(len(campaigns)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[tuple[str, int], int] = {}
    for place, one in enumerate(campaigns):
        for shared in [("campaign", one.campaign), *(("idea", idea) for idea in np.unique(one.idea).tolist())]:
            parent[root(place)] = root(first.setdefault(shared, place))
    return np.unique([root(place) for place in range(len(campaigns))], return_inverse=True)[1].astype(np.int64)
