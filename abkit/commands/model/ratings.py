"""`abkit ratings`: labels into the store, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_rows

app = typer.Typer(help="Ratings and choices: import them, agreement of raters, their bias.", no_args_is_help=True)

ScaleOption = Annotated[str | None, typer.Option("--scale", help="Lowest and highest rating, such as 1..7.")]


@app.callback()
def ratings() -> None:
    """Ratings and choices: import them, agreement of raters, their bias."""


@app.command("import")
def import_(
    ctx: typer.Context,
    table: Annotated[
        Path, typer.Argument(help="Ratings (histogram, one row a vote, mean and n, AVA's layout), or choices.")
    ],
    images: Annotated[Path, typer.Option("--images", help="The folder of the pictures that the table names.")],
    scale: ScaleOption = None,
    image_column: Annotated[
        str | None, typer.Option("--image-column", help="The column that names the picture.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="The study that its raters belong to; by default the file's name.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Import ratings or choices. The same table again changes nothing; raters are kept under pseudonyms."""
    from abkit.commands.model.options import parse_scale, show_progress
    from abkit.workflows.ratings.import_ratings import import_labels

    context: CommandContext = ctx.obj
    with context.store() as store, show_progress() as progress:
        result = import_labels(
            store,
            context.settings,
            table,
            images,
            source=source,
            image_column=image_column,
            scale=parse_scale(scale),
            progress=progress,
        )
    if result.again:
        note(f"{result.file}: imported before with the same pictures (import {result.import_id}); nothing to do")
    for line, reason in result.reasons:
        note(f"line {line}: {reason}")
    if result.rejected:
        note(f"{result.rejected:,} rows were refused; each of them: abkit ratings rejects --import {result.import_id}")
    if result.scale is not None:
        _say_scale(*result.scale)
    names = ["file", "source", "kind", "rows", "imported", "unchanged", "rejected", "pictures", "import_id", "run_id"]
    print_rows([asdict(result)], form, columns=names)
    if not result.imported + result.unchanged:
        raise typer.Exit(1)


@app.command()
def rejects(
    ctx: typer.Context,
    import_id: Annotated[int | None, typer.Option("--import", help="Of this import only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = 100,
    form: FormatOption = Format.TABLE,
) -> None:
    """The rows that were refused, each with its line and the reason; the latest import first."""
    from abkit.store.imports import rating_rejects

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        rows = rating_rejects(session, import_id, limit)
    print_rows(rows, form, columns=["import_id", "file", "line", "reason"], empty="no row was refused")
    if len(rows) == limit:
        note(f"only the first {limit:,}: --limit shows more")


@app.command()
def agreement(
    ctx: typer.Context,
    table: Annotated[
        Path | None, typer.Argument(help="CSV with one row a vote: image, rater, score. Without it, the store.")
    ] = None,
    scale: ScaleOption = None,
    source: Annotated[str | None, typer.Option("--source", help="Of the store: the ratings of this study.")] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Of the store: the ratings of this campaign's pictures.")
    ] = None,
    raters: Annotated[bool, typer.Option("--raters", help="One row a rater instead: bias and noise.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """How much raters agree, how many ratings a picture needs, and who is biased or inconsistent."""
    from abkit.commands.model.options import parse_scale
    from abkit.errors import UsageError
    from abkit.workflows.ratings.agreement import study_store, study_table

    if table is not None:
        if source or campaign:
            raise UsageError("--source and --campaign choose from the store, and a table was named", hint="drop one")
        study = study_table(table, scale=parse_scale(scale))
    else:
        if scale:
            raise UsageError("--scale is for a table: ratings in the store have their source's", hint="drop it")
        context: CommandContext = ctx.obj
        with context.store() as store:
            study = study_store(store, source=source, campaign=campaign)
    if study.scale is not None:
        _say_scale(*study.scale)
    if raters:
        title = "score = truth of the picture + bias of the rater + noise of the rater; 95% intervals of the bias"
        print_rows(study.by_rater(), form, title=title)
    else:
        counts = study.agreement
        title = f"{study.what}: {counts.ratings:,} ratings of {counts.items:,} pictures by {counts.raters:,} raters"
        columns = ["figure", "value", "ci_low", "ci_high", "n"] + (["run_id"] if study.run_id else [])
        print_rows(study.figures(), form, columns=columns, title=f"{title}; 95% intervals, pictures resampled")
        note("Bias and noise describe these raters, and counts are exact: they have no interval here (--raters has)")
    if study.rejected:
        line, reason = study.rejected[0]
        note(f"{len(study.rejected)} rows could not be used, the first: line {line}: {reason}")


def _say_scale(low: float, high: float) -> None:
    # a scale that was found and not asked for is worth a look: everything else hangs on it
    note(f"scale {low:g} to {high:g}")
