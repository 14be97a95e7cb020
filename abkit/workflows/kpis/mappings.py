"""Remembered mappings: what `--map` said goes for the next file with the same header from the same account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.errors import AbkitError, UsageError
from abkit.intake.kpis.reading import KpiOptions, header_of
from abkit.records import Record, RecordList
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import KpiMapping
from abkit.workflows.kpis.contents import Account

# Mappings that are tried on a header that says nothing by itself.
_MOST_TRIED = 20


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A mapping, the accounts that it goes for, and the import with which it was said."""

    mapping: Mapping[str, str]
    accounts: tuple[Account, ...]
    import_id: int


@dataclass(frozen=True, kw_only=True)
class MappingRecord(Record):
    """A remembered mapping.

    Attributes:
        mapping_id: Its number.
        platform, account: The account whose files it goes for; "" where they do not say.
        mapping: By column, the field; "" leaves the column out.
        columns: The header that it goes for.
        import_id: The import with which it was said.
    """

    mapping_id: int
    platform: str
    account: str
    mapping: Mapping[str, str]
    columns: tuple[str, ...]
    import_id: int


@dataclass(frozen=True, kw_only=True)
class MappingList(RecordList):
    """The remembered mappings."""

    mappings: tuple[MappingRecord, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per mapping."""
        return [record.to_dict() for record in self.mappings]


def signature_of(columns: Sequence[str]) -> str:
    """Return the signature of a header: equal for equal column names in the same order."""
    return hashlib.sha256(json.dumps(list(columns), ensure_ascii=False).encode()).hexdigest()


def recall(store: Store, path: Path, options: KpiOptions) -> Remembered | None:
    """Return the mapping that is remembered for the header of a file, if it is one for the account that was said."""
    with store.read() as session:
        rows = session.scalars(select(KpiMapping).order_by(KpiMapping.id.desc())).all()
    rows = [row for row in rows if _is_of(row, options)]
    if not rows:
        return None
    tried = [options, *(replace(options, mapping=row.mapping) for row in rows[:_MOST_TRIED])]
    for attempt in tried:
        try:
            signature = signature_of(header_of(path, attempt))
        except AbkitError:
            continue  # no line of the file looks like a header with this mapping
        found = [row for row in rows if row.header == signature]
        if found:
            return _together(found)
    return None


def _is_of(row: KpiMapping, options: KpiOptions) -> bool:
    said = ((options.platform, row.platform), (options.account, row.account))
    return all(not given or given == kept for given, kept in said)


def _together(rows: Sequence[KpiMapping]) -> Remembered | None:
    """Return the one mapping of several accounts; None where they differ, because nothing says which to take."""
    if any(row.mapping != rows[0].mapping for row in rows):
        return None
    accounts = tuple(Account(platform=row.platform, account=row.account) for row in rows)
    return Remembered(mapping=rows[0].mapping, accounts=accounts, import_id=rows[0].kpi_import_id)


def remember(
    session: Session,
    mapping: Mapping[str, str],
    columns: Sequence[str],
    accounts: Iterable[Account],
    *,
    import_id: int,
    run_id: int,
) -> None:
    """Remember what was said about the columns of a file; it replaces what was said before for that account."""
    header = signature_of(columns)
    for one in accounts:
        same = select(KpiMapping).where(
            KpiMapping.header == header, KpiMapping.platform == one.platform, KpiMapping.account == one.account
        )
        row = session.scalar(same)
        if row is None:
            row = KpiMapping(header=header, platform=one.platform, account=one.account)
            session.add(row)
        row.mapping, row.columns, row.kpi_import_id, row.run_id = dict(mapping), list(columns), import_id, run_id


def forget(session: Session, columns: Sequence[str], accounts: Iterable[Account]) -> int:
    """Forget the mappings of a header for accounts; return how many there were."""
    header, wanted = signature_of(columns), set(accounts)
    rows = session.scalars(select(KpiMapping).where(KpiMapping.header == header)).all()
    gone = [row for row in rows if Account(platform=row.platform, account=row.account) in wanted]
    for row in gone:
        session.delete(row)
    return len(gone)


def list_mappings(store: Store) -> MappingList:
    """Return the remembered mappings, the latest first."""
    with store.read() as session:
        rows = session.scalars(select(KpiMapping).order_by(KpiMapping.id.desc())).all()
    return MappingList(
        mappings=tuple(
            MappingRecord(
                mapping_id=row.id,
                platform=row.platform,
                account=row.account,
                mapping=row.mapping,
                columns=tuple(row.columns),
                import_id=row.kpi_import_id,
            )
            for row in rows
        )
    )


def forget_mapping(store: Store, mapping_id: int) -> None:
    """Forget one mapping.

    Raises:
        UsageError: There is none with this number.
    """
    with store.read() as session:
        if session.get(KpiMapping, mapping_id) is None:
            raise UsageError(f"there is no mapping {mapping_id}", hint="`abkit kpi mappings` lists them")
    with recorded_run(store, "kpi mappings", {"forget": mapping_id}), store.write() as session:
        session.delete(session.get_one(KpiMapping, mapping_id))
