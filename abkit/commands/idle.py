"""Options that were given and change nothing: refused with what they belong to, rather than ignored."""

from __future__ import annotations

from collections.abc import Mapping

import typer


def refuse_idle(ctx: typer.Context, needs: Mapping[str, tuple[bool, str]]) -> None:
    """Refuse an option of the command line that has no effect beside the others.

    Args:
        ctx: The context of the command.
        needs: Parameter → whether it has an effect here, and what it belongs to, such as "--method bayes".

    Raises:
        UsageError: One was given on the command line, and has none.
    """
    from abkit.errors import UsageError

    flags = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    for name, (effective, needed) in needs.items():
        source = ctx.get_parameter_source(name)
        if not effective and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{flags[name]} has no effect here: it is for {needed}", hint=f"leave out {flags[name]}")
