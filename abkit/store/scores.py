"""What scorers say about creatives: scores, embeddings and fits to briefs, written in batches and read back ranked."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.orm import Session

from abkit.store.catalog.creatives import creative_ids, first_launches, write_creatives
from abkit.store.database.statements import among, in_parts, insert_missing
from abkit.store.runs import RunRecord
from abkit.store.schema import (
    BriefFit,
    Campaign,
    CampaignCreative,
    Creative,
    CreativeAlias,
    Embedding,
    IdeaCreative,
    ModelVersion,
    Score,
)

_LARGEST = float(np.finfo(np.float64).max)

# --- writing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoredContent:
    """All that is written about one content: the columns of its creative and score by name, and its embedding."""

    creative: Mapping[str, Any]
    score: Mapping[str, Any]
    embedding: bytes

    @classmethod
    def of(cls, creative: Mapping[str, Any], figures: Mapping[str, Any], embedding: bytes) -> Self:
        """Take of a score's figures, plain ones, those that the store has columns for."""
        columns = Score.__table__.columns
        return cls(creative, {name: value for name, value in figures.items() if name in columns}, embedding)


def write_scores(session: Session, run: RunRecord, version: ModelVersion, contents: Sequence[ScoredContent]) -> None:
    """Write creatives, embeddings and scores of a batch; what is there already stays as it is."""
    write_creatives(session, run, [content.creative for content in contents])
    ids = creative_ids(session, [content.creative["sha256"] for content in contents])
    keyed = [(ids[content.creative["sha256"]], content) for content in contents]
    write_embeddings(session, run, version.encoder_fingerprint, {id_: content.embedding for id_, content in keyed})
    own = {"model_version_id": version.id, "scored_at": datetime.now(UTC), "run_id": run.id}
    rows = [{**content.score, "creative_id": id_, **own} for id_, content in keyed]
    insert_missing(session, Score, rows, key=["creative_id", "model_version_id"])


def write_embeddings(session: Session, run: RunRecord, fingerprint: str, vectors: Mapping[int, bytes]) -> None:
    """Write embeddings of one encoder (float16, little-endian), by creative; what is there already stays as it is."""
    own = {"encoder_fingerprint": fingerprint, "run_id": run.id}
    rows = [{"creative_id": id_, "vector": vector, **own} for id_, vector in vectors.items()]
    insert_missing(session, Embedding, rows, key=["creative_id", "encoder_fingerprint"])


def write_fits(
    session: Session,
    run: RunRecord,
    cosines: Mapping[int, float],
    *,
    encoder: str,
    encoder_fingerprint: str,
    brief: str,
    brief_sha256: str,
) -> None:
    """Write the fits to one brief, by creative; one that was made before stays with the run that made it."""
    own = {
        "encoder": encoder,
        "encoder_fingerprint": encoder_fingerprint,
        "brief": brief,
        "brief_sha256": brief_sha256,
        "made_at": datetime.now(UTC),
        "run_id": run.id,
    }
    rows = [{"creative_id": id_, "cosine": cosine, **own} for id_, cosine in cosines.items()]
    insert_missing(session, BriefFit, rows, key=["creative_id", "encoder_fingerprint", "brief_sha256"])


def forget_scores(session: Session, sha256s: Collection[str]) -> None:
    """Delete what scorers and encoders said about contents: their pixels are others now."""
    for ids in in_parts(sorted(creative_ids(session, sha256s).values())):
        for table in (Score, Embedding, BriefFit):
            session.execute(delete(table).where(table.creative_id.in_(ids)))


# --- of one version -----------------------------------------------------------------------------------------------


def scored_contents(session: Session, version_id: int, sha256s: Collection[str]) -> set[str]:
    """Return which of these contents have a score by this version."""
    return {
        sha256
        for part in in_parts(sorted(sha256s))
        for sha256 in session.scalars(
            select(Creative.sha256)
            .join(Score, Score.creative_id == Creative.id)
            .where(Score.model_version_id == version_id, Creative.sha256.in_(part))
        )
    }


def all_scored_contents(session: Session, version_id: int) -> Iterator[Sequence[str]]:
    """Yield the contents that this version has scored, some thousand at a time."""
    wanted = (
        select(Creative.sha256)
        .join(Score, Score.creative_id == Creative.id)
        .where(Score.model_version_id == version_id)
        .execution_options(yield_per=10_000)
    )
    yield from session.scalars(wanted).partitions()


def mean_scores(session: Session, version_id: int, creatives: Collection[int] | None = None) -> dict[int, float]:
    """Return the mean score of every creative that this version scored, or of those among some creatives."""
    scored = select(Score.creative_id, Score.mean).where(Score.model_version_id == version_id)
    if creatives is None:
        return {id_: mean for id_, mean in session.execute(scored)}  # noqa: C416  # rows are not pairs to mypy
    rows = session.execute(scored.where(among(session, Score.creative_id, creatives)))
    return {id_: mean for id_, mean in rows}  # noqa: C416


def scored_launches_by_day(session: Session, version_id: int, first: date, last: date) -> dict[date, int]:
    """Return how many creatives that are no size of another were launched on each of these days and have a score.

    The day is that of `creatives.launches`.
    """
    each = (
        first_launches(first, last)
        .where(~exists().where(IdeaCreative.creative_id == CampaignCreative.creative_id))
        .subquery()
    )
    day = func.coalesce(each.c.launched, func.date(each.c.added))
    rows = session.execute(
        select(day, func.count())
        .join(Score, Score.creative_id == each.c.creative_id)
        # By the creative: `+ 0` keeps SQLite from all scores of the version.
        .where(Score.model_version_id + 0 == version_id, Score.mean.between(-_LARGEST, _LARGEST))
        .group_by(day)
    )
    return {launched: n for launched, n in rows if first <= launched <= last}


def score_marks(session: Session, version_id: int) -> tuple[int, int]:
    """Return how many creatives a version scored, and the id of its last score; both tell whether scores changed."""
    mine = Score.model_version_id == version_id
    n = session.scalar(select(func.count()).select_from(Score).where(mine)) or 0
    return n, session.scalar(select(func.max(Score.id)).where(mine)) or 0


def scored_after(session: Session, version_id: int, last: int) -> list[int]:
    """Return the creatives that a version scored after the score with this id."""
    return list(session.scalars(select(Score.creative_id).where(Score.model_version_id == version_id, Score.id > last)))


@dataclass(frozen=True)
class ScoredCreative:
    """A creative with what a version's queries did on it.

    Attributes:
        sha256: Of the content.
        name: The first name under which it came, an absolute path as a rule.
        activations: Of each query of each member of the ensemble.
        distribution: Over the bins of the scale.
    """

    sha256: str
    name: str
    activations: list[float]
    distribution: list[float]


def scored_creatives(session: Session, digest: str) -> list[ScoredCreative]:
    """Return all creatives scored by the version with this digest, in the order in which they came."""
    first = (
        select(CreativeAlias.creative_id, func.min(CreativeAlias.id).label("id"))
        .group_by(CreativeAlias.creative_id)
        .subquery()
    )
    rows = session.execute(
        select(Creative.sha256, CreativeAlias.name, Score.query_activations, Score.distribution)
        .join(ModelVersion, ModelVersion.id == Score.model_version_id)
        .join(Creative, Creative.id == Score.creative_id)
        .join(first, first.c.creative_id == Creative.id)
        .join(CreativeAlias, CreativeAlias.id == first.c.id)
        .where(ModelVersion.digest == digest)
        .order_by(Creative.id)
    )
    return [ScoredCreative(*row) for row in rows]


# --- of a campaign ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RankedScore:
    """A creative's score and its place in a campaign.

    Attributes:
        rank: 1 is the highest mean; equal means share a rank.
        percentile: Share of the campaign's creatives scored no higher, in percent.
        n: How many creatives of the campaign have a score by this version.
    """

    creative_id: int
    sha256: str
    score: Score
    rank: int
    percentile: float
    n: int


def ranking(session: Session, campaign: int, version_id: int) -> list[RankedScore]:
    """Return all scored creatives of a campaign, best first."""
    rows = session.execute(
        select(
            Score,
            Creative.sha256,
            func.rank().over(order_by=Score.mean.desc()).label("rank"),
            func.cume_dist().over(order_by=Score.mean),
            func.count().over(),
        )
        .join(Creative, Creative.id == Score.creative_id)
        .join(CampaignCreative, CampaignCreative.creative_id == Creative.id)
        # By the campaign: `+ 0` keeps SQLite from all scores of the version.
        .where(CampaignCreative.campaign_id == campaign, Score.model_version_id + 0 == version_id)
        .order_by(Score.mean.desc(), Creative.sha256)
    )
    return [
        RankedScore(
            creative_id=score.creative_id, sha256=sha256, score=score, rank=rank, percentile=100 * float(share), n=n
        )
        for score, sha256, rank, share, n in rows
    ]


def unscored(session: Session, campaign: int, version_id: int) -> list[tuple[int, str]]:
    """Return id and sha256 of a campaign's candidates without a score by this version, in the order they came."""
    scored = exists().where(Score.creative_id == Creative.id, Score.model_version_id == version_id)
    rows = session.execute(
        select(Creative.id, Creative.sha256)
        .join(CampaignCreative, CampaignCreative.creative_id == Creative.id)
        .where(CampaignCreative.campaign_id == campaign, ~scored)
        .order_by(Creative.id)
    )
    return [(id_, sha256) for id_, sha256 in rows]


def campaigns_by_size(session: Session, version_id: int) -> list[tuple[int, str, int]]:
    """Return id, key and number of creatives scored by this version of every campaign, the largest first."""
    row = CampaignCreative
    each = (
        select(row.campaign_id, func.count(Score.id).label("n"))
        .join(Score, Score.creative_id == row.creative_id)
        .where(Score.model_version_id == version_id)
        .group_by(row.campaign_id)
        .subquery()
    )
    rows = session.execute(
        select(Campaign.id, Campaign.key, each.c.n)
        .join(each, each.c.campaign_id == Campaign.id)
        .order_by(each.c.n.desc(), Campaign.key)
    )
    return [(id_, key, n) for id_, key, n in rows]


def scores_by_campaign(session: Session, version_id: int, campaign: int | None) -> list[tuple[str, float]]:
    """Return campaign key and score of every creative, once: in this campaign, or in the first it was put into."""
    members = select(func.min(CampaignCreative.id).label("id")).group_by(CampaignCreative.creative_id)
    if campaign is not None:
        members = members.where(CampaignCreative.campaign_id == campaign)
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


def campaign_embeddings(session: Session, campaign: int, fingerprint: str) -> dict[int, bytes]:
    """Return the embeddings by one encoder (float16, little-endian) of a campaign's creatives that have one."""
    rows = session.execute(
        select(Embedding.creative_id, Embedding.vector)
        .join(CampaignCreative, CampaignCreative.creative_id == Embedding.creative_id)
        .where(CampaignCreative.campaign_id == campaign, Embedding.encoder_fingerprint == fingerprint)
    )
    return {creative_id: bytes(vector) for creative_id, vector in rows}


# --- what may be labeled next -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SeenCreative:
    """A creative that a version scored and its encoder saw.

    Attributes:
        campaign: Id of the campaign that is looked at, or of the first that it was put into; None without one.
        perceptual_hash: 16 hexadecimal digits.
        mean: Its score.
        novelty: Above 1 it is unlike what the version was trained on; None where that is not known.
        vector: Its embedding, float16, little-endian.
    """

    id: int
    campaign: int | None
    perceptual_hash: str
    mean: float
    novelty: float | None
    vector: bytes


def seen_creatives(
    session: Session, version: ModelVersion, campaign: int | None = None, *, only: Collection[int] | None = None
) -> list[SeenCreative]:
    """Return the creatives with a score by a version and an embedding by its encoder, of one campaign or all.

    With `only`, those among these ids.
    """
    members = select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id).label("campaign_id"))
    if campaign is not None:
        members = members.where(CampaignCreative.campaign_id == campaign)
    of = members.group_by(CampaignCreative.creative_id).subquery()
    query = (
        select(Creative.id, of.c.campaign_id, Creative.perceptual_hash, Score.mean, Score.novelty, Embedding.vector)
        .join(Score, Score.creative_id == Creative.id)
        .join(Embedding, Embedding.creative_id == Creative.id)
        .join(of, of.c.creative_id == Creative.id, isouter=campaign is None)
        .where(Score.model_version_id == version.id, Embedding.encoder_fingerprint == version.encoder_fingerprint)
        .order_by(Creative.id)
    )
    if only is not None:
        query = query.where(among(session, Creative.id, only))
    return [
        SeenCreative(
            id=row[0], campaign=row[1], perceptual_hash=row[2], mean=row[3], novelty=row[4], vector=bytes(row[5])
        )
        for row in session.execute(query)
    ]


@dataclass(frozen=True)
class SeenPlace:
    """A creative that a version scored, without what its encoder saw: its id, its first campaign, its novelty."""

    id: int
    campaign: int | None
    novelty: float | None


def seen_places(session: Session, version: ModelVersion, campaign: int | None = None) -> list[SeenPlace]:
    """Return the creatives with a score by a version, of one campaign or all, by id; no embedding is read."""
    members = select(CampaignCreative.creative_id, func.min(CampaignCreative.campaign_id).label("campaign_id"))
    if campaign is not None:
        members = members.where(CampaignCreative.campaign_id == campaign)
    of = members.group_by(CampaignCreative.creative_id).subquery()
    query = (
        select(Score.creative_id, of.c.campaign_id, Score.novelty)
        .join(of, of.c.creative_id == Score.creative_id, isouter=campaign is None)
        .where(Score.model_version_id == version.id)
        .order_by(Score.creative_id)
    )
    return [SeenPlace(row[0], row[1], row[2]) for row in session.execute(query)]


# --- samples that drift is tested on ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CreativeSample:
    """What a version made of some creatives.

    Attributes:
        ids: Creative ids in order of launch; () for the model's own reference sample.
        scores: Shape (n,); creatives without a score are not in it.
        embeddings: Shape (m, E), float32; creatives without one are not in it.
        small: How many creatives have images under 16 pixels on a side.
        embedded: Ids of the creatives of the embeddings, in their order; () for the model's own reference sample.
        odd: How many embeddings have another length than most, and are not in it.
        odd_sizes: How many numbers these have.
    """

    ids: tuple[int, ...]
    scores: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    small: int = 0
    embedded: tuple[int, ...] = ()
    odd: int = 0
    odd_sizes: tuple[float, ...] = ()


def creative_sample(session: Session, version: ModelVersion, ids: Sequence[int]) -> CreativeSample:
    """Return scores and embeddings of these creatives by a version, in the given order."""
    scores: dict[int, float] = {}
    vectors: dict[int, bytes] = {}
    small = 0
    for part in in_parts(ids):
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
    size = _usual_size(vectors) if vectors else 0
    usable = size > 0 and size % 2 == 0  # two bytes a number
    with_vector = [i for i in ids if usable and len(vectors.get(i, b"")) == size]
    odd_sizes = {len(one) / 2 for one in vectors.values() if not usable or len(one) != size}
    return CreativeSample(
        ids=tuple(ids),
        scores=np.array([scores[i] for i in ids if i in scores], np.float64),
        embeddings=_matrix([vectors[i] for i in with_vector]),
        small=small,
        embedded=tuple(with_vector),
        odd=len(vectors) - len(with_vector),
        odd_sizes=tuple(sorted(odd_sizes)),
    )


def means(session: Session, version: ModelVersion, ids: Sequence[int]) -> dict[int, float]:
    """Return the scores of these creatives by a version; those without one are not in it."""
    return {
        creative: mean
        for part in in_parts(ids)
        for creative, mean in session.execute(
            select(Score.creative_id, Score.mean).where(
                Score.model_version_id == version.id, Score.creative_id.in_(part)
            )
        )
    }


def activations(session: Session, version: ModelVersion, ids: Sequence[int]) -> dict[int, list[float]]:
    """Return what each query of each member said about these creatives, by creative, if the version scored it."""
    return {
        creative: values
        for part in in_parts(ids)
        for creative, values in session.execute(
            select(Score.creative_id, Score.query_activations).where(
                Score.model_version_id == version.id, Score.creative_id.in_(part)
            )
        )
    }


def scored_by_others(session: Session, version: ModelVersion, creatives: Sequence[int]) -> int:
    """Return how many of these creatives have scores, but none by this version."""
    scored: set[int] = set()
    own: set[int] = set()
    for part in in_parts(creatives):
        by = select(Score.creative_id, Score.model_version_id).where(Score.creative_id.in_(part))
        for creative, scorer in session.execute(by):
            (own if scorer == version.id else scored).add(creative)
    return len(scored - own)


def _usual_size(vectors: Mapping[int, bytes]) -> int:
    """Return the size that most embeddings have: one of another size cannot be compared with them."""
    return Counter(map(len, vectors.values())).most_common(1)[0][0]


def _matrix(vectors: list[bytes]) -> NDArray[np.float32]:
    if not vectors:
        return np.zeros((0, 1), np.float32)
    return np.frombuffer(b"".join(vectors), "<f2").reshape(len(vectors), -1).astype(np.float32)
