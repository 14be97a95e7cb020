"""What the queries of a version did on the pictures that it scored."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.schema import Creative, CreativeAlias, ModelVersion, Score


@dataclass(frozen=True)
class ScoredPicture:
    """One content that a version scored.

    Attributes:
        sha256: of the content.
        name: the first name under which it came, an absolute path as a rule.
        activations: of each query of each member.
        distribution: over the bins of the scale.
    """

    sha256: str
    name: str
    activations: list[float]
    distribution: list[float]


def scored_pictures(session: Session, digest: str) -> list[ScoredPicture]:
    """All pictures scored by the version with this digest, in the order in which they came."""
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
    return [ScoredPicture(*row) for row in rows]
