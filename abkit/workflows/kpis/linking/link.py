"""Link ads to creatives: all that names and hashes decide, or one by hand; and list what is left for a person."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from abkit.errors import InvalidInput, UsageError
from abkit.intake.cells.frames import read_frame, refusing_damage
from abkit.intake.remote.table import local_table
from abkit.names import base_name
from abkit.store.catalog.creatives import creatives_named
from abkit.store.database.engine import Store
from abkit.store.database.statements import in_parts
from abkit.store.kpis.linking.link_lists import advertised_names, linked_delivery, names_of_ads
from abkit.store.kpis.linking.links import NO_CREATIVE, relink, remove_links, set_links, take_links_back
from abkit.store.kpis.once.counting import counts, set_aside
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Ad, Creative
from abkit.vocabulary import LINKS_IN_BULK, LinkedBy, LinkStatus
from abkit.workflows.kpis.linking.report import LinkReport, link_report, open_ads
from abkit.workflows.kpis.linking.suggestions import Suggestion, suggest
from abkit_model.data.files.tables import TableOptions, open_table
from abkit_model.data.files.text_rows import BrokenRow

MOST_BYTES = 256 * 2**20
_NEEDED = ("ad", "creative")
_COLUMNS = (*_NEEDED, "platform", "account")


def link(
    store: Store, *, accept: float | None = None, everything: bool = False, run: RunRecord | None = None
) -> LinkReport:
    """Link what names and hashes decide now, suggest creatives for the rest, and list what is left for a person.

    Args:
        store: A store at the current migration.
        accept: Take the suggestions with at least this confidence, above 0 and up to 1; None takes none.
        everything: Report the links that are there, too.
        run: Run of a scheduled tick; linking records its own when None.

    Raises:
        UsageError: No such confidence.
    """
    check_confidence(accept)
    with recorded_run(store, "kpi link", {"accept": accept}, run=run) as record:
        with store.write() as session:
            outcome = relink(session, record.id)
            rows = open_ads(session, outcome)
            suggestions = _suggest(session, rows)
            if accept is not None:
                taken = {ad: one for ad, one in suggestions.items() if one.confidence >= accept}
                pairs = {(ad, one.creative_id): one.confidence for ad, one in taken.items()}
                outcome.linked += set_links(session, pairs, LinkedBy.SIMILAR, record.id)
                rows = {ad: row for ad, row in rows.items() if ad not in taken}
            links = linked_delivery(session) if everything else []
            notes = [f"set aside: {one}" for one in set_aside(session, counts(session))]
        return link_report(record, outcome, rows, links=links, notes=notes)


def check_confidence(accept: float | None) -> None:
    """Refuse what is not a confidence.

    Raises:
        UsageError: It is not above 0 and up to 1.
    """
    if accept is not None and not 0 < accept <= 1:
        raise UsageError(f"{accept:g} is not a confidence", hint="say a number above 0 and up to 1, such as 0.95")


def undo_links(store: Store, kind: str) -> LinkReport:
    """Take back all links that were made in one way; names and hashes decide about their ads again.

    Args:
        store: A store at the current migration.
        kind: hash, pattern, similar or table (`LINKS_IN_BULK`).

    Raises:
        UsageError: Links of this kind are not taken back as a whole.
    """
    if kind not in LINKS_IN_BULK:
        kinds = ", ".join(LINKS_IN_BULK)
        raise UsageError(
            f"{kind!r} is not a kind of links that can be taken back (these are: {kinds})",
            hint="one link goes with: abkit kpi link --ad ID --remove",
        )
    with recorded_run(store, "kpi link", {"undo": kind}) as record:
        with store.write() as session:
            removed = take_links_back(session, LinkedBy(kind), record.id)
            outcome = relink(session, record.id)
            rows = open_ads(session, outcome)
        outcome.withdrawn += removed
        return link_report(record, outcome, rows)


def link_table(store: Store, table: str | Path, options: TableOptions | None = None) -> LinkReport:
    """Link ads as a person's table says: its columns are ad and creative, and platform and account where ids repeat.

    Args:
        store: A store at the current migration.
        table: A file, or an address as text.
        options: What the user said about how the table is written.

    Raises:
        TableError: The file cannot be read.
        InvalidInput: A column is missing.
    """
    with local_table(table, max_bytes=MOST_BYTES) as found:
        links, refused = read_links(found.path, options)
    with recorded_run(store, "kpi link", {"table": found.shown}) as record:
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
            rows = open_ads(session, outcome)
        outcome.linked += made
        return link_report(record, outcome, rows, sorted(refused))


def remove_link(store: Store, ad: str, *, platform: str | None = None, account: str | None = None) -> LinkReport:
    """Remove the links of an ad; names do not link it again until a person does.

    Raises:
        InvalidInput: No such ad, or more than one.
    """
    with recorded_run(store, "kpi link", {"remove": ad}) as record:
        with store.write() as session:
            removed = remove_links(session, [_ad(session, ad, platform, account)], record.id)
            outcome = relink(session, record.id)
            rows = open_ads(session, outcome)
        outcome.withdrawn += removed
        return link_report(record, outcome, rows)


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
            rows = open_ads(session, outcome)
        outcome.linked += made
        return link_report(record, outcome, rows)


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


@dataclass(frozen=True, kw_only=True)
class LinkRow:
    """One line of the table; platform and account are None where it has no such column, or nothing in it."""

    line: int
    ad: str
    creative: str
    platform: str | None
    account: str | None


def read_links(path: Path, options: TableOptions | None = None) -> tuple[list[LinkRow], list[tuple[int, str]]]:
    """Return the rows of a table with the columns ad and creative, and line and reason of those that are refused.

    Raises:
        TableError: The file cannot be read.
        InvalidInput: A column is missing.
    """
    broken: list[BrokenRow] = []
    with refusing_damage(), open_table(path, max_bytes=MOST_BYTES, options=options) as table:
        layout = table.layout(lambda cells: len({cell.strip().lower() for cell in cells} & set(_COLUMNS)))
        header = [name.strip().lower() for name in layout.header]
        missing = [name for name in _NEEDED if name not in header]
        if missing:
            raise InvalidInput(
                f"{path} has no column {' and '.join(missing)}; its columns are: {', '.join(layout.header)[:200]}",
                hint="call the columns ad and creative (and platform, account where ids repeat)",
            )
        position = {name: header.index(name) for name in _COLUMNS if name in header}
        frame = read_frame(table, layout, position, broken)
    rows: list[LinkRow] = []
    refused = [(row.line, row.reason) for row in broken]
    for cells in frame.to_dicts():
        ad, creative = ((cells[name] or "").strip() for name in _NEEDED)
        if not ad or not creative:
            refused.append((cells["line"], "no ad" if not ad else "no creative"))
            continue
        where = {name: (cells.get(name) or "").strip() or None for name in ("platform", "account")}
        rows.append(LinkRow(line=cells["line"], ad=ad, creative=creative, **where))
    return rows, sorted(refused)
