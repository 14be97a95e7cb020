"""Show how a training, an evaluation or a comparison of heads came out."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.models.compare import HeadStudy
from abkit.workflows.models.compare_encoders import EncoderStudy
from abkit.workflows.models.results import EvaluationResult, TrainingResult
from abkit_model.portable.records import Exported

_SHORTAGE_COLUMNS = ("figure", "found", "needed", "decision")
_HEAD_COLUMNS = (
    "head", "srcc", "srcc_low", "srcc_high", "plcc", "queries_minus_this", "difference_low", "difference_high",
    "picks_winner", "parameters", "seconds",
)  # fmt: skip


@view_of.register
def _(record: TrainingResult | EvaluationResult) -> View:
    table = Table.of(record.rows(), title=record.title)
    if isinstance(record, TrainingResult) and record.shortage is not None:
        table = Table(columns=_SHORTAGE_COLUMNS, rows=table.rows)
    return View(tables=(table,), notes=record.notes)


@view_of.register
def _(record: HeadStudy) -> View:
    from abkit.reporting.charts.scorer import head_chart

    result, rows = record.comparison, tuple(record.rows())
    title = (
        f"{result.n} images of {result.subjects} subjects, {result.folds} folds × {result.repeats} repeats; "
        "95 % intervals, whole subjects resampled"
    )
    table = Table(columns=tuple(name for name in _HEAD_COLUMNS if name in rows[0]), rows=rows, title=title)
    return View(tables=(table,), notes=(record.verdict,), chart=lambda: head_chart(result))


@view_of.register
def _(record: EncoderStudy) -> View:
    result, rows = record.comparison, record.rows()
    title = (
        f"{result.n} images of {result.subjects} subjects, {result.folds} folds × {result.repeats} repeats; "
        "whole subjects resampled"
    )
    hidden = {"n", "currency", *(() if record.core_hour else ("cost_per_1000",))}
    columns = tuple(name for name in rows[0] if name not in hidden)
    return View(
        tables=(Table(columns=columns, rows=tuple(rows), title=title),),
        sentences=record.sentences,
        notes=(record.meaning,),
    )


@view_of.register
def _(record: Exported) -> View:
    size, precision = f"{record.megabytes:.1f} MB", record.precision
    row = {
        "folder": str(record.folder),
        "precision": precision,
        "size": size,
        "n": record.n,
        "srcc": record.srcc,
        "largest_difference": record.largest,
        "images_per_s": 1 / record.seconds,
        "torch_images_per_s": 1 / record.original_seconds,
    }
    notes = ["torch in float32, both with one thread, in turns on this machine; differences are in steps of the scale"]
    if record.generated:
        notes.append("compared on generated images: name your own for a comparison that counts (--images FOLDER)")
    if record.left_out:
        notes.append(f"{record.left_out} images cannot be read and were left out")
    return View(tables=(Table.of([row]),), notes=tuple(notes))
