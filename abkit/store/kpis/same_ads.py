"""Ads that are one: the same account imported under another mapping, or with and without its platforms."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import CompoundSelect, select, union
from sqlalchemy.orm import Session, aliased

from abkit.store.database.statements import among
from abkit.store.schema import Ad, AdCreative


def groups_of(session: Session, ads: Collection[int]) -> dict[int, int]:
    """Return these ads and those that are the same as one of them, each with the ad that stands for all."""
    own = session.execute(select(Ad.id, Ad.same_as).where(among(session, Ad.id, ads))).all()
    found = {ad: ad if same is None else same for ad, same in own}
    heads = set(found.values())
    more = session.execute(select(Ad.id, Ad.same_as).where(among(session, Ad.same_as, heads)))
    return {**{head: head for head in heads}, **found, **{row.id: row.same_as for row in more}}


def shown_creatives() -> CompoundSelect[tuple[int, int]]:
    """Return a statement of the creatives that each ad shows, under whichever of its names it was linked."""
    one, other = aliased(Ad), aliased(Ad)
    link = AdCreative.creative_id
    return union(
        select(AdCreative.ad_id, link),
        select(one.id, link).join(AdCreative, AdCreative.ad_id == one.same_as),
        select(one.same_as, link).join(AdCreative, AdCreative.ad_id == one.id).where(one.same_as.is_not(None)),
        select(one.id, link).join(other, other.same_as == one.same_as).join(AdCreative, AdCreative.ad_id == other.id),
    )


def unite(session: Session, ads: Collection[int]) -> set[int]:
    """Find ads that are the same as one of these, and note it. Return the ads whose rows compete from now on."""
    return set()
