"""People of the page for the team: who they are, where they signed in, which programs act for them, what they did.

Of cookies and tokens the store has digests alone: who reads it cannot sign in with what is there.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.clocks import CLOCK_TOLERANCE
from abkit.store.schema import AccessToken, Audit, Person, SignIn

#: A sign-in is marked as seen this often at most: most requests only read.
SEEN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class PersonRow(Record):
    """Somebody who may open the page.

    Attributes:
        name: Under which they sign in.
        role: viewer, rater, reviewer or admin.
        has_password: Whether they sign in here; else a proxy says who they are.
        created_at: When they were added.
        removed_at: When they were removed; None while they may sign in.
    """

    name: str
    role: str
    has_password: bool
    created_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TokenRow(Record):
    """A key with which a program acts for a person.

    Attributes:
        id: Number of the token.
        person: For whom it acts.
        label: What it is for.
        scopes: What it may do, of what the person may.
        created_at: When it was made.
        expires_at: From then on it is refused.
        revoked_at: When it was taken back, or None.
        used_at: When it was last used, to five minutes; None if never.
    """

    id: int
    person: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AuditRow(Record):
    """One change: when, who, what, and to what."""

    at: datetime
    who: str
    act: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """Who a cookie or a token belongs to.

    Attributes:
        id: Of the person.
        name: Theirs.
        role: What they may do today.
        scopes: Of the token; None of a browser.
    """

    id: int
    name: str
    role: str
    scopes: frozenset[str] | None


def digest_of(secret: str) -> str:
    """Return what the store keeps of a cookie or a token: it is random, so that one SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def folded_name(name: str) -> str:
    """Return a name so that writing it in another way does not make a second person of it.

    >>> folded_name(" Ada  LOVELACE"), folded_name("\uff21da Lovelace")
    ('ada lovelace', 'ada lovelace')
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def find_person(session: Session, name: str) -> Person | None:
    """Return somebody who was not removed, by name."""
    return session.scalar(select(Person).where(Person.name == name, Person.removed_at.is_(None)))


def list_people(session: Session) -> list[PersonRow]:
    """Return everybody, by name."""
    return [
        PersonRow(
            name=one.name,
            role=one.role,
            has_password=one.password is not None,
            created_at=one.created_at,
            removed_at=one.removed_at,
        )
        for one in session.scalars(select(Person).order_by(Person.name))
    ]


def add_person(session: Session, name: str, role: str, password: str | None, now: datetime) -> None:
    """Add a person, or take a removed one back in."""
    known = session.scalar(select(Person).where(Person.name == name))
    if known is None:
        session.add(Person(name=name, role=role, password=password, created_at=now, removed_at=None))
    else:
        known.role, known.password, known.removed_at = role, password, None


def end_sign_ins(session: Session, person_id: int) -> None:
    """Sign a person out everywhere."""
    session.execute(delete(SignIn).where(SignIn.person_id == person_id))


def revoke_tokens(session: Session, person_id: int, now: datetime) -> None:
    """Take back all tokens of a person."""
    session.execute(
        update(AccessToken)
        .where(AccessToken.person_id == person_id, AccessToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def add_sign_in(session: Session, person_id: int, digest: str, now: datetime, idle: timedelta) -> None:
    """Record that a person signed in; browsers that nobody used for longer than `idle` are forgotten.

    So are those that a clock has seen which ran ahead.
    """
    session.execute(delete(SignIn).where(or_(SignIn.seen_at < now - idle, SignIn.seen_at > now + CLOCK_TOLERANCE)))
    session.add(SignIn(digest=digest, person_id=person_id, signed_in_at=now, seen_at=now))


def end_sign_in(session: Session, digest: str) -> None:
    """Sign one browser out."""
    session.execute(delete(SignIn).where(SignIn.digest == digest))


def signed_in(session: Session, digest: str, now: datetime, idle: timedelta) -> tuple[Known, bool] | None:
    """Return who signed in with a cookie, and whether it is to be marked as seen.

    Args:
        session: Of the store.
        digest: SHA-256 of the cookie.
        now: The time.
        idle: A browser that nobody used for longer is signed out, and so is one that was seen in the future: by a clock
            that ran ahead it would stay signed in until then.
    """
    in_time = SignIn.seen_at > now - idle, SignIn.seen_at <= now + CLOCK_TOLERANCE
    found = session.execute(
        select(Person.id, Person.name, Person.role, SignIn.seen_at)
        .join(SignIn, SignIn.person_id == Person.id)
        .where(SignIn.digest == digest, *in_time, Person.removed_at.is_(None))
    ).first()
    if found is None:
        return None
    known = Known(id=found.id, name=found.name, role=found.role, scopes=None)
    return known, found.seen_at < now - SEEN_EVERY


def mark_seen(session: Session, digest: str, now: datetime) -> None:
    """Mark a browser or a token as used."""
    session.execute(update(SignIn).where(SignIn.digest == digest).values(seen_at=now))
    session.execute(update(AccessToken).where(AccessToken.digest == digest).values(used_at=now))


def add_token(
    session: Session, person_id: int, digest: str, *, label: str, scopes: Sequence[str], now: datetime, ends: datetime
) -> int:
    """Record a token and return its number."""
    made = AccessToken(
        digest=digest, person_id=person_id, label=label, scopes=list(scopes), created_at=now, expires_at=ends,
        revoked_at=None, used_at=None,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made.id


def list_tokens(session: Session, person: str | None = None) -> list[TokenRow]:
    """Return the tokens of a person, or all, the latest first."""
    asked = select(AccessToken, Person.name).join(Person, Person.id == AccessToken.person_id)
    if person is not None:
        asked = asked.where(Person.name == person)
    return [
        TokenRow(
            id=one.id,
            person=name,
            label=one.label,
            scopes=tuple(one.scopes),
            created_at=one.created_at,
            expires_at=one.expires_at,
            revoked_at=one.revoked_at,
            used_at=one.used_at,
        )
        for one, name in session.execute(asked.order_by(AccessToken.id.desc()))
    ]


def revoke_token(session: Session, number: int, now: datetime, person: str | None = None) -> bool:
    """Take a token back; False where there is none of this number, or it is of somebody else.

    Args:
        session: Of the store.
        number: Of the token.
        now: The time.
        person: Only if it is theirs.
    """
    token = session.get(AccessToken, number)
    owner = None if token is None else session.get(Person, token.person_id)
    if token is None or owner is None or (person is not None and owner.name != person):
        return False
    token.revoked_at = token.revoked_at or now
    return True


def holder_of(session: Session, digest: str, now: datetime) -> tuple[Known, bool] | None:
    """Return for whom a token acts, and whether it is to be marked as used; None where it is not valid.

    One that was made in the future is not: its time would end that much too late.
    """
    found = session.execute(
        select(Person.id, Person.name, Person.role, AccessToken.scopes, AccessToken.used_at)
        .join(AccessToken, AccessToken.person_id == Person.id)
        .where(
            AccessToken.digest == digest,
            AccessToken.revoked_at.is_(None),
            AccessToken.expires_at > now,
            AccessToken.created_at <= now + CLOCK_TOLERANCE,
            Person.removed_at.is_(None),
        )
    ).first()
    if found is None:
        return None
    known = Known(id=found.id, name=found.name, role=found.role, scopes=frozenset(found.scopes))
    return known, found.used_at is None or abs(now - found.used_at) > SEEN_EVERY


def add_audit(session: Session, who: str, act: str, about: str, now: datetime) -> None:
    """Record one change."""
    session.add(Audit(at=now, who=who, act=act, about=about[:500]))


def list_audit(session: Session, *, before: int | None = None, limit: int = 50) -> tuple[list[AuditRow], int | None]:
    """Return changes, the latest first, and where the next page begins; None where there is none.

    Args:
        session: Of the store.
        before: Where the last page ended.
        limit: How many.
    """
    asked = select(Audit).order_by(Audit.id.desc()).limit(limit + 1)
    if before is not None:
        asked = asked.where(Audit.id < before)
    rows = list(session.scalars(asked))
    shown = rows[:limit]
    return (
        [AuditRow(at=one.at, who=one.who, act=one.act, about=one.about) for one in shown],
        shown[-1].id if len(rows) > limit else None,
    )
