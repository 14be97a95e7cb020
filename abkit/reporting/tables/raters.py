"""Show links of raters, and what became of a person's votes."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.ratings.rater_links import Forgotten, NewLink, RaterList


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
