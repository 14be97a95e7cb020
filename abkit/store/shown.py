"""What ads show: the creatives that they are linked to, under whichever of their names."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Subquery, and_, exists, select, union, union_all
from sqlalchemy.orm import aliased

from abkit.store.schema import Ad, AdCreative


def shown_creatives(among_ads: Callable[[Any], ColumnElement[bool]] | None = None) -> CompoundSelect[tuple[int, int]]:
    """Return a statement of the creatives that each ad shows, under whichever of its names it was linked.

    Args:
        among_ads: Makes the condition that an id is of one of the only ads that are asked for; all by default.
    """
    link, related = AdCreative.creative_id, links_of_same_ads()
    # Most ads have one name: a union of everything would sort a million links to find the few that come twice.
    own = exists().where(AdCreative.ad_id == related.c.ad_id, AdCreative.creative_id == related.c.creative_id)
    links = select(AdCreative.ad_id, link), select(related.c.ad_id, related.c.creative_id).where(~own)
    if among_ads is not None:
        links = links[0].where(among_ads(AdCreative.ad_id)), links[1].where(among_ads(related.c.ad_id))
    return union_all(*links)


def links_of_same_ads() -> Subquery:
    """Select `ad_id` and `creative_id` of the links that an ad has under another of its names."""
    one, other = aliased(Ad), aliased(Ad)
    link, several = AdCreative.creative_id, one.same_as.is_not(None)
    # Few ads have several names: `+ 0` and the conditions keep SQLite from reading the links of all others.
    return union(
        select(one.id.label("ad_id"), link).join(AdCreative, AdCreative.ad_id == one.same_as + 0).where(several),
        select(one.same_as, link).join(AdCreative, AdCreative.ad_id == one.id + 0).where(several),
        select(one.id, link)
        .join(other, other.same_as == one.same_as)
        .join(AdCreative, AdCreative.ad_id == other.id + 0)
        .where(several),
    ).subquery()


def without_creative(ad: Any) -> ColumnElement[bool]:
    """Return the condition that no creative is linked to the ad with the id in this column, under none of its names."""
    return and_(~exists().where(AdCreative.ad_id == ad), ad.not_in(select(links_of_same_ads().c.ad_id)))
