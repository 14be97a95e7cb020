"""Measure a scorer on ratings or comparisons, and find the scorer that is to be measured or asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.records import percent
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.workflows.active_model import ensure_active_model, find_model, load_scorer
from abkit.workflows.models.results import EvaluationResult, comparison_figures, evaluation_result, rating_figures
from abkit.workflows.models.study_command import command_line, refuse_other_fields
from abkit.workflows.models.train import (
    Progress,
    alive,
    local_tables,
    names_comparisons,
    require_model,
    scores_are_chances,
    shown_arguments,
)
from abkit.workflows.scoring.kept_tokens import token_cache

if TYPE_CHECKING:
    from abkit_model.data.files.tables import TableOptions
    from abkit_model.scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Which scorer is measured, and on what.

    Attributes:
        table: Ratings, or comparisons (two images per row): a file, or an address as text (`s3://…`, `https://…`).
        images: The folder of the images that the table names.
        model: Name or digest of a registered version; the active model when None.
        checkpoint: A checkpoint's folder instead.
        image_column: The column that names the image; found by its usual names when None.
        group_column: Images with equal values here (one subject) are resampled together.
        scale: Lowest and highest rating; the scorer's when None.
        options: How the table is written, where the user said it.
        columns: Column by field of ratings, where the user said it.
    """

    table: Path | str
    images: Path
    model: str | None = None
    checkpoint: Path | None = None
    image_column: str | None = None
    group_column: str | None = None
    scale: tuple[float, float] | None = None
    options: TableOptions | None = None
    columns: Mapping[str, str] | None = None


def evaluate(
    store: Store | None,
    request: EvaluationRequest,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure a registered version, a checkpoint folder, or the shipped scorer.

    Raises:
        AbkitError: The extra `model` is not installed, or there is no such version.
        UsageError: Scores that are chances cannot be measured on ratings.
        ModelError: The table, the images or the checkpoint cannot be used.
    """
    require_model()
    model, checkpoint = request.model, request.checkpoint
    arguments = shown_arguments(request)
    with (
        scorer_in_run(store, "model evaluate", arguments, model=model, checkpoint=checkpoint) as (scorer, run),
        local_tables(request, progress) as local,
    ):
        refuse_other_fields(local.columns)
        compares = local.columns is None and names_comparisons(Path(local.table), local.options)
        measure = _on_comparisons if compares else _on_ratings
        if run is None:
            return measure(scorer, local, settings, progress)
        result = measure(scorer, local, settings, alive(run, progress))
        first = result.figures[0]
        run.outcome.update({"digest": result.digest, first.figure: first.estimate, "n": first.n})
        return replace(result, run_id=run.id)


def _on_ratings(
    scorer: Scorer, request: EvaluationRequest, settings: Settings | None, progress: Progress | None
) -> EvaluationResult:
    from abkit_model.evaluation.trained_scorer import evaluate_scorer

    card = scorer.card
    if scores_are_chances(card):
        raise UsageError(
            f"{card.name} learned from comparisons alone: its scores are chances, not ratings",
            hint="measure it on a table of comparisons (two images per row)",
        )
    evaluation, coverage, dataset = evaluate_scorer(
        scorer,
        Path(request.table),
        request.images,
        image_column=request.image_column,
        group_column=request.group_column,
        scale=request.scale,
        options=request.options,
        columns=request.columns,
        command=command_line("evaluate", request, {"--model": request.model, "--checkpoint": request.checkpoint}),
        cache=token_cache(settings),
        progress=progress,
    )
    strata = coverage.to_dict()["strata"] if coverage else ()
    return evaluation_result(
        card,
        rating_figures(evaluation, card.digest, coverage.share if coverage else None, strata),
        f"the interval promises {percent(card.interval.level, 0)}",
        rejected=len(dataset.table.rejected),
        missing=len(dataset.missing),
        seen=int(scorer.trained_on(dataset.examples.views[0].sha256, dataset.table.sha256).sum()),
    )


def _on_comparisons(
    scorer: Scorer, request: EvaluationRequest, settings: Settings | None, progress: Progress | None
) -> EvaluationResult:
    from abkit_model.evaluation.trained_scorer import evaluate_on_comparisons

    agreement, seen, table, missing = evaluate_on_comparisons(
        scorer,
        Path(request.table),
        request.images,
        options=request.options,
        cache=token_cache(settings),
        progress=progress,
    )
    return evaluation_result(
        scorer.card,
        comparison_figures(agreement, scorer.card.digest),
        "a coin picks the winner in half of the pairs",
        rejected=len(table.rejected),
        missing=len(missing),
        seen=seen,
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
    """Return the scorer of a checkpoint folder, else a registered version or the active model, else the shipped one."""
    with scorer_in_run(store, "model explain", {"model": model}, model=model, checkpoint=checkpoint) as (scorer, _):
        return scorer
