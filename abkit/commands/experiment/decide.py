"""`abkit experiment decide` and `list`: what people decided, and on which figures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.options import DAY
from abkit.commands.output import Format, FormatOption, note, print_rows, show
from abkit.vocabulary import ExperimentDecision


def decide(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The experiment.")],
    decision: Annotated[ExperimentDecision, typer.Argument(help="The decision.")],
    by: Annotated[str, typer.Option("--by", help="Name of the person who decides.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; needed against the verdict.")] = "",
    second: Annotated[
        str, typer.Option("--second", help="Another person who agrees, for a decision against the verdict.")
    ] = "",
    variant: Annotated[str | None, typer.Option("--variant", help="Variant that is shipped.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=DAY, help="Day of the decision; today by default.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Record what was decided, with the rule and the figures it rests on."""
    from abkit.workflows.experiments.experiments import decide_experiment

    context: CommandContext = ctx.obj
    with context.store() as store:
        record = decide_experiment(
            store,
            key,
            decision,
            variant=variant,
            person=by,
            reason=reason,
            as_of=(as_of or datetime.now(UTC)).date(),
            second=second,
            needs_second=context.settings.experiments.second_name,
        )
    show(record, form)


def list_(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="One experiment: its looks and decisions.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Include archived experiments.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the experiments, or the history of one."""
    from abkit.workflows.experiments.experiments import history, list_experiments

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_experiments(store, archived=every) if key is None else history(store, key)
    rows = [record.to_dict() for record in found]
    columns = None if key is None else ("kind", "sequence", "as_of", "verdict", "decided_by", "reason", "rule", "run")
    print_rows(rows, form, columns=columns, empty="no experiments yet: abkit experiment create")
    for row in rows:
        if row.get("unreadable"):
            note(row["unreadable"])
