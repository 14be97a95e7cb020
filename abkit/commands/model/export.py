"""`abkit model export`: a scorer as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.model.options import CheckpointOption, ModelOption, store_if_any
from abkit.commands.output import Format, FormatOption, note, progress_bars, show


def export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be new.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="A folder of creatives to compare copy and original on; --int8 needs it."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Compute the encoder's convolutions in 8-bit integers: a smaller file.")
    ] = False,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Write the scorer, encoder and queries together, as ONNX, and compare the copy with the original.

    A copy that ranks images unlike the original is not kept.
    """
    from abkit.workflows.models.evaluate import pick_scorer
    from abkit.workflows.models.export import export as work
    from abkit.workflows.models.train import require_model

    require_model()
    with store_if_any(ctx) as (store, _):
        scorer = pick_scorer(store, model=model, checkpoint=checkpoint)
    with progress_bars() as progress:
        result = work(scorer, out, images=images, int8=int8, progress=progress)
    show(result, form)
    if scorer.card.notice:
        note(f"Note: {scorer.card.notice}")
