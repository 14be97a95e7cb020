"""`abkit ratings`: labels into the store, and how far they can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.loop.imports import ImportOption, LimitOption, print_rejects, print_results
from abkit.commands.model.options import ImageColumnOption, LabelsArgument, ScaleOption, SeedOption, parse_scale
from abkit.commands.options import AsOfOption
from abkit.commands.output import Format, FormatOption, note, print_rows, progress_bar, progress_bars, show
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

app = typer.Typer(help="Ratings and comparisons: import them, see agreement and bias of raters.", no_args_is_help=True)

LabelImagesOption = Annotated[
    str,
    typer.Option(
        "--images",
        parser=file_or_address,
        metavar="FOLDER",
        help="The folder of the images that the table names, or its address (s3://, gs://, az://).",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The CSV to write.")]
OutcomeMetricOption = Annotated[
    Metric | None, typer.Option("--metric", "-m", help=f"The KPI; that of [retrain] by default. {METRIC_HELP}")
]


@app.command("import")
def import_(
    ctx: typer.Context,
    table: LabelsArgument,
    images: LabelImagesOption,
    scale: ScaleOption = None,
    image_column: ImageColumnOption = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    source: Annotated[
        str | None, typer.Option("--source", help="The study that its raters belong to; the file's name by default.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Import ratings or comparisons. The same table again changes nothing; raters are kept under pseudonyms."""
    from abkit.workflows.ratings.import_ratings import import_labels

    context: CommandContext = ctx.obj
    with context.store() as store, progress_bar("images") as progress:
        result = import_labels(
            store,
            context.settings,
            table,
            images,
            source=source,
            image_column=image_column,
            scale=parse_scale(scale),
            options=table_options(encoding, header_line, sheet, decimal),
            progress=progress,
        )
    print_results([result], form)
    if result.other_spellings:
        note(
            f"{result.other_spellings:,} raters are written otherwise than before in this study (case or blanks): "
            "they are taken for the same people; if they are not, import this table under another --source"
        )
    if not result.imported + result.unchanged:
        raise typer.Exit(1)


@app.command()
def rejects(
    ctx: typer.Context, import_id: ImportOption = None, limit: LimitOption = 100, form: FormatOption = Format.TABLE
) -> None:
    """List the rows that were refused, each with its line and the reason; the latest import first."""
    from abkit.store.imports import rating_rejects

    print_rejects(ctx.obj, rating_rejects, import_id, limit, form)


@app.command("from-kpis")
def from_kpis(
    ctx: typer.Context,
    out: OutOption,
    metric: OutcomeMetricOption = None,
    as_of: AsOfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Write what clicks say about creatives, as the table that `abkit retrain` learns from: one row per campaign."""
    _write_outcomes(ctx.obj, out, metric, as_of, form, only_experiments=False)


@app.command("from-experiments")
def from_experiments(
    ctx: typer.Context,
    out: OutOption,
    metric: OutcomeMetricOption = None,
    as_of: AsOfOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Write what decided experiments with random allocation say about creatives, as a table to learn from."""
    _write_outcomes(ctx.obj, out, metric, as_of, form, only_experiments=True)


def _write_outcomes(
    context: CommandContext,
    out: Path,
    metric: Metric | None,
    as_of: datetime | None,
    form: Format,
    *,
    only_experiments: bool,
) -> None:
    from abkit.workflows.learning.retraining.outcome_table import write_outcomes

    day = (as_of or datetime.now(UTC)).date()
    with context.store() as store:
        written = write_outcomes(
            store, context.settings, out, metric=metric, as_of=day, only_experiments=only_experiments
        )
    show(written, form)


@app.command()
def agreement(
    ctx: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(
            parser=file_or_address,
            metavar="FILE",
            help="A table with one row per vote: image, rater, score; the store by default.",
        ),
    ] = None,
    scale: ScaleOption = None,
    source: Annotated[str | None, typer.Option("--source", help="Only ratings in the store of this study.")] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Only ratings in the store of this campaign's creatives.")
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    raters: Annotated[bool, typer.Option("--raters", help="Show bias and noise instead, one row per rater.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show how far raters agree, how many ratings an image needs, and who is biased or inconsistent."""
    from abkit.errors import UsageError
    from abkit.workflows.ratings.agreement import study_store, study_table

    if table is not None:
        if source or campaign:
            raise UsageError("--source and --campaign select ratings in the store, not in a table", hint="drop one")
        options = table_options(encoding, header_line, sheet, decimal)
        study = study_table(table, scale=parse_scale(scale), options=options)
    else:
        if scale:
            raise UsageError("--scale is for a table: stored ratings have the scale of their source", hint="drop it")
        context: CommandContext = ctx.obj
        with context.store() as store:
            study = study_store(store, source=source, campaign=campaign)
    if raters:
        title = "score = truth of the image + bias of the rater + noise of the rater; 95 % intervals of the bias"
        print_rows(study.by_rater(), form, title=title)
        for text in study.remarks():
            note(text)
    else:
        print_results([study], form, study.figures())


@app.command()
def train(ctx: typer.Context, seed: SeedOption = 0, form: FormatOption = Format.TABLE) -> None:
    """Train a challenger on all ratings and comparisons in the store; the active model stays as it is."""
    from abkit.workflows.learning.retraining.labeled import train_on_labels

    context: CommandContext = ctx.obj
    with context.store() as store, progress_bars() as progress:
        result = train_on_labels(store, context.settings, seed=seed, progress=progress)
    show(result, form, as_rows=True)
    if result.name:
        note(f"compare it: abkit model compare; make it active: abkit model promote {result.name}")
