"""Accounts as clusters: what holds in an account holds for all of its campaigns, so these are one observation of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.stats.within_groups import Ints, group_index

MIN_ACCOUNTS = 10
"""With fewer accounts they are no sample of accounts but those that the score is for: what is found holds for them."""


def account_labels(campaign: ArrayLike, named: Mapping[int, str]) -> Ints | None:
    """Return a label for the account of each entry's campaign; None where exports name fewer than ten accounts.

    Labels below 0 are those of campaigns without one.

    Args:
        campaign: Shape (n,), ids of campaigns.
        named: The account by campaign, where an export names it; a campaign without one is an account of its own.

    >>> account_labels([1, 2, 3], {1: "meta/7", 2: "meta/7"}) is None
    True
    >>> account_labels([*range(20), 98, 99], {one: f"meta/{one // 2}" for one in range(20)}).tolist()
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, -99, -100]
    """
    ids = np.asarray(campaign, np.int64)
    here = sorted({named[one] for one in ids.tolist() if one in named})
    if len(here) < MIN_ACCOUNTS:
        return None
    number = {name: place for place, name in enumerate(here)}
    return np.array([number[named[one]] if one in named else -1 - one for one in ids.tolist()], np.int64)


def many_accounts(account: ArrayLike | None) -> tuple[Ints, int] | None:
    """Return accounts numbered from 0, and how many there are; None where they are not known, or fewer than ten.

    Campaigns without an account, whose labels are below 0, are each one of their own, but do not count among the ten.

    >>> many_accounts(range(-20, 9)) is None, many_accounts(range(-1, 10))[1]
    (True, 11)
    """
    if account is None:
        return None
    labels = np.asarray(account)
    if len(np.unique(labels[labels >= 0])) < MIN_ACCOUNTS:
        return None
    index, size = group_index(labels)
    return index, len(size)


def effective_number(mass: NDArray[Any]) -> float:
    """Return how many clusters of equal weight there would be: a few large ones among many small ones count as few.

    >>> effective_number(np.ones(12)), round(effective_number(np.array([8.0, 1.0, 1.0])), 2)
    (12.0, 1.52)
    """
    return float(mass.sum() ** 2 / (mass @ mass))


def clustered_error(influence: NDArray[Any]) -> float:
    """Return the standard error of an estimate from the influences of whole clusters.

    Leaving one of g equal clusters out moves an estimate by g / (g − 1) times its influence (jackknife): with a dozen
    clusters the plain sandwich is too narrow.
    """
    return len(influence) / (len(influence) - 1) * math.sqrt(float(influence @ influence))
