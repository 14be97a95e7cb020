"""What the report reads: campaigns and their pictures, what was imported, and what was found when.

Everything is as of a day: delivery that ended later, and checks made for a later day, do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from abkit.store.schema import (
    Ad,
    AdCreative,
    Alert,
    Campaign,
    CampaignCreative,
    CorrelationResult,
    CreativeAlias,
    Decision,
    DriftResult,
    Kpi,
    KpiImport,
    ModelVersion,
    Run,
    Score,
)

#: The account under which `abkit demo` delivers: whoever sees its figures is told that they are simulated.
SIMULATED_ACCOUNT = "abkit-demo-simulated"


@dataclass(frozen=True)
class Imported:
    """What has been imported, by a day: ads with delivery, those of them without a picture, days, files and rejects."""

    ads: int
    unlinked_ads: int
    first_day: date | None
    last_day: date | None
    files: int
    rejected_rows: int


def campaigns(session: Session, version_id: int) -> list[tuple[int, str, int]]:
    """Id, key and number of scored creatives of every campaign, the largest first."""
    count = func.count(Score.id)
    rows = session.execute(
        select(Campaign.id, Campaign.key, count)
        .join(CampaignCreative, CampaignCreative.campaign_id == Campaign.id)
        .join(Score, Score.creative_id == CampaignCreative.creative_id)
        .where(Score.model_version_id == version_id)
        .group_by(Campaign.id, Campaign.key)
        .order_by(count.desc(), Campaign.key)
    )
    return [(id_, key, n) for id_, key, n in rows]


def campaign_keys(session: Session) -> dict[int, str]:
    """The key of every campaign, by id."""
    return {id_: key for id_, key in session.execute(select(Campaign.id, Campaign.key))}  # noqa: C416


def scored(session: Session, version_id: int, campaign_id: int | None) -> list[tuple[str, float]]:
    """Campaign and score of every creative, once: in this campaign, or in the first one that it was put into."""
    members = select(func.min(CampaignCreative.id).label("id")).group_by(CampaignCreative.creative_id)
    if campaign_id is not None:
        members = members.where(CampaignCreative.campaign_id == campaign_id)
    first = members.subquery()
    query = (
        select(Campaign.key, Score.mean)
        .join(CampaignCreative, CampaignCreative.campaign_id == Campaign.id)
        .join(first, first.c.id == CampaignCreative.id)
        .join(Score, Score.creative_id == CampaignCreative.creative_id)
        .where(Score.model_version_id == version_id)
        .order_by(Score.id)
    )
    return [(key, mean) for key, mean in session.execute(query)]


def names(session: Session, creative_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names under which creatives came, the latest first."""
    found: dict[int, list[str]] = {}
    rows = session.execute(
        select(CreativeAlias.creative_id, CreativeAlias.name)
        .where(CreativeAlias.creative_id.in_(creative_ids))
        .order_by(CreativeAlias.id.desc())
    )
    for creative, name in rows:
        found.setdefault(creative, []).append(name)
    return found


def imported(session: Session, as_of: date) -> Imported:
    """What has been imported of the delivery up to a day."""
    in_time = Kpi.period_end <= as_of
    first, last, ads = session.execute(
        select(func.min(Kpi.period_start), func.max(Kpi.period_end), func.count(Kpi.ad_id.distinct())).where(in_time)
    ).one()
    unlinked = session.execute(
        select(func.count(Kpi.ad_id.distinct())).where(in_time, Kpi.ad_id.not_in(select(AdCreative.ad_id)))
    ).scalar_one()
    files, rejected = session.execute(
        select(func.count(KpiImport.id), func.coalesce(func.sum(KpiImport.rejected), 0))
    ).one()
    return Imported(ads, unlinked, first, last, files, int(rejected))


def is_simulated(session: Session) -> bool:
    """Whether the store has delivery that `abkit demo` made up."""
    return session.scalars(select(Ad.id).where(Ad.account == SIMULATED_ACCOUNT).limit(1)).first() is not None


def last_model(session: Session, as_of: date) -> ModelVersion | None:
    """The version that the last drift check or correlation up to a day was about."""
    for table in (Decision, CorrelationResult):
        version = session.scalars(
            select(ModelVersion)
            .join(table, table.model_version_id == ModelVersion.id)
            .where(table.as_of <= as_of)
            .order_by(table.id.desc())
            .limit(1)
        ).first()
        if version is not None:
            return version
    return None


def correlations(session: Session, version_id: int, since: date, as_of: date) -> list[CorrelationResult]:
    """The correlations of a version between two days, the oldest first."""
    return list(
        session.scalars(
            select(CorrelationResult)
            .where(
                CorrelationResult.model_version_id == version_id,
                CorrelationResult.as_of.between(since, as_of),
                CorrelationResult.segment == "",
            )
            .order_by(CorrelationResult.as_of, CorrelationResult.id)
        )
    )


def last_checked(session: Session, as_of: date) -> date | None:
    """The day of the last drift check up to a day."""
    return session.scalar(select(func.max(Decision.as_of)).where(Decision.as_of <= as_of))


def decisions(session: Session, since: date, as_of: date) -> list[Decision]:
    """The decisions between two days, the oldest first; of several for one day the later ones come last."""
    return list(
        session.scalars(
            select(Decision).where(Decision.as_of.between(since, as_of)).order_by(Decision.as_of, Decision.id)
        )
    )


def findings(session: Session, run_ids: Sequence[int]) -> list[DriftResult]:
    """What the drift checks of these runs found."""
    return list(
        session.scalars(
            select(DriftResult).where(DriftResult.run_id.in_(run_ids)).order_by(DriftResult.as_of, DriftResult.id)
        )
    )


def open_alerts(session: Session, as_of: date) -> list[Alert]:
    """The episodes that were open at the end of a day, the latest first."""
    end = datetime.combine(as_of + timedelta(days=1), time.min, UTC)
    unresolved: ColumnElement[bool] = Alert.resolved_at.is_(None) | (Alert.resolved_at >= end)
    return list(
        session.scalars(
            select(Alert).where(Alert.opened_at < end, unresolved).order_by(Alert.opened_at.desc(), Alert.id.desc())
        )
    )


def last_runs(session: Session, kinds: Sequence[str]) -> dict[str, int]:
    """The last finished run of each kind."""
    rows = session.execute(
        select(Run.what, func.max(Run.id)).where(Run.what.in_(kinds), Run.state == "done").group_by(Run.what)
    )
    found = {what: id_ for what, id_ in rows}  # noqa: C416  # rows are not pairs to mypy
    return {what: found[what] for what in kinds if what in found}
