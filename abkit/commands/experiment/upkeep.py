"""`abkit experiment archive|rename|delete`: look after experiments that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, show

KeyArgument = Annotated[str, typer.Argument(help="The experiment.")]


def archive(
    ctx: typer.Context,
    key: KeyArgument,
    restore: Annotated[bool, typer.Option("--restore", help="Bring an archived experiment back.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Take an experiment out of lists, schedules and reports; its figures stay."""
    from abkit.workflows.experiments.upkeep import archive_experiment

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = archive_experiment(store, key, restore=restore)
    show(done, form)


def rename(
    ctx: typer.Context,
    key: KeyArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Give an experiment another name; its looks and decisions stay with it."""
    from abkit.workflows.experiments.upkeep import rename_experiment

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = rename_experiment(store, key, new)
    show(done, form)


def delete(
    ctx: typer.Context,
    key: KeyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it although its looks and decisions are lost.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Delete an experiment with its looks and decisions; what its ads delivered stays."""
    from abkit.workflows.experiments.upkeep import delete_experiment

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = delete_experiment(store, key, confirmed=yes)
    show(done, form)
