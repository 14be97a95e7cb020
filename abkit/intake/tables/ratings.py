"""Tables of ratings and of comparisons from outside, as rows for the store: checked, and tied to creatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from abkit.errors import InvalidInput
from abkit_model.data.comparisons import Comparison, is_comparison_table, read_single_comparisons
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.rating_rows import Summary, Vote, read_rows

_STAGE = {
    **dict.fromkeys(("line", "creative_id", "second_id", "n"), pl.Int64),
    **dict.fromkeys(("rater", "at", "counts"), pl.String),
    **dict.fromkeys(("score", "sd", "share", "weight"), pl.Float64),
}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A table of labels as it was read.

    Attributes:
        kind: `votes`, `summaries` or `comparisons`.
        layout: What the reader calls the layout.
        scale: Lowest and highest rating; None for comparisons.
        rows: Rows that can be used, in the order of the table.
        rejected: Line and reason of the other rows.
        sha256: Digest of the table's bytes.
    """

    kind: str
    layout: str
    scale: tuple[float, float] | None
    rows: tuple[Vote | Summary | Comparison, ...]
    rejected: tuple[tuple[int, str], ...]
    sha256: str

    def images(self) -> tuple[str, ...]:
        """Return the names of the images, each once, in the order of the table."""
        return tuple(dict.fromkeys(name for row in self.rows for name in _images(row)))


def read_labels(
    path: Path,
    *,
    image_column: str | None = None,
    scale: tuple[float, float] | None = None,
    options: TableOptions | None = None,
) -> Labels:
    """Read a table: of comparisons when it names two images per row, else of ratings in one of their four layouts.

    Raises:
        LabelError: Not readable, no known layout, or a column that is not there.
        InvalidInput: No row of it can be used.
    """
    rows: tuple[Vote | Summary | Comparison, ...]
    found: tuple[float, float] | None = None
    if is_comparison_table(path, options):
        comparisons, rejected, sha256 = read_single_comparisons(path, options)
        kind = layout = "comparisons"
        rows = tuple(comparisons)
    else:
        read = read_rows(path, image_column=image_column, scale=scale, options=options)
        sha256 = read.sha256
        kind, layout = "votes" if read.layout == "votes" else "summaries", read.layout
        found, rows, rejected = (read.scale.low, read.scale.high), (*read.votes, *read.summaries), read.rejected
    labels = Labels(kind=kind, layout=layout, scale=found, rows=rows, rejected=tuple(rejected), sha256=sha256)
    if not labels.rows:
        first = f"; line {labels.rejected[0][0]}: {labels.rejected[0][1]}" if labels.rejected else ""
        raise InvalidInput(f"{path} has no usable row{first}")
    return labels


def stage_rows(
    labels: Labels, creatives: Mapping[str, int], missing: Mapping[str, str], pseudonym: Callable[[str], str]
) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """Return the rows for the staging table, and line and reason of those whose images cannot be used.

    Args:
        labels: The table.
        creatives: Id of the creative behind each name.
        missing: Why the other names have none.
        pseudonym: Returns what stands for the name of a rater.
    """
    rejected: list[tuple[int, str]] = []
    staged: dict[tuple[Any, ...], dict[str, Any]] = {}
    pseudonyms: dict[str, str] = {}
    for row in labels.rows:
        gone = [f"{name}: {missing[name]}" for name in _images(row) if name in missing]
        if gone:
            rejected.append((row.line, gone[0]))
            continue
        values = _values(row, creatives)
        if isinstance(row, Comparison) and row.test:
            values["rater"] = f"test:{row.test}"  # a test is not a person
        elif not isinstance(row, Summary) and row.rater:
            if row.rater not in pseudonyms:
                pseudonyms[row.rater] = pseudonym(row.rater)
            values["rater"] = pseudonyms[row.rater]
        if values["second_id"] == values["creative_id"]:
            rejected.append((row.line, "the two files have the same content"))
            continue
        key = (values["rater"], values["creative_id"], values["second_id"], values["at"])
        earlier = staged.setdefault(key, values)
        if earlier is values:
            continue
        if isinstance(row, Comparison) and not row.rater and not row.test:
            _count(earlier, values)
        else:
            rejected.append((row.line, f"the same content was rated under another name on line {earlier['line']}"))
    return pl.DataFrame(list(staged.values()), schema=_STAGE), rejected


def _images(row: Vote | Summary | Comparison) -> tuple[str, ...]:
    return (row.first, row.second) if isinstance(row, Comparison) else (row.image,)


def _values(row: Vote | Summary | Comparison, creatives: Mapping[str, int]) -> dict[str, Any]:
    values: dict[str, Any] = {**dict.fromkeys(_STAGE), "line": row.line, "rater": "", "at": ""}
    if isinstance(row, Comparison):
        one, other = creatives[row.first], creatives[row.second]
        share = row.share if one < other else 1 - row.share
        pair = {"creative_id": min(one, other), "second_id": max(one, other)}
        return {**values, **pair, "at": row.time, "share": share, "weight": row.weight}
    values["creative_id"] = creatives[row.image]
    if isinstance(row, Vote):
        return {**values, "at": row.time, "score": row.score}
    counts = None if row.counts is None else "[" + ", ".join(map(str, row.counts)) + "]"
    return {**values, "score": row.mean, "n": row.n, "sd": row.sd, "counts": counts}


def _count(earlier: dict[str, Any], values: dict[str, Any]) -> None:
    """Count a comparison by nobody in particular into the row of its pair."""
    weight = earlier["weight"] + values["weight"]
    earlier["share"] = (earlier["share"] * earlier["weight"] + values["share"] * values["weight"]) / weight
    earlier["weight"] = weight
