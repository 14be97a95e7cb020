"""An ad without a platform under its name, and by its id on several platforms: it is one where these sum to it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import among
from abkit.store.kpis.once.ad_names import KnownAd, known_ads, never_together
from abkit.store.kpis.once.equal_figures import COUNTED, PERIOD, delivered, digits_of_counts, is_proven
from abkit.store.kpis.once.publishers import is_part, is_whole
from abkit.store.schema import Ad, Kpi

if TYPE_CHECKING:
    import polars as pl

Parts = tuple[int, ...]


def sums_over_platforms(
    session: Session, ads: Collection[int], others: Collection[int], days: tuple[date, date] | None
) -> list[tuple[int, int]]:
    """Return pairs of an ad and each of the ads of another id whose sum over platforms it is.

    An ad that is the sum of two ids, or one of two ads that are the sum of one id, is left alone.

    Args:
        session: A session that reads.
        ads: Ids of the ads of one side.
        others: Ids of the ads of the other.
        days: Only figures of these days; all by default.
    """
    sides = (ads, others)
    found: set[tuple[int, Parts]] = set()
    for number, side in enumerate(sides):
        wholes = _wholes(session, sides[1 - number])
        if wholes and (groups := _parts_of_ids(session, side)):
            found |= _equal_sums(session, groups, wholes, days)
    times = Counter(side for pair in found for side in pair)
    return [(whole, part) for whole, parts in sorted(found) if times[whole] == times[parts] == 1 for part in parts]


def _wholes(session: Session, ads: Collection[int]) -> set[int]:
    """Return the ads without a platform, or on one that others are parts of."""
    platforms = session.scalars(select(Ad.platform).where(among(session, Ad.id, ads)).distinct()).all()
    whole = [platform for platform in platforms if not platform or is_whole(platform)]
    return (
        set(session.scalars(select(Ad.id).where(among(session, Ad.id, ads), Ad.platform.in_(whole))))
        if whole
        else set()
    )


def _parts_of_ids(session: Session, ads: Collection[int]) -> list[Parts]:
    """Return the ads of each id that is on several platforms."""
    key = (Ad.account, Ad.external_id)
    several = select(*key).where(among(session, Ad.id, ads), Ad.platform != "").group_by(*key).having(func.count() > 1)
    ids = several.subquery()
    rows = session.execute(
        select(*key, Ad.id)
        .join(ids, (ids.c.account == Ad.account) & (ids.c.external_id == Ad.external_id))
        .where(among(session, Ad.id, ads), Ad.platform != "")
        .order_by(Ad.id)
    )
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for account, external_id, ad in rows:
        groups[account, external_id].append(ad)
    return [tuple(parts) for parts in groups.values()]


def _equal_sums(
    session: Session, groups: Collection[Parts], wholes: Collection[int], days: tuple[date, date] | None
) -> set[tuple[int, Parts]]:
    """Return which of the ads have the figures of which ids in sum."""
    import polars as pl

    inside = [] if days is None else [Kpi.period_start <= days[1], Kpi.period_end >= days[0]]
    owner = {part: number for number, parts in enumerate(groups) for part in parts}
    sums = delivered(session, owner, *inside).with_columns(key=pl.col("ad").replace_strict(owner))
    by_id = sums.group_by("key", *PERIOD).agg(pl.sum(*COUNTED))
    candidates = (
        delivered(session, set(wholes) - owner.keys(), *inside)
        .join(by_id, on=[*PERIOD, *COUNTED])
        .select("ad", "key")
        .unique()
    )
    parts_of = dict(enumerate(groups))
    known = known_ads(session, {*owner, *candidates["ad"]})
    possible = {
        (ad, key)
        for ad, key in candidates.iter_rows()
        if all(_may_be_part(known[part], known[ad]) for part in parts_of[key])
    }
    apart = never_together(session, {(ad, part) for ad, key in possible for part in parts_of[key]})
    possible = {(ad, key) for ad, key in possible if all((ad, part) in apart for part in parts_of[key])}
    if not possible:
        return set()
    pairs = pl.DataFrame(sorted(possible), schema={"ad": pl.Int64, "key": pl.Int64}, orient="row")
    here = delivered(session, {ad for ad, _ in possible}, *inside)
    common = pairs.join(here, on="ad").join(by_id, on=["key", *PERIOD], suffix="_sum")
    return {
        (ad, parts_of[key])
        for ad, key, share, digits, periods in _proof(common).iter_rows()
        if is_proven(share, digits, periods, related=any(known[ad].related(known[part]) for part in parts_of[key]))
    }


def _may_be_part(part: KnownAd, whole: KnownAd) -> bool:
    fits = not whole.platform or is_part(part.platform, whole.platform)
    return fits and part.external_id != whole.external_id and part.may_be(whole)


def _proof(common: pl.DataFrame) -> pl.DataFrame:
    """Return by ad and id the share of periods that agree, the digits of the different figures, and their number."""
    import polars as pl

    equal = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_sum") for name in COUNTED)
    first = pl.col("equal") & pl.struct(COUNTED).is_first_distinct().over("ad", "key", "equal")
    marked = common.with_columns(equal=equal).with_columns(first=first)
    return marked.group_by("ad", "key").agg(
        share=pl.col("equal").mean(), digits=(digits_of_counts() * pl.col("first")).sum(), periods=pl.col("first").sum()
    )
