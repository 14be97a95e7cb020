"""In which campaign figures are: in the one that their row names, else in that of their ad."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import CompoundSelect, Select, func, select, union
from sqlalchemy.orm import Session, aliased

from abkit.store.database.statements import in_parts
from abkit.store.schema import Ad, Kpi, Segment

# Another name than that of the table: an analysis may look at segments, too.
_PLACE = aliased(Segment, name="place")

CAMPAIGN = func.coalesce(_PLACE.campaign_id, Ad.campaign_id)
"""The campaign of a row of `kpi`, in a statement that `with_places` completes; NULL where nothing names one."""

NAMED: Any = _PLACE.campaign_id
"""The campaign that a row names itself."""


def with_places(statement: Select[Any]) -> Select[Any]:
    """Return a statement that selects from `kpi`, with what `CAMPAIGN` needs besides `ad`."""
    return statement.join(_PLACE, _PLACE.id == Kpi.segment_id)


def campaigns_of(session: Session, ads: Collection[int]) -> set[tuple[int, int]]:
    """Return pairs of an ad and a campaign that it is in, or that one of its rows names."""
    return {
        (ad, campaign)
        for part in in_parts(sorted(ads))
        for campaign, ad in session.execute(campaigns_and_ads(part))
        if campaign is not None
    }


def campaigns_and_ads(ads: Collection[int] | None = None) -> CompoundSelect[Any]:
    """Select each campaign with the ads that are in it, or of which a row names it; of some ads, or of all."""
    own = select(Ad.campaign_id, Ad.id.label("ad_id"))
    named = select(Segment.campaign_id, Kpi.ad_id.label("ad_id")).join(Kpi, Kpi.segment_id == Segment.id)
    if ads is not None:
        own, named = own.where(Ad.id.in_(ads)), named.where(Kpi.ad_id.in_(ads))
    return union(own, named.where(Segment.campaign_id.is_not(None)))
