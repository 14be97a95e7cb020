"""`abkit model list`, `register`, `promote` and `rollback`: which versions there are, and which is active."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.model.options import SegmentOption
from abkit.commands.output import Format, FormatOption, note, print_rows

if TYPE_CHECKING:
    from abkit.store.schema import ModelVersion

WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with the promotion.")]


def list_versions(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the model versions of this store, and which is active for what."""
    from abkit.workflows.active_model import list_versions as read

    context: CommandContext = ctx.obj
    with context.store() as store:
        rows = [line.__dict__ for line in read(store)]
    figures = ["srcc", "plcc", *(["picks_winner"] if any(row["picks_winner"] != "–" for row in rows) else [])]
    columns = ["digest", "name", "active_for", "scale", *figures, "n_images", "encoder", "created_at"]
    shown = [{**row, "digest": row["digest"][:12]} for row in rows] if form is Format.TABLE else rows
    print_rows(
        shown,
        form,
        columns=columns,
        empty="no model version yet: `abkit score` registers the shipped one, `abkit model train` makes another",
    )
    if any(row["demonstration"] for row in rows):
        note("Note: demonstration weights: their figures hold for photographs like the ones they were trained on")


def register(
    ctx: typer.Context, checkpoint: Annotated[Path, typer.Argument(help="The folder of a trained checkpoint.")]
) -> None:
    """Make a checkpoint known to the store, without promoting it."""
    from abkit.workflows.active_model import register_checkpoint

    context: CommandContext = ctx.obj
    with context.store() as store:
        version = register_checkpoint(store, checkpoint)
    typer.echo(version.digest)
    note(f"registered {version.name}; `abkit model promote {version.digest[:12]}` makes it the active model")


def promote(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Name or digest of a version, or `shipped`.")],
    segment: SegmentOption = "",
    why: WhyOption = "by hand",
) -> None:
    """Make a version the active model. `abkit model rollback` brings the former one back."""
    from abkit.workflows.active_model import promote as change

    context: CommandContext = ctx.obj
    with context.store() as store:
        _say_active(change(store, model, segment=segment, why=why), segment)


def rollback(ctx: typer.Context, segment: SegmentOption = "", why: WhyOption = "by hand") -> None:
    """Make the model that was active before this one active again."""
    from abkit.workflows.active_model import rollback as change

    context: CommandContext = ctx.obj
    with context.store() as store:
        _say_active(change(store, segment=segment, why=why), segment)


def _say_active(version: ModelVersion, segment: str) -> None:
    typer.echo(version.digest)
    note(f"{version.name} {version.digest[:12]} is now the active model" + (f" for {segment}" if segment else ""))
