"""Show what was imported, what was linked, and what ratings say about their raters."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.kpis.import_kpis import ImportSummary
from abkit.workflows.kpis.link import LinkReport
from abkit.workflows.ratings.agreement import RaterStudy
from abkit.workflows.ratings.import_ratings import LabelImport

#: Columns of what became of a file of KPIs, and of a table of labels.
KPI_COLUMNS = ("file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected")
LABEL_COLUMNS = (
    "file", "source", "kind", "rows", "imported", "unchanged", "rejected", "images", "import_id", "run_id",
)  # fmt: skip


@view_of.register
def _(record: ImportSummary) -> View:
    notes = [f"{record.file}: {part}" for part in (record.error, record.hint) if part]
    notes += [f"{record.file}: {rows:,} rejected: {reason}" for reason, rows in list(record.reasons.items())[:10]]
    return View(tables=(Table(columns=KPI_COLUMNS, rows=(record.to_dict(),), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: LinkReport) -> View:
    left = f"{len(record.unlinked):,} ads without a creative, {record.unlinked_share:.1%} of impressions"
    return View(tables=(Table.of(record.unlinked),), notes=(f"{record.linked:,} links made; {left}",))


@view_of.register
def _(record: LabelImport) -> View:
    notes = [f"line {line}: {reason}" for line, reason in record.reasons]
    if record.scale is not None:
        notes.append("scale {:g} to {:g}".format(*record.scale))
    return View(tables=(Table(columns=LABEL_COLUMNS, rows=(record.to_dict(),), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: RaterStudy) -> View:
    columns = ("figure", "value", "ci_low", "ci_high", "n", *(("run_id",) if record.run_id else ()))
    notes = ["Bias and noise describe these raters, and counts are exact: they have no interval here (--raters has)"]
    if record.rejected:
        line, reason = record.rejected[0]
        notes.append(f"{len(record.rejected)} rows could not be used, the first: line {line}: {reason}")
    table = Table(columns=columns, rows=tuple(record.figures()), title=record.title)
    return View(tables=(table,), notes=tuple(notes))
