"""Model versions and promotions: which model is active for a segment, since when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.store.database.statements import insert_missing
from abkit.store.runs import RunRecord
from abkit.store.schema import ModelVersion, Promotion, ReferenceSketch, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROLLBACK = "rollback: "
"""How the reason of a promotion begins that goes back."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What the store keeps of a trained scorer; `card` is its whole model card as JSON."""

    digest: str
    name: str
    location: str
    encoder: str
    encoder_fingerprint: str
    scale_low: float
    scale_high: float
    segment: str
    demonstration: bool
    card: Mapping[str, Any]
    reference: ReferenceSample | None = None
    parent: str | None = None


@dataclass(frozen=True)
class ReferenceSample:
    """What a version said about a sample of its training images: the reference of drift against the model.

    Attributes:
        scores: Shape (N,), held-out mean scores on the version's scale.
        embeddings: Shape (N, E), float16, pooled encoder features of the same images.
    """

    scores: NDArray[np.float64]
    embeddings: NDArray[np.float16]

    def to_bytes(self) -> bytes:
        """Return the sample as npz."""
        import numpy as np

        out = BytesIO()
        np.savez_compressed(out, scores=self.scores, embeddings=self.embeddings)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> ReferenceSample:
        """Return the sample from npz; nothing is unpickled."""
        import numpy as np

        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["scores"], arrays["embeddings"])


def register(session: Session, run: RunRecord, entry: ModelEntry) -> ModelVersion:
    """Write a model version, or find the one with the same digest; return it."""
    parent = find(session, entry.parent) if entry.parent else None
    values = {field.name: getattr(entry, field.name) for field in fields(entry)}
    del values["parent"]
    values |= {
        "card": dict(entry.card),
        "reference": entry.reference.to_bytes() if entry.reference else None,
        "parent_id": parent.id if parent else None,
        "created_at": datetime.now(UTC),
        "run_id": run.id,
    }
    insert_missing(session, ModelVersion, [values], key=["digest"])
    return session.scalars(select(ModelVersion).where(ModelVersion.digest == entry.digest)).one()


def stored_sketch(session: Session, version_id: int) -> dict[str, Any] | None:
    """Return what was kept of the months that a version scored; None where nothing was."""
    return session.scalars(
        select(ReferenceSketch.content).where(ReferenceSketch.model_version_id == version_id)
    ).one_or_none()


def keep_sketch(session: Session, run_id: int, version_id: int, content: Mapping[str, Any]) -> None:
    """Keep what is known of the months that a version scored, in place of what was kept before."""
    values = {"content": dict(content), "made_at": datetime.now(UTC), "run_id": run_id}
    insert_missing(session, ReferenceSketch, [{"model_version_id": version_id, **values}], key=["model_version_id"])
    session.execute(update(ReferenceSketch).where(ReferenceSketch.model_version_id == version_id).values(**values))


def find(session: Session, digest: str) -> ModelVersion | None:
    """Return the version with exactly this digest, if there is one."""
    return session.scalars(select(ModelVersion).where(ModelVersion.digest == digest)).one_or_none()


def version(session: Session, version_id: int) -> ModelVersion | None:
    """Return the version with this id."""
    return session.get(ModelVersion, version_id)


def reference_of(session: Session, version_id: int) -> bytes | None:
    """Return the sample of its training images that a version came with, as `ReferenceSample` keeps it."""
    return session.scalar(select(ModelVersion.reference).where(ModelVersion.id == version_id))


def find_by_prefix(session: Session, wanted: str) -> ModelVersion:
    """Return the version that has this name, or whose digest begins with it.

    Raises:
        UsageError: There is none, or there are several.
    """
    rows = session.scalars(
        select(ModelVersion).where(
            ModelVersion.digest.startswith(wanted, autoescape=True) | (ModelVersion.name == wanted)
        )
    ).all()
    if len(rows) == 1 and wanted:
        return rows[0]
    hint = "`abkit model list` shows the versions; a longer piece of the digest tells them apart"
    found = "no model version" if not rows else f"{len(rows)} model versions"
    raise UsageError(f"{found} in this store for {wanted!r}", hint=hint)


def active_model(session: Session, segment: str = "") -> ModelVersion | None:
    """Return the active model of a segment: the version promoted last for it, or else for all. Nothing is written.

    Before any promotion it is the version that scored last; None where nothing was scored.
    """
    promoted = promoted_models(session)
    if version := promoted.get(segment) or promoted.get(""):
        return version
    return session.scalars(
        select(ModelVersion).join(Score, Score.model_version_id == ModelVersion.id).order_by(Score.id.desc()).limit(1)
    ).first()


def promoted_models(session: Session) -> dict[str, ModelVersion]:
    """Return the version promoted last for every segment that ever had a promotion; '' is the one for all."""
    last = select(func.max(Promotion.id)).group_by(Promotion.segment)
    rows = session.execute(
        select(Promotion.segment, ModelVersion)
        .join(ModelVersion, ModelVersion.id == Promotion.model_version_id)
        .where(Promotion.id.in_(last))
        .order_by(Promotion.segment)
    )
    return {segment: version for segment, version in rows}  # noqa: C416  # rows are not pairs to mypy


def promote(session: Session, run: RunRecord, version: ModelVersion, *, segment: str, by: str, why: str) -> Promotion:
    """Make a version the active model of a segment: one more row, nothing is overwritten."""
    row = Promotion(
        model_version_id=version.id,
        segment=segment,
        promoted_at=datetime.now(UTC),
        promoted_by=by,
        why=why,
        run_id=run.id,
    )
    session.add(row)
    session.flush()
    return row


def models_before(session: Session, segment: str = "") -> list[ModelVersion]:
    """Return the versions that a rollback can go back to: those that were active before, the latest first."""
    promoted = session.execute(
        select(Promotion.model_version_id, Promotion.why).where(Promotion.segment == segment).order_by(Promotion.id)
    ).all()
    # A rollback is a promotion too: walk the history as a stack, so that two rollbacks go back two steps.
    stack: list[int] = []
    for version_id, why in promoted:
        if len(stack) >= 2 and stack[-2] == version_id:
            stack.pop()
        elif why.startswith(ROLLBACK):  # over models that are gone, or beyond the first one
            stack = [*stack[: stack.index(version_id)], version_id] if version_id in stack else [version_id]
        elif not stack or stack[-1] != version_id:
            stack.append(version_id)
    found = (session.get(ModelVersion, version_id) for version_id in reversed(stack[:-1]))
    return [one for one in found if one is not None]


def all_versions(session: Session) -> list[ModelVersion]:
    """Return all versions, oldest first."""
    return list(session.scalars(select(ModelVersion).order_by(ModelVersion.id)))


def versions_with_scores(session: Session) -> list[ModelVersion]:
    """Return the versions that scored anything, oldest first."""
    scored = select(Score.model_version_id).distinct()
    return list(session.scalars(select(ModelVersion).where(ModelVersion.id.in_(scored)).order_by(ModelVersion.id)))
