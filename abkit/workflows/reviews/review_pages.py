"""What the page of reviews shows: campaigns, and the variants of one, a part of the list at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from abkit.records import Record
from abkit.store import reviews
from abkit.store.catalog.creatives import contents_of, creative_names
from abkit.store.database.engine import Store
from abkit.store.reviews import CampaignInReview
from abkit.vocabulary import ReviewState
from abkit.workflows.reviews.reviews import Flow, flow_in


@dataclass(frozen=True, kw_only=True)
class VariantLine(Record):
    """A variant in a list.

    Attributes:
        creative: Its latest name.
        sha256: Digest of its content.
        state: How far it has come.
        by, reason, at: Of the last decision; "" and None where there was none.
        acts: How often something was done or written.
    """

    creative: str
    sha256: str
    state: ReviewState
    by: str
    reason: str
    at: datetime | None
    acts: int


@dataclass(frozen=True, kw_only=True)
class CampaignReviews(Record):
    """The variants of a campaign, a part of them.

    Attributes:
        campaign: Its key.
        flow: What was agreed.
        counts: How many variants have come how far.
        variants: The latest first.
    """

    campaign: str
    flow: Flow
    counts: Mapping[ReviewState, int]
    variants: tuple[VariantLine, ...]


def campaigns_page(store: Store, *, limit: int, offset: int) -> list[CampaignInReview]:
    """Return campaigns with variants, the latest first, each with how far these have come."""
    with store.read() as session:
        return reviews.campaigns_in_review(session, limit=limit, offset=offset)


def campaign_with_id(store: Store, campaign: int) -> str | None:
    """Return the key of a campaign; None where there is none."""
    with store.read() as session:
        return reviews.campaign_key(session, campaign)


def campaign_page(
    store: Store, campaign: int, key: str, *, state: ReviewState | None, limit: int, offset: int
) -> CampaignReviews:
    """Return a part of the variants of a campaign: all, or those that have come so far."""
    with store.read() as session:
        found = reviews.variants(session, campaign, state=state, limit=limit, offset=offset)
        ids = [one.creative for one in found]
        names = creative_names(session, ids, campaign=campaign)
        contents = contents_of(session, ids)
        return CampaignReviews(
            campaign=key,
            flow=flow_in(session, campaign, key),
            counts=reviews.count_states(session, campaign),
            variants=tuple(
                VariantLine(
                    creative=names[one.creative][0][1] if one.creative in names else contents[one.creative][:12],
                    sha256=contents[one.creative],
                    state=one.state,
                    by=one.reviewer,
                    reason=one.reason,
                    at=one.at,
                    acts=one.acts,
                )
                for one in found
            ),
        )
