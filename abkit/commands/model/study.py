"""`abkit model evaluate`, `compare` and `explain`: how good a scorer is, and where its scores come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.figures import number
from abkit.commands.model.options import (
    ENCODER,
    CheckpointOption,
    ComparisonImagesOption,
    ComparisonsOption,
    GroupColumnOption,
    ImageColumnOption,
    ImagesOption,
    LabelsArgument,
    MapOption,
    ModelOption,
    RatingsArgument,
    ScaleOption,
    SeedOption,
    parse_fields,
    parse_scale,
    store_if_any,
)
from abkit.commands.output import Format, FormatOption, note, print_rows, progress_bars, show
from abkit.commands.table_options import DecimalOption, EncodingOption, HeaderLineOption, SheetOption, table_options
from abkit.records import percent

LeastGainOption = Annotated[
    float | None,
    typer.Option(
        "--least-gain",
        parser=number,
        metavar="NUMBER",
        help="Of encoders: the gain in SRCC that a more expensive one has to bring; 0.02 by default.",
    ),
]
CoreHourOption = Annotated[
    float | None,
    typer.Option(
        "--core-hour",
        parser=number,
        metavar="MONEY",
        help="Of encoders: what an hour of one core costs, for costs in money.",
    ),
]
PriceCurrencyOption = Annotated[
    str | None, typer.Option("--currency", help="Of encoders: the currency of --core-hour, such as EUR.")
]

if TYPE_CHECKING:
    from abkit.store.database.engine import Store
    from abkit_model.scorer import Scorer


def evaluate(
    ctx: typer.Context,
    table: LabelsArgument,
    images: ImagesOption,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    image_column: ImageColumnOption = None,
    group_column: GroupColumnOption = None,
    scale: ScaleOption = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    mapping: MapOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure a scorer on ratings that it has not seen: SRCC, PLCC, accuracy, coverage of its interval.

    A table of comparisons (two images per row) works too: how often the preferred image has the higher score.
    """
    from abkit.workflows.models.evaluate import EvaluationRequest
    from abkit.workflows.models.evaluate import evaluate as work

    request = EvaluationRequest(
        table=table,
        images=images,
        model=model,
        checkpoint=checkpoint,
        image_column=image_column,
        group_column=group_column,
        scale=parse_scale(scale),
        options=table_options(encoding, header_line, sheet, decimal),
        columns=parse_fields(mapping),
    )
    with store_if_any(ctx) as (store, settings), progress_bars() as progress:
        result = work(store, request, settings=settings, progress=progress)
    show(result, form, as_rows=True)


def compare(
    ctx: typer.Context,
    table: RatingsArgument,
    images: ImagesOption,
    encoder: Annotated[
        list[str],
        typer.Option("--encoder", help="The frozen encoder under all heads; two or more are compared with each other."),
    ] = [ENCODER],  # noqa: B006  # typer copies it
    image_column: ImageColumnOption = None,
    group_column: GroupColumnOption = None,
    scale: ScaleOption = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    mapping: MapOption = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=50, help="How often the folds are drawn again.")] = 5,
    seed: SeedOption = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Repeats that run side by side.")] = 1,
    comparisons: ComparisonsOption = None,
    comparison_images: ComparisonImagesOption = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="Write a chart: .png, .svg or .html.")] = None,
    least_gain: LeastGainOption = None,
    core_hour: CoreHourOption = None,
    currency: PriceCurrencyOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare learnable queries with plain heads on the same encoder: repeated folds, paired intervals.

    With --comparisons, every head, trained on all the ratings, is also held against comparisons of other images.

    With --encoder twice or more, encoders are compared instead: whether another one than the first pays on these
    labels, by the recipe of `abkit model train`, and what each costs per 1,000 images.
    """
    one = {"--comparisons": comparisons, "--comparison-images": comparison_images, "--chart": chart, "--jobs": jobs > 1}
    several = {"--least-gain": least_gain is not None, "--core-hour": core_hour is not None, "--currency": currency}
    _refuse_stray(one if len(encoder) > 1 else several, len(encoder))
    if len(encoder) > 1:
        from abkit.workflows.models.compare_encoders import LEAST_GAIN, EncoderStudyRequest, compare_encoders

        study = EncoderStudyRequest(
            table=table,
            images=images,
            encoders=tuple(encoder),
            image_column=image_column,
            group_column=group_column,
            scale=parse_scale(scale),
            options=table_options(encoding, header_line, sheet, decimal),
            columns=parse_fields(mapping),
            repeats=repeats,
            seed=seed,
            least_gain=LEAST_GAIN if least_gain is None else least_gain,
            core_hour=core_hour,
            currency=currency or "",
        )
        with store_if_any(ctx) as (_, settings), progress_bars() as progress:
            found = compare_encoders(study, settings=settings, progress=progress)
        show(found, form, as_rows=True)
        return
    from abkit.workflows.models.compare import HeadStudyRequest
    from abkit.workflows.models.compare import compare as work

    if chart is not None:
        from abkit.reporting.charts.theme import refuse_unwritable

        refuse_unwritable(chart)
    request = HeadStudyRequest(
        table=table,
        images=images,
        encoder=encoder[0],
        image_column=image_column,
        group_column=group_column,
        scale=parse_scale(scale),
        options=table_options(encoding, header_line, sheet, decimal),
        columns=parse_fields(mapping),
        repeats=repeats,
        seed=seed,
        jobs=jobs,
        comparisons=comparisons,
        comparison_images=comparison_images,
    )
    with store_if_any(ctx) as (_, settings), progress_bars() as progress:
        result = work(request, settings=settings, progress=progress)
    show(result, form, as_rows=True)
    if chart is not None:
        from abkit.reporting.charts.scorer import head_chart
        from abkit.reporting.charts.theme import save_chart

        note(f"chart: {save_chart(head_chart(result.comparison), chart)}")


def _refuse_stray(options: Mapping[str, object], encoders: int) -> None:
    """Refuse options that belong to a comparison of heads among encoders, or the other way round."""
    from abkit.errors import UsageError

    given = ", ".join(name for name, value in options.items() if value)
    if given and encoders > 1:
        raise UsageError(f"{given} cannot be used where encoders are compared", hint="drop it, or name one --encoder")
    if given:
        raise UsageError(
            f"{given} can only be used where encoders are compared", hint="name two or more, each with --encoder"
        )


def explain(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="The folder for what is drawn.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Images to explain; with --most-active also folders, or none: those scored before."),
    ] = None,
    most_active: Annotated[
        bool,
        typer.Option("--most-active", help="Instead of overlays, the images on which each query is most active."),
    ] = False,
    top: Annotated[int, typer.Option("--top", min=1, max=60, help="Images at each end of --most-active.")] = 12,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Write overlays: one for the score of each image, and one per query of the first query set."""
    from abkit.errors import UsageError
    from abkit.workflows.models.evaluate import pick_scorer
    from abkit.workflows.models.train import require_model

    require_model()
    if not images and not most_active:
        raise UsageError("no image is named", hint="name at least one, or add --most-active")
    with store_if_any(ctx) as (store, _):
        scorer = pick_scorer(store, model=model, checkpoint=checkpoint)
        if most_active:
            _most_active(store, scorer, images or [], out, top, form)
            return
    _overlays(scorer, images or [], out, form)


def _overlays(scorer: Scorer, images: list[Path], out: Path, form: Format) -> None:
    from abkit.workflows.models.explain import MEANING, write_overlays

    with progress_bars() as progress:
        made = write_overlays(scorer, images, out, progress=lambda done, total: progress("images", done, total))
    rows = [item.to_dict() for item in made]
    print_rows(rows if form is Format.JSON else [{**row, "overlays": len(row["overlays"])} for row in rows], form)
    note(MEANING)
    _say_notice(scorer)
    if not any(row["status"] == "explained" for row in rows):
        raise typer.Exit(1)


def _most_active(store: Store | None, scorer: Scorer, images: list[Path], out: Path, top: int, form: Format) -> None:
    from abkit.intake.media.images import names_of
    from abkit.workflows.models.most_active import MEANING, most_active, rows_of

    with progress_bars() as progress:
        sheets = most_active(
            scorer, images, out, store=store, top=top, progress=lambda done, total: progress("images", done, total)
        )
    rows = rows_of(sheets)
    if form is not Format.JSON:
        rows = [{**row, "most_active": Path(row["most_active"][0]).name} for row in rows]
    names = ["query_set", "query", "mean", "std", "effect", "share", "share_low", "share_high", "most_like", "alike"]
    columns = [*names, "most_active"] if form is Format.TABLE else None
    if form is Format.CSV:
        columns = [name for name in rows[0] if name != "least_active"]
    print_rows(rows, form, columns=columns, title=f"{sheets.report.n} images; 95 % intervals, images resampled")
    for path, reason in sheets.rejected:
        note(f"{names_of(path)[0]}: {reason}")
    together = sheets.report.share
    note(
        f"all queries together: {percent(together.value, 1)} "
        f"[{percent(together.low, 1)}, {percent(together.high, 1)}] of the "
        f"standard deviation of the score ({sheets.report.score_std:.2f} steps); the hidden layer on the embedding "
        "gives the rest"
    )
    note(f"{len(sheets.files)} contact sheets and queries.json in {out}: {MEANING}")
    _say_notice(scorer)


def _say_notice(scorer: Scorer) -> None:
    if scorer.card.notice:
        note(f"Note: {scorer.card.notice}")
