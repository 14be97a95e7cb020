"""Labels of the store: import tables of ratings and choices, and ask how far raters agree."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import InvalidInput, UsageError
from abkit.intake.images import hash_file, names_of, read_content
from abkit.intake.ratings import Labels, image_path, read_labels, stage_rows
from abkit.store import creatives, imports
from abkit.store.engine import Store
from abkit.store.kpis.staging import create_stage, drop_stage, fill
from abkit.store.ratings import publish as rating_publish
from abkit.store.runs import RunRecord, recorded_run
from abkit_model.errors import ImageRejected

# Pictures registered in one transaction; small enough that a stop loses little work.
_CHUNK = 256
_READERS = 2

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LabelImport:
    """What became of one table: imported + unchanged + rejected = rows.

    Attributes:
        file: as it was named.
        source: the study that its raters belong to.
        kind: votes, summaries or choices.
        scale: lowest and highest rating; None for choices.
        rows: rows that count: choices of nobody in particular are counted into one a pair first.
        imported: new in the store.
        unchanged: there already.
        rejected: kept with line and reason.
        pictures: contents that the table speaks of.
        import_id, run_id: in the store.
        again: the same table with the same pictures was imported before.
        reasons: line and reason of the first rows that were refused.
    """

    file: str
    source: str
    kind: str
    scale: tuple[float, float] | None
    rows: int
    imported: int
    unchanged: int
    rejected: int
    pictures: int
    import_id: int
    run_id: int
    again: bool
    reasons: Sequence[tuple[int, str]] = field(default_factory=tuple)


@dataclass(frozen=True)
class _Pictures:
    """The contents behind the names of a table: ids, digests, and why there is none."""

    ids: dict[str, int]
    sha256: dict[str, str]
    missing: dict[str, str]


def import_labels(
    store: Store,
    settings: Settings,
    table: Path,
    images: Path,
    *,
    source: str | None = None,
    image_column: str | None = None,
    scale: tuple[float, float] | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> LabelImport:
    """Import a table of ratings or choices; the same again changes nothing.

    1. Read the table; a row that cannot be is set aside with its line and reason.
    2. Find, hash and register the pictures; rows of pictures that cannot be used are set aside too.
    3. Stage the rows, raters under their pseudonyms, and publish them in one short transaction.

    Args:
        store: at the current migration.
        settings: limits of picture files.
        table: one of the layouts of `abkit_model.data.rating_rows` or `abkit_model.data.comparisons`.
        images: the folder of the pictures that it names.
        source: the study; the name of the file by default. Raters of two sources are different people.
        image_column: which column names the picture, for ratings; found by itself when None.
        scale: lowest and highest rating; found by itself when None.
        progress: told how far the pictures are.

    Raises:
        LabelError: the table cannot be read.
        InvalidInput: no row or no picture of it can be used.
        UsageError: the source has ratings on another scale.
    """
    source = source or table.name.split(".")[0]
    if not source.isprintable() or len(source) > 200:
        raise UsageError(f"{source[:50]!r} is no name for a source", hint="say --source NAME, 200 characters at most")
    arguments = {"table": str(table), "images": str(images), "source": source, "scale": scale}
    with recorded_run(store, "ratings import", arguments) as run:
        labels = read_labels(table, image_column=image_column, scale=scale)
        pictures = _register(store, settings, run, labels, images, progress)
        if not pictures.ids:
            name, reason = next(iter(pictures.missing.items()))
            raise InvalidInput(
                f"none of the {len(pictures.missing):,} pictures of {table} can be used in {images}; {name}: {reason}",
                hint="check --images and the column with the file names (--image-column)",
            )
        with store.write() as session:
            source_id, salt = rating_publish.source_of(session, run, source, labels.scale)
        header = rating_publish.LabelHeader(
            digest=_digest(labels, pictures, source, image_column),
            name=str(table),
            source_id=source_id,
            kind=labels.kind,
            options={"layout": labels.layout, "scale": labels.scale, "table_sha256": labels.sha256},
            run_id=run.id,
        )
        summary = _store_rows(store, labels, pictures, salt, header, source)
        run.outcome.update({name: getattr(summary, name) for name in ("rows", "imported", "unchanged", "rejected")})
        return summary


def _register(
    store: Store, settings: Settings, run: RunRecord, labels: Labels, images: Path, progress: Progress
) -> _Pictures:
    """Hash the pictures, decode those that the store does not know, and register them."""
    if not images.is_dir():
        raise UsageError(f"{images} is not a folder", hint="--images is the folder of the pictures")
    limit = round(settings.scoring.max_file_mb * 2**20)
    found, names = _Pictures({}, {}, {}), labels.images()

    def attempt(name: str) -> str | ImageRejected:
        path = image_path(images, name)
        try:
            return hash_file(path, max_bytes=limit) if path else ImageRejected("outside the folder of images")
        except ImageRejected as rejected:
            return rejected

    with ThreadPoolExecutor(_READERS, thread_name_prefix="decode") as pool:
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            hashes: dict[str, str] = {}
            for name, result in zip(chunk, pool.map(attempt, chunk), strict=True):
                if isinstance(result, ImageRejected):
                    found.missing[name] = result.reason
                else:
                    hashes[name] = result
            with store.read() as session:
                known = creatives.creative_ids(session, set(hashes.values()))
            contents = _decode(pool, images, {s: n for n, s in hashes.items() if s not in known}, limit)
            usable = {n: s for n, s in hashes.items() if s in known or not isinstance(contents[s], ImageRejected)}
            for name in hashes.keys() - usable.keys():
                found.missing[name] = contents[hashes[name]].reason
            _write(store, run, images, usable, [c for c in contents.values() if isinstance(c, dict)], found)
            run.still_alive()
            progress("images", min(start + _CHUNK, len(names)), len(names))
    return found


def _decode(pool: ThreadPoolExecutor, images: Path, new: dict[str, str], limit: int) -> dict[str, Any]:
    """Columns of each new content, or why it is no picture, by sha256."""

    def attempt(name: str) -> dict[str, Any] | ImageRejected:
        try:
            return read_content(images / name, max_bytes=limit).columns()
        except ImageRejected as rejected:
            return rejected

    return dict(zip(new, pool.map(attempt, new.values()), strict=True))


def _write(
    store: Store,
    run: RunRecord,
    images: Path,
    usable: dict[str, str],
    contents: Sequence[dict[str, Any]],
    found: _Pictures,
) -> None:
    with store.write() as session:
        creatives.write_creatives(session, run, contents)
        ids = creatives.creative_ids(session, set(usable.values()))
        names = [(ids[sha256], *names_of(images / name)) for name, sha256 in usable.items()]
        creatives.write_names(session, run, names)
    found.ids.update({name: ids[sha256] for name, sha256 in usable.items()})
    found.sha256.update(usable)


def _digest(labels: Labels, pictures: _Pictures, source: str, image_column: str | None) -> str:
    """Of the table, of the contents of its pictures, and of how it is read: with more pictures it is another import."""
    said = [labels.sha256, labels.kind, labels.scale, source, image_column, sorted(pictures.sha256.items())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _store_rows(
    store: Store,
    labels: Labels,
    pictures: _Pictures,
    salt: bytes,
    header: rating_publish.LabelHeader,
    source: str,
) -> LabelImport:
    import polars as pl

    rows, gone = stage_rows(labels, pictures.ids, pictures.missing, lambda name: pseudonym(salt, name))
    faults = sorted([*labels.rejected, *gone])
    with store.connect() as connection:
        try:
            with connection.begin():
                create_stage(connection, rating_publish.TEMPORARY)
                fill(connection, rating_publish.STAGE_LABEL, rows)
                columns = {"line": [line for line, _ in faults], "reason": [reason for _, reason in faults]}
                schema = {"line": pl.Int64, "reason": pl.String}
                fill(connection, rating_publish.STAGE_FAULT, pl.DataFrame(columns, schema=schema))
            connection.execution_options(abkit_write=True)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                record, first = rating_publish.publish(session, header)
            with connection.begin():
                drop_stage(connection, rating_publish.TEMPORARY)
        except BaseException:
            # The connection may be broken: its temporary tables end with it.
            connection.invalidate()
            raise
    with store.read() as session:
        reasons = [(row["line"], row["reason"]) for row in imports.rating_rejects(session, record.id, 3)]
    return LabelImport(
        file=header.name,
        source=source,
        kind=labels.kind,
        scale=labels.scale,
        rows=record.rows,
        imported=record.imported if first else 0,
        unchanged=record.unchanged + (0 if first else record.imported),
        rejected=record.rejected,
        pictures=len(set(pictures.ids.values())),
        import_id=record.id,
        run_id=record.run_id,
        again=not first,
        reasons=reasons,
    )


def pseudonym(salt: bytes, name: str) -> str:
    """What the store knows a rater by: 16 hex digits, keyed with the salt of the source.

    >>> pseudonym(b"salt", "ann") == pseudonym(b"salt", "ann") != pseudonym(b"other", "ann")
    True
    """
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:16]
