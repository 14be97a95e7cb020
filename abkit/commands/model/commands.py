"""`abkit model`: the scorers: train, evaluate, list, promote, roll back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.model.figures import note_limits, print_figures, report_agreement, report_training
from abkit.commands.output import Format, FormatOption, note, print_rows

if TYPE_CHECKING:
    from rich.progress import TaskID

    from abkit.config import Settings
    from abkit.store.engine import Store
    from abkit.store.schema import ModelVersion

app = typer.Typer(help="The scorers: train, evaluate, list, promote, roll back.", no_args_is_help=True)

SegmentOption = Annotated[str, typer.Option("--segment", help="The segment that it speaks for; all by default.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with the promotion.")]


MAX_QUERIES = 64
ImagesOption = Annotated[Path, typer.Option("--images", help="The folder of the pictures that the table names.")]
ImageColumnOption = Annotated[str | None, typer.Option("--image-column", help="The column that names the picture.")]
GroupColumnOption = Annotated[
    str | None,
    typer.Option("--group-column", help="Pictures with equal values (one subject) are held out together."),
]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Lowest and highest rating, such as 1..7.")]
ChoicesOption = Annotated[
    Path | None, typer.Option("--choices", help="Choices between two pictures: votes, or outcomes of A/B tests.")
]
ChoiceImagesOption = Annotated[
    Path | None, typer.Option("--choice-images", help="The folder of the pictures that the choices name.")
]
TableArgument = Annotated[Path, typer.Argument(help="Ratings: histogram, one row a vote, mean and n, or AVA's layout.")]
LabelsArgument = Annotated[
    Path, typer.Argument(help="Ratings (histogram, one row a vote, mean and n, AVA's layout), or choices.")
]


@app.command()
def train(
    ctx: typer.Context,
    table: LabelsArgument,
    images: ImagesOption,
    out: Annotated[Path, typer.Option("--out", help="The folder to write the checkpoint to; it must be new.")],
    encoder: Annotated[
        str,
        typer.Option("--encoder", help="bundled:efficientnet-lite2, bundled:efficientnet-lite0, or openclip:NAME/TAG."),
    ] = "bundled:efficientnet-lite2",
    image_column: ImageColumnOption = None,
    group_column: GroupColumnOption = None,
    scale: ScaleOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.")] = 0,
    queries: Annotated[
        str | None,
        typer.Option("--queries", metavar="N|auto", help="Queries of a member; auto finds the number by validation."),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent",
            metavar="FOLDER|VERSION|active",
            help="Tune the queries of this checkpoint, version or the active model instead; for a segment, as a rule.",
        ),
    ] = None,
    segment: SegmentOption = "",
    choices: ChoicesOption = None,
    choice_images: ChoiceImagesOption = None,
    correct_raters: Annotated[
        bool,
        typer.Option("--correct-raters", help="Take the raters' biases out of single votes first (ITU-T P.910)."),
    ] = False,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Label these weights, and all their scores, as a demonstration.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Train queries on ratings; the encoder stays frozen. Figures come from subjects that were held out.

    A table of choices (two pictures a row) teaches by itself too: scores are then chances, from 0 to 1, that a picture
    is preferred over the average one, or with --parent on the parent's scale.
    """
    from abkit.workflows.models import train as workflow

    ratings = workflow.Ratings(table, images, image_column, group_column, parse_scale(scale))
    wish = workflow.Wish(
        encoder,
        _queries(queries),
        parent,
        segment,
        correct_raters,
        seed,
        demonstration,
        pair_of(choices, choice_images),
    )
    with store_if_any(ctx) as (store, settings), show_progress() as progress:
        outcome = workflow.train(store, ratings, wish, out=out, settings=settings, progress=progress)
    report_training(outcome, form, segment=segment)


@app.command()
def evaluate(
    ctx: typer.Context,
    table: LabelsArgument,
    images: ImagesOption,
    model: Annotated[
        str | None, typer.Option("--model", help="A registered version (name or digest); the active model by default.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", help="A checkpoint's folder instead.")] = None,
    image_column: ImageColumnOption = None,
    group_column: GroupColumnOption = None,
    scale: ScaleOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure a scorer on ratings that it has not seen: SRCC, PLCC, accuracy, coverage of its interval.

    A table of choices (two pictures a row) is understood too: how often the preferred picture has the higher score.
    """
    from abkit.workflows.models.comparison_agreement import measure_agreement
    from abkit.workflows.models.evaluate import measure
    from abkit.workflows.models.train import Ratings, names_choices

    if names_choices(table):
        with store_if_any(ctx) as (store, settings), show_progress() as progress:
            agreement = measure_agreement(
                store, table, images, model=model, checkpoint=checkpoint, settings=settings, progress=progress
            )
        report_agreement(agreement, form)
        return
    ratings = Ratings(table, images, image_column, group_column, parse_scale(scale))
    with store_if_any(ctx) as (store, settings), show_progress() as progress:
        result = measure(store, ratings, model=model, checkpoint=checkpoint, settings=settings, progress=progress)
    print_figures(result.figures, form, digest=result.digest, coverage=result.coverage)
    note(f"{result.name} {result.digest[:12]}; the interval promises {result.ci_level:.0%}")
    note_limits(result)


def _queries(text: str | None) -> int | None:
    """How many queries: 0 for auto, None for the recipe's number."""
    from abkit.errors import UsageError

    if text is None or text == "auto":
        return None if text is None else 0
    if not text.isdecimal() or not 1 <= int(text) <= MAX_QUERIES:
        raise UsageError(f"--queries {text!r} is neither auto nor a number from 1 to {MAX_QUERIES}")
    return int(text)


def pair_of(choices: Path | None, images: Path | None) -> tuple[Path, Path] | None:
    """A table of choices and its folder; nothing when neither is given."""
    from abkit.errors import UsageError

    if choices is None and images is None:
        return None
    if choices is None or images is None:
        raise UsageError("choices need their pictures", hint="give both --choices TABLE and --choice-images FOLDER")
    return choices, images


def parse_scale(text: str | None) -> tuple[float, float] | None:
    """Lowest and highest rating from `1..7`.

    Raises:
        UsageError: not two numbers, not finite, or not rising.
    """
    from abkit.errors import UsageError

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


@contextmanager
def store_if_any(ctx: typer.Context) -> Iterator[tuple[Store | None, Settings | None]]:
    """The store and the settings of the workspace; nothing where there is no workspace."""
    from abkit.config import find_config

    context: CommandContext = ctx.obj
    if not (context.config or context.database_url or find_config(Path.cwd())):
        yield None, None
        return
    with context.store() as store:
        yield store, context.settings


@contextmanager
def show_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr, one a stage; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


@app.command("list")
def list_versions(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the model versions of this store, and which is active for what."""
    from abkit.workflows.models.active import list_versions as read

    context: CommandContext = ctx.obj
    with context.store() as store:
        rows = [line.__dict__ for line in read(store)]
    figures = ["srcc", "plcc", *(["picks_winner"] if any(row["picks_winner"] != "–" for row in rows) else [])]
    columns = ["digest", "name", "active_for", "scale", *figures, "n_images", "encoder", "created_at"]
    shown = [{**row, "digest": row["digest"][:12]} for row in rows] if form is Format.TABLE else rows
    print_rows(
        shown,
        form,
        columns=columns,
        empty="no model version yet: `abkit score` registers the shipped one, `abkit model train` makes another",
    )
    if any(row["demonstration"] for row in rows):
        note("Note: demonstration weights: their figures hold for photographs like the ones they were trained on")


@app.command()
def register(
    ctx: typer.Context, checkpoint: Annotated[Path, typer.Argument(help="The folder of a trained checkpoint.")]
) -> None:
    """Make a checkpoint known to the store, without promoting it."""
    from abkit.workflows.models.active import register_checkpoint

    context: CommandContext = ctx.obj
    with context.store() as store:
        version = register_checkpoint(store, checkpoint)
    typer.echo(version.digest)
    note(f"registered {version.name}; `abkit model promote {version.digest[:12]}` makes it the active model")


@app.command()
def promote(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Name or digest of a version, or `shipped`.")],
    segment: SegmentOption = "",
    why: WhyOption = "by hand",
) -> None:
    """Make a version the active model. The former one is one `rollback` away."""
    from abkit.workflows.models.active import promote as change

    context: CommandContext = ctx.obj
    with context.store() as store:
        _say_active(change(store, model, segment=segment, why=why), segment)


@app.command()
def rollback(ctx: typer.Context, segment: SegmentOption = "", why: WhyOption = "by hand") -> None:
    """Make the model that was active before this one active again."""
    from abkit.workflows.models.active import rollback as change

    context: CommandContext = ctx.obj
    with context.store() as store:
        _say_active(change(store, segment=segment, why=why), segment)


def _say_active(version: ModelVersion, segment: str) -> None:
    typer.echo(version.digest)
    note(f"{version.name} {version.digest[:12]} is now the active model" + (f" for {segment}" if segment else ""))


# adds `compare` and `explain` to the group
from abkit.commands.model import study as model_study  # noqa: E402, F401
