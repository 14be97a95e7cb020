"""What is asked about KPI imports: their rejects, the currency of accounts, ads without a picture."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from abkit.store.schema import Ad, AdCreative, Campaign, Kpi, KpiImport, KpiReject


def currencies_of(session: Session, accounts: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """The currency of accounts (platform, account), as far as the store has one."""
    found = {}
    for platform, account in accounts:
        currency = session.scalar(
            select(Kpi.currency)
            .join(Ad, Ad.id == Kpi.ad_id)
            .where(Ad.platform == platform, Ad.account == account, Kpi.currency != "")
            .limit(1)
        )
        if currency:
            found[platform, account] = currency
    return found


def owned_unlinked(session: Session, import_id: int) -> int:
    """How many rows whose figures came with an import are of ads without a picture now."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Kpi)
            .where(Kpi.kpi_import_id == import_id, ~exists().where(AdCreative.ad_id == Kpi.ad_id))
        )
        or 0
    )


def reject_reasons(session: Session, import_id: int) -> list[str]:
    """The reason of every reject of an import."""
    return list(session.scalars(select(KpiReject.reason).where(KpiReject.kpi_import_id == import_id)))


def rejects(session: Session, import_id: int | None, limit: int) -> list[dict[str, Any]]:
    """Rows that were refused, the latest imports first.

    Args:
        session: for reading.
        import_id: of one import only.
        limit: at most so many.
    """
    statement = (
        select(KpiImport.id, KpiImport.name, KpiReject.line, KpiReject.reason, KpiReject.content)
        .join(KpiImport, KpiImport.id == KpiReject.kpi_import_id)
        .order_by(KpiImport.id.desc(), KpiReject.line)
        .limit(limit)
    )
    if import_id is not None:
        statement = statement.where(KpiImport.id == import_id)
    names = ("import_id", "file", "line", "reason", "content")
    return [dict(zip(names, row, strict=True)) for row in session.execute(statement)]


def unlinked_delivery(session: Session) -> list[dict[str, Any]]:
    """Ads without a picture with what they delivered, and the impressions of all ads; the largest first."""
    everything = session.scalar(select(func.sum(Kpi.impressions))) or 0
    delivered = func.coalesce(func.sum(Kpi.impressions), 0)
    rows = session.execute(
        select(
            Ad.id,
            Ad.platform,
            Ad.account,
            Ad.external_id,
            Ad.creative_name,
            Campaign.key,
            func.count(Kpi.id),
            delivered,
        )
        .select_from(Ad)
        .outerjoin(Kpi, Kpi.ad_id == Ad.id)
        .outerjoin(Campaign, Campaign.id == Ad.campaign_id)
        .where(~exists().where(AdCreative.ad_id == Ad.id))
        .group_by(Ad.id, Ad.platform, Ad.account, Ad.external_id, Ad.creative_name, Campaign.key)
        .order_by(delivered.desc(), Ad.id)
    )
    names = ("ad_id", "platform", "account", "ad", "creative", "campaign", "rows", "impressions")
    # PostgreSQL sums whole numbers into decimals.
    found: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
    return [
        {
            **row,
            "impressions": int(row["impressions"]),
            "share_of_impressions": int(row["impressions"]) / int(everything) if everything else 0.0,
        }
        for row in found
    ]
