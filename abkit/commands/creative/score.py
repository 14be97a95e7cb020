"""`abkit score`: rate ad variants before launch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.options import DeviceOption
from abkit.commands.output import Format, FormatOption, note, progress_bar, show, shown
from abkit.vocabulary import Engine

if TYPE_CHECKING:
    from abkit.store.database.engine import Store
    from abkit.workflows.scoring.results import ScoringResult
    from abkit.workflows.scoring.score import Progress

app = typer.Typer()


@app.command("score")
def score(
    ctx: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(help="Images, folders, or patterns such as 'ads/*.png'; also s3://, gs://, az://, https://."),
    ],
    campaign: Annotated[
        str, typer.Option("--campaign", "-c", help="The campaign whose candidates these creatives are.")
    ] = "default",
    model: Annotated[
        str | None, typer.Option("--model", help="Score with this version (name or digest), not the active model.")
    ] = None,
    brief: Annotated[
        str | None,
        typer.Option("--brief", help="What the creatives should show; how well they fit is shown and logged."),
    ] = None,
    brief_encoder: Annotated[
        str | None,
        typer.Option(
            "--brief-encoder",
            help="openclip:MODEL/PRETRAINED that reads the brief if the scorer cannot, or classes:efficientnet-lite2.",
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option("--explain", help="Write overlays that show where the scores come from to a folder.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option("--engine", help="Where to score: in this process, or in workers of a Ray cluster.")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None,
        typer.Option("--address", help="With --engine ray: a running cluster, such as auto; a local one otherwise."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="With --engine ray: processes that score, each on one core.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="With --engine ray: write Parquet files to this folder, not the store.")
    ] = None,
    device: DeviceOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Score creatives, log the scores, and rank the variants of a campaign; known creatives are not scored again."""
    from abkit.errors import UsageError

    if brief_encoder is not None and brief is None:
        raise UsageError("--brief-encoder without --brief has nothing to read", hint='add --brief "what it shows"')
    if explain is not None:
        _refuse_file(explain)
        if any("://" in path for path in paths):
            raise UsageError("--explain needs the images on this machine", hint="download them, and name that folder")
    context: CommandContext = ctx.obj
    context.compute_on(device)
    if engine is Engine.RAY:
        if brief is not None or explain is not None:
            raise UsageError(
                "--brief and --explain need the images on this machine", hint="leave them out, or score without Ray"
            )
        with context.workspace as workspace, progress_bar("scoring") as progress:
            counted = workspace.score_on_cluster(
                paths, campaign=campaign, model=model, address=address, workers=workers, to=to, progress=progress
            )
        show(counted, form)
        if not counted.scored + counted.known:
            raise typer.Exit(1)
        return
    if address is not None or workers is not None or to is not None:
        raise UsageError("--address, --workers and --to are for a cluster", hint="add --engine ray")
    with context.workspace as workspace, progress_bar("scoring") as progress:
        result = workspace.score(
            paths,
            campaign=campaign,
            model=model,
            brief=brief,
            brief_encoder=brief_encoder,
            progress=progress,
        )
        overlays = _write_overlays(workspace.store, result, explain, progress) if explain is not None else 0
    show(result, form, columns=[name for name in result.rows()[0] if name != "distribution"], as_rows=True)
    if explain is not None:
        from abkit.workflows.models.explain import MEANING

        note(f"{overlays} overlays in {shown(explain)}: {MEANING}")
    if not result.usable:
        raise typer.Exit(1)


def _refuse_file(folder: Path) -> None:
    """Raise before anything is scored if overlays cannot go to this folder.

    Raises:
        UsageError: It, or the path above it, is not a folder.
    """
    from abkit.errors import UsageError

    place = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not os.path.isdir(place):
        raise UsageError(f"{shown(place)} is not a folder", hint="--explain needs a folder; it may be a new one")


def _write_overlays(store: Store, result: ScoringResult, folder: Path, progress: Progress) -> int:
    """Write overlays of each content once, by the version that scored it; return how many files were written."""
    from abkit.workflows.models.evaluate import pick_scorer
    from abkit.workflows.models.explain import write_overlays

    images = {file.creative_id: Path(file.path) for file in reversed(result.usable)}
    if not images:
        return 0
    scorer = pick_scorer(store, model=result.model_version)
    made = write_overlays(scorer, sorted(images.values()), folder, progress=progress)
    return sum(len(item.overlays) for item in made)
