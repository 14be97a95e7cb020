"""Creatives and their scores: writing whole batches, and reading rankings back."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.runs import RunRecord
from abkit.store.schema import Campaign, CampaignCreative, Creative, CreativeAlias, Embedding, ModelVersion, Score
from abkit.store.upsert import insert_missing

_IN_ONE_QUERY = 5_000


@dataclass(frozen=True)
class ScoredContent:
    """All that is written about one content: its creative, embedding and score columns by name."""

    creative: Mapping[str, Any]
    score: Mapping[str, Any]
    embedding: bytes


def campaign_id(session: Session, run: RunRecord, key: str) -> int:
    """The id of a campaign, made when it is new."""
    row = {"key": key, "name": key, "created_at": datetime.now(UTC), "run_id": run.id}
    insert_missing(session, Campaign, [row], key=["key"])
    return session.scalars(select(Campaign.id).where(Campaign.key == key)).one()


def creative_ids(session: Session, sha256s: Collection[str]) -> dict[str, int]:
    """The ids of the creatives that are there, by content."""
    return dict(
        row
        for part in _parts(sorted(sha256s))
        for row in session.execute(select(Creative.sha256, Creative.id).where(Creative.sha256.in_(part)))
    )


def creative_columns(session: Session, sha256s: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the store knows of the creatives that are there, by content, as `write_scores` takes it."""
    wanted = (
        Creative.sha256,
        Creative.perceptual_hash,
        Creative.width,
        Creative.height,
        Creative.media_type,
        Creative.bytes,
    )
    return {
        row.sha256: dict(row._mapping)
        for part in _parts(sorted(sha256s))
        for row in session.execute(select(*wanted).where(Creative.sha256.in_(part)))
    }


def scored_contents(session: Session, version_id: int, sha256s: Collection[str]) -> set[str]:
    """Which of these contents have a score by this version."""
    return {
        sha256
        for part in _parts(sorted(sha256s))
        for sha256 in session.scalars(
            select(Creative.sha256)
            .join(Score, Score.creative_id == Creative.id)
            .where(Score.model_version_id == version_id, Creative.sha256.in_(part))
        )
    }


def write_scores(session: Session, run: RunRecord, version: ModelVersion, contents: Sequence[ScoredContent]) -> None:
    """Write creatives, embeddings and scores of a batch; what is there already stays as it is."""
    now = datetime.now(UTC)
    insert_missing(
        session,
        Creative,
        [{**content.creative, "created_at": now, "run_id": run.id} for content in contents],
        key=["sha256"],
    )
    ids = creative_ids(session, [content.creative["sha256"] for content in contents])
    keyed = [(ids[content.creative["sha256"]], content) for content in contents]
    insert_missing(
        session,
        Embedding,
        [
            {
                "creative_id": id_,
                "encoder_fingerprint": version.encoder_fingerprint,
                "vector": content.embedding,
                "run_id": run.id,
            }
            for id_, content in keyed
        ],
        key=["creative_id", "encoder_fingerprint"],
    )
    insert_missing(
        session,
        Score,
        [
            {**content.score, "creative_id": id_, "model_version_id": version.id, "scored_at": now, "run_id": run.id}
            for id_, content in keyed
        ],
        key=["creative_id", "model_version_id"],
    )


def write_names(session: Session, run: RunRecord, campaign: int, names: Iterable[tuple[int, str, str]]) -> None:
    """Write under which names contents came, and that they are candidates of a campaign.

    Args:
        session: a writing session.
        run: whose work this is.
        campaign: id of the campaign.
        names: (creative id, full name, last part of the name) of each file.
    """
    now = datetime.now(UTC)
    named = list(names)
    insert_missing(
        session,
        CreativeAlias,
        [
            {"creative_id": id_, "name": name, "base_name": base, "created_at": now, "run_id": run.id}
            for id_, name, base in dict.fromkeys(named)
        ],
        key=["creative_id", "name"],
    )
    insert_missing(
        session,
        CampaignCreative,
        [
            {"campaign_id": campaign, "creative_id": id_, "launched_on": None, "created_at": now, "run_id": run.id}
            for id_ in dict.fromkeys(id_ for id_, _, _ in named)
        ],
        key=["campaign_id", "creative_id"],
    )


@dataclass(frozen=True)
class RankedScore:
    """A creative's score and its place in a campaign.

    Attributes:
        rank: 1 is the highest mean; equal means share a rank.
        percentile: share of the campaign's creatives scored no higher, in percent.
        n: how many creatives of the campaign have a score by this version.
    """

    creative_id: int
    sha256: str
    score: Score
    rank: int
    percentile: float
    n: int


def ranking(session: Session, campaign: int, version_id: int) -> list[RankedScore]:
    """All scored creatives of a campaign, best first."""
    ranked = (
        select(
            Score.id.label("score_id"),
            Creative.id.label("creative_id"),
            Creative.sha256,
            func.rank().over(order_by=Score.mean.desc()).label("rank"),
            func.cume_dist().over(order_by=Score.mean).label("share"),
            func.count().over().label("n"),
        )
        .join(Creative, Creative.id == Score.creative_id)
        .join(CampaignCreative, CampaignCreative.creative_id == Creative.id)
        .where(CampaignCreative.campaign_id == campaign, Score.model_version_id == version_id)
        .subquery()
    )
    rows = session.execute(
        select(Score, ranked.c.creative_id, ranked.c.sha256, ranked.c.rank, ranked.c.share, ranked.c.n)
        .join(ranked, ranked.c.score_id == Score.id)
        .order_by(ranked.c.rank, ranked.c.sha256)
    )
    return [
        RankedScore(creative_id, sha256, score, rank, 100 * float(share), n)
        for score, creative_id, sha256, rank, share, n in rows
    ]


def _parts(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _IN_ONE_QUERY] for start in range(0, len(values), _IN_ONE_QUERY))
