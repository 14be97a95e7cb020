"""Train a challenger: the champion's queries, tuned on the tables of what was known by a day."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.workflows.active_model import ActiveModel, find_model
from abkit.workflows.learning.appeals.appeals import StoredAppeals
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch, encode_ahead
from abkit.workflows.learning.retraining.tables import KnownTables, known_tables
from abkit.workflows.models.results import moved_by
from abkit.workflows.models.train import Progress, train
from abkit_model.errors import LabelError

if TYPE_CHECKING:
    from abkit_model.checkpoint import Card

FEWEST_RATED = 20
FEWEST_PAIRS = 2


@dataclass(frozen=True, kw_only=True)
class Challenger:
    """A trained challenger.

    Attributes:
        version: The version, known to the store.
        known: The tables that it learned from.
        tables: The folder that they are in.
        notes: What was done.
    """

    version: ActiveModel
    known: KnownTables
    tables: Path
    notes: tuple[str, ...]


def train_challenger(
    store: Store,
    settings: Settings,
    champion: ActiveModel,
    found: StoredAppeals,
    *,
    name: str,
    segment: str = "",
    seed: int = 0,
    leave_out: Set[int] = frozenset(),
    progress: Progress | None = None,
    watch: ImageWatch = UNWATCHED,
) -> Challenger:
    """Tune the champion's queries on what was known at the end of the day of some appeals.

    Ratings on the champion's scale, and comparisons, are learned from beside the outcomes. A champion whose scores are
    chances, or that learned from another metric, cannot be tuned: then new queries are trained from the outcomes.

    Args:
        store: Where the version is registered.
        settings: `[retrain]` says where the checkpoint goes.
        champion: Whose queries are tuned.
        found: The appeals.
        name: Name of the challenger.
        segment: What it is for; '' for all.
        seed: Seed of the training.
        leave_out: Creatives that must not be learned from, because they will be judged.
        progress: As for `train`.
        watch: Where the images are noted before they are opened.

    Raises:
        LabelError: There is too little to learn from.
        AbkitError: The training failed.
    """
    from abkit_model.training.request import TrainingRequest

    folder = new_folder(settings, name)
    card = champion.scorer.card
    why_new = _why_new_queries(card, f"{found.metric.value} {found.currency}".strip())
    scale = None if why_new else (card.scale.low, card.scale.high)
    known = known_tables(store, found, scale=scale, leave_out=leave_out, watch=watch)
    if not known.outcomes:
        raise LabelError(
            f"nothing was known by {found.as_of}: no creative ran beside another with an image that is still there",
            hint="import KPIs of campaigns with several creatives, and keep the images where they were scored",
        )
    tables = folder.with_name(f"{folder.name}-tables")
    paths = known.write(tables)
    notes = [*known.notes, *([why_new] if why_new else [])]
    rated = len({row["image"] for row in known.ratings})
    if "ratings" in paths and rated < FEWEST_RATED:
        notes.append(f"ratings of {rated} images are too few to learn from beside the outcomes")
        del paths["ratings"]
    if len(known.comparisons) < FEWEST_PAIRS:
        paths.pop("comparisons", None)
    request = TrainingRequest(
        table=paths["outcomes"],
        images=known.folder,
        out=folder,
        name=name,
        parent=None if why_new else champion.version.digest,
        encoder=card.encoder,
        segment=segment,
        seed=seed,
        ratings=paths.get("ratings"),
        rating_images=known.folder if "ratings" in paths else None,
        comparisons=paths.get("comparisons"),
        comparison_images=known.folder if "comparisons" in paths else None,
    )
    encode_ahead(watch, settings, champion.scorer.encoder, known.images)
    trained = train(store, request, settings=settings, progress=progress)
    version = find_model(store, trained.digest)
    made = version.version.card
    notes += made.get("data", {}).get("notes", ())  # such as ratings that contradict the clicks
    if request.parent is not None and (fit := made.get("metrics", {}).get("outcome_fit")):
        notes.append(moved_by(fit, segment))
    return Challenger(version=version, known=known, tables=tables, notes=tuple(notes))


def new_folder(settings: Settings, name: str) -> Path:
    """Return a folder for a checkpoint that is not there yet, in that of `[retrain]`.

    Raises:
        AbkitError: That folder is outside the workspace.
    """
    root = settings.workspace.resolve()
    folder = (root / settings.retrain.folder).resolve()
    if not folder.is_relative_to(root):
        raise AbkitError(f"{folder} is outside the workspace", hint="abkit writes only inside it: [retrain] folder")
    folder.mkdir(parents=True, exist_ok=True)
    tried = folder / name
    number = 2
    while tried.exists():  # a run that was taken over begins anew
        tried = folder / f"{name}-{number}"
        number += 1
    return tried


def _why_new_queries(card: Card, metric: str) -> str:
    """Return why the champion's queries cannot be tuned; '' where they can."""
    data = card.data
    if data.get("chances"):
        return f"{card.name} learned from comparisons alone: its scores are chances, so new queries were trained"
    if data.get("layout") == "outcomes" and data.get("metric") and data["metric"] != metric.lower():
        return f"{card.name} learned from {data['metric']}, not from {metric.lower()}, so new queries were trained"
    return ""
