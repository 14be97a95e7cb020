"""Ideas: creatives that are one idea in several sizes or crops. A creative without a row is an idea of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from abkit.store.catalog.creatives import first_launches
from abkit.store.database.statements import among, in_parts
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
    rows = select(IdeaCreative.creative_id, IdeaCreative.idea_id)
    rows = rows.where(among(session, IdeaCreative.creative_id, creatives))
    return found | {id_: idea for id_, idea in session.execute(rows)}  # noqa: C416  # rows are not pairs to mypy


def creatives_of(session: Session, ideas: Collection[int]) -> dict[int, int]:
    """Return the creatives of ideas, each with its idea."""
    found: dict[int, int] = {}
    for part in in_parts(sorted(ideas)):
        rows = select(IdeaCreative.creative_id, IdeaCreative.idea_id).where(IdeaCreative.idea_id.in_(part))
        found |= {creative: idea for creative, idea in session.execute(rows)}  # noqa: C416
    return found


def ideas_launched(session: Session, first: date, last: date) -> set[int]:
    """Return the ideas of which a creative was launched between two days; those of several creatives alone."""
    # Of a million creatives few are in an idea: these are looked at.
    launched = first_launches(first, last).where(CampaignCreative.creative_id.in_(select(IdeaCreative.creative_id)))
    return set(
        session.scalars(
            select(IdeaCreative.idea_id).where(IdeaCreative.creative_id.in_(select(launched.subquery().c.creative_id)))
        )
    )


@dataclass(frozen=True, kw_only=True)
class IdeaMarks:
    """What changes when creatives join or leave ideas: how many rows there are, the last one, and the last change."""

    n: int
    last: int
    run: int


def idea_marks(session: Session) -> IdeaMarks:
    """Return what tells whether ideas have changed."""
    row = IdeaCreative
    n, last, run = session.execute(select(func.count(), func.max(row.id), func.max(row.run_id)).select_from(row)).one()
    return IdeaMarks(n=n, last=last or 0, run=run or 0)


def changed_since(session: Session, marks: IdeaMarks) -> tuple[int, set[int]]:
    """Return how many creatives have joined ideas since, and those that joined or moved to another."""
    rows = select(IdeaCreative.id, IdeaCreative.creative_id).where(
        or_(IdeaCreative.id > marks.last, IdeaCreative.run_id > marks.run)
    )
    found = session.execute(rows).all()
    return sum(number > marks.last for number, _ in found), {creative for _, creative in found}


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


@dataclass(frozen=True, kw_only=True)
class Joining:
    """Creatives and ideas that become one idea.

    Attributes:
        into: Id of the idea that takes them; None for a new one.
        name: What a new one is called.
        ideas: Ids of the ideas that become part of it; their creatives stay as they were found.
        creatives: Ids of the creatives that are in no idea yet, and how each was found.
    """

    into: int | None
    name: str
    ideas: tuple[int, ...]
    creatives: tuple[tuple[int, IdeaSource], ...]


def join(session: Session, run: RunRecord, joinings: Sequence[Joining]) -> list[int]:
    """Make one idea of each of these; return their ids. No creative and no idea is in two of them."""
    now = datetime.now(UTC)
    made = [Idea(name=one.name, created_at=now, run_id=run.id) for one in joinings if one.into is None]
    session.add_all(made)
    session.flush()
    fresh = iter(made)
    into = [next(fresh).id if one.into is None else one.into for one in joinings]
    for idea, one in zip(into, joinings, strict=True):
        for part in in_parts(one.ideas):
            moving = update(IdeaCreative).where(IdeaCreative.idea_id.in_(part))
            session.execute(moving.values(idea_id=idea, run_id=run.id))
    session.add_all(
        IdeaCreative(creative_id=id_, idea_id=idea, source=source.value, created_at=now, run_id=run.id)
        for idea, one in zip(into, joinings, strict=True)
        for id_, source in one.creatives
    )
    session.flush()
    _drop_empty(session)
    return into


def put_together(session: Session, run: RunRecord, creatives: Iterable[int], *, name: str) -> int:
    """Make one idea of creatives and of all that is one idea with any of them, by hand; return its id."""
    wanted = list(dict.fromkeys(creatives))
    known = ideas_of(session, wanted)
    existing = sorted({idea for idea in known.values() if idea > 0})
    for part in in_parts(wanted):
        mine = update(IdeaCreative).where(IdeaCreative.creative_id.in_(part))
        session.execute(mine.values(source=IdeaSource.HAND.value, run_id=run.id))
    joining = Joining(
        into=existing[0] if existing else None,
        name=name,
        ideas=tuple(existing[1:]),
        creatives=tuple((id_, IdeaSource.HAND) for id_ in wanted if known[id_] < 0),
    )
    return join(session, run, [joining])[0]


def joined_by_hand(session: Session) -> set[int]:
    """Return the ids of the ideas of which a person has said that a creative belongs there."""
    by_hand = select(IdeaCreative.idea_id).where(IdeaCreative.source == IdeaSource.HAND.value)
    return set(session.scalars(by_hand.distinct()))


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


def confirm(session: Session, run: RunRecord, creatives: Sequence[int]) -> None:
    """Say that creatives are right where they are, by hand."""
    for part in in_parts(creatives):
        mine = update(IdeaCreative).where(IdeaCreative.creative_id.in_(part))
        session.execute(mine.values(source=IdeaSource.HAND.value, run_id=run.id))


def _take_out(session: Session, creatives: Sequence[int]) -> None:
    for part in in_parts(sorted(creatives)):
        session.execute(delete(IdeaCreative).where(IdeaCreative.creative_id.in_(part)))


def _drop_empty(session: Session) -> None:
    session.execute(delete(Idea).where(Idea.id.not_in(select(IdeaCreative.idea_id))))
