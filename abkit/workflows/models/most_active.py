"""What does each query look for? The images on which it is most and least active, on one contact sheet per query."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from abkit.config import ScoringSettings
from abkit.errors import AbkitError, UsageError
from abkit.intake.media.images import file_called, names_of
from abkit.records import Record, percent
from abkit.store.database.engine import Store
from abkit.store.scores import ScoredCreative, scored_creatives
from abkit.vocabulary import FileState
from abkit.workflows.models.results import with_ends
from abkit.workflows.scoring.image_files import ImageFile, all_frames, decode_batches, decoders, find_files
from abkit.written_files import whole_file
from abkit_model.errors import ImageRejected

if TYPE_CHECKING:
    from abkit_model.scorer import Scorer
    from abkit_model.studies.query_activity import QueryActivity, QueryReport

#: Printed wherever sheets are written.
MEANING = (
    "a query has no name: what the images of a sheet have in common is for a person to see, and may be nothing; "
    "docs/reading-overlays.md explains how to read it"
)

COLUMNS = 6
TILE = (180, 135)  # pixels, across and down
_CAPTION, _GAP, _LINE = 36, 10, 22
_INK, _MUTED, _EMPTY = "#1d2433", "#5b6478", "#e6e8ee"


@dataclass(frozen=True)
class Sheets(Record):
    """Figures of all queries, and the contact sheets that were written.

    Attributes:
        report: Figures of each query.
        images: (sha256, name) of each image; the rows in the report count from here.
        files: Contact sheet of each query, in the order of the report.
        listing: JSON file with the same.
        rejected: (path, reason) of files that could not be scored.
    """

    report: QueryReport
    images: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]
    listing: Path
    rejected: tuple[tuple[Path, str], ...]


def most_active(
    scorer: Scorer,
    paths: Sequence[Path],
    out: Path,
    *,
    store: Store | None = None,
    top: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> Sheets:
    """Rank images by the activation of each query, and write a contact sheet for each.

    Args:
        scorer: The scorer whose queries are shown.
        paths: Images, folders and globs to score; without any, the creatives that this version has scored before.
        out: Folder of the sheets; it is created if need be.
        store: Store in which scores are looked up when no paths are named.
        top: Images at each end.
        progress: Called with (images scored, images in all).

    Raises:
        UsageError: There is nothing to look at, or too few images.
        AbkitError: The folder cannot be written to.
    """
    from abkit_model.studies.query_activity import MIN_IMAGES, query_report

    files, _ = find_files(paths)
    if paths:
        images = _score(scorer, files, progress)
    elif store is not None:
        with store.read() as session:
            images = scored_creatives(session, scorer.card.digest)
    else:
        raise UsageError("no images are named, and there is no workspace with scores", hint="name a folder of them")
    if len(images) < MIN_IMAGES:
        raise UsageError(
            f"{len(images)} images of {scorer.card.name} are too few to say what a query looks for: "
            f"at least {MIN_IMAGES}",
            hint="name a folder with more images, best those that it was trained on",
        )
    report = query_report(
        np.array([image.activations for image in images]),
        np.array([image.distribution for image in images]),
        scorer.card.scale.values,
        members=scorer.network.config.members,
        top=top,
    )
    sheets = _write(scorer, report, images, out)
    named = tuple((image.sha256, image.name) for image in images)
    rejected = tuple((file.path, file.reason) for file in files if file.reason)
    return Sheets(report, named, sheets, out / "queries.json", rejected)


def _score(
    scorer: Scorer, files: Sequence[ImageFile], progress: Callable[[int, int], None] | None
) -> list[ScoredCreative]:
    from abkit_model.scorer import mean_of_frames

    found = [file for file in files if file.state is FileState.FOUND]
    images: dict[str, ScoredCreative] = {}  # a content counts once, whatever its names
    done = 0
    with decoders() as pool:
        for batch in decode_batches(pool, found, scorer.prepare, ScoringSettings()):
            frames, parts = all_frames(batch)
            scores = scorer.score_prepared(frames)
            for decoded, part in zip(batch, parts, strict=True):
                score = mean_of_frames(scores[part])
                sha256, name = decoded.content.sha256, names_of(decoded.file.path)[0]
                row = ScoredCreative(sha256, name, list(score.query_activations), list(score.distribution))
                images.setdefault(sha256, row)
            done += len(batch)
            if progress:
                progress(done, len(found))
    return list(images.values())


def rows_of(sheets: Sheets) -> list[dict[str, Any]]:
    """Return one row per query: figures, the sheet, and the full names of the images at both ends."""
    return [
        {
            "query_set": query.member,
            "query": query.number,
            "mean": query.mean,
            "std": query.std,
            **with_ends("effect", query.effect),
            **with_ends("share", query.share),
            "most_like": f"{query.twin[0]}-{query.twin[1]}",
            **with_ends("alike", query.alike),
            "n": sheets.report.n,
            "most_active": [sheets.images[row][1] for row in query.most],
            "least_active": [sheets.images[row][1] for row in query.least],
            "sheet": str(file),
        }
        for query, file in zip(sheets.report.queries, sheets.files, strict=True)
    ]


def _write(scorer: Scorer, report: QueryReport, images: Sequence[ScoredCreative], out: Path) -> tuple[Path, ...]:
    thumbnails: dict[str, Image.Image | None] = {}
    files: list[Path] = []
    listing = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for place, query in enumerate(report.queries):
            listed: dict[str, Any] = {"query_set": query.member, "query": query.number}
            tiles = []
            for name, rows in (("most active", query.most), ("least active", query.least)):
                end = [(images[row], images[row].activations[place]) for row in rows]
                listed[name.replace(" ", "_")] = [{"name": p.name, "sha256": p.sha256, "activation": a} for p, a in end]
                shown = [Tile(_thumbnail(p, thumbnails), p.name.rsplit("/", 1)[-1], f"{a:+.3f}") for p, a in end]
                tiles.append((name, shown))
            listing.append(listed)
            files.append(out / f"query-{query.member}-{query.number}.png")
            with whole_file(files[-1]) as unfinished:
                contact_sheet(_heading(query, report), tiles).save(unfinished)
        text = json.dumps(
            {"model": scorer.card.digest, "n": report.n, "queries": listing}, ensure_ascii=False, indent=1
        )
        with whole_file(out / "queries.json") as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AbkitError(
            f"the sheets cannot be written to {out}: {error.strerror}", hint="name another folder"
        ) from error
    return tuple(files)


def _heading(query: QueryActivity, report: QueryReport) -> list[str]:
    share, alike = query.share, query.alike
    return [
        f"Query {query.number} of query set {query.member}, over {report.n} images",
        f"activation {query.mean:+.3f} on average, standard deviation {query.std:.3f}; its part of the score's spread: "
        f"{percent(share.value, 1)} [{percent(share.low, 1)}, {percent(share.high, 1)}]",
        f"most like query {query.twin[1]} of set {query.twin[0]}: rank correlation {alike.value:.2f} "
        f"[{alike.low:.2f}, {alike.high:.2f}]",
    ]


def _thumbnail(image: ScoredCreative, kept: dict[str, Image.Image | None]) -> Image.Image | None:
    """Return a thumbnail of the content that was scored; None where the file is gone or shows something else now."""
    from abkit_model.images import open_creative, read_file

    if image.sha256 not in kept:
        kept[image.sha256] = None
        with suppress(ImageRejected):
            data = read_file(file_called(image.name))
            if hashlib.sha256(data).hexdigest() == image.sha256:
                small = open_creative(data).image
                small.thumbnail(TILE)
                kept[image.sha256] = small
    return kept[image.sha256]


@dataclass(frozen=True)
class Tile:
    """One image on a sheet.

    Attributes:
        image: The image, of any size; None where the file is gone.
        name: Its name.
        figure: The figure below the name.
    """

    image: Image.Image | None
    name: str
    figure: str


def contact_sheet(heading: Sequence[str], blocks: Sequence[tuple[str, Sequence[Tile]]]) -> Image.Image:
    """Draw a sheet: lines of heading, then titled blocks of tiles.

    >>> contact_sheet(["Two"], [("most", [Tile(None, "a.png", "1.0"), Tile(None, "b.png", "0.9")])]).size
    (1150, 255)
    """
    step = TILE[1] + _CAPTION + _GAP
    rows = [-(-len(tiles) // COLUMNS) for _, tiles in blocks]
    height = 2 * _GAP + _LINE * len(heading) + sum(_GAP + _LINE + count * step for count in rows)
    sheet = Image.new("RGB", (COLUMNS * (TILE[0] + _GAP) + _GAP, height), "white")
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for number, line in enumerate(heading):
        _print(draw, (_GAP, top), line, 16 if number == 0 else 13, _INK if number == 0 else _MUTED, sheet.width)
        top += _LINE
    for (title, tiles), count in zip(blocks, rows, strict=True):
        top += _GAP
        _print(draw, (_GAP, top), title, 14, _INK, sheet.width)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, COLUMNS)
            _draw(sheet, draw, tile, _GAP + column * (TILE[0] + _GAP), top + _LINE + row * step)
        top += _LINE + count * step
    return sheet


def _draw(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    if tile.image is None:
        draw.rectangle((left, top, left + TILE[0], top + TILE[1]), fill=_EMPTY)
        _print(draw, (left + 8, top + 8), "cannot be read", 12, _MUTED, TILE[0])
    else:
        small = tile.image.copy()
        small.thumbnail(TILE)
        sheet.paste(small, (left + (TILE[0] - small.width) // 2, top + TILE[1] - small.height))
    _print(draw, (left, top + TILE[1] + 2), tile.name, 12, _INK, TILE[0])
    _print(draw, (left, top + TILE[1] + 18), tile.figure, 12, _MUTED, TILE[0])


def _print(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, color: str, width: int) -> None:
    font = ImageFont.load_default(size)
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:500])
    if not isinstance(font, ImageFont.FreeTypeFont):  # the small built-in one knows no other letters
        text = text.encode("latin-1", "replace").decode("latin-1")
    if draw.textlength(text, font) > width:
        while text and draw.textlength(text + "…", font) > width:
            text = text[:-1]
        text += "…"
    draw.text(at, text, fill=color, font=font)
