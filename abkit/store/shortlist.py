"""What a shortlist reads beside the ranking: candidates without a score, names, and how the scores went with KPIs."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.schema import CampaignCreative, CorrelationResult, Creative, CreativeAlias, Score


@dataclass(frozen=True)
class Unscored:
    """A candidate that a model version has not scored."""

    creative_id: int
    sha256: str


def unscored(session: Session, campaign: int, version_id: int) -> list[Unscored]:
    """The candidates of a campaign without a score by this version, in the order in which they came."""
    scored = select(Score.creative_id).where(Score.model_version_id == version_id)
    rows = session.execute(
        select(Creative.id, Creative.sha256)
        .join(CampaignCreative, CampaignCreative.creative_id == Creative.id)
        .where(CampaignCreative.campaign_id == campaign, Creative.id.not_in(scored))
        .order_by(Creative.id)
    )
    return [Unscored(id_, sha256) for id_, sha256 in rows]


def names(session: Session, campaign: int) -> dict[int, list[tuple[str, str]]]:
    """The names of each candidate of a campaign, the latest first: in full, and their last part."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    rows = session.execute(
        select(CreativeAlias.creative_id, CreativeAlias.name, CreativeAlias.base_name)
        .join(CampaignCreative, CampaignCreative.creative_id == CreativeAlias.creative_id)
        .where(CampaignCreative.campaign_id == campaign)
        .order_by(CreativeAlias.id.desc())
    )
    for creative, name, base in rows:
        found[creative].append((name, base))
    return dict(found)


def last_correlations(session: Session, version_id: int) -> list[CorrelationResult]:
    """The SRCC of each metric that was measured last, of all segments: within campaigns where there is one."""
    mine = (CorrelationResult.model_version_id == version_id, CorrelationResult.segment == "")
    last = (
        select(func.max(CorrelationResult.run_id).label("run_id"), CorrelationResult.metric)
        .where(*mine)
        .group_by(CorrelationResult.metric)
        .subquery()
    )
    rows = session.scalars(
        select(CorrelationResult)
        .join(last, (CorrelationResult.run_id == last.c.run_id) & (CorrelationResult.metric == last.c.metric))
        .where(*mine, CorrelationResult.statistic == "srcc")
        .order_by(CorrelationResult.metric, CorrelationResult.id)
    )
    chosen: dict[str, CorrelationResult] = {}
    for row in rows:
        former = chosen.get(row.metric)
        if former is None or (row.scope == "within_campaign" and row.estimate is not None):
            chosen[row.metric] = row
    return list(chosen.values())
