"""How scores and shortlists are shown: one row per creative, the file name first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, interval, printable
from abkit.vocabulary import FileState
from abkit.workflows.scoring.cluster.results import ClusterResult
from abkit.workflows.scoring.ideas import IdeaReport
from abkit.workflows.scoring.results import (
    ScoredFile,
    ScoringResult,
    Shortlist,
    distinct_names,
    show_probability,
)

_BAR_CELLS = 12
# So many rejected and skipped files are named each.
_LISTED = 50


@view_of.register
def _(result: ScoringResult) -> View:
    names = distinct_names([str(file.path) for file in result.usable])
    with_fit = bool(result.brief)
    rows = [_score_row(file, name, with_fit) for file, name in zip(result.usable, names, strict=True)]
    images = [(Path(file.path), file.sha256 or "") for file in result.usable]
    title = f"Campaign {result.campaign}: scores by {result.model_name} {result.model_version[:12]}"
    return View(
        tables=(_with_images(rows, title, result.demonstration, images),),
        notes=tuple(printable(text) for text in scoring_notes(result)),
    )


@view_of.register
def _(result: ClusterResult) -> View:
    row = {"images": result.images, **result.counts, "workers": result.workers, "seconds": round(result.seconds, 1)}
    title = f"Scores by {result.model_name} {result.model_version[:12]} in {printable(result.written_to)}"
    notes = [f"{one.status}: {printable(one.place)}: {printable(one.reason)}" for one in result.left_out[:_LISTED]]
    if (more := result.rejected + result.skipped - _LISTED) > 0:
        notes.append(f"{more:,} more images have no score; -f json lists the first {len(result.left_out):,}")
    if result.again:
        notes.append(f"{result.again:,} images were tried again one by one, because a worker ended with them")
    notes.append(f"run {result.run_id}")
    return View(tables=(Table.of([row], title=title),), notes=(*notes, *filter(None, [result.notice])))


def scoring_notes(result: ScoringResult) -> list[str]:
    """Return what happened while scoring, then what the reader of the scores has to know."""
    notes = []
    for state, files in ((FileState.REJECTED, result.rejected), (FileState.SKIPPED, result.skipped)):
        notes += [f"{state}: {printable(file.path)}: {printable(file.reason)}" for file in files[:_LISTED]]
        if len(files) > _LISTED:
            notes.append(f"{state}: {len(files) - _LISTED:,} more files; -f json lists all of them")
    states = [file.status for file in result.files]
    shown = [FileState.SCORED, FileState.KNOWN, FileState.REJECTED] + [FileState.SKIPPED] * bool(result.skipped)
    counts = [f"{states.count(state)} {state}" for state in shown]
    notes.append(f"{', '.join(counts)} (run {result.run_id})")
    if result.device:
        notes.append(f"the encoder computed on {result.device}")
    if result.ideas:
        notes.append(f"{count(len(result.usable), 'file')}, {count(result.ideas, 'idea')}")
    if result.from_tokens:
        notes.append(f"{result.from_tokens} of them without the encoder, from what it saw earlier")
    if result.ignored:
        notes.append(f"{result.ignored} files in these folders do not have the name of an image and were ignored")
    if result.brief:
        from abkit.workflows.scoring.brief import meaning_of

        meaning = meaning_of(result.brief_encoder)
        notes.append(f"brief: “{result.brief}”, read by {result.brief_encoder}; {meaning}")
        if without := sum(file.fit is None for file in result.usable):
            notes.append(f"{without} creatives have no fit: their files could not be read again")
    return notes + [f"Note: {text}" for text in result.notes]


def _score_row(file: ScoredFile, name: str, with_fit: bool) -> dict[str, Any]:
    low, high = file.scale or (0.0, 1.0)
    row: dict[str, Any] = {
        "creative": name,
        "rank": _place(file.rank, file.n),
        "score": _number(file.mean),
        f"{percent(file.ci_level or 0, 0)} interval": _between(file.ci_low, file.ci_high)
        or ("none: unlike the training" if file.far else "not calibrated"),
    }
    if with_fit:
        row |= {"fit": file.fit, "fit rank": _place(file.fit_rank, file.fit_n)}
    else:
        filled = round(((file.mean or low) - low) / (high - low) * _BAR_CELLS)
        row[f"{low:g} … {high:g}"] = "█" * filled + "·" * (_BAR_CELLS - filled)
    return row | {"status": file.status.value}


_PROBABLE = {
    "ratings": "what raters like those of the training would say, not of clicks",
    "comparisons": "what most people who choose between such images would prefer, not of clicks",
    "outcomes": "which creative does better beside the others, from outcomes of creatives that were held out",
}


@view_of.register
def _(result: Shortlist) -> View:
    kept = f"{result.kept} of {result.n} {'ideas ' if result.by_idea else ''}kept"
    title = f"Campaign {result.campaign}: {kept}, by {result.model_name}"
    images = [(Path(one.names[0]) if one.names else None, one.sha256) for one in result.creatives]
    level = next((one.ci_level for one in result.creatives if one.ci_level), 0)
    rows = [
        {
            "creative": one.creative,
            "rank": one.rank,
            "score": _number(one.score),
            f"{percent(level, 0)} interval": _between(one.ci_low, one.ci_high) or "–",
            "P(best)": show_probability(one.p_best),
            "beats next": show_probability(one.p_beats_next),
            "tie": one.tie_group,
            "kept": "yes" if one.kept else "no",
        }
        | ({"size of": one.size_of or "–"} if result.by_idea else {})
        for one in result.creatives
    ]
    width = result.scale[1] - result.scale[0]
    spread = f"{_number(result.error_spread)} steps" if width > 1 else f"{result.error_spread:.3f} of {width:g}"
    labels = "ratings" if result.calibration is None else str(result.calibration["labels"])
    return View(
        tables=(_with_images(rows, title, result.demonstration, images),),
        sentences=(
            f"{'Clear' if result.clear else 'Not clear'}: {result.why}.",
            f"These are probabilities of {_PROBABLE[labels]}:",
            *(f"  {sentence}" for sentence in result.relation),
            f"Error spread: {spread}, {result.error_spread_from}.",
            *([] if result.calibration is None else [_calibration(result.calibration)]),
        ),
        notes=(
            f"run {result.run_id}, model version {result.model_version[:12]}",
            *(f"Note: {printable(text)}" for text in result.notes),
        ),
    )


def reasons(result: Shortlist) -> list[str]:
    """Return why each candidate is kept or left out, one sentence per candidate, with the number of its copies."""
    lines = []
    for candidate in result.creatives:
        copies = len(candidate.names) - 1
        also = f" (+{copies} {'copy' if copies == 1 else 'copies'})" if copies > 0 else ""
        lines.append(f"{printable(candidate.creative)}{also}: {candidate.reason}")
    return lines


def _with_images(
    rows: Sequence[Mapping[str, Any]], title: str, demonstration: bool, images: Sequence[tuple[Path | None, str]]
) -> Table:
    def thumbnails() -> list[str]:
        from abkit.reporting.page.thumbnails import thumbnail

        return [thumbnail(path, sha256, side=128) if path else "" for path, sha256 in images]

    label = " (demonstration weights)" if demonstration else ""
    return Table(
        columns=tuple(rows[0]) if rows else (),
        rows=tuple(rows),
        title=title + label,
        names="creative",
        images=thumbnails,
    )


def _calibration(figures: Mapping[str, Any]) -> str:
    right, ece = figures["right"], figures["ece"]
    of = f"{figures['subjects']} {'images' if figures['labels'] == 'comparisons' else 'subjects'}"
    return (
        f"On {figures['pairs']:,} held-out pairs of its training data ({of}) "
        f"the higher score won in {percent(right['value'], 1)} {interval(right['low'], right['high'], 1)}, "
        f"{percent(figures['said'], 1)} was predicted; "
        f"calibration error {ece['value']:.3f} [{ece['low']:.3f}, {ece['high']:.3f}]."
    )


def _place(rank: int | None, n: int | None) -> str | None:
    return None if rank is None else f"{rank:>{len(str(n))}} of {n}"


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.2f} … {high:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"


@view_of.register
def _(report: IdeaReport) -> View:
    rows = [
        {
            "creative": one.creative,
            "idea": idea.idea,
            "name": idea.name,
            "size": f"{one.width}×{one.height}",
            "found by": one.source.value,
        }
        for idea in report.found
        for one in idea.creatives
    ]
    suggested = [
        {
            "creative": one.first,
            "and": one.second,
            "why": one.why,
            "bits apart": one.bits,
            "cosine": one.cosine,
        }
        for one in report.suggested
    ]
    title = f"Campaign {report.campaign}: {count(report.n, 'creative')}, {count(report.ideas, 'idea')}"
    notes = [f"{title}: none of them is another size of one that is there"] if not rows else []
    if suggested:
        notes.append(f"say which are one idea: abkit idea join NAME NAME --campaign {report.campaign}")
    return View(
        tables=(
            Table.of(rows, title=title, names="creative"),
            Table.of(suggested, title="May be one idea; a person has to say", names="creative"),
        ),
        notes=tuple(notes),
    )


def count(n: int, noun: str) -> str:
    """Return a count with its noun.

    >>> count(1, "idea"), count(20, "file")
    ('1 idea', '20 files')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
