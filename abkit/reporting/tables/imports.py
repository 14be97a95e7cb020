"""Show what was imported, what was linked, and what ratings say about their raters."""

from __future__ import annotations

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.vocabulary import LinkStatus
from abkit.workflows.kpis.import_kpis import ImportSummary
from abkit.workflows.kpis.link import LinkReport
from abkit.workflows.ratings.agreement import RaterStudy
from abkit.workflows.ratings.import_ratings import LabelImport

_KPI_COLUMNS = ("file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")
_LABEL_COLUMNS = (
    "file", "source", "kind", "rows", "imported", "unchanged", "rejected", "images", "import_id", "run_id",
)  # fmt: skip
_MOST_REASONS = 10


@view_of.register
def _(record: ImportSummary) -> View:
    notes = [f"Error: {record.file}: {record.error}"] if record.error else []
    notes += [f"Hint: {record.hint}"] if record.hint else []
    for reason, rows in list(record.reasons.items())[:_MOST_REASONS]:
        notes.append(f"{record.file}: {rows:,} rejected: {reason}")
    notes += [f"{record.file}: {rows:,} set aside: {reason}" for reason, rows in record.aside.items()]
    notes += [f"{record.file}: set aside: {one}" for one in record.not_counted]
    if record.reasons or record.aside:
        notes.append(f"list them: abkit kpi rejects --import {record.import_id}")
    return View(tables=(Table(columns=_KPI_COLUMNS, rows=(record.to_dict(),), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: LinkReport) -> View:
    left = f"{len(record.unlinked):,} ads without a creative, {percent(record.unlinked_share, 1)} of impressions"
    notes = [f"{record.linked:,} links made; {left}"]
    if record.withdrawn:
        notes.append(f"{record.withdrawn:,} links are no longer clear and were withdrawn")
    if any(row["status"] == LinkStatus.AMBIGUOUS for row in record.unlinked):
        notes.append("ambiguous ads are linked to none; say which it is: abkit kpi link --ad ID --creative PATH")
    if any(row["status"] == LinkStatus.SUGGESTED for row in record.unlinked):
        notes.append("suggestions wait for you: abkit kpi link --accept 0.95 takes those of that confidence or more")
    notes += [f"line {line}: {reason}" for line, reason in record.refused[:_MOST_REASONS]]
    if len(record.refused) > _MOST_REASONS:
        notes.append(f"{len(record.refused) - _MOST_REASONS:,} more rows of the table were refused")
    return View(tables=(Table.of(record.unlinked),), notes=tuple(notes))


@view_of.register
def _(record: LabelImport) -> View:
    notes = []
    if record.again:
        notes.append(f"{record.file}: imported before with the same images (import {record.import_id}); nothing to do")
    notes += [f"line {line}: {reason}" for line, reason in record.reasons]
    if record.rejected:
        which = f"abkit ratings rejects --import {record.import_id}"
        notes.append(f"{record.rejected:,} rows were refused; list them: {which}")
    if record.scale is not None:
        notes.append("scale {:g} to {:g}".format(*record.scale))
    return View(tables=(Table(columns=_LABEL_COLUMNS, rows=(record.to_dict(),), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: RaterStudy) -> View:
    counts = record.agreement
    ratings = f"{counts.ratings:,} ratings of {counts.items:,} images by {counts.raters:,} raters"
    table = Table(
        columns=("figure", "value", "ci_low", "ci_high", "n", *(("run_id",) if record.run_id else ())),
        rows=tuple(record.figures()),
        title=f"{record.what}: {ratings}; 95 % intervals, images resampled",
    )
    exact = "bias and noise describe these raters, and counts are exact: they have no interval here (--raters has)"
    return View(tables=(table,), notes=(*record.remarks(), exact))
