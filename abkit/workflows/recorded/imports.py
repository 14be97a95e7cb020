"""The imported KPI files and their rejected rows, as the store has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.schema import KpiImport, KpiReject
from abkit.workflows.kpis.imports import ImportRecord, import_record, undo_rows
from abkit.workflows.recorded.paging import Page, newest


@dataclass(frozen=True, kw_only=True)
class StoredReject(Record):
    """A row of a KPI file that is not among the figures.

    Attributes:
        line: Its line in the file.
        kind: rejected or set_aside.
        reason: Why.
        content: Its cells by column.
    """

    line: int
    kind: str
    reason: str
    content: Mapping[str, Any]


def import_page(store: Store, *, before: int | None, limit: int) -> Page[ImportRecord]:
    """Return imports, the latest first, without what only a single one says (`show_import`)."""
    with store.read() as session:
        rows, following = newest(session, select(KpiImport), KpiImport.id, before=before, limit=limit)
        undone = undo_rows(session)
        items = tuple(import_record(row.KpiImport, undone.get(row.KpiImport.id)) for row in rows)
        return Page(items=items, next=following)


def reject_page(store: Store, import_id: int, *, before: int | None, limit: int) -> Page[StoredReject]:
    """Return the rows of an import that were refused or set aside, the latest first."""
    with store.read() as session:
        query = select(KpiReject).where(KpiReject.kpi_import_id == import_id)
        rows, following = newest(session, query, KpiReject.id, before=before, limit=limit)
        names = StoredReject.__dataclass_fields__
        items = tuple(StoredReject(**{name: getattr(row.KpiReject, name) for name in names}) for row in rows)
        return Page(items=items, next=following)
