"""What a drift check reads: the pictures of a window, the rows delivered in it, and how well the feeds worked.

Windows are made of launch and delivery dates, never of the time a row was written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from abkit.store.kpis.with_scores import Filters, overlapped, preferred, segment_shapes, within
from abkit.store.schema import (
    Ad,
    AdCreative,
    Campaign,
    CampaignCreative,
    Creative,
    Embedding,
    Kpi,
    KpiImport,
    ModelVersion,
    Run,
    Score,
)

_IN_ONE_QUERY = 5_000


@dataclass(frozen=True)
class Pictures:
    """The pictures of a window, in order of launch.

    Attributes:
        ids: creative ids; () for the model's own sample.
        scores: shape (n,); pictures without a score are not in it.
        embeddings: shape (m, E), float32; pictures without one are not in it.
        small: how many pictures are under 16 pixels on a side.
    """

    ids: tuple[int, ...]
    scores: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    small: int = 0


def campaign_pictures(session: Session, campaign: int) -> list[int]:
    """All candidates of a campaign, in order of launch; those not launched yet come last."""
    launch = func.min(CampaignCreative.launched_on)
    rows = session.execute(
        select(CampaignCreative.creative_id, launch)
        .where(CampaignCreative.campaign_id == campaign)
        .group_by(CampaignCreative.creative_id)
    ).all()
    return [row[0] for row in sorted(rows, key=lambda row: (row[1] or date.max, row[0]))]


def pictures_launched(session: Session, first: date, last: date) -> list[int]:
    """Pictures launched between two days, in that order; one not launched goes by the day on which it was added."""
    rows = session.execute(
        select(
            CampaignCreative.creative_id, func.min(CampaignCreative.launched_on), func.min(CampaignCreative.created_at)
        ).group_by(CampaignCreative.creative_id)
    ).all()
    dated = sorted((launched or added.date(), creative) for creative, launched, added in rows)
    return [creative for day, creative in dated if first <= day <= last]


def pictures(session: Session, version: ModelVersion, ids: list[int]) -> Pictures:
    """Scores and embeddings of these creatives by a version, in the given order."""
    scores: dict[int, float] = {}
    vectors: dict[int, bytes] = {}
    small = 0
    for start in range(0, len(ids), _IN_ONE_QUERY):
        part = ids[start : start + _IN_ONE_QUERY]
        scored = select(Score.creative_id, Score.mean).where(
            Score.model_version_id == version.id, Score.creative_id.in_(part)
        )
        embedded = select(Embedding.creative_id, Embedding.vector).where(
            Embedding.encoder_fingerprint == version.encoder_fingerprint, Embedding.creative_id.in_(part)
        )
        scores.update({row[0]: row[1] for row in session.execute(scored)})
        vectors.update({row[0]: row[1] for row in session.execute(embedded)})
        tiny = select(func.count()).where(Creative.id.in_(part), or_(Creative.width < 16, Creative.height < 16))
        small += session.scalars(tiny).one()
    return Pictures(
        tuple(ids),
        np.array([scores[i] for i in ids if i in scores], np.float64),
        _matrix([vectors[i] for i in ids if i in vectors]),
        small,
    )


def _matrix(vectors: list[bytes]) -> NDArray[np.float32]:
    if not vectors:
        return np.zeros((0, 1), np.float32)
    size = len(vectors[0])
    same = [vector for vector in vectors if len(vector) == size]
    return np.frombuffer(b"".join(same), "<f2").reshape(len(same), -1).astype(np.float32)


# --- delivery -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeliveryRow:
    """What one creative delivered in one campaign, segment and period."""

    creative_id: int
    campaign_id: int
    segment_id: int
    period_start: date
    period_end: date
    impressions: int
    clicks: int


def delivery(session: Session, start: date | None, end: date) -> list[DeliveryRow]:
    """Rows that can be attributed to one picture in a campaign, of periods between two days; SQL sums them.

    The rules against counting twice are those of `score_kpi`.
    """
    filters = Filters(start, end)
    single = (
        select(AdCreative.ad_id, func.min(AdCreative.creative_id).label("creative_id"))
        .group_by(AdCreative.ad_id)
        .having(func.count() == 1)
        .subquery()
    )
    # An export without campaigns: the campaign is that of the creative, where it is a candidate of just one.
    home = (
        select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id).label("campaign_id"))
        .group_by(CampaignCreative.creative_id)
        .having(func.count() == 1)
        .subquery()
    )
    campaign = func.coalesce(Ad.campaign_id, home.c.campaign_id)
    key: list[Any] = [single.c.creative_id, campaign.label("campaign_id"), Kpi.segment_id, Kpi.event]
    key += [Kpi.attribution_window, Kpi.period_start, Kpi.period_end]
    sums: list[Any] = [func.sum(column).label(column.key) for column in (Kpi.impressions, Kpi.clicks, Kpi.conversions)]
    statement = (
        select(*key, *sums)
        .join(Ad, Ad.id == Kpi.ad_id)
        .join(single, single.c.ad_id == Kpi.ad_id)
        .outerjoin(home, home.c.creative_id == single.c.creative_id)
        .where(campaign.is_not(None), Kpi.impressions > 0, *within(Kpi, start, end))
        .group_by(single.c.creative_id, campaign, *key[2:])
        .order_by(single.c.creative_id, campaign, *key[2:])
    )
    longer = select(Kpi.id).where(Kpi.period_end > Kpi.period_start, *within(Kpi, start, end)).limit(1)
    if session.scalars(longer).first() is not None:
        statement = statement.where(~overlapped(session, filters))
    shapes = segment_shapes(session)
    by_creative: dict[int, dict[tuple[Any, ...], list[Any]]] = {}
    for row in session.execute(statement):
        kinds = by_creative.setdefault(row.creative_id, {})
        kinds.setdefault((shapes[row.segment_id], row.event, row.attribution_window), []).append(row)
    chosen = [preferred(kinds) for kinds in by_creative.values()]
    return [
        DeliveryRow(
            row.creative_id,
            row.campaign_id,
            row.segment_id,
            row.period_start,
            row.period_end,
            int(row.impressions),
            int(row.clicks),
        )
        for rows in chosen
        for row in rows
    ]


def first_delivery(session: Session, creatives: Collection[int]) -> dict[tuple[int, int], date]:
    """The first day on which each creative delivered in each campaign, whatever the window."""
    found: dict[tuple[int, int], date] = {}
    columns: list[Any] = [AdCreative.creative_id, Ad.campaign_id, func.min(Kpi.period_start)]
    rows = session.execute(
        select(*columns)
        .join(Ad, Ad.id == Kpi.ad_id)
        .join(AdCreative, AdCreative.ad_id == Ad.id)
        .where(Kpi.impressions > 0, Ad.campaign_id.is_not(None))
        .group_by(*columns[:2])
    )
    launched = session.execute(
        select(CampaignCreative.creative_id, CampaignCreative.campaign_id, CampaignCreative.launched_on).where(
            CampaignCreative.launched_on.is_not(None)
        )
    )
    wanted = set(creatives)
    for creative, campaign, day in [*rows, *launched]:
        if creative in wanted:
            key = (creative, campaign)
            found[key] = min(day, found.get(key, day))
    return found


# --- feeds --------------------------------------------------------------------------------------------------------


def daily_impressions(session: Session, first: date, last: date) -> dict[date, int]:
    """Impressions of all ads by day, where the platforms report by day."""
    columns: list[Any] = [Kpi.period_start, func.sum(Kpi.impressions)]
    rows = session.execute(
        select(*columns).where(Kpi.period_start == Kpi.period_end, *within(Kpi, first, last)).group_by(Kpi.period_start)
    )
    return {row[0]: int(row[1]) for row in rows}


def rejected_rows(session: Session, first: date, last: date) -> tuple[int, int]:
    """Rejected rows and all rows of the imported files that hold rows of these days."""
    files = select(Kpi.kpi_import_id).where(*within(Kpi, first, last)).distinct()
    columns: list[Any] = [func.coalesce(func.sum(KpiImport.rejected), 0), func.coalesce(func.sum(KpiImport.rows), 0)]
    row = session.execute(select(*columns).where(KpiImport.id.in_(files))).one()
    return int(row[0]), int(row[1])


def rejected_pictures(session: Session, *, campaign: str | None, first: date, last: date) -> tuple[int, int]:
    """Rejected files and all files of the scorings of a campaign, or of those whose tick lies between two days."""
    rejected = files = 0
    for tick, arguments, outcome in session.execute(
        select(Run.tick, Run.arguments, Run.outcome).where(Run.what == "score", Run.outcome.is_not(None))
    ):
        mine = arguments.get("campaign") == campaign if campaign else first <= tick.date() <= last
        counts = [(outcome or {}).get(name, 0) for name in ("scored", "known", "rejected")]
        if mine and all(isinstance(count, int) for count in counts):
            rejected += counts[2]
            files += sum(counts)
    return rejected, files


def campaign_ids(session: Session) -> dict[str, int]:
    """The id of every campaign by its key."""
    return {row[0]: row[1] for row in session.execute(select(Campaign.key, Campaign.id))}


def last_day(as_of: date, days: int) -> tuple[date, date]:
    """First and last of the last so many days, the day itself included.

    >>> last_day(date(2025, 3, 9), 7)
    (datetime.date(2025, 3, 3), datetime.date(2025, 3, 9))
    """
    return as_of - timedelta(days=days - 1), as_of
