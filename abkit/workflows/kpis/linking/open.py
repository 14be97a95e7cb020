"""Ads that wait for a person: those without a creative, with the creative that each may show. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.link_lists import advertised_names, names_of_ads, unlinked_delivery
from abkit.workflows.kpis.linking.suggestions import suggest


@dataclass(frozen=True, kw_only=True)
class OpenLink(Record):
    """An ad without a creative.

    Attributes:
        platform, account, ad: What the export calls it.
        name: The name of the ad in the export; "" without one.
        campaign: Key of its campaign, or "".
        impressions: What it delivered.
        share_of_impressions: Of all ads, 0 … 1.
        suggestion: The name of the creative that it may show, or "".
        confidence: Of the suggestion, 0 … 1, or None.
    """

    platform: str
    account: str
    ad: str
    name: str
    campaign: str
    impressions: int
    share_of_impressions: float
    suggestion: str
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class OpenLinks(Record):
    """The ads without a creative, the largest first.

    Attributes:
        ads: The first of them.
        n: How many there are.
        share: Share of all impressions that they have together, 0 … 1.
    """

    ads: tuple[OpenLink, ...]
    n: int
    share: float


def open_links(store: Store, limit: int) -> OpenLinks:
    """Return the ads without a creative.

    Args:
        store: A store at the current migration.
        limit: At most so many, with a suggestion each where there is a clear one.
    """
    with store.read() as session:
        rows = unlinked_delivery(session)
        shown = rows[:limit]
        names = names_of_ads(session, [row["ad_id"] for row in shown])
        found = suggest(names, advertised_names(session)) if shown else {}
    return OpenLinks(
        ads=tuple(
            OpenLink(
                platform=str(row["platform"]),
                account=str(row["account"]),
                ad=str(row["ad"]),
                name=next(iter(names.get(row["ad_id"], ())), ""),
                campaign=str(row["campaign"] or ""),
                impressions=int(row["impressions"]),
                share_of_impressions=float(row["share_of_impressions"]),
                suggestion=found[row["ad_id"]].name if row["ad_id"] in found else "",
                confidence=found[row["ad_id"]].confidence if row["ad_id"] in found else None,
            )
            for row in shown
        ),
        n=len(rows),
        share=float(sum(row["share_of_impressions"] for row in rows)),
    )
