"""Train a challenger on what people said: their ratings and comparisons, without any delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.ratings import read
from abkit.store.runs import RunRecord, recorded_run
from abkit.workflows.active_model import ensure_active_model
from abkit.workflows.creatives.creative_files import common_folder, find_images, image_names, named_in
from abkit.workflows.learning.retraining.challenger import FEWEST_PAIRS, FEWEST_RATED, new_folder
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch, encode_ahead, harmless
from abkit.workflows.learning.retraining.tables import rating_rows, write_table
from abkit.workflows.models.results import TrainingResult
from abkit.workflows.models.train import Progress, scores_are_chances, train


def train_on_labels(
    store: Store,
    settings: Settings,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    run: RunRecord | None = None,
    watch: ImageWatch = UNWATCHED,
) -> TrainingResult:
    """Tune the active model's queries on all ratings on its scale, and on all comparisons. It stays active.

    Args:
        store: Where the labels are, and the version is registered.
        settings: `[retrain]` says where the checkpoint goes.
        seed: Seed of the training.
        progress: As for `train`.
        run: A run that has its row already.
        watch: Where the images are noted before they are opened.

    Raises:
        AbkitError: There are too few labels of images that are still there, or the training failed.
    """
    from abkit_model.training.request import TrainingRequest

    with recorded_run(store, "ratings train", {"seed": seed}, run=run) as record:
        champion = ensure_active_model(store, record)
        chances = scores_are_chances(champion.scorer.card)
        scale = champion.scorer.card.scale
        now = datetime.now(UTC)
        with store.read() as session:
            votes = None if chances else read.known_votes(session, (scale.low, scale.high), now)
            pairs = read.known_comparisons(session, now)
            rated = set() if votes is None else {int(one) for one in votes.creative}
            known = image_names(session, rated | {one for pair in pairs for one in pair[:2]})
        paths, _ = harmless(watch, find_images(known))
        images = common_folder(paths.values()) if paths else Path()
        names = named_in(images, paths)
        ratings, _ = rating_rows(votes, names) if votes is not None else ([], [])
        comparisons = [
            {"image_a": names[a], "image_b": names[b], "share": share, "weight": weight}
            for a, b, share, weight in pairs
            if a in names and b in names
        ]
        use_ratings = len({row["image"] for row in ratings}) >= FEWEST_RATED
        use_pairs = len(comparisons) >= FEWEST_PAIRS
        if not (use_ratings or use_pairs):
            raise AbkitError(
                f"{len(comparisons)} comparisons, and ratings of {len({row['image'] for row in ratings})} images, are "
                "too few to learn from",
                hint=f"ratings of {FEWEST_RATED} images, or comparisons, whose images are still where they were scored",
            )
        folder = new_folder(settings, f"labels-{now:%Y-%m-%d}")
        tables = folder.with_name(f"{folder.name}-tables")
        tables.mkdir(parents=True, exist_ok=True)
        written = {
            name: write_table(rows, tables / f"{name}.csv")
            for name, rows, wanted in (("ratings", ratings, use_ratings), ("comparisons", comparisons, use_pairs))
            if wanted
        }
        beside = use_ratings and use_pairs
        request = TrainingRequest(
            table=written["ratings" if use_ratings else "comparisons"],
            images=images,
            out=folder,
            name=folder.name,
            parent=champion.version.digest,
            encoder=champion.scorer.card.encoder,
            seed=seed,
            comparisons=written["comparisons"] if beside else None,
            comparison_images=images if beside else None,
        )
        seen = {row["image"] for row in ratings} if use_ratings else set()
        seen |= {row[name] for row in comparisons for name in ("image_a", "image_b")} if use_pairs else set()
        encode_ahead(watch, settings, champion.scorer.encoder, [images / name for name in sorted(seen)])
        result = train(store, request, settings=settings, progress=progress)
        record.outcome.update(
            version=result.name, digest=result.digest, ratings=len(ratings), comparisons=len(comparisons)
        )
        return result
