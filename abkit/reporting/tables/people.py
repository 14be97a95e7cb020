"""Show people and their tokens, the links of raters, and what became of a person's votes."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.ratings.rater_links import Forgotten, NewLink, RaterList
from abkit.workflows.upkeep.people import NewToken, People, Tokens


@view_of.register
def _(record: People) -> View:
    rows = tuple(
        {
            "name": one.name,
            "role": one.role,
            "signs in": "removed" if one.removed_at else "with a password" if one.has_password else "by a proxy",
            "since": one.created_at.date().isoformat(),
        }
        for one in record.people
    )
    said = () if rows else ("Nobody yet: add a person with abkit user add NAME --role admin",)
    return View(tables=(Table(columns=("name", "role", "signs in", "since"), rows=rows),), sentences=said)


@view_of.register
def _(record: Tokens) -> View:
    rows = tuple(
        {
            "id": one.id,
            "person": one.person,
            "for": one.label,
            "may": ", ".join(one.scopes),
            "expires": one.expires_at.date().isoformat(),
            "last used": one.used_at.date().isoformat() if one.used_at else "never",
            "state": "taken back" if one.revoked_at else "",
        }
        for one in record.tokens
    )
    columns = ("id", "person", "for", "may", "expires", "last used", "state")
    return View(tables=(Table(columns=columns, rows=rows),), sentences=() if rows else ("There are no tokens.",))


@view_of.register
def _(record: NewToken) -> View:
    said = f"Token {record.id}, until {record.expires_at.date()}. Copy it now: it is not shown again."
    return View(sentences=(record.secret,), notes=(said,))


@view_of.register
def _(record: RaterList) -> View:
    return View(tables=(Table.of(record.rows(), names="name"),))


@view_of.register
def _(record: NewLink) -> View:
    until = f"{record.expires_at:%Y-%m-%d %H:%M} UTC"
    return View(sentences=(f"link {record.number} for {record.name}, until {until}: its token is {record.token}",))


@view_of.register
def _(record: Forgotten) -> View:
    done = "were removed" if record.removed else "stay, and nothing ties them to the name any more"
    notes = ("models that learned from these votes stay as they are",)
    studies = f" in {record.raters} studies" if record.raters > 1 else ""
    return View(sentences=(f"{record.votes:,} votes{studies} {done}",), notes=notes)
