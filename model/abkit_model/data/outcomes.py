"""Tables of outcomes: what clicks, conversions or money say about an image beside the others of its campaign.

| layout | columns beside `image` and `campaign` |
| --- | --- |
| appeals | `appeal`, the logarithm of events over those expected, with `standard_error` or `expected` where known |
| counts | `events` and `expected`; or `events` and `exposure`, such as clicks and impressions |

A row is one image in one campaign. `family` names images of one idea, `source` says `randomized` or `observational`,
`metric` and `currency` what the events are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.csv_table import CsvTable, Row, name_fault, read_csv
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.numbers import ROUNDED_ID
from abkit_model.data.rating_columns import FIELDS, IMAGE_COLUMNS, MEAN_COLUMNS, RATER_COLUMNS, SCORE_COLUMNS
from abkit_model.errors import LabelError

Floats = NDArray[np.float64]

#: Usual names of the columns, by field.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (*IMAGE_COLUMNS, "creative", "creative_name"),
    "campaign": ("campaign", "campaign_name", "campaign_id", "campaign_key"),
    "appeal": ("appeal", "log_appeal"),
    "standard_error": ("standard_error", "appeal_se", "se", "stderr"),
    "expected": ("expected", "expected_events", "expected_clicks", "expected_conversions"),
    "events": ("events", "clicks", "conversions"),
    "exposure": ("exposure", "impressions"),
    "family": ("family", "idea", "concept"),
    "source": ("source",),
    "metric": ("metric", "kpi"),
    "currency": ("currency",),
}
#: Each of these sets of columns says what became of an image.
LAYOUTS = (("appeal",), ("events", "expected"), ("events", "exposure"))
SOURCES = {"randomized": True, "randomised": True, "causal": True, "experiment": True, "observational": False}
UNKNOWN = ("", "na", "nan", "null", "none")

#: A creative with e^20 times the clicks of another is a mistake.
MAX_APPEAL = 20.0
MAX_COUNT = 1e12
#: A prior of half an event: the logarithm of no clicks at all is not a number.
HALF = 0.5
MIN_CREATIVES = 20
MIN_FAMILIES = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row: what became of one image in one campaign.

    Attributes:
        line: Where it stands in the table.
        image: File name, as the table writes it.
        campaign: Name of the campaign.
        family: Name of the idea; the image's own name where the table does not say.
        randomized: Whether chance decided who saw it.
        appeal: Logarithm of events over those expected; None where the table has only counts.
        variance: Sampling variance of the appeal; None where the table does not say.
        events, expected: None where the table does not say.
        exposure: What the events came of; None where the table does not say.
    """

    line: int
    image: str
    campaign: str
    family: str
    randomized: bool
    appeal: float | None = None
    variance: float | None = None
    events: float | None = None
    expected: float | None = None
    exposure: float | None = None


@dataclass(frozen=True, kw_only=True)
class OutcomeTable:
    """What became of images, each beside the others of its cell: those of its campaign with the same source.

    Attributes:
        images: File name of each image, in the order in which the table names them.
        image: `(rows,)`, number of an image in `images`.
        cell: `(rows,)`, number of a cell in `cells`.
        cells: Campaign of each cell, and whether it is randomized.
        appeal: `(rows,)`, logarithm of events over those expected.
        variance: `(rows,)`, its sampling variance; 0 where nothing is known about it.
        events, expected: `(rows,)`, counts; NaN where the table has none.
        family: Family of each image in `images`.
        metric: What the events are, with the currency; '' when the table does not say.
        rejected: Line and reason of each row that was refused.
        notes: What was done with rows that were kept, in words.
        sha256: Digest of the table's bytes.
    """

    images: tuple[str, ...]
    image: NDArray[np.intp]
    cell: NDArray[np.intp]
    cells: tuple[tuple[str, bool], ...]
    appeal: Floats
    variance: Floats
    events: Floats
    expected: Floats
    family: tuple[str, ...]
    metric: str
    rejected: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]
    sha256: str


def is_outcome_table(path: Path, options: TableOptions | None = None, columns: Mapping[str, str] | None = None) -> bool:
    """Return whether the columns of a table are those of outcomes rather than of ratings or comparisons.

    Args:
        path: The table.
        options: What the user said about how it is written.
        columns: Its columns by field, where the user said them; naming one that ratings lack means outcomes.
    """
    fields = set(columns or ()) - {"image"}
    if fields:
        return not fields & FIELDS.keys()
    table = read_csv(path, options, usual=_usual(columns), header_only=True)
    votes = table.find(RATER_COLUMNS) and table.find(SCORE_COLUMNS)
    histogram = sum(bool(re.fullmatch(r"n\d{1,3}", name, re.IGNORECASE)) for name in table.columns) > 1
    if votes or histogram or (table.find(MEAN_COLUMNS) and table.find(("n", "count", "votes"))):
        return False
    found = {field for field, names in COLUMNS.items() if table.find(names)}
    return any(found.issuperset(layout) for layout in LAYOUTS) or {"events", "campaign"} <= found


def read_outcomes(
    path: Path, options: TableOptions | None = None, columns: Mapping[str, str] | None = None, *, command: str = ""
) -> OutcomeTable:
    """Read a table of outcomes; rows that cannot be used are refused one by one, with line and reason.

    Refused are: rows without image or campaign, figures out of their range, a second row of one image in one campaign
    and source, an appeal that was not identified, and images that are alone in their cell, because nothing stands
    beside them.

    Args:
        path: A table in one of the layouts above.
        options: What the user said about how it is written.
        columns: Its columns by field, where they have other names.
        command: How the command that reads it begins: the hint repeats it, whole, where columns are missing.

    Raises:
        LabelError: Not readable, columns missing, several metrics or currencies, too few images, or appeals that are
            all equal.
    """
    table = read_csv(path, options, usual=_usual(columns))
    reader = _Reader(table, columns or {}, command)
    rejected = list(table.rejected)
    kept: list[Outcome] = []
    seen: dict[tuple[str, str, bool], int] = {}
    for line, row in table.rows:
        read = reader.read(line, row)
        if isinstance(read, Outcome):
            before = seen.setdefault((read.image, read.campaign, read.randomized), line)
            if before == line:
                kept.append(read)
                continue
            read = f"{read.image} came before in campaign {read.campaign}, on line {before}"
        rejected.append((line, read))
    kept, refused = _beside_others(_expected(kept, rejected))
    rejected.extend(refused)
    return _joined(table, kept, sorted(rejected), reader.metric(table), reader.notes)


def _joined(
    table: CsvTable, rows: Sequence[Outcome], rejected: Sequence[tuple[int, str]], metric: str, notes: list[str]
) -> OutcomeTable:
    first = f"; the first row refused was line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
    number = {image: n for n, image in enumerate(dict.fromkeys(row.image for row in rows))}
    if len(number) < MIN_CREATIVES:
        campaigns = len({row.campaign for row in rows})
        raise LabelError(
            f"{table.path} has usable outcomes of {len(number)} creatives in {campaigns} "
            f"campaign{'' if campaigns == 1 else 's'}, {MIN_CREATIVES} creatives are needed{first}",
            "add creatives that ran beside others in a campaign, or learn from ratings meanwhile",
        )
    family_of: dict[str, str] = {}
    for row in rows:
        family_of.setdefault(row.image, row.family)
    families = len(set(family_of.values()))
    if families < MIN_FAMILIES:
        raise LabelError(
            f"{table.path} has creatives of {families} famil{'y' if families == 1 else 'ies'}, {MIN_FAMILIES} are "
            "needed to hold some out",
            "add creatives of other ideas",
        )
    cells = {key: n for n, key in enumerate(dict.fromkeys((row.campaign, row.randomized) for row in rows))}
    cell = np.array([cells[row.campaign, row.randomized] for row in rows], dtype=np.intp)
    appeal, variance = _appeals(rows)
    spread = appeal - (np.bincount(cell, appeal) / np.bincount(cell))[cell]
    if np.abs(spread).max() < 1e-9:
        raise LabelError(
            f"{table.path}: in each campaign all creatives have the same appeal, there is nothing to learn",
            "check the column with the appeals; creatives with too few clicks to differ teach nothing",
        )
    if not variance.any():
        notes = [*notes, "no column says how certain an appeal is (standard_error, expected): all rows count the same"]
    for campaign, several in _of_one_family(rows).items():
        notes = [*notes, f"all {several} creatives of campaign {campaign} are of one family: they count as one"]
    return OutcomeTable(
        images=tuple(number),
        image=np.array([number[row.image] for row in rows], dtype=np.intp),
        cell=cell,
        cells=tuple(cells),
        appeal=appeal,
        variance=variance,
        events=np.array([np.nan if row.events is None else row.events for row in rows]),
        expected=np.array([np.nan if row.expected is None else row.expected for row in rows]),
        family=tuple(family_of.values()),
        metric=metric,
        rejected=tuple(rejected),
        notes=tuple(notes),
        sha256=table.sha256,
    )


def _appeals(rows: Sequence[Outcome]) -> tuple[Floats, Floats]:
    """Return appeals and their variances: as given, or of the counts with half an event added to both."""
    appeal, variance = np.zeros(len(rows)), np.zeros(len(rows))
    for k, row in enumerate(rows):
        counted = None if row.expected is None else row.expected + HALF
        if row.appeal is not None:
            appeal[k] = row.appeal
        elif counted is not None and row.events is not None:
            appeal[k] = np.log((row.events + HALF) / counted)
        if row.variance is not None:
            variance[k] = row.variance
        elif counted is not None:
            variance[k] = 1 / counted
    # a row without a variance among rows with one is as certain as the middle of them
    known = variance > 0
    if known.any():
        variance[~known] = np.median(variance[known])
    return appeal, variance


def _expected(rows: Sequence[Outcome], rejected: list[tuple[int, str]]) -> list[Outcome]:
    """Return rows with the events that were expected: the exposure times the rate of the campaign, where not given."""
    events: dict[tuple[str, bool], float] = defaultdict(float)
    exposure: dict[tuple[str, bool], float] = defaultdict(float)
    for row in rows:
        if row.events is not None and row.exposure:
            events[row.campaign, row.randomized] += row.events
            exposure[row.campaign, row.randomized] += row.exposure
    found = []
    for row in rows:
        key = (row.campaign, row.randomized)
        if row.expected is None and row.events is not None and row.exposure:
            row = replace(row, expected=row.exposure * events[key] / exposure[key])
        if row.appeal is None and not row.expected:
            rejected.append((row.line, f"campaign {row.campaign} has no events, so nothing tells its creatives apart"))
        else:
            found.append(row)
    return found


def _beside_others(rows: Sequence[Outcome]) -> tuple[list[Outcome], list[tuple[int, str]]]:
    """Return the rows that have another image beside them, and line and reason of the others."""
    beside: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for row in rows:
        beside[row.campaign, row.randomized].add(row.image)
    kept = [row for row in rows if len(beside[row.campaign, row.randomized]) > 1]
    alone = [row for row in rows if len(beside[row.campaign, row.randomized]) == 1]
    return kept, [(row.line, f"{row.image} is alone in campaign {row.campaign}: not identified") for row in alone]


def _of_one_family(rows: Sequence[Outcome]) -> dict[str, int]:
    families: dict[str, set[str]] = defaultdict(set)
    images: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        families[row.campaign].add(row.family)
        images[row.campaign].add(row.image)
    return {name: len(images[name]) for name, found in families.items() if len(found) == 1}


def _usual(columns: Mapping[str, str] | None) -> frozenset[str]:
    said = {name.lower() for name in (columns or {}).values()}
    return frozenset(said.union(*COLUMNS.values()))


class _Reader:
    """Knows the columns of one table, and turns a row into an outcome or a reason."""

    def __init__(self, table: CsvTable, said: Mapping[str, str], command: str) -> None:
        self.column = {
            field: table.column(said[field], (), field) if field in said else table.find(usual)
            for field, usual in COLUMNS.items()
        }
        self._require(table, command)
        known = self.column
        self.read_appeal = table.numbers(known["appeal"], low=-MAX_APPEAL, high=MAX_APPEAL)
        self.read_error = table.numbers(known["standard_error"], low=0, high=MAX_APPEAL)
        self.read_count = table.numbers(known["events"], known["expected"], known["exposure"], low=0)
        self.notes: list[str] = []
        if known["source"] is None:
            self.notes.append("no column says the source: all rows are taken as observational")

    def _require(self, table: CsvTable, command: str) -> None:
        """Ask once for all columns that are missing, with the whole command."""
        missing = [field for field in ("image", "campaign") if self.column[field] is None]
        found = {field for field, name in self.column.items() if name}
        if not any(found.issuperset(layout) for layout in LAYOUTS):
            missing += ["exposure"] if "events" in found else ["appeal"]
        if not missing:
            return
        used = set(self.column.values())
        left = [name for name in table.columns if name not in used]
        maps = " ".join(f"--map 'COLUMN={field}'" for field in missing)
        raise LabelError(
            f"{table.path} has no column with {', '.join(missing)}; columns that are not used yet: "
            f"{', '.join(repr(name) for name in left[:30]) or 'none'}",
            f"say which they are, all at once: {command + ' ' if command else ''}{maps}",
        )

    def metric(self, table: CsvTable) -> str:
        """Return what the events are; the table must have one metric and one currency."""
        words = []
        for field in ("metric", "currency"):
            found = sorted({self._cell(row, field).lower() for _, row in table.rows} - {""})
            if len(found) > 1:
                several = "metrics" if field == "metric" else "currencies"
                raise LabelError(
                    f"{table.path} has outcomes of {len(found)} {several}: {', '.join(found[:10])}",
                    "give one of them at a time: their appeals cannot be compared",
                )
            words += found
        return " ".join(words)

    def read(self, line: int, row: Row) -> Outcome | str:
        """Return the outcome, or why the row cannot be used."""
        image, campaign, family, source = (self._cell(row, f) for f in ("image", "campaign", "family", "source"))
        if not image or not campaign:
            return "no image or no campaign"
        if fault := next(filter(None, map(name_fault, (image, campaign, family))), ""):
            return fault
        if re.search(ROUNDED_ID, campaign):
            return "the id of the campaign was rounded by a spreadsheet"
        if source.lower() not in ("", *SOURCES):
            return f"the source {source[:50]!r} is neither randomized nor observational"
        try:
            figures = self._figures(row)
        except ValueError as reason:
            return str(reason)
        randomized = SOURCES.get(source.lower(), False)
        return Outcome(
            line=line, image=image, campaign=campaign, family=family or image, randomized=randomized, **figures
        )

    def _figures(self, row: Row) -> dict[str, float | None]:
        """Return appeal, variance and counts of a row.

        Raises:
            ValueError: What is wrong with them.
        """
        appeal = self._number(row, "appeal", self.read_appeal, -MAX_APPEAL, MAX_APPEAL)
        error = self._number(row, "standard_error", self.read_error, 0, MAX_APPEAL)
        events, expected, exposure = (
            self._number(row, field, self.read_count, 0, MAX_COUNT) for field in ("events", "expected", "exposure")
        )
        if error == 0:
            raise ValueError("a standard error of 0 is not possible: no appeal is known exactly")
        if expected == 0:
            raise ValueError("no events were expected, so nothing can be told from those that came")
        if appeal is None and (events is None or not (expected or exposure)):
            missing = "the appeal is not identified" if self.column["appeal"] else "events or exposure are missing"
            raise ValueError(missing)
        variance = None if error is None else error**2
        return {"appeal": appeal, "variance": variance, "events": events, "expected": expected, "exposure": exposure}

    def _number(
        self, row: Row, field: str, read: Callable[[str | None], float | None], low: float, high: float
    ) -> float | None:
        """Return a figure; None where the cell says that it is not known."""
        said = self._cell(row, field)
        if said.lower() in UNKNOWN:
            return None
        value = read(said)
        if value is None:
            raise ValueError(f"{field} {said[:50]!r} is not a finite number")
        if not low <= value <= high:
            raise ValueError(f"{field} {value:g} is outside {low:g} to {high:g}")
        return value

    def _cell(self, row: Row, field: str) -> str:
        name = self.column[field]
        return (row.get(name) or "").strip() if name else ""
