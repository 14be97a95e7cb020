"""Measure a scorer on ratings that it has not seen, and find the scorer that is to be measured or asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.workflows.models.active import ensure_active_model, find_model, load_scorer
from abkit.workflows.models.segment import Ratings
from abkit.workflows.models.train import Progress, alive, from_choices_alone, known, require_model, token_cache

if TYPE_CHECKING:
    from abkit_model.evaluation.metrics import Evaluation
    from abkit_model.scorer import Scorer


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
        if from_choices_alone(scorer.card):
            raise UsageError(
                f"{scorer.card.name} learned from choices alone: its scores are chances, not ratings",
                hint="measure it on a table of choices (two pictures a row)",
            )
        if run is None:
            return _measure(scorer, ratings, settings, progress)
        measured = _measure(scorer, ratings, settings, alive(run, progress))
        run.outcome.update(digest=measured.digest, srcc=known(measured.figures.srcc.value), n=measured.figures.n)
        return replace(measured, run_id=run.id)


def _measure(scorer: Scorer, ratings: Ratings, settings: Settings | None, progress: Progress | None) -> Measured:
    from abkit_model.evaluation.trained_scorer import evaluate_scorer

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


@contextmanager
def scorer_in_run(
    store: Store | None,
    command: str,
    arguments: Mapping[str, object],
    *,
    model: str | None = None,
    checkpoint: Path | None = None,
) -> Iterator[tuple[Scorer, RunRecord | None]]:
    """Yield a registered version or the active model, in a recorded run; a folder or the shipped scorer, in none."""
    if checkpoint is not None or store is None:
        yield load_scorer(checkpoint), None
        return
    with recorded_run(store, command, arguments) as run:
        chosen = find_model(store, model) if model else ensure_active_model(store, run)
        yield chosen.scorer, run


def pick_scorer(store: Store | None, *, model: str | None = None, checkpoint: Path | None = None) -> Scorer:
    """The scorer of a checkpoint folder, else a registered version or the active model, else the shipped one."""
    with scorer_in_run(store, "model explain", {"model": model}, model=model, checkpoint=checkpoint) as (scorer, _):
        return scorer
