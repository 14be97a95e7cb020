"""Reviews of variants: what was done, how far each has come, and what was agreed in a campaign."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import Session

from abkit.store.database.statements import in_parts
from abkit.store.runs import RunRecord
from abkit.store.schema import Campaign, CampaignCreative, Review, ReviewFlow
from abkit.vocabulary import ReviewAct, ReviewState


@dataclass(frozen=True, kw_only=True)
class ReviewedVariant:
    """A variant of a campaign and how far it has come.

    Attributes:
        creative: Its id.
        state: Of the last act; proposed where there was none.
        reviewer, reason, at: The last act that was not a comment; "" and None where there was none.
        acts: How often something was done or written.
    """

    creative: int
    state: ReviewState
    reviewer: str = ""
    reason: str = ""
    at: datetime | None = None
    acts: int = 0


def flow_of(session: Session, campaign: int) -> ReviewFlow | None:
    """Return what was agreed in a campaign last; None where nothing was."""
    last = select(ReviewFlow).where(ReviewFlow.campaign_id == campaign).order_by(ReviewFlow.id.desc()).limit(1)
    return session.scalars(last).one_or_none()


def lock(session: Session, campaign: int) -> None:
    """Let one transaction at a time review a campaign: two approvals at once would not count each other."""
    session.execute(select(Campaign.id).where(Campaign.id == campaign).with_for_update())


def acts_of(session: Session, campaign: int, creatives: Collection[int]) -> dict[int, list[Review]]:
    """Return what was done about each of some variants, the first act first."""
    found: dict[int, list[Review]] = {one: [] for one in creatives}
    for part in in_parts(sorted(creatives)):
        rows = select(Review).where(Review.campaign_id == campaign, Review.creative_id.in_(part))
        for row in session.scalars(rows.order_by(Review.id)):
            found[row.creative_id].append(row)
    return found


def add_act(
    session: Session,
    run: RunRecord,
    campaign: int,
    creative: int,
    *,
    act: ReviewAct,
    state: ReviewState,
    reviewer: str,
    reason: str,
    at: datetime,
) -> None:
    """Add what somebody did; nothing is ever changed or removed."""
    session.add(
        Review(
            campaign_id=campaign,
            creative_id=creative,
            act=act.value,
            state=state.value,
            reviewer=reviewer,
            reason=reason,
            at=at,
            run_id=run.id,
        )
    )


def members(session: Session, campaign: int, creatives: Collection[int]) -> set[int]:
    """Return which of some creatives are variants of a campaign."""
    found: set[int] = set()
    for part in in_parts(sorted(creatives)):
        rows = select(CampaignCreative.creative_id).where(CampaignCreative.campaign_id == campaign)
        found |= set(session.scalars(rows.where(CampaignCreative.creative_id.in_(part))))
    return found


def variants(
    session: Session, campaign: int, *, state: ReviewState | None = None, limit: int, offset: int = 0
) -> list[ReviewedVariant]:
    """Return variants of a campaign, the latest first, each with how far it has come.

    Args:
        session: A reading session.
        campaign: Its id.
        state: Only those that have come so far.
        limit, offset: Which part of the list.
    """
    last, counted = _last(campaign), _counted(campaign)
    query = (
        select(
            CampaignCreative.creative_id,
            func.coalesce(last.c.state, ReviewState.PROPOSED.value),
            last.c.reviewer,
            last.c.reason,
            last.c.at,
            func.coalesce(counted.c.acts, 0),
        )
        .outerjoin(last, last.c.creative_id == CampaignCreative.creative_id)
        .outerjoin(counted, counted.c.creative_id == CampaignCreative.creative_id)
        .where(CampaignCreative.campaign_id == campaign)
        .order_by(CampaignCreative.creative_id.desc())
        .limit(limit)
        .offset(offset)
    )
    if state is not None:
        query = query.where(func.coalesce(last.c.state, ReviewState.PROPOSED.value) == state.value)
    return [
        ReviewedVariant(
            creative=row[0],
            state=ReviewState(row[1]),
            reviewer=row[2] or "",
            reason=row[3] or "",
            at=row[4],
            acts=row[5],
        )
        for row in session.execute(query)
    ]


def states_of(session: Session, campaign: int, creatives: Collection[int]) -> dict[int, ReviewState]:
    """Return how far each of some creatives has come in a campaign; proposed where nothing was done."""
    found = dict.fromkeys(creatives, ReviewState.PROPOSED)
    last = _last(campaign)
    for part in in_parts(sorted(creatives)):
        for creative, state in session.execute(
            select(last.c.creative_id, last.c.state).where(last.c.creative_id.in_(part))
        ):
            found[creative] = ReviewState(state)
    return found


def count_states(session: Session, campaign: int) -> dict[ReviewState, int]:
    """Return how many variants of a campaign have come how far."""
    everyone = select(func.count()).where(CampaignCreative.campaign_id == campaign)
    found = dict.fromkeys(ReviewState, 0)
    for (_, state), number in _counts(session, [campaign]).items():
        found[ReviewState(state)] = number
    # Those that nobody has reviewed have no row: they are what is left.
    decided = sum(number for state, number in found.items() if state is not ReviewState.PROPOSED)
    found[ReviewState.PROPOSED] = session.scalars(everyone).one() - decided
    return found


@dataclass(frozen=True, kw_only=True)
class CampaignInReview:
    """A campaign with variants: how many, and how many of them somebody has decided about."""

    id: int
    key: str
    variants: int
    approved: int
    rejected: int
    changes_wanted: int
    approvals: int
    gate: bool


def campaigns_in_review(session: Session, *, limit: int, offset: int = 0) -> list[CampaignInReview]:
    """Return campaigns that have variants, the latest first, with how far these have come."""
    member = select(CampaignCreative.id).where(CampaignCreative.campaign_id == Campaign.id)
    chosen = select(Campaign.id, Campaign.key).where(member.exists()).order_by(Campaign.id.desc())
    keys = {row[0]: row[1] for row in session.execute(chosen.limit(limit).offset(offset))}
    ids = list(keys)
    counted = select(CampaignCreative.campaign_id, func.count()).where(CampaignCreative.campaign_id.in_(ids))
    sizes = {row[0]: row[1] for row in session.execute(counted.group_by(CampaignCreative.campaign_id))}
    states = _counts(session, ids)
    agreed = select(func.max(ReviewFlow.id)).where(ReviewFlow.campaign_id.in_(ids)).group_by(ReviewFlow.campaign_id)
    flows = {one.campaign_id: one for one in session.scalars(select(ReviewFlow).where(ReviewFlow.id.in_(agreed)))}
    return [
        CampaignInReview(
            id=id_,
            key=key,
            variants=sizes[id_],
            approved=states.get((id_, ReviewState.APPROVED), 0),
            rejected=states.get((id_, ReviewState.REJECTED), 0),
            changes_wanted=states.get((id_, ReviewState.CHANGES_WANTED), 0),
            approvals=flows[id_].approvals if id_ in flows else 1,
            gate=flows[id_].gate if id_ in flows else False,
        )
        for id_, key in keys.items()
    ]


def campaign_key(session: Session, campaign: int) -> str | None:
    """Return the key of a campaign; None where there is none."""
    return session.scalars(select(Campaign.key).where(Campaign.id == campaign)).one_or_none()


def _counts(session: Session, campaigns: Collection[int]) -> dict[tuple[int, str], int]:
    """Return how many variants of campaigns were reviewed and have come how far, by campaign and state."""
    newest = (
        select(func.max(Review.id))
        .join(
            CampaignCreative,
            (CampaignCreative.campaign_id == Review.campaign_id) & (CampaignCreative.creative_id == Review.creative_id),
        )
        .where(Review.campaign_id.in_(campaigns))
        .group_by(Review.campaign_id, Review.creative_id)
    )
    counted = select(Review.campaign_id, Review.state, func.count()).where(Review.id.in_(newest))
    rows = session.execute(counted.group_by(Review.campaign_id, Review.state))
    return {(campaign, state): number for campaign, state, number in rows}


def _last(campaign: int) -> Subquery:
    newest = select(func.max(Review.id)).where(Review.campaign_id == campaign, Review.act != ReviewAct.COMMENT.value)
    ids = newest.group_by(Review.creative_id)
    return select(Review).where(Review.id.in_(ids)).subquery()


def _counted(campaign: int) -> Subquery:
    acts = select(Review.creative_id, func.count().label("acts")).where(Review.campaign_id == campaign)
    return acts.group_by(Review.creative_id).subquery()
