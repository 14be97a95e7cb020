"""A scorer held against choices between pictures: votes, or outcomes of A/B tests. Recorded in the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.store.engine import Store
from abkit.workflows.models.evaluate import scorer_in_run
from abkit.workflows.models.train import Progress, alive, token_cache

if TYPE_CHECKING:
    from abkit_model.evaluation.comparison_agreement import ComparisonFigures
    from abkit_model.scorer import Scorer


@dataclass(frozen=True)
class Agreement:
    """How a scorer agrees with choices.

    Attributes:
        figures: share of pairs whose preferred picture has the higher score, and correlation with the shares.
        digest, name: of the scorer.
        seen_in_training: how many of the pictures it was trained on.
        rejected, missing: how many rows and pictures could not be used.
        run_id: None without a store, or for a checkpoint's folder.
    """

    figures: ComparisonFigures
    digest: str
    name: str
    seen_in_training: int
    rejected: int
    missing: int
    run_id: int | None = None


def measure_agreement(
    store: Store | None,
    table: Path,
    images: Path,
    *,
    model: str | None = None,
    checkpoint: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Agreement:
    """Hold a registered version, a checkpoint folder or the shipped scorer against a table of choices.

    Raises:
        AbkitError: there is no such version.
        ModelError: the table, the pictures or the checkpoint cannot be used.
    """
    arguments = {"table": str(table), "model": model}
    with scorer_in_run(store, "model evaluate", arguments, model=model, checkpoint=checkpoint) as (scorer, run):
        if run is None:
            return _measure(scorer, table, images, settings, progress)
        measured = _measure(scorer, table, images, settings, alive(run, progress))
        picks = measured.figures.picks_winner.value
        run.outcome.update(digest=measured.digest, picks_winner=picks, n=measured.figures.n)
        return replace(measured, run_id=run.id)


def _measure(
    scorer: Scorer, table: Path, images: Path, settings: Settings | None, progress: Progress | None
) -> Agreement:
    from abkit_model.evaluation.trained_scorer import evaluate_on_comparisons

    figures, seen, choices, missing = evaluate_on_comparisons(
        scorer, table, images, cache=token_cache(settings), progress=progress
    )
    return Agreement(figures, scorer.card.digest, scorer.card.name, seen, len(choices.rejected), len(missing))
