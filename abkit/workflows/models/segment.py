"""Queries for a segment: whose they are tuned from, and whether there is enough to tune them with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import UsageError
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.active_model import SHIPPED, ensure_active_model, entry_of, find_model, read_checkpoint
from abkit.workflows.models.results import Shortage

if TYPE_CHECKING:
    from abkit_model.checkpoint import Checkpoint
    from abkit_model.training.request import TrainingRequest

#: What `--parent` calls the active model; the second is its former name.
ACTIVE = ("active", "champion")

#: With fewer images the 95 % interval of an SRCC around 0.7 is wider than ±0.1, and a fold has under 20 of them:
#: nobody could tell whether tuned queries are better.
MIN_IMAGES = 100
#: Images of one subject are held out together; five folds need several subjects each.
MIN_SUBJECTS = 30


def shortage_of(request: TrainingRequest) -> Shortage | None:
    """Return what is missing for tuning queries on ratings; None when there is enough.

    Raises:
        LabelError: The table cannot be read, or has nothing that can be used.
    """
    from abkit_model.data.labels import MIN_VOTES, read_ratings
    from abkit_model.data.rating_rows import read_rows

    table, image, scale = Path(request.table), request.image_column, request.scale
    columns, command = request.columns, request.command_line()
    rows = read_rows(
        table,
        image_column=image,
        group_column=request.group_column,
        scale=scale,
        options=request.options,
        columns=columns,
        command=command,
    )
    votes = Counter(v.image for v in rows.votes) + Counter({s.image: s.n for s in rows.summaries})
    rated = [image for image, n in votes.items() if n >= MIN_VOTES]
    if not rated:
        # which says what is wrong with it
        read_ratings(table, image_column=image, scale=scale, options=request.options, columns=columns)
    there = [image for image in rated if (request.images / image).is_file()]
    subjects = {rows.groups.get(image, image) for image in there}
    if len(there) >= MIN_IMAGES and len(subjects) >= MIN_SUBJECTS:
        return None
    return Shortage(len(there), len(subjects), MIN_IMAGES, MIN_SUBJECTS)


def find_parent(store: Store | None, run: RunRecord | None, wanted: str) -> tuple[Path, Checkpoint]:
    """Return the folder of the checkpoint to start from, and the checkpoint. It is registered as its child's parent.

    Args:
        store: The store; without one only folders and "shipped" are known.
        run: The run that asks.
        wanted: A folder, "active" (the active model for all), "shipped", or name or digest of a version.

    Raises:
        UsageError: There is no such checkpoint or version.
        ModelError: It is damaged, altered or too new.
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
