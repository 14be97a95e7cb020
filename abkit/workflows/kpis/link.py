"""Link ads to creatives: all that names and hashes decide, or one by hand; and list what is left for a person."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from abkit.errors import InvalidInput
from abkit.names import base_name
from abkit.records import Record
from abkit.store.creatives import creatives_named
from abkit.store.database.engine import Store
from abkit.store.database.statements import insert_missing
from abkit.store.kpis.links import LinkOutcome, refresh_launches, relink, unlinked_delivery
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Ad, AdCreative, AdUnlinked, Creative
from abkit.vocabulary import LinkedBy, LinkStatus

#: Links that a person made for one ad after the other; a later one adds to them, and replaces all others.
_SINGLE = (LinkedBy.HAND, LinkedBy.TABLE)


@dataclass(frozen=True, kw_only=True)
class LinkReport(Record):
    """What linking did, and the ads that a person has to look at.

    Attributes:
        linked: Number of new links.
        withdrawn: Number of links that were made by themselves and are no longer clear.
        unlinked: The ads without a creative, the largest first: platform, account, ad, creative (its name in the
            export), campaign, rows, impressions, share_of_impressions (of all ads), status (`LinkStatus`), and reason.
    """

    linked: int
    withdrawn: int = 0
    unlinked: tuple[dict[str, Any], ...]

    @property
    def unlinked_share(self) -> float:
        """Share of all impressions that the ads without a creative have, 0 … 1."""
        return float(sum(row["share_of_impressions"] for row in self.unlinked))


def link(store: Store, *, run: RunRecord | None = None) -> LinkReport:
    """Link what names and hashes decide now, and list the ads that stay without a creative."""
    with recorded_run(store, "kpi link", {}, run=run) as record:
        with store.write() as session:
            outcome = relink(session, record.id)
            unlinked = _unlinked(session, outcome)
        return _report(record, outcome, unlinked)


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
            former = session.scalars(select(AdCreative.creative_id).where(AdCreative.ad_id == ad_id)).all()
            session.execute(delete(AdUnlinked).where(AdUnlinked.ad_id == ad_id))
            session.execute(delete(AdCreative).where(AdCreative.ad_id == ad_id, AdCreative.linked_by.not_in(_SINGLE)))
            (creative_id,) = ids
            new = {"ad_id": ad_id, "creative_id": creative_id, "linked_by": LinkedBy.HAND, "run_id": record.id}
            insert_missing(session, AdCreative, [new], key=["ad_id", "creative_id"])
            refresh_launches(session, {creative_id, *former}, record.id)
            outcome = relink(session, record.id)
            unlinked = _unlinked(session, outcome)
        outcome.linked += 1
        return _report(record, outcome, unlinked)


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


def _unlinked(session: Session, outcome: LinkOutcome) -> tuple[dict[str, Any], ...]:
    rows = unlinked_delivery(session)
    for row in rows:
        missing = outcome.reason(row.pop("ad_id"))
        row |= {"status": missing.status, "reason": missing.reason}
    return tuple(rows)


def _report(record: RunRecord, outcome: LinkOutcome, unlinked: tuple[dict[str, Any], ...]) -> LinkReport:
    ambiguous = sum(row["status"] is LinkStatus.AMBIGUOUS for row in unlinked)
    record.outcome.update(
        linked=outcome.linked, withdrawn=outcome.withdrawn, unlinked_ads=len(unlinked), ambiguous_ads=ambiguous
    )
    return LinkReport(linked=outcome.linked, withdrawn=outcome.withdrawn, unlinked=unlinked)
