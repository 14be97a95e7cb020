"""Queries for a segment: whose they are tuned from, and whether there is enough to tune them with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import UsageError
from abkit.store import models
from abkit.store.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.models.active import SHIPPED, ensure_active_model, entry_of, find_model, read_checkpoint

if TYPE_CHECKING:
    from abkit_model.checkpoint import Checkpoint

#: What `--parent` calls the active model; the second is its former name.
ACTIVE = ("active", "champion")

#: With fewer pictures the 95 % interval of an SRCC around 0.7 is wider than ±0.1, and a fold has under 20 of them:
#: whether tuned queries are better could not be told.
MIN_PICTURES = 100
#: Pictures of one subject are held out together; five folds need several subjects each.
MIN_SUBJECTS = 30


@dataclass(frozen=True)
class Ratings:
    """Where the ratings and their pictures are, and how the table is to be read.

    Attributes:
        table: CSV (histogram, one row a vote, or mean and n) or AVA's text layout.
        images: the folder of the pictures that the table names.
        image_column: which column names them; found by itself when None.
        group_column: pictures with equal values are near-duplicates and stay in one fold.
        scale: lowest and highest rating; found by itself when None.
    """

    table: Path
    images: Path
    image_column: str | None = None
    group_column: str | None = None
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Shortage:
    """Too little to tune queries for a segment.

    Attributes:
        pictures, subjects: rated pictures whose files are there, and their subjects.
        needed_pictures, needed_subjects: the minimum.
    """

    pictures: int
    subjects: int
    needed_pictures: int = MIN_PICTURES
    needed_subjects: int = MIN_SUBJECTS


def shortage_of(ratings: Ratings) -> Shortage | None:
    """What is missing for tuning; None when it is enough.

    Raises:
        LabelError: the table cannot be read, or has nothing that can be used.
    """
    from abkit_model.data.labels import MIN_VOTES, read_ratings
    from abkit_model.data.rating_rows import read_rows

    table, image, scale = ratings.table, ratings.image_column, ratings.scale
    rows = read_rows(table, image_column=image, group_column=ratings.group_column, scale=scale)
    votes = Counter(v.image for v in rows.votes) + Counter({s.image: s.n for s in rows.summaries})
    rated = [image for image, n in votes.items() if n >= MIN_VOTES]
    if not rated:
        read_ratings(table, image_column=image, scale=scale)  # which says what is wrong with it
    there = [image for image in rated if (ratings.images / image).is_file()]
    subjects = {rows.groups.get(image, image) for image in there}
    if len(there) >= MIN_PICTURES and len(subjects) >= MIN_SUBJECTS:
        return None
    return Shortage(len(there), len(subjects))


def find_parent(store: Store | None, run: RunRecord | None, wanted: str) -> tuple[Path, Checkpoint]:
    """The folder of the checkpoint to start from, and the checkpoint. It is registered, so that its child can name it.

    Args:
        store: the store; without one only folders and "shipped" are known.
        run: whose work this is.
        wanted: a folder, "active" (the active model for all), "shipped", or name or digest of a version.

    Raises:
        UsageError: there is no such checkpoint or version.
        ModelError: it is damaged, altered or too new.
    """
    from abkit_model.checkpoint import default_checkpoint

    folder = Path(wanted)
    if wanted == SHIPPED:
        location, folder = SHIPPED, default_checkpoint()
    elif folder.is_dir():
        folder = folder.resolve()
        location = str(folder)
    elif store is None or run is None:
        raise UsageError(
            f"there is no folder {wanted!r}, and no workspace here that could know a version of that name",
            hint="name the folder of a checkpoint, or run `abkit init`",
        )
    else:
        chosen = ensure_active_model(store, run) if wanted in ACTIVE else find_model(store, wanted)
        version = chosen.version
        shipped = version.location == SHIPPED
        folder = default_checkpoint() if shipped else Path(version.location)
        return folder, _same(read_checkpoint(folder), version.digest, folder)
    checkpoint = read_checkpoint(folder)
    if store is not None and run is not None:
        with store.write() as session:
            models.register(session, run, entry_of(checkpoint, location))
    return folder, checkpoint


def _same(checkpoint: Checkpoint, digest: str, folder: Path) -> Checkpoint:
    if checkpoint.card.digest != digest:
        raise UsageError(
            f"the checkpoint in {folder} is not the one that was registered "
            f"(digest {checkpoint.card.digest[:12]}, expected {digest[:12]})",
            hint="put the former checkpoint back, or name another parent (`abkit model list`)",
        )
    return checkpoint
