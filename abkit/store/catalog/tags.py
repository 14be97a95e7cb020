"""Tags of creatives: words of the people who use them, such as `sale` or `founder on camera`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import among, count_changed, in_parts, insert_missing
from abkit.store.runs import RunRecord
from abkit.store.schema import CampaignCreative, CreativeTag


def add_tags(session: Session, run: RunRecord, creatives: Collection[int], tags: Collection[str]) -> None:
    """Give each creative each tag; one that it has stays as it is."""
    own = {"created_at": datetime.now(UTC), "run_id": run.id}
    rows = [{"creative_id": one, "tag": tag, **own} for one in creatives for tag in tags]
    insert_missing(session, CreativeTag, rows, key=["creative_id", "tag"])


def remove_tags(session: Session, creatives: Collection[int], tags: Collection[str]) -> int:
    """Take tags from creatives; return how many there were."""
    there = among(session, CreativeTag.creative_id, creatives), CreativeTag.tag.in_(tags)
    return count_changed(session, delete(CreativeTag).where(*there))


def count_tags(session: Session, creatives: Collection[int]) -> int:
    """Return how many tags creatives have together."""
    counted = select(func.count()).select_from(CreativeTag)
    return session.scalar(counted.where(among(session, CreativeTag.creative_id, creatives))) or 0


def tags_of(session: Session, creatives: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return the tags of creatives, in the order of the alphabet; those without one are left out."""
    found: dict[int, list[str]] = defaultdict(list)
    for part in in_parts(creatives):
        rows = select(CreativeTag.creative_id, CreativeTag.tag).where(CreativeTag.creative_id.in_(part))
        for creative, tag in session.execute(rows.order_by(CreativeTag.tag)):
            found[creative].append(tag)
    return {creative: tuple(tags) for creative, tags in found.items()}


def known_tags(session: Session, *, campaign: int | None = None, limit: int = 200) -> list[tuple[str, int]]:
    """Return tags and how many creatives have each, the most frequent first; only of a campaign where it is given."""
    counted = func.count(CreativeTag.creative_id)
    rows = select(CreativeTag.tag, counted).group_by(CreativeTag.tag).order_by(counted.desc(), CreativeTag.tag)
    if campaign is not None:
        rows = rows.join(CampaignCreative, CampaignCreative.creative_id == CreativeTag.creative_id)
        rows = rows.where(CampaignCreative.campaign_id == campaign)
    return [(tag, number) for tag, number in session.execute(rows.limit(limit))]
