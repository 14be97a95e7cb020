"""`abkit kpi`: what the platforms delivered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.figures import number
from abkit.commands.loop.imports import (
    ImportOption,
    LimitOption,
    is_asked,
    print_previews,
    print_rejects,
    print_results,
)
from abkit.commands.options import AsOfOption, CurrencyOption, FromOption, RatesOption
from abkit.commands.output import Format, FormatOption, note, progress_bar, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import Metric

if TYPE_CHECKING:
    from abkit.intake.kpis.reading import KpiOptions
    from abkit.intake.remote.fetch import Fetched

ImportArgument = Annotated[
    int, typer.Argument(metavar="IMPORT", help="Number of the import, as `abkit kpi list` shows it.")
]

app = typer.Typer(help="KPI exports: import them, see what was refused, link ads to creatives.", no_args_is_help=True)


@app.command("import")
def import_(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE…",
            parser=file_or_address,
            help="Exports (CSV, XLSX, ODS, Parquet, packed or not), or folders; also s3://, gs://, az://, https://.",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="The field that a column holds; 'COLUMN=' leaves it out."),
    ] = None,
    dayfirst: Annotated[
        bool | None, typer.Option("--dayfirst/--no-dayfirst", help="Whether 01/02/2026 is the first of February.")
    ] = None,
    decimal: DecimalOption = None,
    platform: Annotated[str, typer.Option("--platform", help="Platform of rows that do not name one.")] = "",
    account: Annotated[str, typer.Option("--account", help="Account of rows that do not name one.")] = "",
    period: Annotated[
        str | None, typer.Option("--period", metavar="FIRST..LAST", help="The days that totals without a date cover.")
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="ZONE", help="Time zone of the account, such as Europe/Berlin.")
    ] = None,
    sql: Annotated[
        str | None, typer.Option("--sql", metavar="URL", help="Import the rows of --query from this database …")
    ] = None,
    sql_env: Annotated[
        str | None, typer.Option("--sql-env", metavar="NAME", help="… or from the one whose URL is in this variable.")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="FILE", help="A file with one SELECT, or the SELECT itself.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported and what refused; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Import without a preview, at a terminal too.")] = False,
    forget_mapping: Annotated[
        bool, typer.Option("--forget-mapping", help="Ignore the mapping remembered for these columns.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Import KPI exports. The same file again changes nothing; a later one restates the periods that it covers.

    At a terminal, a preview comes first and asks once. What --map said is remembered for the next file with the same
    columns from the same account.
    """
    from abkit.intake.kpis.header.fields import parse_mapping
    from abkit.intake.kpis.reading import parse_period
    from abkit.workflows.kpis.import_kpis import import_files, options_of
    from abkit.workflows.kpis.preview import preview_files

    context: CommandContext = ctx.obj
    options = options_of(
        context.settings,
        mapping=parse_mapping(mapping or []),
        dayfirst=dayfirst,
        decimal=decimal,
        platform=platform,
        account=account,
        period=parse_period(period) if period else None,
        encoding=encoding,
        header_line=header_line,
        sheet=sheet,
        time_zone=time_zone,
    )
    with context.store() as store, _origin(files or [], sql, sql_env, query, options) as found:
        if dry_run or (form is Format.TABLE and not yes and is_asked()):
            previews = preview_files(store, found, options, forget_mapping=forget_mapping)
            if dry_run:
                print_previews(previews, form)
                raise typer.Exit(0 if any(one.lands for one in previews) else 1)
            if any(one.good for one in previews):
                print_previews(previews, form)
                typer.confirm("import?", default=True, abort=True, err=True)
        summaries = import_files(store, found, options, note=note, forget_mapping=forget_mapping)
    # Notes were printed while files came in.
    rows = [one.to_dict() for one in summaries] if form is Format.JSON else None
    print_results([replace(one, notes=()) for one in summaries], form, rows)
    if any(summary.unlinked for summary in summaries):
        note("list the ads without a creative: abkit kpi link")
    if not any(summary.landed for summary in summaries):
        raise typer.Exit(1)


@contextmanager
def _origin(
    files: list[str], sql: str | None, sql_env: str | None, query: str | None, options: KpiOptions
) -> Iterator[Fetched]:
    from abkit.addresses import holds_password
    from abkit.errors import UsageError
    from abkit.intake.databases.warehouse import shown_url
    from abkit.intake.kpis.files import queried_export

    given = [bool(files), sql is not None, sql_env is not None]
    if sum(given) != 1 or (query is None) != bool(files):
        raise UsageError(
            "name files, or a database and a query", hint="abkit kpi import FILE…, or --sql-env NAME --query FILE"
        )
    if query is None:
        with _fetched(files, options) as found:
            yield found
        return
    url = os.environ.get(sql_env, "").strip() if sql_env is not None else sql or ""
    if not url:
        raise UsageError(f"the environment variable {sql_env} is not set", hint="put the URL of the database there")
    shown_url(url)
    if sql is not None and holds_password(url):
        raise UsageError(
            "the URL holds a password, which others can see in the list of processes",
            hint="put the URL into an environment variable, and name that: --sql-env NAME",
        )
    with queried_export(url, query, options, variable=sql_env) as found:
        yield found


@contextmanager
def _fetched(files: list[str], options: KpiOptions) -> Iterator[Fetched]:
    from abkit.intake.kpis.files import fetched_exports

    with ExitStack() as stack:
        if not any("://" in file for file in files):
            yield stack.enter_context(fetched_exports(files, options))
            return
        with progress_bar("fetching") as progress:
            found = stack.enter_context(fetched_exports(files, options, progress=progress))
        yield found


@app.command()
def rejects(
    ctx: typer.Context, import_id: ImportOption = None, limit: LimitOption = 100, form: FormatOption = Format.TABLE
) -> None:
    """List the rows that were refused or set aside, each with its line and the reason; the latest import first."""
    from abkit.store.imports import kpi_rejects

    print_rejects(ctx.obj, kpi_rejects, import_id, limit, form)


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the files that were imported, the latest first: what came in, when, and whether it still counts."""
    from abkit.workflows.kpis.imports import list_imports

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = list_imports(store)
    if not found.imports:
        note("nothing was imported yet: abkit kpi import FILE")
    show(found, form, as_rows=True)


@app.command("show")
def show_(ctx: typer.Context, import_id: ImportArgument, form: FormatOption = Format.TABLE) -> None:
    """Show one import: where it came from, how it was read, what it holds, and what became of its rows."""
    from abkit.workflows.kpis.imports import show_import

    context: CommandContext = ctx.obj
    with context.store() as store:
        found = show_import(store, import_id)
    show(found, form)


@app.command()
def appeal(
    ctx: typer.Context,
    metric: Annotated[Metric, typer.Option("--metric", "-m", help=METRIC_HELP)] = Metric.CTR,
    campaign: Annotated[
        list[str] | None, typer.Option("--campaign", "-c", help="Only this campaign; may be given again.")
    ] = None,
    segment: Annotated[str, typer.Option("--segment", help="Only this delivery, such as placement=feed.")] = "",
    start: FromOption = None,
    as_of: AsOfOption = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the appeal of creatives: what each got over what was expected where, when and to whom it was shown."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        found = workspace.appeal(
            metric,
            campaigns=campaign,
            segment=segment,
            start=start.date() if start else None,
            as_of=as_of.date() if as_of else None,
            rates=rates,
            currency=currency,
        )
    show(found, form, as_rows=True)


@app.command()
def mappings(
    ctx: typer.Context,
    forget: Annotated[int | None, typer.Option("--forget", metavar="MAPPING", help="Forget this one.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the mappings that are remembered: what --map said, by header and account."""
    from abkit.workflows.kpis.mappings import forget_mapping, list_mappings

    context: CommandContext = ctx.obj
    with context.store() as store:
        if forget is not None:
            forget_mapping(store, forget)
            note(f"mapping {forget} is forgotten")
        found = list_mappings(store)
    if not found.mappings:
        note("no mapping is remembered: abkit kpi import FILE --map 'COLUMN=FIELD' makes one")
    show(found, form, as_rows=True)


@app.command()
def undo(ctx: typer.Context, import_id: ImportArgument, form: FormatOption = Format.TABLE) -> None:
    """Take an import back out, with everything that hangs on it; figures that it replaced come back.

    Afterwards the store holds the figures that it would hold without that file, whatever came before and after it.
    """
    from abkit.workflows.kpis.imports import undo_import

    context: CommandContext = ctx.obj
    with context.store() as store:
        done = undo_import(store, import_id, note=note)
    show(done, form)


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
        str | None,
        typer.Option(
            "--table",
            parser=file_or_address,
            metavar="FILE",
            help="Link as this table says: columns ad and creative.",
        ),
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    accept: Annotated[
        float | None,
        typer.Option("--accept", parser=number, metavar="0…1", help="Take suggestions with at least this confidence."),
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            "--pattern",
            metavar="PATTERN",
            help="Link by the fields of names, such as '{brand}_{concept}_v{n}_{size}'; several are tried in order. "
            "Without any option, by name_pattern of the configuration, if it has one.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="FOLDER", help="Recognize images of the ads, named by ad id or ad name."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="List the linked ads too: what each shows, and how.")] = False,
    undo: Annotated[
        str | None,
        typer.Option("--undo", metavar="KIND", help="Take back all links by hash, pattern, similar or table."),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Link ads to creatives by name and hash; list those without one: suggested, ambiguous, unlinked."""
    from abkit.errors import UsageError
    from abkit.workflows.kpis.linking import link as kpi_link
    from abkit.workflows.kpis.linking.images import link_images
    from abkit.workflows.kpis.linking.pattern import link_by_pattern

    if (ad is None) != (creative is None and not remove):
        raise UsageError("--ad needs --creative or --remove", hint="abkit kpi link --ad ID --creative NAME")
    suggestions = accept is not None or images is not None
    ways = (ad is not None, table is not None, bool(pattern), undo is not None, suggestions)
    if sum(ways) > 1 or (remove and creative is not None) or (all_ and any(ways)):
        hint = "say --ad, --table, --pattern, --undo, --all or --accept (with --images or without), one at a time"
        raise UsageError("these options do not go together", hint=hint)
    context: CommandContext = ctx.obj
    named = context.settings.kpi.name_pattern
    patterns = pattern or ([named] if named and not all_ and not any(ways) else [])
    with context.store() as store:
        if table is not None:
            options = table_options(encoding, header_line, sheet, decimal)
            report = kpi_link.link_table(store, table, options)
        elif ad is not None and creative is not None:
            report = kpi_link.link_by_hand(store, ad, creative, platform=platform, account=account)
        elif ad is not None:
            report = kpi_link.remove_link(store, ad, platform=platform, account=account)
        elif patterns:
            report = link_by_pattern(store, patterns)
        elif undo is not None:
            report = kpi_link.undo_links(store, undo)
        elif images is not None:
            limit = round(context.settings.scoring.max_file_mb * 2**20)
            report = link_images(store, images, max_bytes=limit, accept=accept)
        else:
            report = kpi_link.link(store, accept=accept, everything=all_)
    print_results([report], form, report.rows(), empty="every ad has its creative")
