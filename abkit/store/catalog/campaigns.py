"""Campaigns as a whole: what hangs on each, renaming, merging, deleting."""

from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.store.catalog.creatives import find_campaign
from abkit.store.catalog.places import CAMPAIGN, campaigns_and_ads, with_places
from abkit.store.database.statements import total
from abkit.store.schema import (
    Ad,
    Campaign,
    CampaignAlias,
    CampaignCreative,
    Experiment,
    Kpi,
    LabelQuestion,
    Leaderboard,
    RaterLink,
    Review,
    ReviewFlow,
    Segment,
)


def campaign_rows(session: Session) -> list[dict[str, Any]]:
    """Return each campaign with what hangs on it: creatives, ads, experiments, impressions that count, days."""

    def number(table: Any) -> Any:
        return select(func.count(table.id)).where(table.campaign_id == Campaign.id).scalar_subquery()

    figures = select(
        CAMPAIGN.label("campaign_id"),
        total(Kpi.impressions).label("impressions"),
        func.min(Kpi.period_start).label("first_day"),
        func.max(Kpi.period_end).label("last_day"),
    ).join(Ad, Ad.id == Kpi.ad_id)
    delivered = with_places(figures).where(Kpi.left_out == "").group_by(CAMPAIGN).subquery()
    ran = campaigns_and_ads().subquery()
    # An ad that repeats another one counts as that one.
    one = func.coalesce(Ad.same_as, Ad.id).distinct()
    numbers = select(ran.c.campaign_id, func.count(one).label("ads")).join(Ad, Ad.id == ran.c.ad_id)
    ads = numbers.group_by(ran.c.campaign_id).subquery()
    rows = session.execute(
        select(
            Campaign.key.label("campaign"),
            Campaign.name,
            number(CampaignCreative).label("creatives"),
            func.coalesce(ads.c.ads, 0).label("ads"),
            number(Experiment).label("experiments"),
            func.coalesce(delivered.c.impressions, 0).label("impressions"),
            delivered.c.first_day,
            delivered.c.last_day,
        )
        .outerjoin(delivered, delivered.c.campaign_id == Campaign.id)
        .outerjoin(ads, ads.c.campaign_id == Campaign.id)
        .order_by(Campaign.key)
    )
    return [dict(row._mapping) for row in rows]


def rename(session: Session, key: str, new: str) -> None:
    """Give a campaign another key; everything that hangs on it stays.

    Raises:
        UsageError: There is no such campaign, or the new key is taken.
    """
    campaign = session.get_one(Campaign, find_campaign(session, key))
    if session.scalar(select(Campaign.id).where(Campaign.key == new)) is not None:
        raise UsageError(f"there is a campaign {new!r} already", hint="put both together: abkit campaign merge")
    if campaign.name == campaign.key:
        campaign.name = new
    campaign.key = new


def merge(session: Session, key: str, into: str) -> dict[str, int]:
    """Move all of a campaign into another one, and remove it; return how many rows of each kind moved.

    Raises:
        UsageError: There is no such campaign, or it is the same one twice.
    """
    source, target = find_campaign(session, key), find_campaign(session, into)
    if source == target:
        raise UsageError(f"{key!r} is the same campaign twice", hint="name two campaigns")
    moved = {
        "creatives": _move_creatives(session, source, target),
        "ads": _move(session, Ad, source, target),
        "experiments": _move(session, Experiment, source, target),
    }
    _move(session, Segment, source, target)
    _move(session, CampaignAlias, source, target, same=CampaignAlias.creative_alias_id)
    for table in (RaterLink, LabelQuestion, Review):
        _move(session, table, source, target)
    # What was agreed in the campaign that takes everything stands there; where nothing was, it comes along.
    _move(session, ReviewFlow, source, target, same=ReviewFlow.campaign_id)
    session.execute(delete(Campaign).where(Campaign.id == source))
    outdate_leaderboards(session)
    return moved


def outdate_leaderboards(session: Session) -> None:
    """Let all leaderboards be made anew: for changes that leave no new row behind, such as links taken back."""
    session.execute(update(Leaderboard).values(stamp=""))


def _move_creatives(session: Session, source: int, target: int) -> int:
    """Move members; of a creative that is in both, the earlier launch stays."""
    own = select(CampaignCreative).where(CampaignCreative.campaign_id == source)
    there = {row.creative_id: row for row in _members(session, target)}
    for row in session.scalars(own).all():
        twin = there.get(row.creative_id)
        if twin is not None and row.launched_on is not None:
            twin.launched_on = min(row.launched_on, twin.launched_on or row.launched_on)
    session.flush()
    return _move(session, CampaignCreative, source, target, same=CampaignCreative.creative_id)


def _members(session: Session, campaign: int) -> list[CampaignCreative]:
    return list(session.scalars(select(CampaignCreative).where(CampaignCreative.campaign_id == campaign)))


def _move(session: Session, table: Any, source: int, target: int, *, same: Any = None) -> int:
    """Move rows from one campaign to another; those that are there already (by `same`) are dropped."""
    before = session.scalars(_number(table, source)).one()
    if same is not None:
        there = select(same).where(table.campaign_id == target)
        twins = delete(table).where(table.campaign_id == source, same.in_(there))
        session.execute(twins.execution_options(synchronize_session=False))
    moving = update(table).where(table.campaign_id == source).values(campaign_id=target)
    session.execute(moving.execution_options(synchronize_session=False))
    return before


def _number(table: Any, campaign: int) -> Select[int]:
    return select(func.count(table.id)).where(table.campaign_id == campaign)


def remove(session: Session, key: str) -> int:
    """Remove a campaign without ads and experiments; return how many creatives were candidates of it: they stay.

    Raises:
        UsageError: There is no such campaign, or ads or experiments hang on it.
    """
    campaign = find_campaign(session, key)
    ran = campaigns_and_ads().subquery()
    ads = select(func.count()).where(ran.c.campaign_id == campaign)
    for wanted, what in ((ads, "ads"), (_number(Experiment, campaign), "experiments")):
        if number := session.scalars(wanted).one():
            raise UsageError(
                f"the campaign {key!r} has {number:,} {what if number > 1 else what[:-1]}",
                hint="move them: abkit campaign merge; or take their import back: abkit kpi undo",
            )
    creatives = session.scalars(_number(CampaignCreative, campaign)).one()
    for members in (CampaignAlias, CampaignCreative, Review, ReviewFlow, RaterLink):
        session.execute(delete(members).where(members.campaign_id == campaign))
    # Answers stay; what was not answered is not asked any more.
    still_open = delete(LabelQuestion).where(LabelQuestion.answered_at.is_(None))
    session.execute(still_open.where(LabelQuestion.campaign_id == campaign))
    session.execute(update(LabelQuestion).where(LabelQuestion.campaign_id == campaign).values(campaign_id=None))
    session.execute(update(Segment).where(Segment.campaign_id == campaign).values(campaign_id=None))
    session.execute(delete(Campaign).where(Campaign.id == campaign))
    return creatives
