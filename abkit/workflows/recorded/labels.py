"""Ratings and comparisons, as the store has them. Who gave them is not told: only how many, and in which study."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import aliased

from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.schema import Comparison, Creative, Rater, Rating, RatingSource
from abkit.workflows.recorded.paging import Page, newest


@dataclass(frozen=True, kw_only=True)
class StoredRating(Record):
    """One score that somebody gave a creative.

    Attributes:
        sha256: Digest of the creative's content.
        score: On the scale.
        scale: Lowest and highest rating of the study; None where it has none.
        source: Key of the study.
        rated_at: As the table has it; "" where it does not say.
    """

    sha256: str
    score: float
    scale: tuple[float, float] | None
    source: str
    rated_at: str


@dataclass(frozen=True, kw_only=True)
class StoredComparison(Record):
    """One creative against another.

    Attributes:
        first, second: Digests of the two contents.
        share: Of the votes, how many were for the first; 0.5 is a tie.
        weight: Number of votes, or how certain the outcome is.
        source: Key of the study.
        compared_at: As the table has it; "" where it does not say.
    """

    first: str
    second: str
    share: float
    weight: float
    source: str
    compared_at: str


def rating_page(store: Store, *, before: int | None, limit: int, source: str | None = None) -> Page[StoredRating]:
    """Return single ratings, the latest first; only of one study where that is said."""
    query = select(Rating.id, Rating, Creative.sha256, RatingSource)
    query = query.join(Creative, Creative.id == Rating.creative_id).join(Rater, Rater.id == Rating.rater_id)
    query = query.join(RatingSource, RatingSource.id == Rater.rating_source_id)
    if source is not None:
        query = query.where(RatingSource.key == source)
    with store.read() as session:
        rows, following = newest(session, query, Rating.id, before=before, limit=limit)
        return Page(
            items=tuple(
                StoredRating(
                    sha256=row.sha256,
                    score=row.Rating.score,
                    scale=_scale(row.RatingSource),
                    source=row.RatingSource.key,
                    rated_at=row.Rating.rated_at,
                )
                for row in rows
            ),
            next=following,
        )


def comparison_page(
    store: Store, *, before: int | None, limit: int, source: str | None = None
) -> Page[StoredComparison]:
    """Return comparisons, the latest first; only of one study where that is said."""
    one, other = aliased(Creative), aliased(Creative)
    query = select(Comparison.id, Comparison, one.sha256.label("one"), other.sha256.label("other"), RatingSource.key)
    query = query.join(one, one.id == Comparison.first_id).join(other, other.id == Comparison.second_id)
    query = query.join(Rater, Rater.id == Comparison.rater_id)
    query = query.join(RatingSource, RatingSource.id == Rater.rating_source_id)
    if source is not None:
        query = query.where(RatingSource.key == source)
    with store.read() as session:
        rows, following = newest(session, query, Comparison.id, before=before, limit=limit)
        return Page(
            items=tuple(
                StoredComparison(
                    first=row.one,
                    second=row.other,
                    share=row.Comparison.share,
                    weight=row.Comparison.weight,
                    source=row.key,
                    compared_at=row.Comparison.compared_at,
                )
                for row in rows
            ),
            next=following,
        )


def _scale(source: RatingSource) -> tuple[float, float] | None:
    if source.scale_low is None or source.scale_high is None:
        return None
    return source.scale_low, source.scale_high
