"""Train queries on a rating table, and measure scorers on ratings: the model's own work, recorded in the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import ModelVersion
from abkit.workflows.champion import find_champion, load_scorer, register_checkpoint
from abkit.workflows.segment import Ratings as Ratings
from abkit.workflows.segment import Shortage, find_parent, shortage_of

if TYPE_CHECKING:
    from abkit_model.evaluation import Evaluation
    from abkit_model.features import TokenCache
    from abkit_model.pipeline import TrainedScorer
    from abkit_model.scorer import Scorer

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Measured:
    """A scorer measured on ratings.

    Attributes:
        figures: SRCC, PLCC and more with subject-clustered bootstrap intervals.
        coverage: share of mean ratings inside the scorer's predictive interval; None when it has none.
        ci_level: the coverage that the interval promises.
        digest, name: of the scorer.
        seen_in_training: how many of the pictures it was trained on: the figures are too good by that.
        rejected, missing: how many rows and pictures could not be used.
        run_id: None without a store, or for a checkpoint's folder.
    """

    figures: Evaluation
    coverage: float | None
    ci_level: float
    digest: str
    name: str
    seen_in_training: int
    rejected: int
    missing: int
    run_id: int | None = None


@dataclass(frozen=True)
class Wish:
    """What is to be trained.

    Attributes:
        encoder: name of the frozen encoder; with a parent, the parent's is taken.
        queries: of each member; 0 lets nested validation choose; None takes the recipe's, or the parent's.
        parent: folder of a checkpoint, "champion", "shipped", or name or digest of a version: its queries are tuned.
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
    """Train queries, write the checkpoint, and register it when there is a store. The champion stays as it is.

    With a parent, its queries are tuned; where there are too few pictures for that nothing is trained or written, and
    the parent goes on speaking for the segment.

    Raises:
        AbkitError: the extra `model` is not installed.
        UsageError: the parent is not known, or options that exclude each other.
        ModelError: the table, the pictures, the encoder or the training itself; nothing was written.
    """
    require_model()
    if wish.parent is not None and wish.queries is not None:
        raise UsageError("queries that are tuned from a parent keep their number", hint="drop --queries or --parent")
    if store is None:
        return _train(None, None, ratings, wish, out, settings, progress)
    arguments = {"table": str(ratings.table), "images": str(ratings.images), "out": str(out), **_plain(wish)}
    with recorded_run(store, "model train", arguments) as run:
        outcome = _train(store, run, ratings, wish, out, settings, alive(run, progress))
        if outcome.trained is not None:
            version = register_checkpoint(store, outcome.trained.folder, run=run)
            figures = outcome.trained.evaluation
            run.outcome.update(digest=version.digest)
            if figures is not None:
                run.outcome.update(srcc=_known(figures.srcc.value), n=figures.n)
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
    from abkit_model.pipeline import train_scorer
    from abkit_model.training import Recipe

    scale, parent = ratings.scale, None
    if wish.parent is not None:
        parent, checkpoint = find_parent(store, run, wish.parent)
        card = checkpoint.card
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
        recipe=None if wish.queries is None else Recipe(queries=wish.queries),
        seed=wish.seed,
        parent=parent,
        cache=token_cache(settings),
        progress=progress,
    )
    return Outcome(trained)


def _known(figure: float) -> float | None:
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


def measure(
    store: Store | None,
    ratings: Ratings,
    *,
    model: str | None = None,
    checkpoint: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure a scorer on ratings: a registered version, a checkpoint folder, or the shipped one.

    Raises:
        AbkitError: the extra `model` is not installed, or there is no such version.
        ModelError: the table, the pictures or the checkpoint cannot be used.
    """
    require_model()
    arguments = {"table": str(ratings.table), "model": model}
    with scorer_in_run(store, "model evaluate", arguments, model=model, checkpoint=checkpoint) as (scorer, run):
        if run is None:
            return _measure(scorer, ratings, settings, progress)
        measured = _measure(scorer, ratings, settings, alive(run, progress))
        run.outcome.update(digest=measured.digest, srcc=_known(measured.figures.srcc.value), n=measured.figures.n)
        return replace(measured, run_id=run.id)


def _measure(scorer: Scorer, ratings: Ratings, settings: Settings | None, progress: Progress | None) -> Measured:
    from abkit_model.pipeline import evaluate_scorer

    figures, coverage, dataset = evaluate_scorer(
        scorer,
        ratings.table,
        ratings.images,
        image_column=ratings.image_column,
        group_column=ratings.group_column,
        scale=ratings.scale,
        cache=token_cache(settings),
        progress=progress,
    )
    return Measured(
        figures=figures,
        coverage=coverage,
        ci_level=scorer.card.interval.level,
        digest=scorer.card.digest,
        name=scorer.card.name,
        seen_in_training=int(scorer.trained_on(dataset.examples.views[0].sha256, dataset.table.sha256).sum()),
        rejected=len(dataset.table.rejected),
        missing=len(dataset.missing),
    )


def token_cache(settings: Settings | None) -> TokenCache | None:
    """The token cache of a workspace, as large as its settings allow; none without a workspace or at 0 MB."""
    from abkit_model.features import TokenCache

    most = settings.scoring.token_cache_mb * 2**20 if settings else 0
    return TokenCache(settings.cache_folder / "tokens", most) if settings and most else None


@contextmanager
def scorer_in_run(
    store: Store | None,
    command: str,
    arguments: Mapping[str, object],
    *,
    model: str | None = None,
    checkpoint: Path | None = None,
) -> Iterator[tuple[Scorer, RunRecord | None]]:
    """A registered version or the champion, in a recorded run; a checkpoint's folder or the shipped scorer, in none."""
    if checkpoint is not None or store is None:
        yield load_scorer(checkpoint), None
        return
    with recorded_run(store, command, arguments) as run:
        yield find_champion(store, run, wanted=model).scorer, run


def pick_scorer(store: Store | None, *, model: str | None = None, checkpoint: Path | None = None) -> Scorer:
    """The scorer of a checkpoint folder, else a registered version or the champion, else the shipped one."""
    with scorer_in_run(store, "model explain", {"model": model}, model=model, checkpoint=checkpoint) as (scorer, _):
        return scorer


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
