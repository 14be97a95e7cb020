"""The rows of a rating table, in whichever of four layouts it comes: what was said, row by row, and what was refused.

| layout | recognised by |
| --- | --- |
| histogram | columns `n1`, `n2`, … |
| one row per vote | a rater column and a score column |
| mean and count | a mean column and a count column, with the standard deviation where there is one |
| AVA | no header; 12 numbers or more a line: index, image id, ten counts |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from abkit_model.checkpoint import Scale
from abkit_model.data.csv_table import CsvTable, Row, name_fault, number, parse_csv, read_text
from abkit_model.data.rating_scale import histogram_scale, ratings_scale
from abkit_model.errors import LabelError

IMAGE_COLUMNS = ("file", "image", "filename", "image_file", "path", "name", "item")
RATER_COLUMNS = ("rater", "rater_id", "user", "worker", "participant", "subject_id")
SCORE_COLUMNS = ("score", "rating", "vote", "beauty", "opinion")
TIME_COLUMNS = ("time", "timestamp", "rated_at", "voted_at", "date")
MEAN_COLUMNS = ("mean", "mean_score", "mos", "score_mean", "rating_mean", "beauty_mean")
SD_COLUMNS = ("sd", "std", "score_sd", "rating_sd", "beauty_sd")
COUNT_COLUMNS = ("n", "count", "votes", "n_ratings", "n_votes")
#: How tables leave a standard deviation open: an empty cell, or R's word for it.
UNKNOWN = ("", "na")

#: More ratings of one image than this are a mistake.
MAX_COUNT = 10**9


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


@dataclass(frozen=True)
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

    line: int
    image: str
    n: int
    counts: tuple[int, ...] | None
    mean: float
    sd: float | None = None


@dataclass
class RatingRows:
    """A rating table, row by row.

    Attributes:
        layout: `histogram`, `votes`, `mean` or `ava`.
        scale: The rating scale.
        sha256: Digest of the table's bytes.
        votes: Single ratings, of the layout `votes`.
        summaries: One entry an image, of the others.
        groups: Group of each image, where a column for it was named.
        rejected: Line and reason of each row that was refused.
    """

    layout: str
    scale: Scale
    sha256: str
    votes: list[Vote] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def sort(self) -> RatingRows:
        """With refused rows in the order of the table."""
        self.rejected.sort()
        return self


def read_rows(
    path: Path,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    votes_only: bool = False,
) -> RatingRows:
    """Read a rating table; rows that cannot be are refused one by one, with line and reason.

    Args:
        path: CSV, gzipped CSV, or AVA's text layout.
        image_column: Column with the file name; found by its usual names when None.
        group_column: Column whose values tie near-duplicates together.
        scale: Lowest and highest rating. Needed for votes and means when it is not 1 to 5, 7 or 10, or when hardly any
            rating needs the larger one of these.
        votes_only: Insist on one row per vote.

    Raises:
        LabelError: not readable, no known layout, a column that is not there, or a scale that cannot be.
    """
    text, sha256 = read_text(path)
    first = text.split("\n", 1)[0].split()
    if not votes_only and len(first) >= 12 and all(re.fullmatch(r"\d+", part) for part in first[:12]):
        if column := group_column or image_column:
            raise LabelError(f"{path} is in AVA's text layout, which has no column {column!r}", "leave the option out")
        return _read_ava(text, sha256, histogram_scale(path, scale, 1, 10))
    table = parse_csv(path, text, sha256)
    return read_table(table, image_column=image_column, group_column=group_column, scale=scale, votes_only=votes_only)


def read_table(
    table: CsvTable,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    votes_only: bool = False,
) -> RatingRows:
    """The same for a table with a header that was read already."""
    image = table.column(image_column, IMAGE_COLUMNS, "the file name of the image")
    if group_column is not None:
        table.column(group_column, (), "the group")
    if votes_only:
        table.column(None, RATER_COLUMNS, "the rater")
        table.column(None, SCORE_COLUMNS, "the score")
    rows = _by_layout(table, image, scale)
    rows.rejected.extend(table.rejected)
    if group_column is not None:
        for _, row in table.rows:
            rows.groups.setdefault(_cell(row, image), _cell(row, group_column) or _cell(row, image))
    return rows.sort()


def _by_layout(table: CsvTable, image: str, scale: tuple[float, float] | None) -> RatingRows:
    numbered = sorted((int(m[1]), c) for c in table.columns if (m := re.fullmatch(r"n(\d{1,3})", c, re.IGNORECASE)))
    if len(numbered) >= 2:
        return _read_histograms(table, image, numbered, scale)
    rater, score = table.find(RATER_COLUMNS), table.find(SCORE_COLUMNS)
    if rater and score:
        return _read_votes(table, image, rater, score, scale)
    mean, count = table.find(MEAN_COLUMNS), table.find(COUNT_COLUMNS)
    if mean and count:
        return _read_means(table, image, mean, count, scale)
    raise LabelError(
        f"{table.path} has none of the known layouts; its columns are: {', '.join(table.columns)}",
        "give histogram columns n1, n2, …; or rater and score; or mean and n; or AVA's text layout",
    )


def _read_ava(text: str, sha256: str, scale: Scale) -> RatingRows:
    rows = RatingRows("ava", scale, sha256)
    lines: dict[str, int] = {}
    for line, parts in enumerate(map(str.split, text.splitlines()), start=1):
        if not parts:
            continue
        if len(parts) < 12:
            rows.rejected.append((line, "not a line of AVA's layout: index, image id, ten counts"))
        else:
            _add(rows, lines, line, f"{parts[1]}.jpg", _histogram(parts[2:12], rows.scale))
    return rows.sort()


def _read_histograms(
    table: CsvTable, image: str, numbered: Sequence[tuple[int, str]], scale: tuple[float, float] | None
) -> RatingRows:
    steps, names = [step for step, _ in numbered], [name for _, name in numbered]
    if steps != list(range(steps[0], steps[0] + len(steps))):
        raise LabelError(f"{table.path}: the columns {', '.join(names)} leave out a step of the scale")
    rows = RatingRows("histogram", histogram_scale(table.path, scale, steps[0], len(steps)), table.sha256)
    lines: dict[str, int] = {}
    for line, row in table.rows:
        _add(rows, lines, line, _cell(row, image), _histogram([row.get(c) for c in names], rows.scale))
    return rows


def _read_means(table: CsvTable, image: str, mean: str, count: str, scale: tuple[float, float] | None) -> RatingRows:
    sd = table.find(SD_COLUMNS)
    found = ratings_scale(table.path, scale, ((line, row.get(mean)) for line, row in table.rows))
    rows = RatingRows("mean", found, table.sha256)
    lines: dict[str, int] = {}
    for line, row in table.rows:
        cells = row.get(mean), row.get(count), row.get(sd) if sd else None
        _add(rows, lines, line, _cell(row, image), _mean(*cells, rows.scale))
    return rows


def _add(rows: RatingRows, lines: dict[str, int], line: int, image: str, read: tuple[Summary | None, str]) -> None:
    """Keep what a row says about an image, or the reason why not."""
    summary, fault = read
    fault = (name_fault(image) if image else "no image") or fault
    if not fault and image in lines:
        fault = f"{image} came before, on line {lines[image]}"
    if fault or summary is None:
        rows.rejected.append((line, fault))
        return
    lines[image] = line
    rows.summaries.append(replace(summary, line=line, image=image))


def _histogram(cells: Sequence[str | None], scale: Scale) -> tuple[Summary | None, str]:
    counts = [number(cell) for cell in cells]
    if any(c is None for c in counts):
        return None, "a count is missing or is not a number"
    whole = [int(c) for c in counts if c is not None and 0 <= c <= MAX_COUNT and c == int(c)]
    if len(whole) < len(counts):
        return None, f"a count is negative, not whole, or above {MAX_COUNT:,}"
    n = sum(whole)
    if n == 0:
        return None, "it has no ratings"
    values = scale.values
    mean = float(values @ whole) / n
    sd = (max(float(values**2 @ whole) / n - mean**2, 0.0)) ** 0.5
    return Summary(0, "", n, tuple(whole), mean, sd), ""


def _mean(mean: str | None, count: str | None, sd: str | None, scale: Scale) -> tuple[Summary | None, str]:
    centre, n, spread = number(mean), number(count), number(sd)
    if centre is None or n is None:
        return None, "image, mean or count is missing or is not a number"
    if not scale.low <= centre <= scale.high:
        return None, f"the mean {centre:g} is outside {scale.low:g} to {scale.high:g}"
    if not 1 <= n <= MAX_COUNT or n != int(n):
        return None, f"the count {n:g} is not a whole number above 0"
    if spread is None and (sd or "").strip().lower() not in UNKNOWN:
        return None, f"the standard deviation {(sd or '').strip()[:50]!r} is not a finite number"
    if spread is not None and not 0 <= spread <= scale.high - scale.low:
        return None, f"the standard deviation {spread:g} cannot be on a scale from {scale.low:g} to {scale.high:g}"
    return Summary(0, "", int(n), None, centre, spread), ""


def _read_votes(table: CsvTable, image: str, rater: str, score: str, scale: tuple[float, float] | None) -> RatingRows:
    found = ratings_scale(table.path, scale, ((line, row.get(score)) for line, row in table.rows))
    rows = RatingRows("votes", found, table.sha256)
    low, high = rows.scale.low, rows.scale.high
    time = table.find(TIME_COLUMNS)
    seen: dict[tuple[str, str], int] = {}
    for line, row in table.rows:
        name, who, value = _cell(row, image), _cell(row, rater), number(row.get(score))
        when = _cell(row, time) if time else ""
        if not name or not who:
            fault = "no image or no rater"
        elif fault := name_fault(name) or name_fault(who) or name_fault(when):
            pass
        elif value is None:
            fault = f"the score {(row.get(score) or '')[:50]!r} is not a number"
        elif not low <= value <= high:
            fault = f"the score {value:g} is outside {low:g} to {high:g}"
        elif (name, who) in seen:
            # raters are people: reasons are kept and shown, and do not name them
            fault = f"the same rater voted on {name} before, on line {seen[name, who]}"
        else:
            seen[name, who] = line
            rows.votes.append(Vote(line, name, who, value, when))
            continue
        rows.rejected.append((line, fault))
    return rows


def _cell(row: Row, column: str) -> str:
    return (row.get(column) or "").strip()
