"""Ads of one id, one of which lacks its account: the same ad, corrected, or the ads of two accounts.

Ids that somebody counts up say little: two accounts may have an ad 17 each. A corrected export has nearly the figures
of the first one; another ad has others. Pairs that are not proven stay two ads, and are said: if they are
one, they count twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.database.statements import among, total
from abkit.store.kpis.once.nearness import LEAST_SHOWN, NEAR, VERY_NEAR, alike, alike_clicks
from abkit.store.kpis.once.publishers import agree_on_platform
from abkit.store.schema import Ad, Kpi

if TYPE_CHECKING:
    import polars as pl

Pair = tuple[int, int]

_SHARE = 0.8  # of the periods that both have
_PERIODS_ALONE, _SHARE_ALONE = 3, 0.9  # near periods of all ads of two files together, where no name says more


def corrected(pairs: Mapping[Pair, bool], here: pl.DataFrame, there: pl.DataFrame) -> list[Pair]:
    """Return the pairs that are one ad by their figures.

    Args:
        pairs: By two ads of one id, whether a name or a campaign says the same.
        here, there: What each `ad` (`other`) delivered by `period_start` and `period_end`: `impressions`, `clicks`.
    """
    import polars as pl

    rows = [(*pair, named) for pair, named in pairs.items()]
    schema = {"ad": pl.Int64, "other": pl.Int64, "named": pl.Boolean}
    period = ["period_start", "period_end"]
    common = pl.DataFrame(rows, schema=schema, orient="row").join(here, on="ad")
    common = common.join(there, on=["other", *period], suffix="_other").filter(pl.col("impressions") > 0)
    clicked = alike_clicks()
    proof = common.group_by("ad", "other", "named").agg(
        near=(alike("impressions", NEAR) & clicked).mean(),
        very_near=(alike("impressions", VERY_NEAR) & clicked).mean(),
        shown=pl.max_horizontal("impressions", "impressions_other").sum(),
        periods=pl.len(),
    )
    proof = proof.filter(pl.col("shown") >= LEAST_SHOWN).sort("ad", "other")
    named = proof.filter("named", pl.col("near") >= _SHARE)
    alone = proof.filter(~pl.col("named"))
    close = alone.filter(pl.col("very_near") >= _SHARE_ALONE)
    if close["periods"].sum() < _PERIODS_ALONE or close.height < _SHARE_ALONE * alone.height:
        close = close.clear()
    return [*named.select("ad", "other").iter_rows(), *close.select("ad", "other").iter_rows()]


def restated(pairs: Collection[Pair], here: pl.DataFrame, there: pl.DataFrame) -> list[Pair]:
    """Return the pairs of one name that are one ad by their figures: days that another export corrected a little.

    Args:
        pairs: Two ads of one name.
        here, there: What they delivered by period, as in `corrected`.
    """
    import polars as pl

    both = pl.DataFrame(sorted(pairs), schema={"ad": pl.Int64, "other": pl.Int64}, orient="row")
    common = both.join(here, on="ad").join(there, on=["other", "period_start", "period_end"], suffix="_other")
    near = alike("impressions", VERY_NEAR) & alike_clicks()
    proof = (
        common.filter(pl.col("impressions") >= LEAST_SHOWN)
        .group_by("ad", "other")
        .agg(near=near.mean(), different=pl.col("impressions").filter(near).n_unique())
    )
    proven = proof.filter(pl.col("near") >= _SHARE_ALONE, pl.col("different") >= _PERIODS_ALONE)
    return only_ones(proven.sort("ad", "other").select("ad", "other").iter_rows())


def only_ones(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs of which neither ad is in another one: with two that fit, nothing says which it is."""
    pairs = list(pairs)
    partners: dict[int, set[int]] = defaultdict(set)
    for one, two in pairs:
        partners[one].add(two)
        partners[two].add(one)
    return [(one, two) for one, two in pairs if len(partners[one]) == len(partners[two]) == 1]


@dataclass(frozen=True, kw_only=True)
class MaybeTwice(Record):
    """Ads that may be one with an ad of the same id, and count apart as nothing proves it.

    Attributes:
        ads: How many.
        impressions: What the ads without an account have on the days that both have.
        example: The id of one of them.
        account: The account of that one.
    """

    ads: int
    impressions: int
    example: str
    account: str

    def __str__(self) -> str:
        """Say it in a line."""
        several = f"{self.ads:,} ads have" if self.ads > 1 else "1 ad has"
        return (
            f"{several} an id that an ad of account {self.account!r} has on the same days, and no account "
            f"({self.example!r}): if they are one, up to {self.impressions:,} impressions count twice; take the file "
            "without accounts back (abkit kpi undo) and import it with --account"
        )


def maybe_twice(session: Session, ads: Collection[int] | None = None) -> MaybeTwice | None:
    """Return which ads may be one with one of the same id, and are not taken for it; None without any.

    Args:
        session: A reading session.
        ads: Look at the ids of these ads; all ads by default.
    """
    several = select(Ad.external_id).group_by(Ad.external_id).having(func.count() > 1, func.min(Ad.account) == "")
    if ads is not None:
        ids = select(Ad.external_id).where(among(session, Ad.id, ads))
        several = several.where(Ad.external_id.in_(ids))
    rows = session.execute(
        select(Ad.external_id, Ad.platform, Ad.account, Ad.id, Ad.same_as).where(Ad.external_id.in_(several))
    ).all()
    if not rows:
        return None
    spans = _spans(session, [row.id for row in rows])
    placed = {row.same_as or row.id for row in rows if row.account}
    owners = defaultdict(list)
    for row in rows:
        if row.id in spans:
            owners[row.external_id].append(row)
    found: dict[int, tuple[int, str, str]] = {}
    for external_id, same in owners.items():
        for one in same:
            if (one.same_as or one.id) in placed:
                continue
            others = [
                other
                for other in same
                if not one.account
                and other.account
                and agree_on_platform(one.platform, other.platform)
                and spans[one.id][0] <= spans[other.id][1]
                and spans[other.id][0] <= spans[one.id][1]
            ]
            if others:
                found[one.id] = spans[one.id][2], external_id, others[0].account
    if not found:
        return None
    _, example, account = max(found.values())
    return MaybeTwice(
        ads=len(found), impressions=sum(one[0] for one in found.values()), example=example, account=account
    )


def _spans(session: Session, ads: Collection[int]) -> dict[int, tuple[date, date, int]]:
    """Return first and last day of what counts of each ad, and its impressions."""
    rows = session.execute(
        select(Kpi.ad_id, func.min(Kpi.period_start), func.max(Kpi.period_end), total(Kpi.impressions))
        .where(Kpi.left_out == "", among(session, Kpi.ad_id, ads))
        .group_by(Kpi.ad_id)
    )
    return {ad: (first, last, impressions) for ad, first, last, impressions in rows}
