"""`abkit model train`: queries from ratings or comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.model.options import (
    ENCODER,
    ComparisonImagesOption,
    ComparisonsOption,
    GroupColumnOption,
    ImageColumnOption,
    ImagesOption,
    LabelsArgument,
    MapOption,
    ScaleOption,
    SeedOption,
    SegmentOption,
    parse_fields,
    parse_scale,
    store_if_any,
)
from abkit.commands.options import DeviceOption
from abkit.commands.output import Format, FormatOption, progress_bars, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)


def train(
    ctx: typer.Context,
    table: LabelsArgument,
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", help="The folder to write the checkpoint to; it must be new.")],
    encoder: Annotated[
        str,
        typer.Option("--encoder", help="bundled:efficientnet-lite2, bundled:efficientnet-lite0, or openclip:NAME/TAG."),
    ] = ENCODER,
    image_column: ImageColumnOption = None,
    group_column: GroupColumnOption = None,
    scale: ScaleOption = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    decimal: DecimalOption = None,
    seed: SeedOption = 0,
    queries: Annotated[
        str | None,
        typer.Option("--queries", metavar="N|auto", help="Queries per member; auto finds the number by validation."),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent",
            metavar="FOLDER|VERSION|active",
            help="Tune the queries of this checkpoint, version or the active model instead; usually for a segment.",
        ),
    ] = None,
    segment: SegmentOption = "",
    comparisons: ComparisonsOption = None,
    comparison_images: ComparisonImagesOption = None,
    ratings: Annotated[
        str | None,
        typer.Option(
            "--ratings",
            parser=file_or_address,
            metavar="TABLE",
            help="With outcomes: ratings to learn from beside them.",
        ),
    ] = None,
    rating_images: Annotated[
        Path | None, typer.Option("--rating-images", metavar="FOLDER", help="The images that --ratings names.")
    ] = None,
    mapping: MapOption = None,
    correct_raters: Annotated[
        bool,
        typer.Option("--correct-raters", help="Take the raters' biases out of single votes first (ITU-T P.910)."),
    ] = False,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Label these weights, and all their scores, as a demonstration.")
    ] = False,
    device: DeviceOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Train queries on ratings; the encoder stays frozen. Figures come from subjects that were held out.

    A table of comparisons (two images per row) can be learned from by itself too: scores are then chances, from 0 to
    1, that an image is preferred over the average one, or with --parent on the parent's scale.

    So can a table of outcomes (one row per image and campaign, with its appeal, or with events and what was expected):
    scores are then logarithms of rates against the average of a campaign, or with --parent on the parent's scale.
    """
    from abkit.workflows.models.train import train as work
    from abkit_model.training.request import TrainingRequest

    ctx.obj.compute_on(device)
    request = TrainingRequest(
        table=table,
        images=images,
        out=out,
        encoder=encoder,
        image_column=image_column,
        group_column=group_column,
        scale=parse_scale(scale),
        options=table_options(encoding, header_line, sheet, decimal),
        correct_raters=correct_raters,
        comparisons=comparisons,
        comparison_images=comparison_images,
        columns=parse_fields(mapping),
        ratings=ratings,
        rating_images=rating_images,
        parent=parent,
        queries=int(queries) if queries is not None and queries.isdecimal() else queries,
        segment=segment,
        seed=seed,
        demonstration=demonstration,
    )
    with store_if_any(ctx) as (store, settings), progress_bars() as progress:
        result = work(store, request, settings=settings, progress=progress)
    show(result, form, as_rows=True)
