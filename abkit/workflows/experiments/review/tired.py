"""Tired creatives: those whose CTR now is clearly below that of their first days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from abkit.errors import AbkitError
from abkit.records import Record
from abkit.stats.arms import PairMoments
from abkit.stats.estimate import Estimate
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.verdicts.multiplicity import adjust
from abkit.store.catalog.creatives import creative_names
from abkit.store.kpis.delivery import delivery_rows
from abkit.vocabulary import Correction

_WEEK = 7
_OLD_ENOUGH = timedelta(days=3 * _WEEK)
_FEWEST_DAYS = 5
_ALPHA = 0.05
_FLOOR = -0.1
"""A loss that matters: a tenth of the CTR."""


@dataclass(frozen=True, kw_only=True)
class TiredCreative(Record):
    """A creative whose CTR fell with its age. Season and budgets may have a part in it.

    Attributes:
        creative: Its name.
        first_day: Its first day with delivery.
        change: CTR of the last seven days over that of its first seven, as a lift with its 95 % interval.
        adjusted_p: p-value by Benjamini and Hochberg over all creatives that were looked at.
    """

    creative: str
    first_day: date
    change: Estimate
    adjusted_p: float


def tired_creatives(session: Session, day: date, *, campaigns: Collection[int] | None = None) -> list[TiredCreative]:
    """Return the creatives that ran for three weeks or more and lost a tenth of their CTR or more, the worst first.

    Days are the units of both weeks, so that their ups and downs count as noise.

    Args:
        session: A reading session.
        day: The last day of delivery that counts.
        campaigns: Ids of the only campaigns to look at; all by default.
    """
    days: dict[int, dict[date, tuple[float, float]]] = defaultdict(dict)
    for row in delivery_rows(session, None, day):
        if campaigns is not None and row.campaign_id not in campaigns:
            continue
        clicks, impressions = days[row.creative_id].get(row.period_end, (0.0, 0.0))
        days[row.creative_id][row.period_end] = clicks + row.clicks, impressions + row.impressions
    compared = []
    for creative, by_day in days.items():
        first = min(by_day)
        if first > day - _OLD_ENOUGH:
            continue
        young = _moments(by_day, first, first + timedelta(_WEEK - 1))
        old = _moments(by_day, day - timedelta(_WEEK - 1), day)
        if young is None or old is None:
            continue
        try:
            found = compare_ratios(young, old)
        except AbkitError:  # such as no click in a week
            continue
        compared.append((creative, first, found))
    if not compared:
        return []
    p_values = [found.p_value for *_, found in compared]
    adjusted = adjust(p_values, Correction.BH, alpha=_ALPHA, family="creatives of three weeks or more")
    names = creative_names(session, [creative for creative, *_ in compared])
    tired = [
        TiredCreative(
            creative=names[creative][0][1] if names.get(creative) else f"creative {creative}",
            first_day=first,
            change=found.lift,
            adjusted_p=p,
        )
        for (creative, first, found), p in zip(compared, adjusted.p_values, strict=True)
        if p <= _ALPHA and found.lift.estimate <= _FLOOR
    ]
    return sorted(tired, key=lambda one: one.change.estimate)


def _moments(by_day: Mapping[date, tuple[float, float]], first: date, last: date) -> PairMoments | None:
    """Return the moments of clicks and impressions over the days; None with fewer than five of them."""
    pairs = [pair for day, pair in by_day.items() if first <= day <= last and pair[1] > 0]
    if len(pairs) < _FEWEST_DAYS:
        return None
    clicks, impressions = zip(*pairs, strict=True)
    return PairMoments.from_values(clicks, impressions)
