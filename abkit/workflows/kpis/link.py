"""Link ads to creatives: all that names and hashes decide, or one by hand; and list what is left for a person."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from abkit.errors import InvalidInput, UsageError
from abkit.names import base_name
from abkit.records import Record
from abkit.store.creatives import creatives_named
from abkit.store.database.engine import Store
from abkit.store.database.statements import in_parts
from abkit.store.kpis.links import (
    NO_CREATIVE,
    LinkOutcome,
    advertised_names,
    names_of_ads,
    relink,
    remove_links,
    set_links,
    unlinked_delivery,
)
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Ad, Creative
from abkit.vocabulary import LinkedBy, LinkStatus
from abkit.workflows.kpis.link_table import read_links
from abkit.workflows.kpis.suggestions import Suggestion, suggest


@dataclass(frozen=True, kw_only=True)
class LinkReport(Record):
    """What linking did, and the ads that a person has to look at.

    Attributes:
        linked: Number of new links.
        withdrawn: Number of links that were made by themselves and are no longer clear.
        unlinked: The ads without a creative, the largest first: platform, account, ad, creative (its name in the
            export), campaign, rows, impressions, share_of_impressions (of all ads), status (`LinkStatus`), suggestion
            with its confidence in [0, 1], and reason.
        refused: Line and reason of the rows of a table that were not linked.
    """

    linked: int
    withdrawn: int = 0
    unlinked: tuple[dict[str, Any], ...]
    refused: tuple[tuple[int, str], ...] = ()

    @property
    def unlinked_share(self) -> float:
        """Share of all impressions that the ads without a creative have, 0 … 1."""
        return float(sum(row["share_of_impressions"] for row in self.unlinked))


def link(store: Store, *, accept: float | None = None, run: RunRecord | None = None) -> LinkReport:
    """Link what names and hashes decide now, suggest creatives for the rest, and list what is left for a person.

    Args:
        store: A store at the current migration.
        accept: Take the suggestions with at least this confidence, above 0 and up to 1; None takes none.
        run: Run of a scheduled tick; linking records its own when None.

    Raises:
        UsageError: No such confidence.
    """
    if accept is not None and not 0 < accept <= 1:
        raise UsageError(f"{accept:g} is not a confidence", hint="say a number above 0 and up to 1, such as 0.95")
    with recorded_run(store, "kpi link", {"accept": accept}, run=run) as record:
        with store.write() as session:
            outcome = relink(session, record.id)
            rows = _open(session, outcome)
            suggestions = _suggest(session, rows)
            if accept is not None:
                taken = {ad: one for ad, one in suggestions.items() if one.confidence >= accept}
                pairs = {(ad, one.creative_id): one.confidence for ad, one in taken.items()}
                outcome.linked += set_links(session, pairs, LinkedBy.SIMILAR, record.id)
                rows = {ad: row for ad, row in rows.items() if ad not in taken}
        return _report(record, outcome, rows)


def link_table(store: Store, path: Path) -> LinkReport:
    """Link ads as a person's table says: its columns are ad and creative, and platform and account where ids repeat.

    Raises:
        TableError: The file cannot be read.
        InvalidInput: A column is missing.
    """
    links, refused = read_links(path)
    with recorded_run(store, "kpi link", {"table": str(path)}) as record:
        with store.write() as session:
            named = creatives_named(session, {row.creative for row in links})
            ads = _ads_called(session, {row.ad for row in links})
            pairs: dict[tuple[int, int], float | None] = {}
            for row in links:
                meant = [
                    ad.id
                    for ad in ads.get(row.ad, ())
                    if row.platform in (None, ad.platform) and row.account in (None, ad.account)
                ]
                _, creatives = named.get(row.creative, ("", set()))
                if len(meant) != 1:
                    reason = f"{len(meant)} ads have the id {row.ad!r}" if meant else f"there is no ad {row.ad!r}"
                    refused.append((row.line, reason))
                elif len(creatives) != 1:
                    refused.append((row.line, _not_one(session, row.creative, creatives)[0]))
                else:
                    pairs[meant[0], next(iter(creatives))] = None
            made = set_links(session, pairs, LinkedBy.TABLE, record.id)
            outcome = relink(session, record.id)
            rows = _open(session, outcome)
        outcome.linked += made
        return _report(record, outcome, rows, sorted(refused))


def remove_link(store: Store, ad: str, *, platform: str | None = None, account: str | None = None) -> LinkReport:
    """Remove the links of an ad; names do not link it again until a person does.

    Raises:
        InvalidInput: No such ad, or more than one.
    """
    with recorded_run(store, "kpi link", {"remove": ad}) as record:
        with store.write() as session:
            removed = remove_links(session, [_ad(session, ad, platform, account)], record.id)
            outcome = relink(session, record.id)
            rows = _open(session, outcome)
        outcome.withdrawn += removed
        return _report(record, outcome, rows)


def link_by_hand(
    store: Store, ad: str, creative: str, *, platform: str | None = None, account: str | None = None
) -> LinkReport:
    """Link one ad to the creative that it shows; its links by name are replaced, those by hand stay.

    Args:
        store: A store at the current migration.
        ad: The platform's ad id, as the export had it.
        creative: Name, path or sha256 of a scored creative.
        platform: Platform of the ad, where ads of two platforms have the same id.
        account: Account of the ad, where ads of two accounts have the same id.

    Raises:
        InvalidInput: No such ad or creative, or more than one.
    """
    with recorded_run(store, "kpi link", {"ad": ad, "creative": creative}) as record:
        with store.write() as session:
            ad_id = _ad(session, ad, platform, account)
            _, ids = creatives_named(session, {creative}).get(creative, ("", set()))
            if len(ids) != 1:
                raise InvalidInput(*_not_one(session, creative, ids))
            (creative_id,) = ids
            made = set_links(session, {(ad_id, creative_id): None}, LinkedBy.HAND, record.id)
            outcome = relink(session, record.id)
            rows = _open(session, outcome)
        outcome.linked += made
        return _report(record, outcome, rows)


def _ads_called(session: Session, ids: set[str]) -> dict[str, list[Row[int, str, str, str]]]:
    found: dict[str, list[Row[int, str, str, str]]] = defaultdict(list)
    for part in in_parts(sorted(ids)):
        ads = select(Ad.id, Ad.external_id, Ad.platform, Ad.account).where(Ad.external_id.in_(part))
        for ad in session.execute(ads):
            found[ad.external_id].append(ad)
    return found


def _ad(session: Session, ad: str, platform: str | None, account: str | None) -> int:
    said = {"external_id": ad, "platform": platform, "account": account}
    wanted = [getattr(Ad, name) == value for name, value in said.items() if value is not None]
    ads = session.execute(select(Ad.id, Ad.platform, Ad.account).where(*wanted).order_by(Ad.id)).all()
    if not ads:
        raise InvalidInput(f"there is no ad {ad!r}", hint="`abkit kpi link` lists the ads without a creative")
    if len(ads) > 1:
        places = ", ".join(f"{row.platform or '(none)'} / {row.account or '(none)'}" for row in ads[:5])
        raise InvalidInput(
            f"{len(ads)} ads have the id {ad!r} (platform / account: {places})",
            hint="say which with --platform and --account",
        )
    return int(ads[0].id)


def _not_one(session: Session, creative: str, ids: set[int]) -> tuple[str, str]:
    if not ids:
        return (
            f"no scored creative is called {creative!r} (looked for {base_name(creative)!r} too)",
            "score it first: abkit score PATH --campaign KEY",
        )
    hashes = session.scalars(select(Creative.sha256).where(Creative.id.in_(ids)).order_by(Creative.id)).all()
    return f"{len(ids)} creatives are called {creative!r}", f"say which by sha256: {', '.join(hashes[:5])}"


def _open(session: Session, outcome: LinkOutcome) -> dict[int, dict[str, Any]]:
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


def _suggest(session: Session, rows: dict[int, dict[str, Any]]) -> dict[int, Suggestion]:
    """Find suggestions for the ads whose names no creative has, and note them in the rows."""
    wanting = [ad for ad, row in rows.items() if row["reason"] == NO_CREATIVE.reason]
    if not wanting:
        return {}
    found = suggest(names_of_ads(session, wanting), advertised_names(session))
    for ad, one in found.items():
        rows[ad] |= {
            "status": LinkStatus.SUGGESTED,
            "suggestion": one.name,
            "confidence": round(one.confidence, 3),
            "reason": "similar name",
        }
    return found


def _report(
    record: RunRecord,
    outcome: LinkOutcome,
    rows: dict[int, dict[str, Any]],
    refused: Sequence[tuple[int, str]] = (),
) -> LinkReport:
    ambiguous = sum(row["status"] is LinkStatus.AMBIGUOUS for row in rows.values())
    record.outcome.update(
        linked=outcome.linked, withdrawn=outcome.withdrawn, unlinked_ads=len(rows), ambiguous_ads=ambiguous
    )
    return LinkReport(
        linked=outcome.linked, withdrawn=outcome.withdrawn, unlinked=tuple(rows.values()), refused=tuple(refused)
    )
