"""Train queries on a table of ratings or of choices: the model's own work, recorded in the store."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import ModelVersion
from abkit.workflows.models.active import register_checkpoint
from abkit.workflows.models.segment import Ratings as Ratings
from abkit.workflows.models.segment import Shortage, find_parent, shortage_of

if TYPE_CHECKING:
    from abkit_model.checkpoint import Card
    from abkit_model.data.tokens import TokenCache
    from abkit_model.training.loop import Recipe
    from abkit_model.training.release import TrainedScorer

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Wish:
    """What is to be trained.

    Attributes:
        encoder: name of the frozen encoder; with a parent, the parent's is taken.
        queries: of each member; 0 lets nested validation choose; None takes the recipe's, or the parent's.
        parent: folder of a checkpoint, "active", "shipped", or name or digest of a version: its queries are tuned.
        segment: slice that the queries speak for; '' means all.
        choices: a table of choices, and the folder of its pictures, to learn from beside the ratings.
        correct_raters: take the raters' biases out of single votes first (ITU-T P.910).
        seed: of everything random.
        demonstration: label the weights, and all their scores, as a demonstration.
    """

    encoder: str
    queries: int | None = None
    parent: str | None = None
    segment: str = ""
    correct_raters: bool = False
    seed: int = 0
    demonstration: bool = False
    choices: tuple[Path, Path] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it: a scorer, or too little data to tune one.

    Attributes:
        trained: the checkpoint with its figures; None where the data were too few.
        version: its row in the store; None without a store.
        shortage: what there is, and what would be needed; None where it was enough.
        run_id: None without a store.
    """

    trained: TrainedScorer | None
    version: ModelVersion | None = None
    shortage: Shortage | None = None
    run_id: int | None = None


def train(
    store: Store | None,
    ratings: Ratings,
    wish: Wish,
    *,
    out: Path,
    settings: Settings | None,
    progress: Progress | None = None,
) -> Outcome:
    """Train queries, write the checkpoint, and register it when there is a store. The active model stays as it is.

    With a parent, its queries are tuned; where there are too few rated pictures for that nothing is trained or
    written, and the parent stays active for the segment. A table of choices (two pictures a row) is learned from
    by itself.

    Raises:
        AbkitError: the extra `model` is not installed.
        UsageError: the parent is not known, or options that exclude each other.
        ModelError: the table, the pictures, the encoder or the training itself; nothing was written.
    """
    require_model()
    if wish.parent is not None and wish.queries is not None:
        raise UsageError("queries that are tuned from a parent keep their number", hint="drop --queries or --parent")
    work = _train
    if names_choices(ratings.table):
        _refuse_options_of_ratings(ratings, wish)
        work = _train_on_choices
    if store is None:
        return work(None, None, ratings, wish, out, settings, progress)
    arguments = {"table": str(ratings.table), "images": str(ratings.images), "out": str(out), **_plain(wish)}
    with recorded_run(store, "model train", arguments) as run:
        outcome = work(store, run, ratings, wish, out, settings, alive(run, progress))
        if outcome.trained is not None:
            version = register_checkpoint(store, outcome.trained.folder, run=run)
            figures = outcome.trained.evaluation
            run.outcome.update(digest=version.digest)
            if figures is not None:
                run.outcome.update(srcc=known(figures.srcc.value), n=figures.n)
            if outcome.trained.agreement is not None:
                agreement = outcome.trained.agreement
                run.outcome.update(picks_winner=known(agreement.picks_winner.value), n=agreement.n)
            outcome = replace(outcome, version=version)
        elif outcome.shortage is not None:
            run.outcome.update(decision="insufficient_data", **asdict(outcome.shortage))
        return replace(outcome, run_id=run.id)


def _train(
    store: Store | None,
    run: RunRecord | None,
    ratings: Ratings,
    wish: Wish,
    out: Path,
    settings: Settings | None,
    progress: Progress | None,
) -> Outcome:
    from abkit_model.training.pipeline import train_scorer

    scale, parent = ratings.scale, None
    if wish.parent is not None:
        parent, checkpoint = find_parent(store, run, wish.parent)
        card = checkpoint.card
        if from_choices_alone(card):
            raise UsageError(
                f"{card.name} learned from choices alone: its scores are chances, which ratings cannot tune",
                hint="tune it with choices, or train from the ratings without --parent",
            )
        scale = scale or (card.scale.low, card.scale.high)
        shortage = shortage_of(replace(ratings, scale=scale))
        if shortage is not None:
            return Outcome(None, shortage=shortage)
    trained = train_scorer(
        ratings.table,
        ratings.images,
        out=out,
        encoder=wish.encoder,
        image_column=ratings.image_column,
        group_column=ratings.group_column,
        scale=scale,
        correct_raters=wish.correct_raters,
        choices=wish.choices,
        segment=wish.segment,
        demonstration=wish.demonstration,
        recipe=_recipe(wish),
        seed=wish.seed,
        parent=parent,
        cache=token_cache(settings),
        progress=progress,
    )
    return Outcome(trained)


def _train_on_choices(
    store: Store | None,
    run: RunRecord | None,
    ratings: Ratings,
    wish: Wish,
    out: Path,
    settings: Settings | None,
    progress: Progress | None,
) -> Outcome:
    from abkit_model.training.comparison_pipeline import train_on_choices

    trained = train_on_choices(
        ratings.table,
        ratings.images,
        out=out,
        encoder=wish.encoder,
        segment=wish.segment,
        demonstration=wish.demonstration,
        recipe=_recipe(wish),
        seed=wish.seed,
        parent=find_parent(store, run, wish.parent)[0] if wish.parent is not None else None,
        cache=token_cache(settings),
        progress=progress,
    )
    return Outcome(trained)


def _refuse_options_of_ratings(ratings: Ratings, wish: Wish) -> None:
    options = {
        "--image-column": ratings.image_column,
        "--group-column": ratings.group_column,
        "--scale": ratings.scale,
        "--correct-raters": wish.correct_raters,
        "--choices": wish.choices,
        "--queries auto": wish.queries == 0,
    }
    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(
            f"{ratings.table} is a table of choices, and only ratings can be read with {', '.join(given)}",
            hint="drop it; or name the ratings first, and these choices with --choices",
        )


def _recipe(wish: Wish) -> Recipe | None:
    from abkit_model.training.loop import Recipe

    return None if wish.queries is None else Recipe(queries=wish.queries)


def from_choices_alone(card: Card) -> bool:
    """Whether the scores of a card are chances to be preferred, and not opinions on a scale of ratings."""
    return bool(card.data.get("chances"))


def known(figure: float) -> float | None:
    """None for a figure that is not defined: JSON has no NaN, and PostgreSQL refuses it."""
    return figure if math.isfinite(figure) else None


def alive(run: RunRecord, progress: Progress | None) -> Progress:
    """Progress that also extends the lease of the run, so that hours of training are not taken for a dead process."""

    def report(stage: str, done: int, total: int) -> None:
        run.still_alive()
        if progress is not None:
            progress(stage, done, total)

    return report


def _plain(wish: Wish) -> dict[str, object]:
    """What is kept of the wish with its run."""
    return {**asdict(wish), "choices": [str(path) for path in wish.choices] if wish.choices else None}


def token_cache(settings: Settings | None) -> TokenCache | None:
    """The token cache of a workspace, as large as its settings allow; none without a workspace or at 0 MB."""
    from abkit_model.data.tokens import TokenCache

    most = settings.scoring.token_cache_mb * 2**20 if settings else 0
    return TokenCache(settings.cache_folder / "tokens", most) if settings and most else None


def names_choices(table: Path) -> bool:
    """Whether a table names two pictures a row; no for one that cannot be read, for whoever reads it next says why."""
    require_model()
    from abkit_model.data.comparisons import is_choice_table
    from abkit_model.data.csv_table import read_text
    from abkit_model.errors import LabelError

    try:
        return is_choice_table(table, *read_text(table))
    except LabelError:
        return False


def require_model() -> None:
    """Say which extra to install when the model's libraries are missing.

    Raises:
        AbkitError: they are.
    """
    try:
        import abkit_model.scorer  # noqa: F401
    except ModuleNotFoundError as error:
        raise AbkitError(
            f"training needs {error.name}, which is not installed", hint="pip install 'abkit[model]'"
        ) from error
