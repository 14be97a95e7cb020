"""`abkit kpi`: what the platforms delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.loop.imports import ImportOption, LimitOption, print_rejects, print_results
from abkit.commands.output import Format, FormatOption, note
from abkit.commands.table_options import EncodingOption, HeaderLineOption, SheetOption

app = typer.Typer(help="KPI exports: import them, see what was refused, link ads to creatives.", no_args_is_help=True)


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="Exports (CSV, XLSX, ODS, Parquet, packed or not), or folders.", show_default=False
        ),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="The field that a column holds; 'COLUMN=' leaves it out."),
    ] = None,
    dayfirst: Annotated[
        bool | None, typer.Option("--dayfirst/--no-dayfirst", help="Whether 01/02/2026 is the first of February.")
    ] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="The decimal sign: . or ,")] = None,
    platform: Annotated[str, typer.Option("--platform", help="Platform of rows that do not name one.")] = "",
    account: Annotated[str, typer.Option("--account", help="Account of rows that do not name one.")] = "",
    period: Annotated[
        str | None, typer.Option("--period", metavar="FIRST..LAST", help="The days that totals without a date cover.")
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Import KPI exports. The same file again changes nothing; a later one restates the periods that it covers."""
    from abkit.intake.kpis.fields import parse_mapping
    from abkit.intake.kpis.reading import KpiOptions, parse_period
    from abkit.workflows.kpis.import_kpis import import_files

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
        recipes=context.settings.kpi_recipes,
        header_line=header_line,
        sheet=sheet,
        max_file_mb=limits.max_file_mb,
        max_rows=limits.max_rows,
    )
    with context.store() as store:
        summaries = import_files(store, files, options, note=note)
    print_results(summaries, form)
    if any(summary.unlinked for summary in summaries):
        note("list the ads without a creative: abkit kpi link")
    if not any(summary.landed for summary in summaries):
        raise typer.Exit(1)


@app.command()
def rejects(
    ctx: typer.Context, import_id: ImportOption = None, limit: LimitOption = 100, form: FormatOption = Format.TABLE
) -> None:
    """List the rows that were refused or set aside, each with its line and the reason; the latest import first."""
    from abkit.store.imports import kpi_rejects

    print_rejects(ctx.obj, kpi_rejects, import_id, limit, form)


@app.command()
def link(
    ctx: typer.Context,
    ad: Annotated[str | None, typer.Option("--ad", help="Link this ad (the platform's id) by hand …")] = None,
    creative: Annotated[
        str | None, typer.Option("--creative", help="… to this creative: its name, path or sha256.")
    ] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="Platform of the ad, where ids repeat.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Account of the ad, where ids repeat.")] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the links of --ad; names do not link it again.")
    ] = False,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="Link as this table says: columns ad and creative.")
    ] = None,
    accept: Annotated[
        float | None, typer.Option("--accept", metavar="0…1", help="Take suggestions with at least this confidence.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Link ads to creatives by name and hash; list those without one: suggested, ambiguous, unlinked."""
    from abkit.errors import UsageError
    from abkit.workflows.kpis import link as kpi_link

    if (ad is None) != (creative is None and not remove):
        raise UsageError("--ad needs --creative or --remove", hint="abkit kpi link --ad ID --creative NAME")
    if sum((ad is not None, table is not None, accept is not None)) > 1 or (remove and creative is not None):
        raise UsageError("these options do not go together", hint="say --ad, --table or --accept, one at a time")
    context: CommandContext = ctx.obj
    with context.store() as store:
        if table is not None:
            report = kpi_link.link_table(store, table)
        elif ad is not None and creative is not None:
            report = kpi_link.link_by_hand(store, ad, creative, platform=platform, account=account)
        elif ad is not None:
            report = kpi_link.remove_link(store, ad, platform=platform, account=account)
        else:
            report = kpi_link.link(store, accept=accept)
    print_results([report], form, report.unlinked, empty="every ad has its creative")
