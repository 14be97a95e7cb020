"""People and their tokens: add, change, remove, and what a password has to be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.errors import InvalidInput, UsageError
from abkit.records import Record, RecordList
from abkit.store import people
from abkit.store.database.engine import Store
from abkit.store.people import PersonRow, TokenRow
from abkit.store.schema import Person
from abkit.vocabulary import Permission, Role

#: What each role may do: what the one before it may, and more.
GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.RATER: frozenset({Permission.VIEW, Permission.LABEL}),
    Role.REVIEWER: frozenset({Permission.VIEW, Permission.LABEL, Permission.REVIEW}),
    Role.ADMIN: frozenset(Permission),
}
#: Characters of a password, at least and at most: longer ones would make signing in a way to keep the server busy.
MIN_PASSWORD, MAX_PASSWORD = 12, 200
MAX_NAME = 100
MAX_TOKEN_DAYS = 366
#: Tokens of a person that are valid at a time.
MOST_TOKENS = 50
#: With this a token begins, so that scanners of code find one that was committed.
TOKEN_PREFIX = "abkit_"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class People(RecordList):
    """Everybody who may, or once might, open the page."""

    people: tuple[PersonRow, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per person."""
        return [one.to_dict() for one in self.people]


@dataclass(frozen=True, kw_only=True)
class Tokens(RecordList):
    """The tokens of programs."""

    tokens: tuple[TokenRow, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per token."""
        return [one.to_dict() for one in self.tokens]


@dataclass(frozen=True, kw_only=True)
class NewToken(Record):
    """A token that was just made; nothing shows its secret again.

    Attributes:
        id: Number of the token.
        secret: What a program sends as `Authorization: Bearer …`.
        expires_at: From then on it is refused.
    """

    id: int
    secret: str
    expires_at: datetime


def list_people(store: Store) -> People:
    """Return everybody."""
    with store.read() as session:
        return People(people=tuple(people.list_people(session)))


def add_person(store: Store, name: str, role: Role | str, password: str | None) -> None:
    """Add a person.

    Args:
        store: The store.
        name: Under which they sign in: 1 to 100 characters.
        role: What they may do.
        password: At least 12 characters; None where a proxy says who somebody is.

    Raises:
        InvalidInput: The name or the password is not valid.
        UsageError: The name is taken.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"{name!r} is not a name", hint=f"use 1 to {MAX_NAME} printable characters")
    hashed = None if password is None else hash_password(password)
    with store.write() as session:
        if people.find_person(session, name):
            raise UsageError(f"there is a person named {name!r} already", hint="see them: abkit user list")
        people.add_person(session, name, Role(role), hashed, _now())


def set_role(store: Store, name: str, role: Role | str) -> None:
    """Change what a person may do, from their next request on.

    Raises:
        UsageError: There is no such person, or nobody would be left who can administer.
    """
    with store.write() as session:
        person = _person(session, name)
        if person.role == Role.ADMIN and role != Role.ADMIN:
            _keep_an_admin(session, name)
        person.role = Role(role)


def set_password(store: Store, name: str, password: str) -> None:
    """Change a password; the person is signed out everywhere.

    Raises:
        InvalidInput: It is too short or too long.
        UsageError: There is no such person.
    """
    hashed = hash_password(password)
    with store.write() as session:
        person = _person(session, name)
        person.password = hashed
        people.end_sign_ins(session, person.id)


def remove_person(store: Store, name: str) -> None:
    """Remove a person: signed out everywhere, their tokens taken back. What they did keeps their name.

    Raises:
        UsageError: There is no such person, or nobody would be left who can administer.
    """
    with store.write() as session:
        person = _person(session, name)
        if person.role == Role.ADMIN:
            _keep_an_admin(session, name)
        person.removed_at, person.password = _now(), None
        people.end_sign_ins(session, person.id)
        people.revoke_tokens(session, person.id, _now())


def list_tokens(store: Store, person: str | None = None) -> Tokens:
    """Return the tokens of a person, or all."""
    with store.read() as session:
        return Tokens(tokens=tuple(people.list_tokens(session, person)))


def create_token(
    store: Store, person: str, *, label: str, scopes: Sequence[Permission | str], days: int = 90
) -> NewToken:
    """Make a token with which a program acts for a person.

    Args:
        store: The store.
        person: For whom.
        label: What it is for.
        scopes: What it may do, of what the person may; never "administer".
        days: Until it expires, 1 to 366.

    Raises:
        InvalidInput: No scope, or one that a token cannot have; not that many days.
        UsageError: There is no such person, or they have `MOST_TOKENS` valid ones.
    """
    wanted = {Permission(one) for one in scopes if one in set(Permission)}
    if not wanted or len(wanted) != len(set(scopes)) or Permission.ADMINISTER in wanted:
        hint = "choose among view, label, review, operate"
        raise InvalidInput("these are not scopes that a token can have", hint=hint)
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidInput(f"a token cannot last {days} days", hint=f"choose 1 to {MAX_TOKEN_DAYS}")
    secret, now = TOKEN_PREFIX + secrets.token_urlsafe(32), _now()
    ends = now + timedelta(days=days)
    with store.write() as session:
        owner = _person(session, person)
        valid = [one for one in people.list_tokens(session, person) if not one.revoked_at and one.expires_at > now]
        if len(valid) >= MOST_TOKENS:
            raise UsageError(f"{person!r} has {len(valid)} valid tokens", hint="take some back: abkit token revoke N")
        number = people.add_token(
            session, owner.id, people.digest_of(secret), label=label.strip()[:MAX_NAME],
            scopes=sorted(wanted), now=now, ends=ends,
        )  # fmt: skip
    return NewToken(id=number, secret=secret, expires_at=ends)


def revoke_token(store: Store, number: int, person: str | None = None) -> None:
    """Take a token back.

    Raises:
        UsageError: There is no such token (of this person).
    """
    with store.write() as session:
        if not people.revoke_token(session, number, _now(), person):
            raise UsageError(f"there is no token {number}", hint="see them: abkit token list")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password.

    Raises:
        InvalidInput: It is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidInput("this password cannot be used", hint=f"use {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def password_fits(password: str, hashed: str | None) -> bool:
    """Whether a password is the one that was hashed; as slow for people who do not exist.

    Args:
        password: What was typed.
        hashed: What the store has, or None.
    """
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    hasher = PasswordHasher()
    if len(password) > MAX_PASSWORD:
        return False
    if hashed is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


def _person(session: Session, name: str) -> Person:
    if (person := people.find_person(session, name)) is None:
        raise UsageError(f"there is no person named {name!r}", hint="see them: abkit user list")
    return person


def _keep_an_admin(session: Session, name: str) -> None:
    others = [one for one in people.list_people(session) if one.role == Role.ADMIN and not one.removed_at]
    if [one.name for one in others] == [name]:
        raise UsageError(f"{name!r} is the only admin", hint="make somebody else one first: abkit user role NAME admin")


def _now() -> datetime:
    return datetime.now(UTC)
