"""Links of raters: made, found by the digest of their token, revoked; and raters who are forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from abkit.store.clocks import CLOCK_TOLERANCE
from abkit.store.database.statements import count_changed, insert_missing
from abkit.store.runs import RunRecord
from abkit.store.schema import Campaign, CampaignCreative, Comparison, LabelQuestion, Rater, RaterLink, Rating

#: The source (study) that answers on the page belong to.
SOURCE = "label page"


def ensure_rater(session: Session, run: RunRecord, source: int, pseudonym: str, now: datetime) -> int:
    """Return the id of a rater; make the row when it is new."""
    row = {"rating_source_id": source, "pseudonym": pseudonym, "created_at": now, "run_id": run.id}
    insert_missing(session, Rater, [row], key=["rating_source_id", "pseudonym"])
    found = find_rater(session, source, pseudonym)
    assert found is not None  # noqa: S101  # it was there or has just been made
    return found


def find_rater(session: Session, source: int, pseudonym: str) -> int | None:
    """Return the id of a rater of a source; None where there is none."""
    own = select(Rater.id).where(Rater.rating_source_id == source, Rater.pseudonym == pseudonym)
    return session.scalars(own).one_or_none()


@dataclass(frozen=True, kw_only=True)
class LiveLink:
    """A link that opens labeling now.

    Attributes:
        id: Its row.
        rater: Id of the rater.
        pseudonym: What the store knows the rater by.
        campaign: Id of the only campaign that it is about; None for all.
    """

    id: int
    rater: int
    pseudonym: str
    campaign: int | None


def live_link(session: Session, digest: str, now: datetime) -> LiveLink | None:
    """Return the link with this digest; None where it is unknown, expired or revoked: nobody is told which.

    One that a clock has made which ran ahead opens nothing until then: its time would end that much too late.
    """
    in_time = RaterLink.created_at <= now + CLOCK_TOLERANCE, RaterLink.expires_at > now
    row = session.execute(
        select(RaterLink.id, RaterLink.rater_id, Rater.pseudonym, RaterLink.campaign_id)
        .join(Rater, Rater.id == RaterLink.rater_id)
        .where(RaterLink.digest == digest, RaterLink.revoked_at.is_(None), *in_time)
    ).one_or_none()
    return None if row is None else LiveLink(id=row[0], rater=row[1], pseudonym=row[2], campaign=row[3])


def all_links(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return links, the latest first, each with its campaign and how much its rater has answered."""
    answered = (
        select(
            LabelQuestion.rater_id,
            func.count().label("answers"),
            func.max(LabelQuestion.answered_at).label("last"),
        )
        .where(LabelQuestion.answered_at.is_not(None), LabelQuestion.answer != "skip")
        .group_by(LabelQuestion.rater_id)
        .subquery()
    )
    rows = session.execute(
        select(
            RaterLink.id,
            RaterLink.name,
            Rater.pseudonym,
            Campaign.key.label("campaign"),
            RaterLink.created_at,
            RaterLink.expires_at,
            RaterLink.revoked_at,
            func.coalesce(answered.c.answers, 0).label("answers"),
            answered.c.last.label("last_answer"),
        )
        .join(Rater, Rater.id == RaterLink.rater_id)
        .outerjoin(Campaign, Campaign.id == RaterLink.campaign_id)
        .outerjoin(answered, answered.c.rater_id == RaterLink.rater_id)
        .order_by(RaterLink.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def campaigns_to_label(session: Session, limit: int) -> list[tuple[int, str]]:
    """Return (id, key) of campaigns with creatives, the latest first."""
    member = select(CampaignCreative.id).where(CampaignCreative.campaign_id == Campaign.id)
    query = select(Campaign.id, Campaign.key).where(member.exists()).order_by(Campaign.id.desc()).limit(limit)
    return [(row[0], row[1]) for row in session.execute(query)]


def revoke(session: Session, now: datetime, *, name: str | None = None, link: int | None = None) -> int:
    """Revoke the links that still open something: all of a name, or one by its number. Return how many."""
    mine = update(RaterLink).where(RaterLink.revoked_at.is_(None), RaterLink.expires_at > now)
    mine = mine.where(RaterLink.name == name) if link is None else mine.where(RaterLink.id == link)
    return count_changed(session, mine.values(revoked_at=now))


def count_votes(session: Session, raters: Sequence[int]) -> int:
    """Return how many ratings and comparisons are by these raters."""
    counted = (select(func.count()).where(table.rater_id.in_(raters)) for table in (Rating, Comparison))
    return sum(session.scalars(one).one() for one in counted)


def rename_rater(session: Session, rater: int, pseudonym: str, now: datetime) -> None:
    """Keep a rater's votes under a pseudonym that nothing ties to their name; their links open nothing any more."""
    session.execute(update(Rater).where(Rater.id == rater).values(pseudonym=pseudonym))
    links = update(RaterLink).where(RaterLink.rater_id == rater)
    session.execute(links.where(RaterLink.revoked_at.is_(None)).values(revoked_at=now))
    session.execute(links.values(name=""))


def remove_rater(session: Session, rater: int) -> None:
    """Remove a rater with their votes, questions and links."""
    repeats = update(LabelQuestion).where(LabelQuestion.rater_id == rater).values(repeats_id=None)
    session.execute(repeats)
    for table in (RaterLink, LabelQuestion, Rating, Comparison):
        session.execute(delete(table).where(table.rater_id == rater))
    session.execute(delete(Rater).where(Rater.id == rater))
