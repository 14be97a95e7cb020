"""The rows of `kpi` behind a figure, with the files that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.catalog.creatives import only_campaigns
from abkit.store.catalog.places import CAMPAIGN, with_places
from abkit.store.database.statements import execute_hashed
from abkit.store.kpis.late_events import DeliveryRow
from abkit.store.kpis.once.counting import counts, within
from abkit.store.schema import Ad, Kpi, KpiImport
from abkit.store.shown import shown_creatives


@dataclass(frozen=True, kw_only=True)
class KpiRow(DeliveryRow):
    """One row of `kpi`.

    Attributes:
        id: Its id.
        import_id: The import whose figures it has: the last one that stated it.
    """

    id: int = 0
    import_id: int = 0


def attributed_rows(session: Session, start: date | None, end: date) -> Iterator[KpiRow]:
    """Yield the rows that count and can be attributed to one creative, of periods between two days, by id."""
    shown = shown_creatives().subquery()
    single = (
        select(shown.c.ad_id, func.min(shown.c.creative_id).label("creative_id"))
        .group_by(shown.c.ad_id)
        .having(func.count() == 1)
        .subquery()
    )
    home = only_campaigns(advertised=True)
    campaign = func.coalesce(CAMPAIGN, home.c.campaign_id)
    columns = [Kpi.id, Kpi.kpi_import_id.label("import_id"), single.c.creative_id, campaign.label("campaign_id")]
    names = ("segment_id", "period_start", "period_end", "impressions", "clicks")
    rows = execute_hashed(
        session,
        with_places(select(*columns, *(getattr(Kpi, name) for name in names)).join(Ad, Ad.id == Kpi.ad_id))
        .join(single, single.c.ad_id == Kpi.ad_id)
        .outerjoin(home, home.c.creative_id == single.c.creative_id)
        .where(campaign.is_not(None), counts(session, start, end), *within(Kpi, start, end))
        .order_by(Kpi.id),
    )
    for row in rows:
        yield KpiRow(**row._mapping)


def imports_named(session: Session, ids: Iterable[int]) -> dict[int, KpiImport]:
    """Return the imports with these ids."""
    return {row.id: row for row in session.scalars(select(KpiImport).where(KpiImport.id.in_(sorted(set(ids)))))}
