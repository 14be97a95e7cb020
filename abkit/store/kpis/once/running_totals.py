"""Running totals that look like days: each day an ad has what it had the day before, and more.

Interfaces of platforms give lifetime figures where nobody asks for days, and a script that fetches them every night
writes today's date beside them. Nothing in one row shows it; days of real delivery rise and fall.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.store.database.statements import among, total
from abkit.store.schema import Kpi

_MOST_ADS = 40  # that are looked at
_FEWEST_DAYS = 5  # of an ad
_FEWEST_STEPS = 10  # of all ads from one day to the next: by chance, eleven days rise once in 40 million times
_SHARE = 0.9  # of the ads
_RISING = 0.7  # of the steps of an ad; on the rest it was not shown


def running_totals(session: Session, ads: Collection[int]) -> str:
    """Say that the days of ads only ever grow; '' where they do not, or where they are too few to tell.

    Args:
        session: A reading session; which rows count is settled.
        ads: Ids of the ads.
    """
    every = sorted(ads)
    some = every[:: -(-len(every) // _MOST_ADS) or 1]
    days = [Kpi.period_start == Kpi.period_end, Kpi.left_out == "", among(session, Kpi.ad_id, some)]
    sums = select(Kpi.ad_id, Kpi.period_end, total(Kpi.impressions), total(Kpi.clicks)).where(*days)
    series: dict[int, list[tuple[int, int]]] = defaultdict(list)
    by_day = sums.group_by(Kpi.ad_id, Kpi.period_end).order_by(Kpi.ad_id, Kpi.period_end)
    for ad, _, shown, clicks in session.execute(by_day):
        series[ad].append((shown, clicks))
    long = [one for one in series.values() if len(one) >= _FEWEST_DAYS]
    growing = [one for one in long if _only_grows(one)]
    steps = sum(len(one) - 1 for one in growing)
    if not long or len(growing) < _SHARE * len(long) or steps < _FEWEST_STEPS:
        return ""
    return (
        f"impressions and clicks of {len(growing):,} of {len(long):,} ads only grow from day to day: if these are "
        "running totals and not the figures of each day, they count many times; take the import back "
        "(abkit kpi undo) and export by day"
    )


def _only_grows(days: list[tuple[int, int]]) -> bool:
    steps = list(pairwise(days))
    if any(after[0] < before[0] or after[1] < before[1] for before, after in steps):
        return False
    return sum(after[0] > before[0] for before, after in steps) >= _RISING * len(steps)
