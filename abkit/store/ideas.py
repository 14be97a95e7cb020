"""Ideas: creatives that are one idea in several sizes or crops. A creative without a row is an idea of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from abkit.store.database.statements import in_parts
from abkit.store.runs import RunRecord
from abkit.store.schema import CampaignCreative, Creative, Embedding, Idea, IdeaCreative
from abkit.vocabulary import IdeaSource


@dataclass(frozen=True, kw_only=True)
class Member:
    """A candidate of a campaign, with what tells whether it is another size of the same idea.

    Attributes:
        perceptual_hash: 16 hexadecimal digits.
        idea: Id of its idea; None where it is one of its own.
        source: How it came to its idea; None without one.
        vector: Its embedding, float16, little-endian; None where the encoder has not seen it.
    """

    creative_id: int
    sha256: str
    perceptual_hash: str
    width: int
    height: int
    idea: int | None
    source: IdeaSource | None
    vector: bytes | None


def members(session: Session, campaign: int, fingerprint: str) -> list[Member]:
    """Return the candidates of a campaign in the order in which they came."""
    rows = session.execute(
        select(
            Creative.id,
            Creative.sha256,
            Creative.perceptual_hash,
            Creative.width,
            Creative.height,
            IdeaCreative.idea_id,
            IdeaCreative.source,
            Embedding.vector,
        )
        .join(CampaignCreative, CampaignCreative.creative_id == Creative.id)
        .outerjoin(IdeaCreative, IdeaCreative.creative_id == Creative.id)
        .outerjoin(Embedding, (Embedding.creative_id == Creative.id) & (Embedding.encoder_fingerprint == fingerprint))
        .where(CampaignCreative.campaign_id == campaign)
        .order_by(CampaignCreative.id)
    )
    return [
        Member(
            creative_id=row[0],
            sha256=row[1],
            perceptual_hash=row[2],
            width=row[3],
            height=row[4],
            idea=row[5],
            source=IdeaSource(row[6]) if row[6] else None,
            vector=bytes(row[7]) if row[7] is not None else None,
        )
        for row in rows
    ]


def ideas_of(session: Session, creatives: Collection[int] | None = None) -> dict[int, int]:
    """Return the label of the idea of each creative: equal for creatives that are one idea.

    Args:
        session: Any session.
        creatives: Their ids; None for those that are stored as part of an idea.

    Returns:
        By creative id: the id of its idea, or minus its own id where it is an idea of its own.
    """
    if creatives is None:
        return {id_: idea for id_, idea in session.execute(select(IdeaCreative.creative_id, IdeaCreative.idea_id))}  # noqa: C416
    found = {id_: -id_ for id_ in creatives}
    for part in in_parts(sorted(creatives)):
        rows = session.execute(
            select(IdeaCreative.creative_id, IdeaCreative.idea_id).where(IdeaCreative.creative_id.in_(part))
        )
        found |= {id_: idea for id_, idea in rows}  # noqa: C416  # rows are not pairs to mypy
    return found


@dataclass(frozen=True, kw_only=True)
class StoredIdea:
    """An idea with its creatives, in the order in which they joined it, and how each did."""

    id: int
    name: str
    creatives: tuple[tuple[int, IdeaSource], ...]


def stored_ideas(session: Session, campaign: int | None = None) -> list[StoredIdea]:
    """Return the ideas that have a creative in a campaign, or all of them."""
    wanted = select(Idea.id, Idea.name, IdeaCreative.creative_id, IdeaCreative.source).join(
        IdeaCreative, IdeaCreative.idea_id == Idea.id
    )
    if campaign is not None:
        inside = select(CampaignCreative.creative_id).where(CampaignCreative.campaign_id == campaign)
        here = select(IdeaCreative.idea_id).where(IdeaCreative.creative_id.in_(inside))
        wanted = wanted.where(Idea.id.in_(here))
    found: dict[tuple[int, str], list[tuple[int, IdeaSource]]] = defaultdict(list)
    for id_, name, creative, source in session.execute(wanted.order_by(Idea.id, IdeaCreative.id)):
        found[id_, name].append((creative, IdeaSource(source)))
    return [StoredIdea(id=id_, name=name, creatives=tuple(them)) for (id_, name), them in found.items()]


def put_together(
    session: Session, run: RunRecord, creatives: Iterable[int], source: IdeaSource, *, name: str = ""
) -> int:
    """Make creatives one idea; where some are part of one, the others join the oldest of these. Return its id."""
    wanted = list(dict.fromkeys(creatives))
    known = ideas_of(session, wanted)
    now = datetime.now(UTC)
    if existing := [idea for idea in known.values() if idea > 0]:
        idea = min(existing)
    else:
        made = Idea(name=name, created_at=now, run_id=run.id)
        session.add(made)
        session.flush()
        idea = made.id
    joining = [id_ for id_ in wanted if known[id_] != idea]
    if source is IdeaSource.HAND:
        mine = update(IdeaCreative).where(IdeaCreative.creative_id.in_(wanted))
        session.execute(mine.values(source=source.value, run_id=run.id))
    _take_out(session, joining)
    session.add_all(
        IdeaCreative(creative_id=id_, idea_id=idea, source=source.value, created_at=now, run_id=run.id)
        for id_ in joining
    )
    session.flush()
    _drop_empty(session)
    return idea


def set_apart(session: Session, run: RunRecord, creatives: Sequence[int], names: Mapping[int, str]) -> None:
    """Make each creative an idea of its own, by hand: it is not joined to others again on its own."""
    _take_out(session, creatives)
    now = datetime.now(UTC)
    for creative in creatives:
        made = Idea(name=names.get(creative, ""), created_at=now, run_id=run.id)
        session.add(made)
        session.flush()
        session.add(
            IdeaCreative(
                creative_id=creative, idea_id=made.id, source=IdeaSource.APART.value, created_at=now, run_id=run.id
            )
        )
    session.flush()
    _drop_empty(session)


def confirm(session: Session, run: RunRecord, idea: int) -> int:
    """Say that an idea is right as it is, by hand; return how many creatives it has."""
    mine = update(IdeaCreative).where(IdeaCreative.idea_id == idea)
    session.execute(mine.values(source=IdeaSource.HAND.value, run_id=run.id))
    return session.scalars(select(func.count()).where(IdeaCreative.idea_id == idea)).one()


def _take_out(session: Session, creatives: Sequence[int]) -> None:
    for part in in_parts(sorted(creatives)):
        session.execute(delete(IdeaCreative).where(IdeaCreative.creative_id.in_(part)))


def _drop_empty(session: Session) -> None:
    session.execute(delete(Idea).where(Idea.id.not_in(select(IdeaCreative.idea_id))))
