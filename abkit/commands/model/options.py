"""What the commands about scorers share: options, and the workspace if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.table_options import file_or_address
from abkit.errors import UsageError

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.store.database.engine import Store

#: The frozen encoder where none is named; as in `abkit_model`, which takes longer to import.
ENCODER = "bundled:efficientnet-lite2"


def _segment(text: str) -> str:
    from abkit.store.keys import clean_key

    return clean_key(text, "segment") if text else ""


SegmentOption = Annotated[
    str,
    typer.Option(
        "--segment",
        parser=_segment,
        metavar="SEGMENT",
        help="The segment that it is for; all by default.",
        show_default=False,
    ),
]
ImagesOption = Annotated[Path, typer.Option("--images", help="The folder of the images that the table names.")]
ImageColumnOption = Annotated[str | None, typer.Option("--image-column", help="The column that names the image.")]
GroupColumnOption = Annotated[
    str | None,
    typer.Option("--group-column", help="Images with equal values (one subject) are held out together."),
]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Lowest and highest rating, such as 1..7.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
ComparisonsOption = Annotated[
    str | None,
    typer.Option(
        "--comparisons",
        parser=file_or_address,
        metavar="FILE",
        help="Comparisons of two images: votes, or outcomes of A/B tests.",
    ),
]
ComparisonImagesOption = Annotated[
    Path | None, typer.Option("--comparison-images", help="The folder of the images that the comparisons name.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="A registered version (name or digest); the active model by default.")
]
CheckpointOption = Annotated[Path | None, typer.Option("--checkpoint", help="A checkpoint's folder instead.")]
RatingsArgument = Annotated[
    str,
    typer.Argument(
        parser=file_or_address,
        metavar="FILE",
        help="Ratings: histogram, one row per vote, mean and n, or AVA's layout.",
    ),
]
LabelsArgument = Annotated[
    str,
    typer.Argument(
        parser=file_or_address,
        metavar="FILE",
        help="Ratings (histogram, one row per vote, mean and n, AVA's layout), comparisons, or outcomes.",
    ),
]

MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help="The field that a column holds, of ratings or outcomes."),
]


def parse_scale(text: str | None) -> tuple[float, float] | None:
    """Return lowest and highest rating from `1..7`.

    Raises:
        UsageError: Not two numbers, not finite, or not rising.
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(".."))
    except ValueError as error:
        raise UsageError(f"--scale {text!r} is not a scale", hint="write lowest..highest, such as 1..7") from error
    if not 0 < high - low < float("inf"):  # false for nan as well
        raise UsageError(
            f"--scale {text!r} is not a scale: the lowest rating must be below the highest, both finite",
            hint="write lowest..highest, such as 1..7",
        )
    return low, high


def parse_fields(mapping: list[str] | None) -> dict[str, str] | None:
    """Return columns by field from `COLUMN=FIELD`; None where nothing is said.

    Raises:
        UsageError: No equals sign, a field that is not known or named twice, or fields of ratings and outcomes.
    """
    from abkit_model.data.outcomes import COLUMNS
    from abkit_model.data.rating_columns import FIELDS

    found: dict[str, str] = {}
    for text in mapping or ():
        column, _, field = text.rpartition("=")
        if not column or field not in {*COLUMNS, *FIELDS} or field in found:
            what = "names a field twice" if field in found else "is not COLUMN=FIELD with a known field"
            raise UsageError(f"--map {text!r} {what}", hint=_known_fields(COLUMNS, FIELDS))
        found[field] = column
    if found.keys() - COLUMNS.keys() and found.keys() - FIELDS.keys():
        raise UsageError("--map names fields of ratings and of outcomes", hint=_known_fields(COLUMNS, FIELDS))
    return found or None


def _known_fields(outcomes: Iterable[str], ratings: Iterable[str]) -> str:
    return f"of ratings: {', '.join(ratings)}; of outcomes: {', '.join(outcomes)}"


@contextmanager
def store_if_any(ctx: typer.Context) -> Iterator[tuple[Store | None, Settings | None]]:
    """Give the store and the settings of the workspace; None for both where there is no workspace."""
    from abkit.config import find_config

    context: CommandContext = ctx.obj
    if not (context.config or context.database_url or find_config(Path.cwd())):
        yield None, None
        return
    with context.store() as store:
        yield store, context.settings
