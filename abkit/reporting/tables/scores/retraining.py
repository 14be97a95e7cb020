"""Show what a retraining found: figures of champion and challenger on the same launches, and the verdict."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.learning.retraining.outcome_table import OutcomeTableWritten
from abkit.workflows.learning.retraining.trials import RetrainResult

_COLUMNS = ("figure", "champion", "challenger", "difference", "ci_low", "ci_high")


@view_of.register
def _(record: RetrainResult) -> View:
    rows = record.rows()
    gain = record.verdict.gain if record.verdict else None
    tables: tuple[Table, ...] = ()
    if gain is not None and rows:
        title = (
            f"{gain.creatives:,} creatives launched {record.judged_first} to {record.judged_last}, each against others "
            f"of its campaign ({gain.campaigns:,} campaigns); 95 % intervals"
        )
        tables = (Table(columns=_COLUMNS, rows=tuple(rows), title=title),)
    said = []
    if record.challenger and record.learned_creatives:
        said.append(
            f"the challenger {record.challenger[:12]} learned from {record.learned_creatives:,} creatives in "
            f"{record.learned_campaigns:,} campaigns, as known by {record.learned_until}"
        )
    said.append(record.reason)
    notes = list(record.notes)
    if record.tables:
        notes.append(f"what it learned from: {record.tables}")
    if not record.promoted:
        notes.append(f"the active model stays {record.champion[:12]}")
    elif record.challenger:
        notes.append(f"the active model is {record.challenger[:12]} now; `abkit model rollback` goes back")
    return View(tables=tables, sentences=tuple(said), notes=tuple(notes))


@view_of.register
def _(record: OutcomeTableWritten) -> View:
    names = ("file", "rows", "creatives", "campaigns", "randomized", "metric", "as_of")
    table = Table(columns=names, rows=({name: getattr(record, name) for name in names},))
    return View(tables=(table,), notes=record.notes)
