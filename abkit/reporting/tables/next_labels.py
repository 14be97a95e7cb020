"""Show what to label next."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.ratings.next_labels import NextLabels

_MEANING = {
    "unknown": "unknown: nothing like it was labeled",
    "close": "close: little is left to tell but which is better",
    "unfamiliar": "unfamiliar: the drift check points at it",
    "repeat": "repeat: it was answered before, and shows how consistent people are",
}


@view_of.register
def _(record: NextLabels) -> View:
    pairs = any(one.right for one in record.questions)
    rows = tuple(
        {
            "rank": one.rank,
            **({"left": one.left, "right": one.right} if pairs else {"image": one.left}),
            "tells": one.tells.value,
        }
        for one in record.questions
    )
    known = f"{record.comparisons:,} pairs compared" if pairs else f"{record.ratings:,} images rated"
    what = "which is better?" if pairs else "how good is it?"
    title = f"{what} {record.candidates:,} creatives in {record.folder}, {known} so far"
    said = [text for name, text in _MEANING.items() if any(one.tells == name for one in record.questions)]
    columns = ("rank", "left", "right", "tells") if pairs else ("rank", "image", "tells")
    return View(
        tables=(Table(columns=columns, rows=rows, title=title),), sentences=("; ".join(said),), notes=record.notes
    )
