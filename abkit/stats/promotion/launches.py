"""The creatives that two scorers are judged on: launched after both had learned, compared inside their campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Launches:
    """Launched creatives with what clicks say about them, and what two scorers had said, all of shape (n,).

    Make them with `Launches.of`: a family is in a campaign once, and a campaign has two families or more.

    Attributes:
        appeal: Log of events over those expected, against the other creatives of the campaign.
        variance: Sampling variance of `appeal`.
        champion, challenger: Scores, each on the scale of its scorer.
        campaign: Label of the campaign, from 0 without gaps.
        group: Label of those that were shown beside each other, from 0 without gaps; a campaign may have several.
        family: Label of the family: the sizes of one idea.
        account: Label of the account that the campaign belongs to, from 0 without gaps; campaigns whose account is not
            known are each one of their own.
        spread: True variance of appeal inside campaigns.
        left_out: How many creatives came alone, without a number, or beside nothing but other sizes of themselves.
    """

    appeal: Floats
    variance: Floats
    champion: Floats
    challenger: Floats
    campaign: Ints
    group: Ints
    family: Ints
    account: Ints
    spread: float
    left_out: int = 0

    @classmethod
    def of(
        cls,
        *,
        appeal: ArrayLike,
        variance: ArrayLike,
        champion: ArrayLike,
        challenger: ArrayLike,
        campaign: ArrayLike,
        group: ArrayLike | None = None,
        family: ArrayLike | None = None,
        account: ArrayLike | None = None,
    ) -> Self:
        """Return the creatives that can be judged, each family of a campaign as one.

        Sizes of one idea in a campaign are averaged: their appeals by precision, their scores plainly. What has no
        finite appeal or score, or no other family beside it, is left out.

        Args:
            appeal: Shape (n,), one entry per creative and campaign; NaN where it is not identified.
            variance: Shape (n,), above 0.
            champion: Shape (n,), scores of the champion; NaN where it has none.
            challenger: Shape (n,), scores of the challenger.
            campaign: Shape (n,), any labels.
            group: Shape (n,), any labels: only creatives of one campaign and group are compared; the campaign by
                default.
            family: Shape (n,), any labels; every entry is its own by default.
            account: Shape (n,), any labels, one for all entries of a campaign; the campaign by default.

        Raises:
            InvalidInput: Columns of different lengths, or a variance that is not above 0.

        >>> some = Launches.of(appeal=[0.1, -0.1, 0.3], variance=[0.01] * 3, champion=[4, 5, 6], challenger=[6, 5, 7],
        ...                    campaign=["a", "a", "b"])
        >>> some.creatives, some.campaigns, some.left_out
        (2, 1, 1)
        """
        columns = [np.asarray(one, np.float64) for one in (appeal, variance, champion, challenger)]
        n = len(columns[0])
        labels = np.asarray(campaign)
        beside = labels if group is None else np.asarray(group)
        own = np.arange(n) if family is None else np.asarray(family)
        above = labels if account is None else np.asarray(account)
        if any(one.shape != (n,) for one in (*columns, labels, beside, own, above)):
            raise InvalidInput("the columns of launched creatives differ in length")
        known = np.all(np.isfinite(columns), axis=0)
        if np.any(columns[1][known] <= 0):
            raise InvalidInput("the sampling variance of an appeal has to be above 0")
        within = np.column_stack([_numbered(labels[known]), _numbered(beside[known])])
        within = np.column_stack([within[:, 0], _numbered_rows(within), _numbered(own[known])])
        values, cells = _one_of_each_family(np.stack(columns)[:, known], within)
        many = np.bincount(cells[:, 1], minlength=1)[cells[:, 1]] > 1
        a, v, old, new = values[:, many]
        place, shown, kin = (_numbered(column) for column in cells[many].T)
        holder = dict(zip(within[:, 0].tolist(), _numbered(above[known]).tolist(), strict=True))
        merged = int(known.sum()) - len(many)
        return cls(
            appeal=a,
            variance=v,
            champion=old,
            challenger=new,
            campaign=place,
            group=shown,
            family=kin,
            account=_numbered(np.array([holder[one] for one in cells[many, 0].tolist()], np.int64)),
            spread=_spread(a, v, shown),
            left_out=n - merged - int(many.sum()),
        )

    @property
    def creatives(self) -> int:
        """How many families there are; the sizes of one idea, and an idea in two campaigns, count once."""
        return len(np.unique(self.family))

    @property
    def campaigns(self) -> int:
        """How many campaigns there are."""
        return int(self.campaign.max()) + 1 if len(self.campaign) else 0

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return int(self.account.max()) + 1 if len(self.account) else 0

    @property
    def weight(self) -> Floats:
        """What each appeal counts, shape (n,): 1 / (true spread + sampling variance)."""
        return np.asarray(1 / (self.spread + self.variance))

    def centered(self, values: Floats) -> Floats:
        """Return values less their weighted mean in the group, shape (n,); equal ones give exactly 0."""
        total = np.bincount(self.group, self.weight)
        mean = np.bincount(self.group, self.weight * values) / total
        around = values - mean[self.group]
        return np.where(np.abs(around) <= 1e-12 * max(1.0, float(np.abs(values).max())), 0.0, around)


def _numbered(labels: NDArray[Any]) -> Ints:
    """Return labels as numbers from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _numbered_rows(labels: Ints) -> Ints:
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _one_of_each_family(values: Floats, cells: Ints) -> tuple[Floats, Ints]:
    """Return appeal, variance and two scores (4, n) of each group and family, and the labels (n, 3) of these."""
    if not len(cells):
        return values, cells
    a, v, old, new = values
    one, cell = np.unique(cells, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    precision, size = np.bincount(cell, 1 / v), np.bincount(cell)
    sums = [np.bincount(cell, a / v) / precision, 1 / precision, *(np.bincount(cell, s) / size for s in (old, new))]
    return np.stack(sums), one.astype(np.int64)


def _spread(a: Floats, v: Floats, group: Ints) -> float:
    """Return the true variance inside groups by moments: the squares around the means, less what noise makes."""
    if not len(a):
        return 0.0
    size = np.bincount(group)
    around = a - (np.bincount(group, a) / size)[group]
    noise = float(((1 - 1 / size[group]) * v).sum())
    return max(0.0, (float(around @ around) - noise) / (len(a) - len(size)))
