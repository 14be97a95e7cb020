"""Train queries on a table of ratings or of comparisons: the model's own work, recorded in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.intake.remote.table import local_table, shown_table
from abkit.records import to_plain
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.workflows.active_model import register_checkpoint
from abkit.workflows.models.results import Shortage, TrainingResult, short_result, trained_result
from abkit.workflows.models.segment import find_parent, shortage_of
from abkit.workflows.scoring.kept_tokens import token_cache
from abkit_model.data.csv_table import MAX_BYTES

if TYPE_CHECKING:
    from abkit_model.checkpoint import Card
    from abkit_model.data.files.tables import TableOptions
    from abkit_model.training.release import TrainedScorer
    from abkit_model.training.request import TrainingRequest

Progress = Callable[[str, int, int], None]


def train(
    store: Store | None,
    request: TrainingRequest,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train queries, write the checkpoint, and register it when there is a store. The active model stays as it is.

    With a parent, its queries are tuned; where there are too few rated images for that, nothing is trained or written,
    and the parent stays active for the segment. A table of comparisons (two images per row) is learned from by itself.

    Args:
        store: Where the run is recorded and the version registered; None works without.
        request: What is to be trained.
        settings: The workspace's settings, for the size of its token cache; no cache without them.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        AbkitError: The extra `model` is not installed.
        UsageError: The parent is not known, or its scores are chances and the table has ratings.
        RequestError: Options that only ratings can follow, with a table of comparisons.
        ModelError: The table, the images, the encoder or the training itself; nothing was written.
    """
    require_model()
    if store is None:
        with local_tables(request, progress) as local:
            done = _train(None, None, local, settings, progress)
        if isinstance(done, Shortage):
            return short_result(done, request.segment)
        return trained_result(done, request.segment, registered=False, run_id=None)
    with recorded_run(store, "model train", shown_arguments(request)) as run:
        with local_tables(request, progress) as local:
            done = _train(store, run, local, settings, alive(run, progress))
        if isinstance(done, Shortage):
            run.outcome.update(decision="insufficient_data", **asdict(done))
            return replace(short_result(done, request.segment), run_id=run.id)
        register_checkpoint(store, done.folder, run=run)
        result = trained_result(done, request.segment, registered=True, run_id=run.id)
        run.outcome.update(digest=result.digest)
        first = result.figures[0]  # srcc, or picks_winner; neither where nothing could be held out
        if first.n:
            run.outcome.update({first.figure: first.estimate, "n": first.n})
        return result


def _train(
    store: Store | None,
    run: RunRecord | None,
    request: TrainingRequest,
    settings: Settings | None,
    progress: Progress | None,
) -> TrainedScorer | Shortage:
    from abkit_model.training.pipeline import train_scorer

    comparisons = request.columns is None and names_comparisons(Path(request.table), request.options)
    outcomes = not comparisons and names_outcomes(Path(request.table), request)
    if comparisons:
        request.refuse_options_of_ratings()
    elif outcomes:
        request.refuse_options_beside_outcomes()
    if request.parent is not None:
        folder, checkpoint = find_parent(store, run, str(request.parent))
        request = replace(request, parent=folder)
        if outcomes:
            refuse_another_metric(checkpoint.card, request)
        elif not comparisons:
            card = checkpoint.card
            if scores_are_chances(card):
                raise UsageError(
                    f"{card.name} learned from comparisons alone: its scores are chances, which ratings cannot tune",
                    hint="tune it with comparisons, or train from the ratings without --parent",
                )
            request = replace(request, scale=request.scale or (card.scale.low, card.scale.high))
            shortage = shortage_of(request)
            if shortage is not None:
                return shortage
    return train_scorer(
        request, from_comparisons=comparisons, from_outcomes=outcomes, cache=token_cache(settings), progress=progress
    )


class _OfTables(Protocol):
    """A request that names tables of labels: a dataclass, with `comparisons` where there may be two of them."""

    @property
    def table(self) -> Path | str: ...

    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=_OfTables)


@contextmanager
def local_tables(request: R, progress: Progress | None = None) -> Iterator[R]:
    """Yield a request whose tables are files of this machine: those behind addresses are fetched, and gone afterwards.

    Raises:
        AbkitError: A table cannot be fetched.
    """
    report = progress or (lambda stage, done, total: None)
    with ExitStack() as stack:
        local: dict[str, Any] = {}
        for name, table in _tables(request).items():
            one = local_table(table, max_bytes=MAX_BYTES, progress=lambda done, total: report("fetching", done, total))
            local[name] = stack.enter_context(one).path
        yield replace(request, **local)


def shown_arguments(request: _OfTables) -> dict[str, Any]:
    """Return a request as a run keeps it: addresses without what may be secret in them."""
    return {**to_plain(request), **{name: shown_table(table) for name, table in _tables(request).items()}}


def _tables(request: _OfTables) -> dict[str, Path | str]:
    named = {name: getattr(request, name, None) for name in ("table", "comparisons", "ratings")}
    return {name: table for name, table in named.items() if table is not None}


def scores_are_chances(card: Card) -> bool:
    """Return whether the scores of a card are chances to be preferred, and not opinions on a scale of ratings."""
    return bool(card.data.get("chances"))


def alive(run: RunRecord, progress: Progress | None) -> Progress:
    """Return progress that also extends the run's lease: hours of training must not be taken for a dead process."""

    def report(stage: str, done: int, total: int) -> None:
        run.still_alive()
        if progress is not None:
            progress(stage, done, total)

    return report


def names_comparisons(table: Path, options: TableOptions | None = None) -> bool:
    """Return whether a table names two images per row; False for one that cannot be read: reading it says why."""
    require_model()
    from abkit_model.data.comparisons import is_comparison_table
    from abkit_model.errors import LabelError

    try:
        return is_comparison_table(table, options)
    except LabelError:
        return False


def names_outcomes(table: Path, request: TrainingRequest) -> bool:
    """Return whether a table has outcomes of images in campaigns; False for one that cannot be read."""
    require_model()
    from abkit_model.data.outcomes import is_outcome_table
    from abkit_model.errors import LabelError

    try:
        return is_outcome_table(table, request.options, request.columns)
    except LabelError:
        return False


def refuse_another_metric(card: Card, request: TrainingRequest) -> None:
    """Refuse a parent that learned from outcomes of another metric, or whose scores are chances.

    Raises:
        UsageError: The parent cannot be tuned with these outcomes.
    """
    from abkit_model.data.outcomes import read_outcomes

    if scores_are_chances(card):
        raise UsageError(
            f"{card.name} learned from comparisons alone: its scores are chances, which outcomes cannot tune",
            hint="train from the outcomes without --parent, and give the comparisons with --comparisons",
        )
    before = card.data.get("metric") if card.data.get("layout") == "outcomes" else ""
    metric = read_outcomes(Path(request.table), request.options, request.columns).metric if before else ""
    if before and metric and before != metric:
        raise UsageError(
            f"{card.name} learned from outcomes in {before}, and {request.table} has outcomes in {metric}",
            hint="train without --parent, or name a parent that learned from the same metric",
        )


def require_model() -> None:
    """Say which extra to install when the model's libraries are missing.

    Raises:
        AbkitError: They are missing.
    """
    try:
        import abkit_model.scorer  # noqa: F401
    except ModuleNotFoundError as error:
        raise AbkitError(
            f"training needs {error.name}, which is not installed", hint="pip install 'abkit[model]'"
        ) from error
