"""Ads that are one: the same account imported under another mapping, or with and without its platforms.

Two ads are the same when files that have one of them never have the other, and they have one long id, or a short one
and nearly the same figures (`alike`), or what they delivered on the days that both have is equal: day by day, or a
total of one and the sum of the other's days, in figures that do not agree by chance. An ad without a platform is the
same as those of its id on named platforms when it delivered their sum, and so is one of Meta as those on Facebook and
Instagram.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

from abkit.store.database.statements import among
from abkit.store.kpis.once.ad_names import (
    MOST_EQUAL,
    agree,
    by_name,
    known_ads,
    never_together,
    of_one_id,
    one_each,
)
from abkit.store.kpis.once.alike import corrected, only_ones, restated
from abkit.store.kpis.once.equal_figures import (
    COUNTED,
    DAYS_ALONE,
    DIGITS_ALONE,
    PERIOD,
    SHARE_ALONE,
    SHARE_RELATED,
    delivered,
    digits_of_counts,
    is_proven,
)
from abkit.store.kpis.once.period_sums import SUMS, sums_of_pairs, totals_and_sums
from abkit.store.kpis.once.publishers import agree_on_platform, is_part
from abkit.store.kpis.once.rule import means_all
from abkit.store.kpis.once.sums_over_platforms import sums_over_platforms
from abkit.store.schema import Ad, AdCreative, Kpi
from abkit.vocabulary import Dimension

if TYPE_CHECKING:
    import polars as pl

_MOST_PERIODS = 40  # that candidates are looked for in; all that both have prove them
_SAME_CONVERSIONS = 1e-6  # fractions add up to a little more or less
_SUM_IS = 0.02  # how far a sum over platforms may be from the total


def groups_of(session: Session, ads: Collection[int]) -> dict[int, int]:
    """Return these ads and those that are the same as one of them, each with the ad that stands for all."""
    own = session.execute(select(Ad.id, Ad.same_as).where(among(session, Ad.id, ads))).all()
    found = {ad: ad if same is None else same for ad, same in own}
    heads = set(found.values())
    more = session.execute(select(Ad.id, Ad.same_as).where(among(session, Ad.same_as, heads)))
    return {**{head: head for head in heads}, **found, **{row.id: row.same_as for row in more}}


def ads_showing(session: Session, creatives: Collection[int]) -> list[int]:
    """Return the ads that show one of these creatives, whatever else they show."""
    linked = select(AdCreative.ad_id).where(among(session, AdCreative.creative_id, creatives)).distinct()
    return list(groups_of(session, list(session.scalars(linked))))


def unite(
    session: Session, ads: Collection[int], days: tuple[date, date] | None = None, *, every: bool = False
) -> set[int]:
    """Find ads that are the same as one of these, and note it. Return the ads whose rows compete from now on.

    Args:
        session: A writing session; which rows of these ads count is settled.
        ads: Ids of the ads.
        days: Of the rows that came; all of them by default.
        every: Compare these ads with each other, too: they did not come in one file.
    """
    pairs = list(_platform_sums(session, ads))
    others = _others(session, ads, days, every=every)
    if others:
        long, short = of_one_id(session, ads, others)
        pairs += long
        pairs += _corrected(session, short, days)
        pairs += _equal_ads(session, ads, others, days)
        pairs += sums_over_platforms(session, ads, others, days)
    return _note(session, pairs) if pairs else set()


# --- one short id --------------------------------------------------------------------------------------------------


def _corrected(
    session: Session, pairs: Collection[tuple[int, int]], days: tuple[date, date] | None
) -> list[tuple[int, int]]:
    """Return the pairs of one short id that are one by their figures, where nothing else fits as well."""
    if not pairs:
        return []
    groups = groups_of(session, {ad for pair in pairs for ad in pair})
    known = known_ads(session, groups)
    accounts: dict[int, set[str]] = defaultdict(set)
    for ad, head in groups.items():
        accounts[head].add(known[ad].account)
    # Parts on several platforms are one with their sum, not with the largest of them.
    of_one_platform = set(only_ones(pair for pair in pairs if known[pair[0]].platform != known[pair[1]].platform))
    possible = {
        (one, two): known[one].named_alike(known[two])
        for one, two in pairs
        if groups[one] != groups[two]
        and len({*accounts[groups[one]], *accounts[groups[two]]} - {""}) < 2
        and (known[one].platform == known[two].platform or (one, two) in of_one_platform)
    }
    if not possible:
        return []
    import polars as pl

    ones, twos = {one for one, _ in possible}, {two for _, two in possible}
    shared = _shared_periods(session, ones, twos, days)
    sums_here, sums_there = sums_of_pairs(session, possible)
    here = pl.concat([_exact(session, ones, shared), sums_here])
    there = pl.concat([_exact(session, twos, shared), sums_there]).rename({"ad": "other"})
    return only_ones(corrected(possible, here, there))


# --- equal figures ------------------------------------------------------------------------------------------------


def _others(session: Session, ads: Collection[int], days: tuple[date, date] | None, *, every: bool) -> set[int]:
    """Return the ads that may be one of these by their platform, and that delivered on one of the days."""
    delivered = select(Kpi.id).where(Kpi.ad_id == Ad.id)
    if days is not None:
        delivered = delivered.where(Kpi.period_start <= days[1], Kpi.period_end >= days[0])
    rows = session.execute(select(Ad.platform).where(among(session, Ad.id, ads)).distinct())
    platforms = [row.platform for row in rows]
    statement = select(Ad.id, Ad.platform).where(exists(delivered))
    if not every:
        statement = statement.where(~among(session, Ad.id, ads))
    found = session.execute(statement)
    return {row.id for row in found if any(agree_on_platform(row.platform, platform) for platform in platforms)}


def _equal_ads(
    session: Session, ads: Collection[int], others: Collection[int], days: tuple[date, date] | None
) -> list[tuple[int, int]]:
    import polars as pl

    shared = _shared_periods(session, ads, others, days)
    some = shared[:: max(1, len(shared) // _MOST_PERIODS)]
    sums_here, sums_there = totals_and_sums(session, ads, others, days)
    here = pl.concat([_exact(session, ads, some), sums_here])
    there = pl.concat([_exact(session, others, some), sums_there]).rename({"ad": "other"})
    if here.is_empty() or there.is_empty():
        return []
    delivering = here["ad"].n_unique()
    known = known_ads(session, {*here["ad"], *there["other"]})
    key = [*PERIOD, *COUNTED]
    candidates = _telling(here, key).join(_telling(there, key), on=key)
    pairs = set(candidates.select("ad", "other").unique().iter_rows()) | by_name(known, here["ad"], there["other"])
    pairs = {
        (one, two)
        for one, two in pairs
        if one != two and not (one > two and (two, one) in pairs) and known[one].may_be(known[two])
    }
    apart = never_together(session, pairs)
    if not apart:
        return []
    # Of those that may be one by their names, every total is looked at; of all others, some.
    named = {pair for pair in apart if known[pair[0]].related(known[pair[1]])}
    more_here, more_there = sums_of_pairs(session, named)
    here = pl.concat([_exact(session, {one for one, _ in apart}, shared), sums_here, more_here]).unique()
    there = pl.concat([_exact(session, {two for _, two in apart}, shared), sums_there, more_there]).unique()
    there = there.rename({"ad": "other"})
    proof = _proof(apart, here, there)
    same: list[tuple[int, int]] = []
    unproven: list[tuple[tuple[int, int], float, int]] = []
    for row in proof.sort("digits", "ad", "other", descending=[True, False, False]).iter_rows(named=True):
        pair = row["ad"], row["other"]
        related = known[pair[0]].related(known[pair[1]])
        if is_proven(row["share"], row["digits"], row["days"], related=related):
            same.append(pair)
        elif row["share"] >= SHARE_ALONE:
            unproven.append((pair, row["digits"], row["days"]))
    # What a day or two of one ad cannot prove, all ads of a file together can: each has exactly one that agrees.
    ones, twos = ({pair[side] for pair, _, _ in unproven} for side in (0, 1))
    one_to_one = len(ones) == len(twos) == len(unproven)
    all_of_them = len(unproven) + len(same) >= SHARE_ALONE * delivering
    digits_of_all = sum(shown for _, shown, _ in unproven)
    days_of_all = sum(number for _, _, number in unproven)
    if one_to_one and all_of_them and digits_of_all >= DIGITS_ALONE and days_of_all >= DAYS_ALONE:
        same += [pair for pair, _, _ in unproven]
    of_one_account = {(one, two) for one, two in named if agree(known[one].account, known[two].account)}
    return one_each([*same, *restated(of_one_account - {*same}, here, there)], known)


def _proof(pairs: Collection[tuple[int, int]], here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Return by pair the share of its periods that agree, and how many different figures and digits these are."""
    import polars as pl

    both = pl.DataFrame(sorted(pairs), schema={"ad": pl.Int64, "other": pl.Int64}, orient="row")
    common = both.join(here, on="ad").join(there, on=["other", *PERIOD], suffix="_other")
    shown, shown_other = pl.col("impressions"), pl.col("impressions_other")
    added, added_other = pl.col("parts") > 0, pl.col("parts_other") > 0
    # Two sums say nothing of a total; a sum below its total may lack days.
    common = common.filter(~(added & added_other | added & (shown < shown_other) | added_other & (shown_other < shown)))
    equal = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_other") for name in COUNTED)
    conversions, others = pl.col("conversions"), pl.col("conversions_other")
    converted = ((conversions - others).abs() < _SAME_CONVERSIONS) | (conversions == 0) | (others == 0)
    equal &= ~(added | added_other) | converted
    digits = digits_of_counts()
    # A total of many days is as good as these.
    worth = pl.max_horizontal("parts", "parts_other", 1)
    first = pl.col("first")
    return (
        common.with_columns(equal=equal)
        .with_columns(first=pl.col("equal") & pl.struct(COUNTED).is_first_distinct().over("ad", "other", "equal"))
        .group_by("ad", "other")
        .agg(share=pl.col("equal").mean(), days=(worth * first).sum(), digits=(digits * first).sum())
    )


def _exact(session: Session, ads: Collection[int], periods: Sequence[tuple[date, date]]) -> pl.DataFrame:
    import polars as pl

    rows = delivered(session, ads, Kpi.period_start.in_({start for start, _ in periods}))
    return rows.with_columns(conversions=pl.lit(0.0), parts=pl.lit(0, pl.Int64)).select(*SUMS)


def _shared_periods(
    session: Session, ads: Collection[int], others: Collection[int], days: tuple[date, date] | None
) -> list[tuple[date, date]]:
    period = (Kpi.period_start, Kpi.period_end)
    inside = [] if days is None else [Kpi.period_start <= days[1], Kpi.period_end >= days[0]]
    periods = select(*period).where(*inside).distinct()
    here, there = (
        {(row[0], row[1]) for row in session.execute(periods.where(among(session, Kpi.ad_id, some)))}
        for some in (ads, others)
    )
    return sorted(here & there)


def _telling(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    import polars as pl

    return rows.filter(pl.len().over(key) <= MOST_EQUAL)


# --- platforms ----------------------------------------------------------------------------------------------------


def _platform_sums(session: Session, ads: Collection[int]) -> Iterable[tuple[int, int]]:
    """Yield pairs of an ad without a platform, or of all of one, and one of its parts, where these sum to it."""
    import polars as pl

    mine, other = aliased(Ad), aliased(Ad)
    # The key of ads begins with the platform: by way of the few that there are, the others are found in its index.
    platforms = select(Ad.platform).distinct().subquery()
    is_other = (mine.account == other.account) & (mine.external_id == other.external_id)
    rows = session.execute(
        select(other.account, other.external_id, other.platform, other.id, mine.platform, mine.id)
        .select_from(mine)
        .join(platforms, platforms.c.platform != mine.platform)
        .join(other, (other.platform == platforms.c.platform) & is_other)
        .where(among(session, mine.id, ads))
    )
    keys: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for account, external_id, platform, ad, my_platform, my_ad in rows:
        keys[account, external_id] |= {ad: platform, my_ad: my_platform}
    groups = [
        (whole, own)
        for members in keys.values()
        for whole, named in members.items()
        if (own := [ad for ad, platform in members.items() if _is_part(platform, named)])
    ]
    owners = [(ad, number, ad == whole) for number, (whole, own) in enumerate(groups) for ad in (whole, *own)]
    if not owners:
        return
    owner = pl.DataFrame(owners, schema={"ad": pl.Int64, "key": pl.Int64, "whole": pl.Boolean}, orient="row")
    both_sides = delivered(session, owner["ad"].unique().to_list()).join(owner, on="ad")
    key = ["key", "period_start", "period_end"]
    sums = both_sides.filter(~pl.col("whole")).group_by(key).agg(pl.col("impressions", "clicks").sum())
    both = both_sides.filter("whole").join(sums, on=key, suffix="_sum")
    fits = pl.all_horizontal(
        (pl.col(name) - pl.col(f"{name}_sum")).abs() <= pl.col(name) * _SUM_IS for name in ("impressions", "clicks")
    )
    wholes = both.group_by("ad", "key").agg(share=fits.mean()).filter(pl.col("share") >= SHARE_RELATED)
    parts = owner.filter(~pl.col("whole")).select("key", part="ad")
    yield from wholes.join(parts, on="key").select("ad", "part").sort("ad", "part").iter_rows()


def _is_part(platform: str, whole: str) -> bool:
    return not _is_all(platform) if _is_all(whole) else is_part(platform, whole)


def _is_all(platform: str) -> bool:
    return not platform or means_all(Dimension.PLATFORM, platform)


# --- noting it ----------------------------------------------------------------------------------------------------


def _note(session: Session, pairs: Iterable[tuple[int, int]]) -> set[int]:
    """Write which ads are one; one that is linked, or else the first, stands for them."""
    pairs = list(pairs)
    groups = groups_of(session, {ad for pair in pairs for ad in pair})
    members: dict[int, list[int]] = defaultdict(list)
    for ad, head in groups.items():
        members[head].append(ad)
    touched: set[int] = set()
    for one, two in pairs:
        head, gone = sorted((groups[one], groups[two]))
        if head != gone:
            moved = members.pop(gone)
            members[head] += moved
            groups.update(dict.fromkeys(moved, head))
            touched = (touched - {gone}) | {head}
    known = known_ads(session, groups)
    values: list[dict[str, Any]] = []
    for head in touched:
        own = sorted(members[head], key=lambda ad: (not known[ad].creatives, known[ad].campaign_id is None, ad))
        campaign = next((known[ad].campaign_id for ad in own if known[ad].campaign_id is not None), None)
        for ad in own:
            same = own[0] if ad != own[0] else None
            values.append({"id": ad, "same_as": same, "campaign_id": known[ad].campaign_id or campaign})
    if values:
        session.execute(update(Ad), values)
    return {ad for head in touched for ad in members[head]}
