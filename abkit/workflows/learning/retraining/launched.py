"""Which launches a challenger is judged on: the latest that nobody has used yet, and the day until which it learns."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from abkit.config import RetrainSettings
from abkit.stats.account_clusters import account_labels
from abkit.stats.promotion.launches import Launches
from abkit.workflows.learning.appeals.appeals import StoredAppeals

#: More creatives than this are not kept from learning; by then the gate finds a gain of 0.3 in 8 of 10 cases.
ENOUGH_JUDGED = 300


@dataclass(frozen=True, kw_only=True)
class LaunchWindow:
    """The creatives that are judged, and until when a challenger may learn.

    Attributes:
        until: The last day that the challenger learns from: the day before the first of these launches.
        first, last: Days of the first and the last of these launches.
        entries: Positions of their entries in the appeals.
        creatives: Their creatives, in all sizes.
        campaigns, ideas: How many there are, each with another beside it.
        missing: What is missing for a judgment; '' when nothing is.
    """

    until: date
    first: date | None
    last: date | None
    entries: NDArray[np.intp]
    creatives: frozenset[int]
    campaigns: int
    ideas: int
    missing: str = ""


def launch_window(
    found: StoredAppeals,
    launched: Mapping[tuple[int, int], date],
    settings: RetrainSettings,
    *,
    used: Set[int] = frozenset(),
    since: date | None = None,
    after: date | None = None,
) -> LaunchWindow:
    """Return the latest launches that can be judged.

    An idea counts from the day on which any of its sizes first ran anywhere; one of which a size was used, or learned
    from, is not judged. From the latest launch backwards, days are added until there are enough campaigns and
    creatives; beyond the minimum as long as two thirds of all creatives are left to learn from, and up to 300.

    Args:
        found: Appeals as of the day of the judgment.
        launched: First day of delivery by (creative, campaign).
        settings: `[retrain]`.
        used: Creatives that cannot be judged: used before, or learned from by either scorer.
        since: Only launches after this day, the last one that was judged: launches are judged in order.
        after: Only launches after this day: those after a challenger that exists learned, all of them.
    """
    figures = found.appeals
    first_of: dict[int, date] = {}
    for (creative, _), day in launched.items():
        first_of[creative] = min(day, first_of.get(creative, day))
    day_of: dict[int, date] = {}
    for creative, idea in zip(figures.creative.tolist(), figures.idea.tolist(), strict=True):
        if creative in first_of:
            day_of[idea] = min(first_of[creative], day_of.get(idea, date.max))
    spoiled = {int(idea) for one, idea in zip(figures.creative, figures.idea, strict=True) if int(one) in used}
    latest = found.as_of - timedelta(days=settings.mature_days)
    known = figures.identified & np.isfinite(figures.appeal) & (figures.expected >= settings.min_expected)
    entries = [
        i
        for i in np.flatnonzero(known)
        if (idea := int(figures.idea[i])) in day_of and idea not in spoiled and day_of[idea] <= latest
        and all(day_of[idea] > one for one in (since, after) if one is not None)
    ]  # fmt: skip
    days = np.array([day_of[int(figures.idea[i])].toordinal() for i in entries], np.int64)
    everything = len({int(figures.idea[i]) for i in np.flatnonzero(known)})
    wanted = max(settings.min_creatives, min(ENOUGH_JUDGED, everything // 3)) if after is None else everything
    chosen: NDArray[np.intp] = np.zeros(0, np.intp)
    counts = (0, 0)
    for ordinal in sorted(set(days.tolist()), reverse=True):
        chosen = np.array(entries, np.intp)[days >= ordinal]
        counts = _counted(found, chosen)
        if counts[0] >= settings.min_campaigns and counts[1] >= wanted:
            break
    missing = " and ".join(
        f"{count} of {needed} {what}"
        for count, needed, what in (
            (counts[0], settings.min_campaigns, "campaigns"),
            (counts[1], settings.min_creatives, "creatives"),
        )
        if count < needed
    )
    of_chosen = [day_of[int(figures.idea[i])] for i in chosen]
    first = min(of_chosen, default=None)
    ideas = figures.idea[chosen]
    return LaunchWindow(
        until=after or ((first or found.as_of) - timedelta(days=1)),
        first=first,
        last=max(of_chosen, default=None),
        entries=chosen,
        creatives=frozenset(figures.creative[np.isin(figures.idea, ideas)].tolist()),
        campaigns=counts[0],
        ideas=counts[1],
        missing=missing,
    )


def launches_of(
    found: StoredAppeals,
    entries: NDArray[np.intp],
    champion: Mapping[int, float],
    challenger: Mapping[int, float],
) -> Launches:
    """Return entries of appeals with the scores of both, NaN where a creative has none.

    Args:
        found: The appeals.
        entries: Which of them.
        champion, challenger: Scores by creative.
    """
    figures = found.appeals
    creatives = figures.creative[entries].tolist()
    old, new = (np.array([scores.get(one, np.nan) for one in creatives]) for scores in (champion, challenger))
    return Launches.of(
        appeal=figures.appeal[entries],
        variance=figures.variance[entries],
        champion=old,
        challenger=new,
        campaign=figures.campaign[entries],
        group=figures.group[entries],
        family=figures.idea[entries],
        account=account_labels(figures.campaign[entries], found.accounts),
    )


def _counted(found: StoredAppeals, entries: NDArray[np.intp]) -> tuple[int, int]:
    """Return how many campaigns and ideas there are that have another idea beside them."""
    figures = found.appeals
    groups: dict[tuple[int, int], set[int]] = {}
    for i in entries:
        groups.setdefault((int(figures.campaign[i]), int(figures.group[i])), set()).add(int(figures.idea[i]))
    several = {key: ideas for key, ideas in groups.items() if len(ideas) > 1}
    return len({campaign for campaign, _ in several}), len(set().union(*several.values()))
