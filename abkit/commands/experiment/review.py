"""`abkit experiment programme`: all experiments together, for the monthly review."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, show, write_csv


def programme(
    ctx: typer.Context,
    campaign: Annotated[str | None, typer.Option("--campaign", "-c", help="Experiments of this campaign only.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Last day that counts; today by default.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Include archived experiments.")] = False,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write a workbook too: experiments and summary.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the experiments as CSV too.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show all experiments by lift, how often they win, what winners add up to, and how many are luck."""
    from abkit.reporting.tables.experiments.programme import flat_rows, write_xlsx
    from abkit.workflows.experiments.review.programme import review_programme

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = review_programme(store, (as_of or datetime.now(UTC)).date(), archived=every, campaign=campaign)
    rows = flat_rows(found)
    show(found, form, rows=rows)
    if xlsx is not None:
        note(f"workbook: {write_xlsx(found, xlsx)}")
    if csv is not None:
        note(f"CSV: {write_csv(rows, csv)}")
