"""The rows of a rating table in one of four layouts: what was said, row by row, on which scale, and what was refused.

| layout | recognised by |
| --- | --- |
| histogram | columns `n1`, `n2`, … |
| one row per vote | a rater column and a score column |
| mean and count | a mean column and a count column, with the standard deviation where there is one |
| AVA | no header; 12 numbers or more a line: index, image id, ten counts |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from abkit_model.checkpoint import Scale
from abkit_model.data.csv_table import CsvTable, Row, first_line, name_fault, number, read_csv, read_text
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.numbers import ROUNDED_ID
from abkit_model.data.rating_columns import (
    COUNT_COLUMNS,
    IMAGE_COLUMNS,
    MEAN_COLUMNS,
    RATER_COLUMNS,
    SCORE_COLUMNS,
    SD_COLUMNS,
    TIME_COLUMNS,
    find_columns,
    question,
)
from abkit_model.errors import LabelError

#: Names of columns by which the header of a rating table is found below titles.
USUAL_COLUMNS = frozenset((*IMAGE_COLUMNS, *RATER_COLUMNS, *SCORE_COLUMNS, *TIME_COLUMNS))
USUAL_COLUMNS |= frozenset((*MEAN_COLUMNS, *SD_COLUMNS, *COUNT_COLUMNS, *(f"n{step}" for step in range(11))))
#: How tables leave a standard deviation open: an empty cell, or R's word for it.
UNKNOWN = ("", "na")

#: More ratings of one image than this are a mistake.
MAX_COUNT = 10**9
#: How many ratings a mean counts as where the user named its column and none says how many are behind it: the fewest
#: that are learned from.
UNCOUNTED = 2

#: Highest ratings of the scales that are recognised; the lowest is 1.
USUAL = (5.0, 7.0, 10.0)
#: People who are offered the upper steps of a scale use them for more than one rating in a hundred (steps 6 and 7 have
#: 33 % of the OASIS votes). Below that they may be slips, and a question costs less than scores on a wrong scale.
SLIPS = 0.01
#: Of fewer ratings, that one step alone was used beyond a smaller scale says nothing.
_ENOUGH = 30


@dataclass(frozen=True)
class Vote:
    """One rating of one image by one rater.

    Attributes:
        line: Where it stands in the table.
        image: File name of the image.
        rater: Who.
        score: On the table's scale.
        time: When, as the table writes it; '' when it does not say.
    """

    line: int
    image: str
    rater: str
    score: float
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a table says about one image where it does not have the single ratings.

    Attributes:
        line: Where it stands in the table.
        image: File name of the image.
        n: Ratings.
        counts: Ratings of each bin; None where the table has only the mean.
        mean: Mean rating.
        sd: Standard deviation of the ratings; None where the table does not say.
    """

    line: int = 0
    image: str = ""
    n: int
    counts: tuple[int, ...] | None = None
    mean: float
    sd: float | None = None


@dataclass(kw_only=True)
class RatingRows:
    """A rating table, row by row.

    Attributes:
        layout: `histogram`, `votes`, `mean` or `ava`.
        scale: The rating scale.
        sha256: Digest of the table's bytes.
        votes: Single ratings, in the layout `votes`.
        summaries: One entry per image, of the others.
        groups: Group of each image, where a column for it was named.
        rejected: Line and reason of each row that was refused.
        notes: What was taken for granted, in words.
        named: Whether votes say who rated.
    """

    layout: str
    scale: Scale
    sha256: str
    votes: list[Vote] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    named: bool = True


def read_rows(
    path: Path,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    votes_only: bool = False,
    options: TableOptions | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
) -> RatingRows:
    """Read a rating table; refuse rows that cannot be used, with line and reason.

    Args:
        path: Text in any dress, a spreadsheet, Parquet, or AVA's text layout.
        image_column: Column with the file name; found by its usual names when None.
        group_column: Column whose values tie near-duplicates together.
        scale: Lowest and highest rating. Needed for votes and means when it is not 1 to 5, 7 or 10, or when hardly any
            rating needs the larger one of these.
        votes_only: Insist on one row per vote.
        options: What the user said about how the table is written.
        columns: Its columns by field (`FIELDS` of `rating_columns`), where the user said them. Where a mean is named,
            no count is needed; where a score is named, no rater.
        command: How the command that reads it begins: the hint repeats it, whole, where columns are missing.

    Raises:
        LabelError: Not readable, no known layout, a column that is not there, or a scale that is not valid.
    """
    first = first_line(path, options).split()
    if not votes_only and len(first) >= 12 and all(re.fullmatch(r"\d+", part) for part in first[:12]):
        if column := group_column or image_column:
            raise LabelError(f"{path} is in AVA's text layout, which has no column {column!r}", "leave the option out")
        rows = _read_ava(*read_text(path, options), _histogram_scale(path, scale, 1, 10))
    else:
        said = {**({"image": image_column} if image_column else {}), **(columns or {})}
        table = read_csv(path, options, usual=USUAL_COLUMNS | {name.lower() for name in said.values()})
        if command:
            _ask(table, said, scale is not None, command)
        image = table.column(said.get("image"), IMAGE_COLUMNS, "the file name of the image")
        if group_column is not None:
            table.column(group_column, (), "the group")
        if votes_only:
            table.column(None, RATER_COLUMNS, "the rater")
            table.column(None, SCORE_COLUMNS, "the score")
        rows = _by_layout(table, image, scale, said)
        rows.rejected.extend(table.rejected)
        if group_column is not None:
            for _, row in table.rows:
                rows.groups.setdefault(_cell(row, image), _cell(row, group_column) or _cell(row, image))
    rows.rejected.sort()
    return rows


def _ask(table: CsvTable, said: Mapping[str, str], scaled: bool, command: str) -> None:
    """Ask once for all columns that are missing.

    Raises:
        LabelError: Some are; with the whole command.
    """
    found = find_columns(table, said)
    histogram = len(_numbered(table)) >= 2
    votes = found["score"] and (found["rater"] or "score" in said)
    means = found["mean"] and (found["n"] or "mean" in said)
    if not found["image"] or not (histogram or votes or means):
        raise question(table, found, scaled=scaled, command=command)


def _numbered(table: CsvTable) -> list[tuple[int, str]]:
    return sorted((int(m[1]), c) for c in table.columns if (m := re.fullmatch(r"n(\d{1,3})", c, re.IGNORECASE)))


def _by_layout(table: CsvTable, image: str, scale: tuple[float, float] | None, said: Mapping[str, str]) -> RatingRows:
    numbered, found = _numbered(table), find_columns(table, said)
    score, mean, count = found["score"], found["mean"], found["n"]
    if len(numbered) >= 2 and not {"score", "mean"} & said.keys():
        return _read_histograms(table, image, numbered, scale)
    if score and "mean" not in said and (found["rater"] or "score" in said):
        return _read_votes(table, image, found["rater"], score, found["time"], scale)
    if mean and (count or "mean" in said):
        return _read_means(table, image, mean, count, found["sd"], scale)
    raise LabelError(
        f"{table.path} has none of the known layouts; its columns are: {', '.join(table.columns)}",
        "give histogram columns n1, n2, …; or rater and score; or mean and n; or AVA's text layout",
    )


def _read_ava(text: str, sha256: str, scale: Scale) -> RatingRows:
    rows = RatingRows(layout="ava", scale=scale, sha256=sha256)
    lines = [(line, parts) for line, parts in enumerate(map(str.split, text.splitlines()), start=1) if parts]
    short = "not a line of AVA's layout: index, image id, ten counts"
    rows.rejected += [(line, short) for line, parts in lines if len(parts) < 12]
    full = (item for item in lines if len(item[1]) >= 12)
    return _summarize(rows, ((line, f"{parts[1]}.jpg", _histogram(parts[2:12], scale)) for line, parts in full))


def _read_histograms(
    table: CsvTable, image: str, numbered: Sequence[tuple[int, str]], scale: tuple[float, float] | None
) -> RatingRows:
    steps, names = [step for step, _ in numbered], [name for _, name in numbered]
    if steps != list(range(steps[0], steps[0] + len(steps))):
        raise LabelError(f"{table.path}: the columns {', '.join(names)} leave out a step of the scale")
    found = _histogram_scale(table.path, scale, steps[0], len(steps))
    rows = RatingRows(layout="histogram", scale=found, sha256=table.sha256)
    read = table.numbers(*names, low=0)
    cells = ((line, row, [row.get(name) for name in names]) for line, row in table.rows)
    return _summarize(rows, ((line, _cell(row, image), _histogram(counts, found, read)) for line, row, counts in cells))


def _read_means(
    table: CsvTable, image: str, mean: str, count: str | None, sd: str | None, scale: tuple[float, float] | None
) -> RatingRows:
    low, high = scale or (-USUAL[-1], USUAL[-1])
    centre, spread = table.numbers(mean, low=low, high=high), table.numbers(sd, low=0, high=high - low)
    whole = table.numbers(count, low=0)
    found = _ratings_scale(table.path, scale, ((line, centre(row.get(mean))) for line, row in table.rows))
    rows = RatingRows(layout="mean", scale=found, sha256=table.sha256)
    if count is None:
        rows.notes.append(f"no column says how many ratings are behind {mean!r}: each counts as {UNCOUNTED}")

    def summary(row: Row) -> Summary | str:
        said = _cell(row, sd)
        n = UNCOUNTED if count is None else whole(row.get(count))
        return _mean(centre(row.get(mean)), n, spread(said), said, found)

    cells = ((line, row, summary(row)) for line, row in table.rows)
    return _summarize(rows, ((line, _cell(row, image), one) for line, row, one in cells))


def _summarize(rows: RatingRows, entries: Iterable[tuple[int, str, Summary | str]]) -> RatingRows:
    """Keep the first usable row of each image; entries are line, image, and what was read or why it cannot be used."""
    lines: dict[str, int] = {}
    for line, image, read in entries:
        fault = (name_fault(image) if image else "no image") or (read if isinstance(read, str) else "")
        if not fault and image in lines:
            fault = f"{image} came before, on line {lines[image]}"
        if fault or isinstance(read, str):
            rows.rejected.append((line, fault))
        else:
            lines[image] = line
            rows.summaries.append(replace(read, line=line, image=image))
    return rows


def _histogram(
    cells: Sequence[str | None], scale: Scale, read: Callable[[str | None], float | None] = number
) -> Summary | str:
    counts = [read(cell) for cell in cells]
    if None in counts:
        return "a count is missing or is not a number"
    whole = [int(c) for c in counts if c is not None and 0 <= c <= MAX_COUNT and c == int(c)]
    if len(whole) < len(counts):
        return f"a count is negative, not whole, or above {MAX_COUNT:,}"
    n, values = sum(whole), scale.values
    if n == 0:
        return "it has no ratings"
    mean = float(values @ whole) / n
    return Summary(n=n, counts=tuple(whole), mean=mean, sd=max(float(values**2 @ whole) / n - mean**2, 0.0) ** 0.5)


def _mean(centre: float | None, n: float | None, spread: float | None, sd: str, scale: Scale) -> Summary | str:
    if centre is None or n is None:
        return "image, mean or count is missing or is not a number"
    if not scale.low <= centre <= scale.high:
        return f"the mean {centre:g} is outside {scale.low:g} to {scale.high:g}"
    if not 1 <= n <= MAX_COUNT or n != int(n):
        return f"the count {n:g} is not a whole number above 0"
    if spread is None and sd.lower() not in UNKNOWN:
        return f"the standard deviation {sd[:50]!r} is not a finite number"
    if spread is not None and not 0 <= spread <= scale.high - scale.low:
        return f"the standard deviation {spread:g} is not possible on a scale from {scale.low:g} to {scale.high:g}"
    return Summary(n=int(n), mean=centre, sd=spread)


def _read_votes(
    table: CsvTable,
    image: str,
    rater: str | None,
    score: str,
    time: str | None,
    scale: tuple[float, float] | None,
) -> RatingRows:
    low, high = scale or (-USUAL[-1], USUAL[-1])
    read = table.numbers(score, low=low, high=high)
    found = _ratings_scale(table.path, scale, ((line, read(row.get(score))) for line, row in table.rows))
    rows = RatingRows(layout="votes", scale=found, sha256=table.sha256, named=rater is not None)
    if rater is None:
        rows.notes.append("no column says who rated: each row counts as a rating by somebody else")
    seen: dict[tuple[str, str], int] = {}
    spelled: dict[str, str] = {}
    for line, row in table.rows:
        name, who, when, value = *(_cell(row, column) for column in (image, rater, time)), read(row.get(score))
        who = one_spelling(who, spelled) if rater else f"line {line}"
        if not name or not who:
            fault = "no image or no rater"
        elif fault := name_fault(name) or name_fault(who) or name_fault(when):
            pass
        elif re.search(ROUNDED_ID, who):
            # Many ids become one number in a spreadsheet.
            fault = "the id of the rater was rounded by a spreadsheet"
        elif value is None:
            fault = f"the score {(row.get(score) or '')[:50]!r} is not a number"
        elif not found.low <= value <= found.high:
            fault = f"the score {value:g} is outside {found.low:g} to {found.high:g}"
        elif (name, who) in seen:
            # raters are people: reasons are kept and shown, and do not name them
            fault = f"the same rater voted on {name} before, on line {seen[name, who]}"
        else:
            seen[name, who] = line
            rows.votes.append(Vote(line, name, who, value, when))
            continue
        rows.rejected.append((line, fault))
    return rows


def one_spelling(who: str, spelled: dict[str, str]) -> str:
    """Return a rater as the table writes it first: people write their names in more than one way."""
    return spelled.setdefault(" ".join(who.casefold().split()), who)


def _cell(row: Row, column: str | None) -> str:
    return (row.get(column) or "").strip() if column else ""


def _asked_scale(scale: tuple[float, float]) -> Scale:
    """Return the scale from a lowest to a highest rating in steps of 1."""
    low, high = scale
    if not 0 < high - low < float("inf"):  # false for nan as well
        raise LabelError(
            f"a scale from {low:g} to {high:g} is not valid: the lowest rating must be below the highest, both finite",
            "give one like 1 to 5",
        )
    bins = round(high - low) + 1
    if not 2 <= bins <= 1000 or abs(high - low - (bins - 1)) > 1e-9:
        raise LabelError(f"a scale from {low:g} to {high:g} has no whole steps of 1", "give one like 1 to 5")
    return Scale(low, high, bins)


def _histogram_scale(path: Path, scale: tuple[float, float] | None, first: int, steps: int) -> Scale:
    """Return the scale of counts of so many steps, which begins with the first unless another one is asked for."""
    found = _asked_scale(scale or (float(first), float(first + steps - 1)))
    if found.bins != steps:
        raise LabelError(
            f"{path} has counts of {steps} steps, and a scale from {found.low:g} to {found.high:g} has {found.bins}",
            "give a scale with as many steps as there are counts, or none; with a parent, its scale is taken",
        )
    return found


def _ratings_scale(path: Path, scale: tuple[float, float] | None, cells: Iterable[tuple[int, float | None]]) -> Scale:
    """Return the scale that is asked for, or the usual one into which all ratings fit.

    Cells are line and value of each rating, or of each mean of ratings; those that are no number do not count. It is an
    error when no usual scale is large enough, or when only a handful of ratings need the larger one, or a single step
    of it that stands apart.
    """
    if scale is not None:
        return _asked_scale(scale)
    ratings = [(line, value) for line, value in cells if value is not None]
    below = [(line, value) for line, value in ratings if value < 1]
    if below and len(below) >= SLIPS * len(ratings):
        # Without the rows below its scale, every mean would be too high.
        line, value = below[0]
        raise LabelError(
            f"{path}: {len(below):,} of {len(ratings):,} ratings {'lies' if len(below) == 1 else 'lie'} below 1 (the "
            f"first: {value:g} on line {line}), so its scale does not begin with 1",
            "say the scale, such as --scale 0..4; --scale 1..5 if they are no ratings (their rows are refused)",
        )
    top = max((value for _, value in ratings), default=0.0)
    high = next((h for h in USUAL if top <= h), None)
    if high is None:
        raise LabelError(f"{path} has ratings up to {top:g}: its scale is not 1 to 5, 7 or 10", "give the scale")
    for smaller in USUAL[: USUAL.index(high)]:
        beyond = [(line, value) for line, value in ratings if value > smaller]
        if len(beyond) < SLIPS * len(ratings):
            line, value = beyond[0]
            raise LabelError(
                f"{path}: {len(beyond):,} of {len(ratings):,} ratings {'lies' if len(beyond) == 1 else 'lie'} beyond "
                f"1 to {smaller:g} (the first: {value:g} on line {line}), so its scale is not certain",
                f"say --scale 1..{smaller:g} if they are mistakes (their rows are refused), "
                f"--scale 1..{high:g} if they are meant",
            )
        if len(ratings) >= _ENOUGH and len({value for _, value in beyond}) == 1 and top > smaller + 1:
            # Surveys write "no answer" as a number that no scale needs.
            line, _ = beyond[0]
            raise LabelError(
                f"{path}: {len(beyond):,} of {len(ratings):,} ratings are {top:g} (the first on line {line}), none of "
                f"the others is above {smaller:g}, so its scale is not certain",
                f"say --scale 1..{smaller:g} if {top:g} means no answer (these rows are refused), "
                f"--scale 1..{high:g} if it is meant",
            )
    return _asked_scale((1.0, high))
