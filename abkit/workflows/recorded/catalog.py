"""Campaigns, creatives and scores, as the store has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from abkit.records import Record
from abkit.store.catalog.creatives import creative_names, find_campaign
from abkit.store.database.engine import Store
from abkit.store.models import find_by_prefix
from abkit.store.schema import Campaign, CampaignCreative, Creative, CreativeTag, ModelVersion, Score
from abkit.workflows.creatives.campaigns import CreativeRecord, creatives_by_id
from abkit.workflows.recorded.paging import Page, newest
from abkit.workflows.scoring.results import UNLIKE, is_far, known_interval


@dataclass(frozen=True, kw_only=True)
class CampaignLine(Record):
    """A campaign.

    Attributes:
        campaign_id: Its number, which stays when it is renamed.
        campaign: Its key.
        name: As the platform calls it.
        creatives: How many creatives are its candidates.
        created_at: When it came, UTC.
    """

    campaign_id: int
    campaign: str
    name: str
    creatives: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredScore(Record):
    """The score of one creative by one model version.

    Attributes:
        sha256: Digest of the creative's content.
        creative: The last part of its latest name.
        mean, std: Mean and standard deviation of the predicted opinions, on the scale.
        epistemic_std: Standard deviation of the mean between the query sets; None with a single one.
        ci_low, ci_high, ci_level: Predictive interval of the mean opinion and its nominal coverage.
        no_interval: Why it has no interval, where its novelty is the reason; "" otherwise.
        novelty: Distance from the training images in units of the version's limit.
        scale: Lowest and highest value that a score can have.
        model_version, model_name: The version.
        scored_at: When, UTC.
        run_id: The run that scored it.
    """

    sha256: str
    creative: str
    mean: float
    std: float
    epistemic_std: float | None
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    no_interval: str
    novelty: float | None
    scale: tuple[float, float]
    model_version: str
    model_name: str
    scored_at: datetime
    run_id: int


def campaign_page(store: Store, *, before: int | None, limit: int, campaign: str | None = None) -> Page[CampaignLine]:
    """Return campaigns, the latest first.

    Args:
        store: A store at the current migration.
        before: Only those with a smaller number.
        limit: At most so many.
        campaign: Only the one with this key.
    """
    query = select(Campaign)
    if campaign is not None:
        query = query.where(Campaign.key == campaign)
    with store.read() as session:
        rows, following = newest(session, query, Campaign.id, before=before, limit=limit)
        ids = [row.Campaign.id for row in rows]
        counted = select(CampaignCreative.campaign_id, func.count()).where(CampaignCreative.campaign_id.in_(ids))
        grouped = session.execute(counted.group_by(CampaignCreative.campaign_id))
        sizes: dict[int, int] = {row[0]: row[1] for row in grouped}
        return Page(
            items=tuple(
                CampaignLine(
                    campaign_id=row.Campaign.id,
                    campaign=row.Campaign.key,
                    name=row.Campaign.name,
                    creatives=sizes.get(row.Campaign.id, 0),
                    created_at=row.Campaign.created_at,
                )
                for row in rows
            ),
            next=following,
        )


def campaign_key(store: Store, campaign_id: int) -> str | None:
    """Return the key of the campaign with this number; None where there is none."""
    with store.read() as session:
        return session.scalar(select(Campaign.key).where(Campaign.id == campaign_id))


def creative_page(
    store: Store, *, before: int | None, limit: int, campaign: str | None = None, tag: str | None = None
) -> Page[CreativeRecord]:
    """Return creatives with their names, scores and delivery, the latest first.

    Args:
        store: A store at the current migration.
        before: Only those with a smaller number.
        limit: At most so many.
        campaign: Only candidates of this campaign.
        tag: Only those with this tag.

    Raises:
        UsageError: There is no such campaign.
    """
    with store.read() as session:
        query = select(Creative.id)
        if campaign is not None:
            mine = select(CampaignCreative.creative_id)
            query = query.where(
                Creative.id.in_(mine.where(CampaignCreative.campaign_id == find_campaign(session, campaign)))
            )
        if tag is not None:
            query = query.where(Creative.id.in_(select(CreativeTag.creative_id).where(CreativeTag.tag == tag)))
        rows, following = newest(session, query, Creative.id, before=before, limit=limit)
        return Page(items=tuple(creatives_by_id(session, [row.id for row in rows])), next=following)


def score_page(
    store: Store,
    *,
    before: int | None,
    limit: int,
    campaign: str | None = None,
    model: str | None = None,
    sha256: str | None = None,
) -> Page[StoredScore]:
    """Return scores, the latest first.

    Args:
        store: A store at the current migration.
        before: Only those with a smaller number.
        limit: At most so many.
        campaign: Only of candidates of this campaign.
        model: Only by this version: its name, or the beginning of its digest.
        sha256: Only of this creative.

    Raises:
        UsageError: There is no such campaign or version.
    """
    with store.read() as session:
        query = select(Score.id, Score, Creative.sha256, ModelVersion)
        query = query.join(Creative, Creative.id == Score.creative_id)
        query = query.join(ModelVersion, ModelVersion.id == Score.model_version_id)
        if campaign is not None:
            mine = select(CampaignCreative.creative_id)
            query = query.where(
                Score.creative_id.in_(mine.where(CampaignCreative.campaign_id == find_campaign(session, campaign)))
            )
        if model is not None:
            query = query.where(Score.model_version_id == find_by_prefix(session, model).id)
        if sha256 is not None:
            query = query.where(Creative.sha256 == sha256)
        rows, following = newest(session, query, Score.id, before=before, limit=limit)
        names = creative_names(session, [row.Score.creative_id for row in rows])
        return Page(items=tuple(_stored(row, names) for row in rows), next=following)


def _stored(row: Any, names: dict[int, list[tuple[str, str]]]) -> StoredScore:
    score, version = row.Score, row.ModelVersion
    figures = ("mean", "std", "epistemic_std", "ci_level", "novelty", "scored_at", "run_id")
    same: dict[str, Any] = {name: getattr(score, name) for name in figures}
    same |= known_interval(score.ci_low, score.ci_high, score.novelty)
    return StoredScore(
        sha256=row.sha256,
        creative=names[score.creative_id][0][1] if score.creative_id in names else row.sha256[:12],
        no_interval=UNLIKE if is_far(score.novelty) else "",
        scale=(version.scale_low, version.scale_high),
        model_version=version.digest,
        model_name=version.name,
        **same,
    )
