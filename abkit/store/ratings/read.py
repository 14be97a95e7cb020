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


def known_comparisons(session: Session, before: datetime) -> list[tuple[int, int, float, float]]:
    """Return (first, second, share for the first, weight) of all comparisons that were imported before an instant."""
    rows = session.execute(
        select(Comparison.first_id, Comparison.second_id, Comparison.share, Comparison.weight)
        .join(RatingImport, RatingImport.id == Comparison.rating_import_id)
        .where(RatingImport.imported_at < before)
        .order_by(Comparison.id)
    )
    return [(first, second, share, weight) for first, second, share, weight in rows]
