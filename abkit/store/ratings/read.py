"""Ratings as they were given: sources, and the single votes of one of them."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from abkit.store.schema import (
    Campaign,
    CampaignCreative,
    Comparison,
    Rater,
    Rating,
    RatingImport,
    RatingSource,
    RatingSummary,
)


@dataclass(frozen=True)
class StoredVotes:
    """The single ratings of one source.

    Attributes:
        creative: Shape (votes,), id of the creative.
        rater: Shape (votes,), pseudonym of the rater.
        score: Shape (votes,), on the scale of the source.
    """

    creative: NDArray[np.int64]
    rater: NDArray[np.str_]
    score: NDArray[np.float64]


def vote_sources(session: Session) -> list[RatingSource]:
    """Return the sources that have single ratings, oldest first."""
    of_source = exists().where(Rater.rating_source_id == RatingSource.id, Rating.rater_id == Rater.id)
    return list(session.scalars(select(RatingSource).where(of_source).order_by(RatingSource.id)))


def votes_of(session: Session, source_id: int, campaign: str | None) -> StoredVotes:
    """Return the single ratings of a source: of all creatives, or of the candidates of one campaign."""
    statement = (
        select(Rating.creative_id, Rater.pseudonym, Rating.score)
        .join(Rater, Rater.id == Rating.rater_id)
        .where(Rater.rating_source_id == source_id)
        .order_by(Rating.id)
    )
    if campaign is not None:
        statement = statement.where(
            exists()
            .where(CampaignCreative.creative_id == Rating.creative_id)
            .where(CampaignCreative.campaign_id == Campaign.id, Campaign.key == campaign)
        )
    rows = session.execute(statement).all()
    creative, rater, score = zip(*rows, strict=True) if rows else ((), (), ())
    return StoredVotes(np.array(creative, dtype=np.int64), np.array(rater, dtype=np.str_), np.array(score, dtype=float))


def known_votes(session: Session, scale: tuple[float, float], before: datetime) -> StoredVotes:
    """Return the single ratings on a scale that were imported before an instant, of all sources; raters by source."""
    rows = session.execute(
        select(Rating.creative_id, RatingSource.key, Rater.pseudonym, Rating.score)
        .join(Rater, Rater.id == Rating.rater_id)
        .join(RatingSource, RatingSource.id == Rater.rating_source_id)
        .join(RatingImport, RatingImport.id == Rating.rating_import_id)
        .where(RatingSource.scale_low == scale[0], RatingSource.scale_high == scale[1])
        .where(RatingImport.imported_at < before)
        .order_by(Rating.id)
    ).all()
    return StoredVotes(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([f"{row[1]}/{row[2]}" for row in rows], dtype=np.str_),
        np.array([row[3] for row in rows], dtype=float),
    )


def all_comparisons(session: Session) -> list[tuple[int, int, float, float]]:
    """Return (first, second, share for the first, weight) of all comparisons."""
    rows = session.execute(
        select(Comparison.first_id, Comparison.second_id, Comparison.share, Comparison.weight).order_by(Comparison.id)
    )
    return [(first, second, share, weight) for first, second, share, weight in rows]


def known_comparisons(session: Session, before: datetime) -> list[tuple[int, int, float, float]]:
    """Return (first, second, share for the first, weight) of all comparisons that were imported before an instant."""
    rows = session.execute(
        select(Comparison.first_id, Comparison.second_id, Comparison.share, Comparison.weight)
        .join(RatingImport, RatingImport.id == Comparison.rating_import_id)
        .where(RatingImport.imported_at < before)
        .order_by(Comparison.id)
    )
    return [(first, second, share, weight) for first, second, share, weight in rows]


@dataclass(frozen=True, kw_only=True)
class MeanRatings:
    """What a source says about its creatives on average.

    Attributes:
        creative: Shape (n,), id of each creative.
        mean: Shape (n,), its mean rating, on the scale of the source.
        n: Shape (n,), how many ratings.
        spread: How far ratings of one creative lie apart (a standard deviation); NaN where nothing tells.
        scale: Lowest and highest rating.
    """

    creative: NDArray[np.int64]
    mean: NDArray[np.float64]
    n: NDArray[np.float64]
    spread: float
    scale: tuple[float, float]


def mean_ratings(session: Session) -> list[MeanRatings]:
    """Return the mean ratings of every source with ratings: of single ones, and of those that came summed up."""
    sources = {one.id: one for one in session.scalars(select(RatingSource)) if one.scale_low is not None}
    found = []
    for source in vote_sources(session):
        votes = votes_of(session, source.id, None)
        creative, place = np.unique(votes.creative, return_inverse=True)
        n = np.bincount(place).astype(float)
        mean = np.bincount(place, votes.score) / n
        found.append(_means(source, creative, mean, n, float(((votes.score - mean[place]) ** 2).sum()), n))
    for id_, source in sources.items():
        rows = session.execute(
            select(RatingSummary.creative_id, RatingSummary.mean, RatingSummary.n, RatingSummary.sd)
            .where(RatingSummary.rating_source_id == id_)
            .order_by(RatingSummary.id)
        ).all()
        if rows:
            creative = np.array([row[0] for row in rows], dtype=np.int64)
            mean, n = (np.array([row[k] for row in rows], dtype=float) for k in (1, 2))
            known = np.array([row[2] if row[3] is not None else 1.0 for row in rows], float)
            squares = sum((row[2] - 1) * row[3] ** 2 for row in rows if row[3] is not None)
            found.append(_means(source, creative, mean, n, squares, known))
    return found


def _means(
    source: RatingSource,
    creative: NDArray[np.int64],
    mean: NDArray[np.float64],
    n: NDArray[np.float64],
    squares: float,
    known: NDArray[np.float64],
) -> MeanRatings:
    """Return the means of a source; its spread from the sum of squares about the means of `known` ratings each."""
    freedom = float((known - 1).sum())
    spread = float(np.sqrt(squares / freedom)) if freedom > 0 else float("nan")
    scale = (float(source.scale_low or 0.0), float(source.scale_high or 0.0))
    return MeanRatings(creative=creative, mean=mean, n=n, spread=spread, scale=scale)
