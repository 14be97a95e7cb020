"""Everything about one creative, from what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.catalog.creatives import creative_names
from abkit.store.catalog.tags import tags_of
from abkit.store.database.engine import Store
from abkit.store.database.statements import among, total
from abkit.store.kpis.once.counting import COUNTS
from abkit.store.kpis.once.same_ads import ads_showing
from abkit.store.leaderboards import entries_of_creative
from abkit.store.models import active_model
from abkit.store.schema import (
    Ad,
    AdCreative,
    Campaign,
    CampaignCreative,
    Creative,
    Experiment,
    Idea,
    IdeaCreative,
    Kpi,
    ModelVersion,
    Review,
    Score,
    Variant,
)
from abkit.workflows.leaderboard.read import LeaderboardRow, rows_of
from abkit.workflows.scoring.results import is_far, known_interval

#: Ads and days that are listed, at most.
MOST_ADS, MOST_DAYS, MOST_NAMES = 50, 400, 20


@dataclass(frozen=True, kw_only=True)
class VersionScore(Record):
    """What a model version says about the creative.

    Attributes:
        model, digest: The version.
        active: Whether it is the one that scores now.
        score, low, high, level: Predicted mean opinion with its interval; None where it has none.
        unlike: Whether the creative is unlike what the version was trained on.
        std: The predicted spread of opinion.
        distribution: Over the bins of the scale.
        scale: Its ends.
        scored_at: When.
    """

    model: str
    digest: str
    active: bool
    score: float
    low: float | None
    high: float | None
    level: float
    unlike: bool
    std: float
    distribution: tuple[float, ...]
    scale: tuple[float, float]
    scored_at: datetime


@dataclass(frozen=True, kw_only=True)
class AdDelivery(Record):
    """An ad that shows the creative, with what counts of its delivery."""

    ad: str
    platform: str
    account: str
    campaign: str
    impressions: int
    clicks: int
    conversions: float
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, kw_only=True)
class DayDelivery(Record):
    """What all ads of the creative delivered in a period: a day as a rule."""

    start: date
    end: date
    impressions: int
    clicks: int
    conversions: float


@dataclass(frozen=True, kw_only=True)
class Relative(Record):
    """Another creative: of the same idea, or one that looks alike."""

    sha256: str
    name: str
    width: int
    height: int
    score: float | None
    cosine: float | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewEntry(Record):
    """Something that somebody said about the creative in a campaign."""

    campaign: str
    act: str
    state: str
    reviewer: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class AboutCreative(Record):
    """Everything about one creative.

    Attributes:
        creative_id, sha256, name, names: What it is called; at most the twenty latest names.
        width, height, bytes, media_type, added_at: Of its content.
        scores: By model version, the latest first.
        campaigns: Id, key and its row on the leaderboard of each campaign that it is a candidate of.
        tags: Words that people gave it.
        idea: Name of its idea; "" where it has none.
        family: The other sizes of its idea.
        similar: Those of its campaign that look most alike.
        ads: The ads that show it, those with most impressions first, and how many there are.
        ads_of: How many ads show it.
        several: How many of its ads may show other creatives too: their delivery is not only its own.
        days: What these delivered, the earliest first; at most the last 400 periods.
        experiments: Id and key of experiments that have it.
        reviews: What was said about it in campaigns, the latest first.
    """

    creative_id: int
    sha256: str
    name: str
    names: tuple[str, ...]
    width: int
    height: int
    bytes: int
    media_type: str
    added_at: datetime
    scores: tuple[VersionScore, ...]
    campaigns: tuple[tuple[int, str, LeaderboardRow | None], ...]
    tags: tuple[str, ...]
    idea: str
    family: tuple[Relative, ...]
    similar: tuple[Relative, ...]
    ads: tuple[AdDelivery, ...]
    ads_of: int
    several: int
    days: tuple[DayDelivery, ...]
    experiments: tuple[tuple[int, str], ...]
    reviews: tuple[ReviewEntry, ...]


def about_creative(store: Store, sha256: str) -> AboutCreative | None:
    """Return everything about the creative with this content; None where the store has none."""
    with store.read() as session:
        row = session.scalars(select(Creative).where(Creative.sha256 == sha256)).one_or_none()
        if row is None:
            return None
        names = creative_names(session, [row.id]).get(row.id, [])
        shown = [entry for entry, _ in entries_of_creative(session, row.id)]
        rows = rows_of((entry, sha256) for entry in shown)
        board = {entry.campaign_id: one for entry, one in zip(shown, rows, strict=True)}
        ads = ads_showing(session, [row.id])
        version = active_model(session)
        idea, others = _family(session, row.id)
        alike = next(iter(board.values())).similar if board else ()
        cosines = {int(one): cosine for one, cosine in zip(alike[::2], alike[1::2], strict=True)}
        relatives = _relatives(session, {*others, *cosines}, version.id if version else -1)
        return AboutCreative(
            creative_id=row.id,
            sha256=sha256,
            name=names[0][1] if names else sha256[:12],
            names=tuple(full for full, _ in names[:MOST_NAMES]),
            width=row.width,
            height=row.height,
            bytes=row.bytes,
            media_type=row.media_type,
            added_at=row.created_at,
            scores=_scores(session, row.id, version.id if version else -1),
            campaigns=tuple((id_, key, board.get(id_)) for id_, key in _campaigns(session, row.id)),
            tags=tags_of(session, [row.id]).get(row.id, ()),
            idea=idea,
            family=tuple(relatives[one] for one in others if one in relatives),
            similar=tuple(
                replace(relatives[one], cosine=cosine) for one, cosine in cosines.items() if one in relatives
            ),
            ads=_ads(session, ads),
            ads_of=len(ads),
            several=_several(session, row.id, ads),
            days=_days(session, ads),
            experiments=_experiments(session, row.id, ads),
            reviews=_reviews(session, row.id),
        )


def _scores(session: Session, creative: int, active: int) -> tuple[VersionScore, ...]:
    rows = select(Score, ModelVersion).join(ModelVersion, ModelVersion.id == Score.model_version_id)
    rows = rows.where(Score.creative_id == creative).order_by(Score.id.desc())
    found = []
    for score, version in session.execute(rows):
        ends = known_interval(score.ci_low, score.ci_high, score.novelty)
        found.append(
            VersionScore(
                model=version.name,
                digest=version.digest,
                active=version.id == active,
                score=score.mean,
                low=ends["ci_low"],
                high=ends["ci_high"],
                level=score.ci_level,
                unlike=is_far(score.novelty),
                std=score.std,
                distribution=tuple(score.distribution),
                scale=(version.scale_low, version.scale_high),
                scored_at=score.scored_at,
            )
        )
    return tuple(sorted(found, key=lambda one: not one.active))


def _campaigns(session: Session, creative: int) -> list[tuple[int, str]]:
    rows = select(Campaign.id, Campaign.key).join(CampaignCreative, CampaignCreative.campaign_id == Campaign.id)
    found = session.execute(rows.where(CampaignCreative.creative_id == creative).order_by(Campaign.key))
    return [(id_, key) for id_, key in found]


def _family(session: Session, creative: int) -> tuple[str, list[int]]:
    """Return the name of its idea, and the other creatives of it."""
    row = session.execute(
        select(Idea.id, Idea.name).join(IdeaCreative, IdeaCreative.idea_id == Idea.id).where(
            IdeaCreative.creative_id == creative
        )
    ).first()  # fmt: skip
    if row is None:
        return "", []
    members = select(IdeaCreative.creative_id).where(IdeaCreative.idea_id == row.id).order_by(IdeaCreative.id)
    others = [one for one in session.scalars(members.limit(MOST_ADS)) if one != creative]
    return row.name or f"idea {row.id}", others


def _relatives(session: Session, ids: set[int], version: int) -> dict[int, Relative]:
    names = creative_names(session, ids)
    wanted = select(Creative.id, Creative.sha256, Creative.width, Creative.height, Score.mean)
    mine = (Score.creative_id == Creative.id) & (Score.model_version_id == version)
    rows = session.execute(wanted.outerjoin(Score, mine).where(Creative.id.in_(ids)))
    return {
        row.id: Relative(
            sha256=row.sha256,
            name=names[row.id][0][1] if row.id in names else row.sha256[:12],
            width=row.width,
            height=row.height,
            score=row.mean,
        )
        for row in rows
    }


def _ads(session: Session, ads: list[int]) -> tuple[AdDelivery, ...]:
    shown = func.coalesce(total(Kpi.impressions), 0)
    rows = session.execute(
        select(
            Ad.external_id.label("ad"),
            Ad.platform,
            Ad.account,
            func.coalesce(Campaign.key, "").label("campaign"),
            shown.label("impressions"),
            func.coalesce(total(Kpi.clicks), 0).label("clicks"),
            func.coalesce(func.sum(Kpi.conversions), 0.0).label("conversions"),
            func.min(Kpi.period_start).label("first_day"),
            func.max(Kpi.period_end).label("last_day"),
        )
        .select_from(Ad)
        .outerjoin(Kpi, (Kpi.ad_id == Ad.id) & COUNTS)
        .outerjoin(Campaign, Campaign.id == Ad.campaign_id)
        .where(among(session, Ad.id, ads))
        .group_by(Ad.id, Ad.external_id, Ad.platform, Ad.account, Campaign.key)
        .order_by(shown.desc(), Ad.id)
        .limit(MOST_ADS)
    )
    return tuple(AdDelivery(**row._mapping) for row in rows)


def _several(session: Session, creative: int, ads: list[int]) -> int:
    others = select(func.count(AdCreative.ad_id.distinct()))
    return session.scalar(others.where(among(session, AdCreative.ad_id, ads), AdCreative.creative_id != creative)) or 0


def _days(session: Session, ads: list[int]) -> tuple[DayDelivery, ...]:
    rows = session.execute(
        select(
            Kpi.period_start.label("start"),
            Kpi.period_end.label("end"),
            total(Kpi.impressions).label("impressions"),
            total(Kpi.clicks).label("clicks"),
            func.sum(Kpi.conversions).label("conversions"),
        )
        .where(COUNTS, among(session, Kpi.ad_id, ads))
        .group_by(Kpi.period_start, Kpi.period_end)
        .order_by(Kpi.period_end.desc(), Kpi.period_start.desc())
        .limit(MOST_DAYS)
    )
    return tuple(DayDelivery(**row._mapping) for row in rows)[::-1]


def _experiments(session: Session, creative: int, ads: list[int]) -> tuple[tuple[int, str], ...]:
    shown = or_(Variant.creative_id == creative, among(session, Variant.ad_id, ads))
    found = select(Experiment.id, Experiment.key).where(
        Experiment.id.in_(select(Variant.experiment_id).where(shown))
    )  # fmt: skip
    return tuple((id_, key) for id_, key in session.execute(found.order_by(Experiment.id)))


def _reviews(session: Session, creative: int) -> tuple[ReviewEntry, ...]:
    rows = session.execute(
        select(Campaign.key.label("campaign"), Review.act, Review.state, Review.reviewer, Review.reason, Review.at)
        .join(Campaign, Campaign.id == Review.campaign_id)
        .where(Review.creative_id == creative)
        .order_by(Review.id.desc())
        .limit(MOST_ADS)
    )
    return tuple(ReviewEntry(**row._mapping) for row in rows)
