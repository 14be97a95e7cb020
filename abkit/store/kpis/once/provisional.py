"""Figures of days so recent that their platform may still change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.store.database.statements import among, total
from abkit.store.schema import Ad, Kpi, KpiImport, KpiUndo
from abkit.vocabulary import PROVISIONAL_DAYS


@dataclass(frozen=True, kw_only=True)
class Provisional(Record):
    """Rows that came within three days of their end, and that no later file covers.

    Attributes:
        rows: How many.
        impressions: What they hold.
    """

    rows: int
    impressions: int

    def __str__(self) -> str:
        """Say it in a line."""
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        return (
            f"{rows}, {self.impressions:,} impressions, were imported within {PROVISIONAL_DAYS} days of their end: "
            "platforms still credit conversions to them; import these days once more later"
        )


def provisional(
    session: Session, counted: ColumnElement[bool], conditions: Sequence[ColumnElement[bool]] = ()
) -> Provisional | None:
    """Return what an analysis takes of days that may still change; None where there is nothing.

    Args:
        session: A reading session.
        counted: What `counts()` returned.
        conditions: Which rows the analysis could take.
    """
    undone = select(KpiUndo.kpi_import_id)
    kept = select(KpiImport.id, KpiImport.imported_at, KpiImport.contents).where(KpiImport.id.not_in(undone))
    files = [_File(id_, at.date(), contents or {}) for id_, at, contents in session.execute(kept)]
    recent = {file.id: file for file in files if file.may_change}
    if not recent:
        return None
    key = (Kpi.kpi_import_id, Kpi.period_end, Ad.platform, Ad.account)
    first = min(file.first_provisional for file in recent.values())
    wanted = [among(session, Kpi.kpi_import_id, recent), Kpi.period_end >= first, counted, *conditions]
    sums = select(*key, func.count(), total(Kpi.impressions)).join(Ad, Ad.id == Kpi.ad_id).where(*wanted)
    rows = impressions = 0
    for id_, end, platform, account, number, shown in session.execute(sums.group_by(*key)):
        settled = end + timedelta(PROVISIONAL_DAYS)
        again = any(file.came > settled and file.covers(end, platform, account) for file in files)
        if end >= recent[id_].first_provisional and not again:
            rows, impressions = rows + number, impressions + shown
    return Provisional(rows=rows, impressions=impressions) if rows else None


def all_provisional(parts: Iterable[Provisional | None]) -> Provisional | None:
    """Return what several parts of an analysis take of such days as one."""
    some = [one for one in parts if one is not None]
    if not some:
        return None
    return Provisional(rows=sum(one.rows for one in some), impressions=sum(one.impressions for one in some))


@dataclass(frozen=True)
class _File:
    """An import: when it came, and what it is known to hold."""

    id: int
    came: date
    contents: Mapping[str, Any]

    @property
    def first_provisional(self) -> date:
        """The first day whose figures were provisional when it came."""
        return self.came - timedelta(PROVISIONAL_DAYS)

    @property
    def may_change(self) -> bool:
        """Whether it has such days; of a file of an earlier release nobody knows."""
        last = self.contents.get("last_day")
        return not self.contents or (last is not None and date.fromisoformat(last) >= self.first_provisional)

    def covers(self, day: date, platform: str, account: str) -> bool:
        """Return whether it has figures of this account around this day."""
        first, last = (self.contents.get(name) for name in ("first_day", "last_day"))
        if not first or not last or not first <= day.isoformat() <= last:
            return False
        return {"platform": platform, "account": account} in self.contents.get("accounts", ())
