"""How the trace of a drift check is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.drift.explain import DriftTrace, TracedFile, TracedTest, ranges

_MOST_IDS = 60  # characters


@view_of.register
def _(trace: DriftTrace) -> View:
    cause = f" ({trace.cause})" if trace.cause else ""
    model = f"{trace.model_name} {trace.model_version[:12]}" if trace.model_version else "none"
    tables = [
        Table.of(
            [_test_row(one) for one in trace.tests],
            title=f"Check of run {trace.run_id}, {trace.windows}, as of {trace.as_of}",
        )
    ]
    windows = ("current", "reference")
    if trace.creatives:
        counted = [(window, [one.id for one in trace.creatives if one.window == window]) for window in windows]
        rows = [{"window": window, "creatives": len(ids), "ids": _short(ids)} for window, ids in counted if ids]
        tables.append(Table.of(rows, title="Creatives of the windows"))
    if trace.files:
        tables.append(Table.of([_file_row(one) for one in trace.files], title="KPI rows by file"))
    return View(
        tables=tuple(tables),
        sentences=(f"Decision {trace.decision_id}: {trace.decision}{cause}", *_methods(trace.tests)),
        notes=(
            f"model version {model}; abkit {trace.code_version}; asked: {_asked(trace.arguments)}",
            *(f"delivery of the {window} window: {_days(trace.delivery.get(window))}" for window in windows),
            *trace.notes,
            "all ids: --format json, or csv",
        ),
    )


def _test_row(one: TracedTest) -> dict[str, Any]:
    return {
        "id": one.id,
        "layer": one.layer.value,
        "test": one.test.replace("_", " "),
        "statistic": one.statistic,
        "floor": one.threshold,
        "p": one.p_value,
        "level": None if one.level is None else f"{one.level:.2g}",
        "before": one.n_reference,
        "now": one.n_current,
        "of": one.unit,
        "verdict": one.verdict.replace("_", " "),
    }


def _file_row(one: TracedFile) -> dict[str, Any]:
    return {
        "window": one.window.value,
        "import": one.import_id,
        "file": one.file,
        "run": one.run_id,
        "rows": one.rows,
        "impressions": one.impressions,
        "clicks": one.clicks,
        "row ids": _cut(one.row_ids),
    }


def _methods(tests: Iterable[TracedTest]) -> list[str]:
    return [f"  {one.test.replace('_', ' ')}: {one.method}" for one in tests if one.method]


def _short(ids: list[int]) -> str:
    return _cut(ranges(ids))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_IDS else f"{text[:_MOST_IDS].rpartition(',')[0]}, …"


def _asked(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arguments.items() if value is not None) or "nothing"


def _days(days: tuple[date | None, date | None] | None) -> str:
    if days is None:
        return "that of the campaign"
    first, last = days
    return f"{first} to {last}" if first else f"up to {last}"
