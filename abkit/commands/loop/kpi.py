"""`abkit kpi`: what the platforms delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_rows

app = typer.Typer(help="KPI exports: import them, see what was refused, link ads to pictures.", no_args_is_help=True)


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV or Parquet exports.", show_default=False)],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="Which field a column is; 'COLUMN=' leaves it out."),
    ] = None,
    dayfirst: Annotated[
        bool | None, typer.Option("--dayfirst/--no-dayfirst", help="01/02/2026 is the first of February.")
    ] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="The decimal sign: . or ,")] = None,
    platform: Annotated[str, typer.Option("--platform", help="Of rows that do not name one.")] = "",
    account: Annotated[str, typer.Option("--account", help="Of rows that do not name one.")] = "",
    period: Annotated[
        str | None, typer.Option("--period", metavar="FIRST..LAST", help="The days of totals that have no date.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="utf-8, utf-16, shift_jis or windows-1252; found by looking.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Import KPI exports. The same file again changes nothing; a later one restates the periods that it has."""
    from abkit.intake.kpis.fields import parse_mapping
    from abkit.intake.kpis.reading import KpiOptions, parse_period
    from abkit.workflows.kpis.import_kpis import as_rows, import_files

    context: CommandContext = ctx.obj
    limits = context.settings.kpi
    options = KpiOptions(
        mapping=parse_mapping(mapping or []),
        dayfirst=dayfirst,
        decimal=decimal,
        platform=platform,
        account=account,
        period=parse_period(period) if period else None,
        encoding=encoding,
        max_file_mb=limits.max_file_mb,
        max_rows=limits.max_rows,
    )
    with context.store() as store:
        summaries = import_files(store, files, options, note=note)
    for summary in summaries:
        if summary.error:
            note(f"Error: {summary.file}: {summary.error}")
            if summary.hint:
                note(f"Hint: {summary.hint}")
        for reason, rows in list(summary.reasons.items())[:10]:
            note(f"{summary.file}: {rows:,} rejected: {reason}")
        if summary.reasons:
            note(f"each of them: abkit kpi rejects --import {summary.import_id}")
    if any(summary.unlinked for summary in summaries):
        note("ads without a creative: abkit kpi link")
    columns = ["file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected"]
    print_rows(as_rows(summaries), form, columns=columns)
    if not any(summary.landed for summary in summaries):
        raise typer.Exit(1)


@app.command()
def rejects(
    ctx: typer.Context,
    import_id: Annotated[int | None, typer.Option("--import", help="Of this import only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = 100,
    form: FormatOption = Format.TABLE,
) -> None:
    """The rows that were refused, each with its line and the reason; the latest import first."""
    from abkit.store.imports import kpi_rejects

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        rows = kpi_rejects(session, import_id, limit)
    print_rows(rows, form, columns=["import_id", "file", "line", "reason"], empty="no row was refused")
    if len(rows) == limit:
        note(f"only the first {limit:,}: --limit shows more")


@app.command()
def link(
    ctx: typer.Context,
    ad: Annotated[str | None, typer.Option("--ad", help="Link this ad (the platform's id) by hand …")] = None,
    creative: Annotated[
        str | None, typer.Option("--creative", help="… to this picture: its name, path or sha256.")
    ] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="Of the ad, where ids repeat.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Of the ad, where ids repeat.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Link ads to pictures by name and hash, and list those that stay without one."""
    from abkit.errors import UsageError
    from abkit.workflows.kpis import link as kpi_link

    if (ad is None) != (creative is None):
        raise UsageError("--ad and --creative belong together", hint="abkit kpi link --ad ID --creative NAME")
    context: CommandContext = ctx.obj
    with context.store() as store:
        if ad is not None and creative is not None:
            report = kpi_link.link_by_hand(store, ad, creative, platform=platform, account=account)
        else:
            report = kpi_link.link(store)
    share = sum(row["share_of_impressions"] for row in report.unlinked)
    note(f"{report.linked:,} links made; {len(report.unlinked):,} ads without a creative, {share:.1%} of impressions")
    print_rows(report.unlinked, form, empty="every ad has its picture")
