"""Links with which raters label: made for a name, listed, revoked; and raters who are forgotten."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.store.catalog.creatives import find_campaign
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.ratings import links, publish
from abkit.store.ratings.links import LiveLink
from abkit.store.runs import recorded_run
from abkit.store.schema import RaterLink, RatingSource

DAYS, MOST_DAYS = 30, 366
#: A token has 43 letters; longer texts are not even looked up.
_LONGEST_TOKEN = 64
_MOST_LISTED = 500


@dataclass(frozen=True, kw_only=True)
class NewLink(Record):
    """A link that was made. Its token is shown once, and nobody keeps it.

    Attributes:
        number: Names it in the list, and where it is revoked.
        name: Whom it is for.
        campaign: Key of the only campaign; "" for all.
        token: What makes its address.
        expires_at: When it stops working.
    """

    number: int
    name: str
    campaign: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class RaterList(RecordList):
    """Links of raters, the latest first."""

    links: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per link."""
        return [dict(one) for one in self.links]


@dataclass(frozen=True, kw_only=True)
class Forgotten(Record):
    """What became of a person's votes.

    Attributes:
        removed: Whether they were removed; else they stay under a pseudonym that nothing ties to the name.
        raters: In how many studies the person had judged.
        votes: How many ratings and comparisons these were.
    """

    removed: bool
    raters: int
    votes: int


def digest_of(token: str) -> str:
    """Return what the store keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def make_link(store: Store, name: str, *, campaign: str | None = None, days: float = DAYS) -> NewLink:
    """Make a link for a rater; it opens labeling, and nothing else.

    Args:
        store: A store at the current migration.
        name: Whom it is for. It stays with the link until they are forgotten; votes are kept under a pseudonym.
        campaign: Key of the only campaign that they are asked about; None for all.
        days: After so many days it stops working.

    Raises:
        UsageError: There is no such campaign, or not a valid name or number of days.
    """
    name = clean_key(name, "rater")
    if not 0 < days <= MOST_DAYS:
        raise UsageError(f"a link cannot be valid for {days:g} days", hint=f"more than 0, and {MOST_DAYS} at most")
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    # The name is not among the arguments of the run: a run stays when its rater is forgotten.
    with recorded_run(store, "rater link", {"campaign": campaign, "days": days}) as run, store.write() as session:
        of = find_campaign(session, campaign) if campaign is not None else None
        source, salt = publish.source_of(session, run, links.SOURCE, None)
        rater = links.ensure_rater(session, run, source, publish.pseudonym(salt, name), now)
        link = RaterLink(
            digest=digest_of(token),
            rater_id=rater,
            name=name,
            campaign_id=of,
            created_at=now,
            expires_at=now + timedelta(days=days),
            run_id=run.id,
        )
        session.add(link)
        session.flush()
        run.outcome.update(link=link.id)
        return NewLink(number=link.id, name=name, campaign=campaign or "", token=token, expires_at=link.expires_at)


def check_token(store: Store, token: str) -> LiveLink | None:
    """Return the link that a token opens now; None where it is unknown, expired or revoked: nobody is told which."""
    known = token if len(token) <= _LONGEST_TOKEN else ""
    with store.read() as session:
        return links.live_link(session, digest_of(known), datetime.now(UTC))


def list_links(store: Store) -> RaterList:
    """Return the links of raters, the latest first, with what each rater has answered."""
    now = datetime.now(UTC)
    with store.read() as session:
        found = links.all_links(session, _MOST_LISTED)
    rows = []
    for one in found:
        state = "revoked" if one["revoked_at"] else "expired" if one["expires_at"] <= now else "open"
        rows.append({
            "number": one["id"], "name": one["name"] or "(forgotten)", "pseudonym": one["pseudonym"][:8],
            "campaign": one["campaign"] or "", "state": state, "expires_at": one["expires_at"],
            "answers": one["answers"], "last_answer": one["last_answer"],
        })  # fmt: skip
    return RaterList(links=tuple(rows))


def labeled_campaigns(store: Store, limit: int = 100) -> list[tuple[int, str]]:
    """Return (id, key) of campaigns with creatives, the latest first."""
    with store.read() as session:
        return links.campaigns_to_label(session, limit)


def revoke_links(store: Store, *, name: str | None = None, number: int | None = None) -> int:
    """Revoke the links of a name, or one by its number; return how many stopped working.

    Raises:
        UsageError: None of them opened anything.
    """
    with recorded_run(store, "rater revoke", {"link": number}) as run, store.write() as session:
        done = links.revoke(session, datetime.now(UTC), name=name, link=number)
        run.outcome.update(revoked=done)
        if not done:
            raise UsageError("no open link is called so", hint="`abkit rater list` lists them")
    return done


def forget_rater(store: Store, name: str, *, remove: bool = False) -> Forgotten:
    """Forget a person: their votes are tied to nobody any more, or removed; their links open nothing.

    The run keeps that somebody was forgotten and how many votes that were, not who.

    Args:
        store: A store at the current migration.
        name: As the links were made for, or as imported tables name the rater, in every study.
        remove: Remove the votes, too.

    Raises:
        UsageError: Nobody of this name has judged.
    """
    now = datetime.now(UTC)
    with recorded_run(store, "rater forget", {"remove": remove}) as run, store.write() as session:
        raters = set(session.scalars(select(RaterLink.rater_id).where(RaterLink.name == clean_key(name, "rater"))))
        for source in session.scalars(select(RatingSource)):
            found = links.find_rater(session, source.id, publish.pseudonym(source.salt, name)) if source.salt else None
            raters |= {found} if found is not None else set()
        if not raters:
            raise UsageError("nobody of this name has judged", hint="`abkit rater list` lists the names")
        votes = links.count_votes(session, sorted(raters))
        for rater in sorted(raters):
            if remove:
                links.remove_rater(session, rater)
            else:
                links.rename_rater(session, rater, f"forgotten-{secrets.token_hex(8)}", now)
        run.outcome.update(raters=len(raters), votes=votes)
    return Forgotten(removed=remove, raters=len(raters), votes=votes)
