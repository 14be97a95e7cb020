"""Link ads to creatives: all that names and hashes decide, or one by hand."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.store.creatives import base_name, creatives_named
from abkit.store.database.engine import Store
from abkit.store.database.statements import insert_missing
from abkit.store.kpis.links import link_ads, refresh_launches, unlinked_ads, unlinked_delivery
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Ad, AdCreative, Creative


@dataclass(frozen=True)
class LinkReport(Record):
    """What linking did.

    Attributes:
        linked: Number of new links.
        unlinked: The ads without a creative: platform, account, ad, creative, campaign, rows, impressions,
            share_of_impressions (of all ads) and reason; the largest first.
    """

    linked: int
    unlinked: tuple[dict[str, Any], ...]

    @property
    def unlinked_share(self) -> float:
        """Share of all impressions that the ads without a creative have, 0 … 1."""
        return float(sum(row["share_of_impressions"] for row in self.unlinked))


def link(store: Store, *, run: RunRecord | None = None) -> LinkReport:
    """Link what names and hashes decide now, and list the ads that stay without a creative."""
    with recorded_run(store, "kpi link", {}, run=run) as record:
        with store.write() as session:
            outcome = link_ads(session, unlinked_ads(session), record.id)
            if outcome.linked:
                linked_now = select(AdCreative.ad_id).where(AdCreative.run_id == record.id)
                refresh_launches(session, linked_now, record.id)
            unlinked = unlinked_delivery(session)
        for row in unlinked:
            row["reason"] = outcome.reasons.get(row.pop("ad_id"), "")
        record.outcome.update(linked=outcome.linked, unlinked_ads=len(unlinked))
        return LinkReport(outcome.linked, tuple(unlinked))


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
            _, ids = creatives_named(session, {creative}).get(creative, ("", set()))
            if len(ids) != 1:
                raise InvalidInput(*_not_one(session, creative, ids))
            ad_id, creative_id = ads[0].id, next(iter(ids))
            session.execute(delete(AdCreative).where(AdCreative.ad_id == ad_id, AdCreative.linked_by != "hand"))
            new = {"ad_id": ad_id, "creative_id": creative_id, "linked_by": "hand", "run_id": record.id}
            insert_missing(session, AdCreative, [new], key=["ad_id", "creative_id"])
            refresh_launches(session, select(Ad.id).where(Ad.id == ad_id), record.id)
            unlinked = unlinked_delivery(session)
        for row in unlinked:
            row.pop("ad_id")
        record.outcome.update(linked=1, unlinked_ads=len(unlinked))
        return LinkReport(1, tuple(unlinked))


def _not_one(session: Any, creative: str, ids: set[int]) -> tuple[str, str]:
    if not ids:
        return (
            f"no scored creative is called {creative!r} (looked for {base_name(creative)!r} too)",
            "score it first: abkit score PATH --campaign KEY",
        )
    hashes = session.scalars(select(Creative.sha256).where(Creative.id.in_(ids)).order_by(Creative.id)).all()
    return f"{len(ids)} creatives are called {creative!r}", f"say which by sha256: {', '.join(hashes[:5])}"
