"""Show what was imported, what was linked, and what ratings say about their raters."""

from __future__ import annotations

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.vocabulary import LinkStatus
from abkit.workflows.kpis.contents import Contents
from abkit.workflows.kpis.import_kpis import ImportSummary
from abkit.workflows.kpis.imports import ImportList, ImportRecord, UndoReport
from abkit.workflows.kpis.linking.report import LinkReport
from abkit.workflows.kpis.mappings import MappingList
from abkit.workflows.kpis.preview import ImportPreview
from abkit.workflows.ratings.agreement import RaterStudy
from abkit.workflows.ratings.import_ratings import LabelImport

_KPI_COLUMNS = ("file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")
_LIST_COLUMNS = (
    "import", "file", "at", "account", "days", "ads", "rows", "imported", "updated", "rejected", "state",
)  # fmt: skip
_LINK_COLUMNS = ("ad", "creative", "impressions", "status", "shows", "linked_by", "confidence", "run", "reason")
_LABEL_COLUMNS = (
    "file", "source", "kind", "rows", "imported", "unchanged", "rejected", "images", "import_id", "run_id",
)  # fmt: skip
_MOST_REASONS = 10


@view_of.register
def _(record: ImportSummary) -> View:
    notes = [f"Error: {record.file}: {record.error}"] if record.error else []
    notes += [f"Hint: {record.hint}"] if record.hint else []
    notes += [f"{record.file}: {text}" for text in record.notes]
    for reason, rows in list(record.reasons.items())[:_MOST_REASONS]:
        notes.append(f"{record.file}: {rows:,} rejected: {reason}")
    notes += [f"{record.file}: {rows:,} set aside: {reason}" for reason, rows in record.aside.items()]
    notes += [f"{record.file}: set aside: {one}" for one in record.not_counted]
    if record.reasons or record.aside:
        notes.append(f"list them: abkit kpi rejects --import {record.import_id}")
    return View(tables=(Table(columns=_KPI_COLUMNS, rows=(record.to_dict(),), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: ImportPreview) -> View:
    if record.error is not None:
        notes = (f"Error: {record.file}: {record.error}", *([f"Hint: {record.hint}"] if record.hint else ()))
        return View(notes=notes)
    if record.imported_before is not None:
        return View(notes=tuple(f"{record.file}: {text}" for text in record.notes))
    seen = record.contents or Contents()
    export = f"{record.platform} export, " if record.platform else ""
    days = f", {seen.first_day} … {seen.last_day}" if seen.first_day else ""
    title = f"{record.file}: {export}{record.rows:,} rows{days}; nothing is imported yet"
    fields = tuple(
        {"your column": column, "our field": field or "(not used)", "total": seen.totals.get(field)}
        for column, field in record.columns.items()
    )
    refused = tuple({"rows": count, "refused or set aside because": reason} for reason, count in record.refused.items())
    accounts = "; ".join(one.shown for one in seen.accounts if one.shown) or "not given"
    read = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in record.reading.items())
    sentences = [
        f"{record.good:,} of {record.rows:,} rows would be imported, {seen.ads:,} ads in {seen.campaigns:,} campaigns; "
        f"account: {accounts}; time zone: {record.time_zone or 'unknown'}",
        f"read as: {read}",
    ]
    tables = (
        Table(columns=("your column", "our field", "total"), rows=fields, title=title),
        Table.of(record.first_rows, title="the first rows, as they are understood"),
        Table.of(refused),
    )
    notes = tuple(f"{record.file}: {text}" for text in record.notes)
    return View(tables=tables, sentences=tuple(sentences), notes=notes)


@view_of.register
def _(record: MappingList) -> View:
    rows = []
    for one in record.mappings:
        said = ", ".join(f"{column} = {field or '(left out)'}" for column, field in one.mapping.items())
        account = " / ".join(filter(None, (one.platform, one.account))) or "(not given)"
        rows.append({"mapping": one.mapping_id, "account": account, "columns": said, "import": one.import_id})
    return View(tables=(Table.of(rows),))


@view_of.register
def _(record: ImportList) -> View:
    rows = []
    for row in record.rows():
        days = f"{row['first_day']} … {row['last_day']}" if row["first_day"] else None
        rows.append(row | {"import": row["import_id"], "days": days, "at": f"{row['imported_at']:%Y-%m-%d %H:%M}"})
    notes = [f"set aside: {one}" for one in record.not_counted]
    notes += [str(doubt) for doubt in (record.maybe_twice, record.totals_beside_days) if doubt]
    return View(tables=(Table(columns=_LIST_COLUMNS, rows=tuple(rows), names="file"),), notes=tuple(notes))


@view_of.register
def _(record: ImportRecord) -> View:
    seen = record.contents
    figures: dict[str, object] = {"file": record.file, "imported at": record.imported_at, "run": record.run_id}
    if record.undone_at is not None:
        figures |= {"undone at": record.undone_at, "undone by run": record.undone_by}
    if seen is not None:
        figures["account"] = "; ".join(one.shown or "(not given)" for one in seen.accounts) or None
        figures["days"] = f"{seen.first_day} … {seen.last_day}" if seen.first_day else None
        figures["time zone"] = record.time_zone or "unknown"
        figures |= {"ads": seen.ads, "campaigns": seen.campaigns}
        currency = f" ({seen.currencies[0]})" if len(seen.currencies) == 1 else ""
        totals = {f"{name}{currency if name in ('spend', 'revenue') else ''}": n for name, n in seen.totals.items()}
        figures |= {f"total {name}": n for name, n in totals.items()}
    figures |= {name.replace("_", " "): count for name, count in record.counts.items()}
    figures |= {f"refused: {reason}": count for reason, count in list(record.reasons.items())[:_MOST_REASONS]}
    figures |= {f"column {column!r}": field or "(left out)" for column, field in record.mapping.items()}
    figures |= {name.replace("_", " "): value for name, value in record.reading.items()}
    rows = tuple({"figure": name, "value": value} for name, value in figures.items())
    table = Table(columns=("figure", "value"), rows=rows, title=f"import {record.import_id}")
    return View(tables=(table,), notes=(*record.notes, *(f"set aside: {one}" for one in record.not_counted)))


@view_of.register
def _(record: UndoReport) -> View:
    went = {name: getattr(record, name) for name in ("ads", "segments", "campaigns", "links", "rejects", "mappings")}
    gone = ", ".join(f"{count:,} {name}" for name, count in went.items() if count)
    sentences = [
        f"import {record.import_id} ({record.file}) is taken back: {record.removed:,} rows are gone, "
        f"{record.restored:,} have the figures of another import again, {record.kept:,} came with a later one too",
        *([f"gone with it, because nothing else needs them: {gone}"] if gone else []),
    ]
    notes = ["the same file can be imported again"]
    if record.still_one:
        pairs = ", ".join(f"{key} ({name})" for key, name in record.still_one)
        notes.append(f"campaigns that this import made one stay one: {pairs}")
    return View(sentences=tuple(sentences), notes=tuple(notes))


@view_of.register
def _(record: LinkReport) -> View:
    left = f"{len(record.unlinked):,} ads without a creative, {percent(record.unlinked_share, 1)} of impressions"
    notes = [f"{record.linked:,} links made; {left}"]
    if record.withdrawn:
        notes.append(f"{record.withdrawn:,} links are no longer clear or were taken back")
    if any(row["status"] == LinkStatus.AMBIGUOUS for row in record.unlinked):
        notes.append("ambiguous ads are linked to none; say which it is: abkit kpi link --ad ID --creative PATH")
    if any(row["status"] == LinkStatus.SUGGESTED for row in record.unlinked):
        again = "--images FOLDER --accept" if any("bits" in row for row in record.unlinked) else "--accept"
        notes.append(f"suggestions wait for you: abkit kpi link {again} 0.95 takes those of that confidence or more")
    notes += record.notes
    notes += [f"line {line}: {reason}" for line, reason in record.refused[:_MOST_REASONS]]
    if len(record.refused) > _MOST_REASONS:
        notes.append(f"{len(record.refused) - _MOST_REASONS:,} more rows of the table were refused")
    rows = record.rows()
    if not record.links:
        return View(tables=(Table.of(rows),), notes=tuple(notes))
    where = tuple(name for name in ("platform", "account") if any(row[name] for row in rows))
    return View(tables=(Table(columns=(*where, *_LINK_COLUMNS), rows=tuple(rows)),), notes=tuple(notes))


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
