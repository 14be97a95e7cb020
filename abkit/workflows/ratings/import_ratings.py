"""Import tables of ratings and comparisons: their images into the store, then their rows in one short transaction."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import InvalidInput, UsageError
from abkit.intake.remote.address import Address, is_address, local_path, parse_address
from abkit.intake.remote.fetch import Fetched
from abkit.intake.remote.table import local_table, shown_table
from abkit.intake.tables.ratings import Labels, read_labels, stage_rows
from abkit.records import Record
from abkit.store import imports
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.database.staging import publish_staged
from abkit.store.keys import clean_key
from abkit.store.ratings import publish as rating_publish
from abkit.store.runs import RunRecord, recorded_run
from abkit.vocabulary import FileState
from abkit.workflows.scoring.image_files import (
    ImageFile,
    decode_batches,
    decoders,
    fetched_images,
    hash_files,
    one_of_each,
)
from abkit_model.data.csv_table import MAX_BYTES, files_named, is_inside
from abkit_model.data.files.tables import TableOptions
from abkit_model.names import composed

# Images registered in one transaction; small enough that a stop loses little work.
_CHUNK = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class LabelImport(Record):
    """What became of one table: imported + unchanged + rejected = rows.

    Attributes:
        file: Name of the file, as it was given.
        source: The study that its raters belong to.
        kind: votes, summaries or comparisons.
        scale: Lowest and highest rating; None for comparisons.
        rows: Rows that count; comparisons by nobody in particular are first counted into one row per pair.
        imported: Rows that are new in the store.
        unchanged: Rows that were there already.
        rejected: Rows kept with line and reason.
        images: Number of distinct images that the table names.
        import_id: Id of the import in the store.
        run_id: Id of the run that imported it.
        again: Whether the same table with the same images was imported before.
        reasons: Line and reason of the first rows that were refused.
        other_spellings: Raters whom an earlier table of the study writes in another way: they are the same people.
    """

    file: str
    source: str
    kind: str
    scale: tuple[float, float] | None
    rows: int
    imported: int
    unchanged: int
    rejected: int
    images: int
    import_id: int
    run_id: int
    again: bool
    reasons: Sequence[tuple[int, str]] = ()
    other_spellings: int = 0


def import_labels(
    store: Store,
    settings: Settings,
    table: str | Path,
    images: str | Path,
    *,
    source: str | None = None,
    image_column: str | None = None,
    scale: tuple[float, float] | None = None,
    options: TableOptions | None = None,
    progress: Progress = lambda done, total: None,
) -> LabelImport:
    """Import a table of ratings or comparisons; the same again changes nothing.

    1. Read the table; an invalid row is set aside with its line and reason.
    2. Find, hash and register the images; rows whose images cannot be used are set aside too.
    3. Stage the rows, raters under their pseudonyms, and publish them in one short transaction.

    Args:
        store: A store at the current migration.
        settings: Limits of image files.
        table: One of the layouts of `abkit_model.data.rating_rows` or `abkit_model.data.comparisons`: a file, or an
            address as text (`s3://…`, `https://…`).
        images: The folder of the images that it names, or its address as text (`s3://…`).
        source: The study; the name of the file by default. Raters of two sources are different people.
        image_column: Column that names the image, for ratings; found when None.
        scale: Lowest and highest rating; found when None.
        options: What the user said about how the table is written.
        progress: Called with (images done, images in all).

    Raises:
        LabelError: The table cannot be read.
        InvalidInput: No row or no image of it can be used.
        UsageError: The source has ratings on another scale.
    """
    far = isinstance(table, str) and is_address(table)
    shown, folder = shown_table(table), shown_table(images)
    name = parse_address(str(table)).name if far else local_path(table).name
    source = clean_key(name.split(".")[0] if source is None else source, "study (--source)")
    for path in [local_path(one) for one in (table, images) if not is_address(one)]:
        if not os.path.lexists(path):
            raise UsageError(f"there is no file or folder {str(path)!r}", hint="check the path")
    arguments = {"table": shown, "images": folder, "source": source, "scale": scale}
    with (
        recorded_run(store, "ratings import", arguments) as run,
        local_table(table, max_bytes=MAX_BYTES, progress=progress if far else lambda done, total: None) as found,
    ):
        labels = read_labels(found.path, image_column=image_column, scale=scale, options=options)
        with _files_named(images, labels, settings, progress) as files:
            _register(store, settings, run, files, progress)
        if all(file.creative_id is None for file in files.values()):
            name, file = next(iter(files.items()))
            raise InvalidInput(
                f"none of the {len(files):,} images of {shown} can be used in {folder}; {name}: {file.reason}",
                hint="check --images and the column with the file names (--image-column)",
            )
        with store.write() as session:
            source_id, salt = rating_publish.source_of(session, run, source, labels.scale)
        header = rating_publish.LabelHeader(
            digest=_digest(labels, files, source, image_column, options),
            name=shown,
            source_id=source_id,
            kind=labels.kind,
            options={"layout": labels.layout, "scale": labels.scale, "table_sha256": labels.sha256},
            run_id=run.id,
        )
        known = {name: file.creative_id for name, file in files.items() if file.creative_id is not None}
        missing = {name: file.reason for name, file in files.items() if file.creative_id is None}
        summary = store_rows(store, labels, known, missing, salt, header, source)
        run.outcome.update({name: getattr(summary, name) for name in ("rows", "imported", "unchanged", "rejected")})
        return summary


@contextmanager
def _files_named(
    images: str | Path, labels: Labels, settings: Settings, progress: Progress
) -> Iterator[Mapping[str, ImageFile]]:
    """Yield the files by their names in the table; what was fetched is gone afterwards."""
    if isinstance(images, str) and is_address(images):
        with fetched_images([images], settings.scoring, progress=progress) as fetched:
            yield _far_files(parse_address(images), fetched, labels.images())
        return
    folder = local_path(images)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="--images is the folder of the images")
    files = {name: ImageFile(path=path) for name, path in files_named(folder, labels.images()).items()}
    for file in files.values():
        if not is_inside(file.path, folder):
            file.reject("outside the folder of images")
    yield files


def _far_files(folder: Address, fetched: Fetched, names: Collection[str]) -> dict[str, ImageFile]:
    if folder.is_web:
        raise UsageError(
            f"{folder.shown} is one file, and --images is the folder of the images",
            hint="download them into a folder, or name a folder of a bucket (s3://, gs://, az://)",
        )
    root = f"{folder.key.rstrip('/')}/"
    there = {composed(origin.key.removeprefix(root)): path for path, origin in fetched.origins.items()}
    refused = {composed(one.address.split("://", 1)[-1].removeprefix(root)): one.reason for one in fetched.refused}
    if not there and fetched.refused:
        raise UsageError(f"{fetched.refused[0].address}: {fetched.refused[0].reason}", hint=fetched.refused[0].hint)
    files = {}
    for name in names:
        path = there.get(composed(name))
        files[name] = ImageFile(path=path or Path(name), origin=fetched.origins[path] if path else None)
        if path is None:
            files[name].reject(refused.get(composed(name), f"it is not in {folder.shown}"))
    return files


def _register(
    store: Store, settings: Settings, run: RunRecord, files: Mapping[str, ImageFile], progress: Progress
) -> None:
    """Hash the images of a table, decode those that the store does not know, and register them.

    Afterwards each file is known to the store with its creative, or rejected with the reason.
    """
    with decoders() as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = list(files.values())[start : start + _CHUNK]
            hash_files(pool, chunk, settings.scoring)
            _register_chunk(store, settings, run, pool, chunk)
            run.still_alive()
            progress(start + len(chunk), len(files))


def _register_chunk(
    store: Store, settings: Settings, run: RunRecord, pool: ThreadPoolExecutor, files: Sequence[ImageFile]
) -> None:
    """Take hashed files to known or rejected.

    1. Ask the store which contents it knows.
    2. Decode one file of every other content.
    3. Copies share the fate of the file with their content.
    4. Write new contents and all names.
    """
    with store.read() as session:
        known = creatives.creative_ids(session, {file.sha256 for file in files if file.state is FileState.HASHED})
    for file in files:
        if file.sha256 in known:
            file.state = FileState.KNOWN
    originals, contents = one_of_each(files), []
    for batch in decode_batches(pool, list(originals.values()), lambda image: None, settings.scoring):
        for decoded in batch:
            contents.append(decoded.content.columns())
            decoded.file.state = FileState.KNOWN
    for file in files:
        if file.state is FileState.HASHED:
            file.share_fate(originals[file.sha256])
    usable = [file for file in files if file.state is FileState.KNOWN]
    with store.write() as session:
        creatives.write_creatives(session, run, contents)
        ids = creatives.creative_ids(session, {file.sha256 for file in usable})
        for file in usable:
            file.creative_id = ids[file.sha256]
        creatives.write_names(session, run, [(ids[file.sha256], *file.names) for file in usable])


def _digest(
    labels: Labels,
    files: Mapping[str, ImageFile],
    source: str,
    image_column: str | None,
    options: TableOptions | None,
) -> str:
    """Return the identity of an import: the table, how it is read, and the images that were there."""
    contents = sorted((name, file.sha256) for name, file in files.items() if file.creative_id is not None)
    # Stores made before migration 0010 hold digests with the former name of this kind; they must be found again.
    kind = "choices" if labels.kind == "comparisons" else labels.kind
    said: list[object] = [labels.sha256, kind, labels.scale, source, image_column, contents]
    if options and (options.sheet or options.decimal):
        said.append([options.sheet, options.decimal])
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def store_rows(
    store: Store,
    labels: Labels,
    creatives: Mapping[str, int],
    missing: Mapping[str, str],
    salt: bytes,
    header: rating_publish.LabelHeader,
    source: str,
) -> LabelImport:
    """Stage the rows of a table, raters under their pseudonyms, and publish them in one short transaction.

    Args:
        store: A store at the current migration.
        labels: The table.
        creatives: Id of the creative behind each name.
        missing: Why the other names have none: their rows are kept with this reason.
        salt: Keys the pseudonyms of the study.
        header: The import.
        source: Key of the study.
    """
    with store.read() as session:
        raters = rating_publish.KnownRaters(salt, rating_publish.pseudonyms_of(session, header.source_id))
    rows, gone = stage_rows(labels, creatives, missing, raters.pseudonym)
    faults = pl.DataFrame(
        sorted([*labels.rejected, *gone]), schema={"line": pl.Int64, "reason": pl.String}, orient="row"
    )
    frames = [(rating_publish.STAGE_LABEL, rows), (rating_publish.STAGE_FAULT, faults)]

    def publish(session: Session) -> LabelImport:
        record, first = rating_publish.publish(session, header)
        return LabelImport(
            file=header.name,
            source=source,
            kind=labels.kind,
            scale=labels.scale,
            rows=record.rows,
            imported=record.imported if first else 0,
            unchanged=record.unchanged + (0 if first else record.imported),
            rejected=record.rejected,
            images=len(set(creatives.values())),
            import_id=record.id,
            run_id=record.run_id,
            again=not first,
            reasons=[(row["line"], row["reason"]) for row in imports.rating_rejects(session, record.id, 3)],
            other_spellings=raters.other_spellings,
        )

    return publish_staged(store, frames, publish, rating_publish.TEMPORARY)
