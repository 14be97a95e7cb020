"""Show backups, and what was restored."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.upkeep.backups import Backup, Restored


@view_of.register
def _(record: Backup) -> View:
    row = {"file": record.file, "MB": record.bytes / 1e6, "migration": record.migration}
    notes = [f"not in this file, and part of the workspace: {', '.join(record.beside)}"] if record.beside else []
    return View(tables=(Table.of([row]),), notes=tuple(notes))


@view_of.register
def _(record: Restored) -> View:
    row = {"store": record.store, "restored from": record.backup, "migration": record.migration}
    notes = [f"the former store is kept: {record.kept}"] if record.kept else []
    if record.upgrade:
        notes.append("the backup is of an earlier abkit: run `abkit db upgrade`")
    notes += [f"the store names a checkpoint that is not there: {folder}" for folder in record.missing]
    return View(tables=(Table.of([row]),), notes=tuple(notes))
