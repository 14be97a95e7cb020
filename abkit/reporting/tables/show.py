"""Show any record: find how its kind is shown, and return that as text, as HTML or as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from importlib import import_module
from typing import Any

from abkit.records import Record, to_plain
from abkit.reporting.tables.table import Table, terminal_width
from abkit.terminal import harmless

# Where records come from → the module that shows them, imported when the first one is shown.
_MODULES: Mapping[str, str] = {
    "abkit.workflows.scoring": "abkit.reporting.tables.scores.scoring",
    "abkit.workflows.drift": "abkit.reporting.tables.monitoring.monitoring",
    "abkit.workflows.drift.explain": "abkit.reporting.tables.monitoring.drift_trace",
    "abkit.workflows.experiments": "abkit.reporting.tables.experiments.experiments",
    "abkit.workflows.experiments.review": "abkit.reporting.tables.experiments.programme",
    "abkit.workflows.models": "abkit.reporting.tables.scores.models",
    "abkit.workflows.kpis": "abkit.reporting.tables.imports",
    "abkit.workflows.upkeep.backups": "abkit.reporting.tables.backups",
    "abkit.workflows.creatives.campaigns": "abkit.reporting.tables.campaigns",
    "abkit.workflows.creatives.tags": "abkit.reporting.tables.campaigns",
    "abkit.workflows.ratings": "abkit.reporting.tables.imports",
    "abkit.workflows.ratings.next_labels": "abkit.reporting.tables.next_labels",
    "abkit.workflows.reviews.reviews": "abkit.reporting.tables.campaigns",
    "abkit.workflows.ratings.rater_links": "abkit.reporting.tables.people",
    "abkit.workflows.preflight": "abkit.reporting.tables.preflight.preflight",
    "abkit.workflows.learning.retraining.trials": "abkit.reporting.tables.scores.retraining",
    "abkit.workflows.learning.retraining.outcome_table": "abkit.reporting.tables.scores.retraining",
    "abkit.workflows.upkeep.people": "abkit.reporting.tables.people",
    "abkit.workflows.creatives.fatigue": "abkit.reporting.tables.monitoring.monitoring",
    "abkit.workflows.correlate": "abkit.reporting.tables.monitoring.monitoring",
    "abkit.workflows.learning.appeals.appeals": "abkit.reporting.tables.monitoring.monitoring",
    "abkit.workflows.learning.worth.worth": "abkit.reporting.tables.monitoring.worth",
    "abkit.stats.monitoring": "abkit.reporting.tables.statistics.samples",
    "abkit.stats.estimate": "abkit.reporting.tables.statistics.comparisons",
    "abkit.stats": "abkit.reporting.tables.statistics.statistics",
    "abkit_model.scorer": "abkit.reporting.tables.scores.scorer",
    "abkit_model.portable": "abkit.reporting.tables.scores.models",
}


@dataclass(frozen=True, kw_only=True)
class View:
    """What a reader sees of a record.

    Attributes:
        tables: In the order in which they are read.
        sentences: Below the tables: what was found, in words.
        notes: Remarks that do not belong to the result itself; a command prints them on stderr.
        chart: Draws the chart of the record, or None; called only where a chart can be shown.
    """

    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    chart: Callable[[], Any] | None = None


@singledispatch
def view_of(record: object) -> View:
    """Return how a record is shown: its fields and figures, where its kind has no view of its own."""
    plain = record.to_dict() if isinstance(record, Record) else to_plain(record)
    rows = [{"figure": key.replace("_", " "), "value": value} for key, value in flattened(plain).items()]
    return View(tables=(Table.of(rows),))


def view(record: object) -> View:
    """Return what a reader sees of a record."""
    name = type(record).__module__
    for place, module in _MODULES.items():
        if f"{name}.".startswith(f"{place}."):
            import_module(module)
    return view_of(record)


def as_text(record: object, width: int = 0) -> str:
    """Return a record as a terminal shows it.

    >>> from abkit.stats.estimate import Estimate
    >>> print(as_text(Estimate(estimate=0.1, ci_low=0.05, ci_high=0.15)))
    figure    value
    estimate  0.100
    ci low    0.050
    ci high   0.150
    """
    seen = view(record)
    parts = [table.text(width or terminal_width()) for table in seen.tables if table.rows]
    parts += [harmless("\n".join((*seen.sentences, *seen.notes)))] if seen.sentences or seen.notes else []
    return "\n\n".join(parts)


def as_html(record: object) -> str:
    """Return a record as a notebook shows it: its tables, its sentences, its chart."""
    from html import escape

    from abkit.reporting.charts.theme import chart_svg

    seen = view(record)
    parts = [table.html() for table in seen.tables if table.rows]
    parts += [f"<p>{escape(sentence)}</p>" for sentence in (*seen.sentences, *seen.notes)]
    if seen.chart is not None:
        parts.append(chart_svg(seen.chart()))
    return "\n".join(parts)


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with keys joined by dots.

    >>> flattened({"lift": {"estimate": 0.1}, "n": 3})
    {'lift.estimate': 0.1, 'n': 3}
    """
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= flattened(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            flat[f"{prefix}{key}"] = "; ".join(map(str, item)) if item and not isinstance(item[0], Mapping) else item
        else:
            flat[f"{prefix}{key}"] = item
    return flat
