"""What linking did, and the ads that are left for a person: the report that every way to link returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.kpis.linking.link_lists import linked_delivery, unlinked_delivery
from abkit.store.kpis.linking.links import LinkOutcome
from abkit.store.runs import RunRecord
from abkit.vocabulary import LinkStatus


@dataclass(frozen=True, kw_only=True)
class LinkReport(Record):
    """What linking did, and the ads that a person has to look at.

    Attributes:
        linked: Number of new links.
        withdrawn: Number of links that were made by themselves and are no longer clear, or that a person took back.
        unlinked: The ads without a creative, the largest first: platform, account, ad, creative (its name in the
            export), campaign, rows, impressions, share_of_impressions (of all ads), status (`LinkStatus`), suggestion
            with its confidence in [0, 1], and reason.
        refused: Line and reason of the rows of a table that were not linked.
        links: Links that are there, where they were asked for or are new and rest on more than a name: the keys of
            `unlinked` up to status, then shows (the file name of the creative), linked_by (`LinkedBy`), confidence, and
            run (the one that made the link).
        notes: What was left aside, in words.
    """

    linked: int
    withdrawn: int = 0
    unlinked: tuple[dict[str, Any], ...]
    refused: tuple[tuple[int, str], ...] = ()
    links: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def unlinked_share(self) -> float:
        """Share of all impressions that the ads without a creative have, 0 … 1."""
        return float(sum(row["share_of_impressions"] for row in self.unlinked))

    def rows(self) -> list[dict[str, Any]]:
        """Return links and unlinked ads as rows with the same keys."""
        everything = [*self.links, *self.unlinked]
        keys = dict.fromkeys(key for row in everything for key in row)
        return [{key: row.get(key) for key in keys} for row in everything]


def open_ads(session: Session, outcome: LinkOutcome) -> dict[int, dict[str, Any]]:
    """Return the ads without a creative as rows, by ad, the largest first."""
    rows: dict[int, dict[str, Any]] = {}
    for row in unlinked_delivery(session):
        ad = row.pop("ad_id")
        missing = outcome.reason(ad)
        rows[ad] = row | {
            "status": missing.status,
            "suggestion": None,
            "confidence": None,
            "reason": missing.reason,
        }
    return rows


def link_report(
    record: RunRecord,
    outcome: LinkOutcome,
    rows: Mapping[int, dict[str, Any]],
    refused: Sequence[tuple[int, str]] = (),
    *,
    links: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
) -> LinkReport:
    """Return the report, and keep its counts with the run.

    Args:
        record: The run.
        outcome: Links made and withdrawn.
        rows: The ads without a creative, by ad.
        refused: Line and reason of rows of a table.
        links: Links to show, as `linked_delivery` has them.
        notes: What was left aside.
    """
    ambiguous = sum(row["status"] is LinkStatus.AMBIGUOUS for row in rows.values())
    record.outcome.update(
        linked=outcome.linked, withdrawn=outcome.withdrawn, unlinked_ads=len(rows), ambiguous_ads=ambiguous
    )
    return LinkReport(
        linked=outcome.linked,
        withdrawn=outcome.withdrawn,
        unlinked=tuple(rows.values()),
        refused=tuple(refused),
        links=tuple({key: value for key, value in link.items() if key != "ad_id"} for link in links),
        notes=tuple(notes),
    )


def links_of(session: Session, ads: Sequence[int]) -> list[dict[str, Any]]:
    """Return the links of ads, for the report of the command that made them."""
    return linked_delivery(session, set(ads)) if ads else []
