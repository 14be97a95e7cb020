"""`abkit score`: rate ad variants before launch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_rows, shown

if TYPE_CHECKING:
    from abkit.store.engine import Store
    from abkit.workflows.scoring.results import ScoredFile, ScoringResult
    from abkit.workflows.scoring.score import Progress

app = typer.Typer()

_BAR_CELLS = 20


@app.command("score")
def score(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Pictures, folders, or patterns such as 'ads/*.png'.")],
    campaign: Annotated[
        str, typer.Option("--campaign", "-c", help="The campaign that the pictures are candidates of.")
    ] = "default",
    model: Annotated[
        str | None, typer.Option("--model", help="Score with this version (name or digest), not the active model.")
    ] = None,
    brief: Annotated[
        str | None,
        typer.Option("--brief", help="What the pictures are to show; their fit to it is shown and logged (OpenCLIP)."),
    ] = None,
    brief_encoder: Annotated[
        str | None,
        typer.Option("--brief-encoder", help="openclip:MODEL/PRETRAINED that reads the brief, if the scorer's cannot."),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option("--explain", help="A folder for overlays that show where the scores come from.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Score pictures, log the scores, rank the variants of a campaign. Known pictures are not scored again."""
    from abkit.errors import UsageError
    from abkit.workflows.scoring.score import score_paths

    if brief_encoder is not None and brief is None:
        raise UsageError("--brief-encoder without --brief has nothing to read", hint='add --brief "what it shows"')
    if explain is not None:
        _refuse_file(explain)
    context: CommandContext = ctx.obj
    with context.store() as store, _progress() as progress:
        result = score_paths(
            store,
            context.settings,
            paths,
            campaign=campaign,
            model=model,
            brief=brief,
            brief_encoder=brief_encoder,
            progress=progress,
        )
        overlays = _write_overlays(store, result, explain, progress) if explain is not None else 0
    _print(result, form)
    if explain is not None:
        from abkit.workflows.models.explain import MEANING

        note(f"{overlays} overlays in {_printable(explain)}: {MEANING}")
    if all(file.status == "rejected" for file in result.files):
        raise typer.Exit(1)


def _refuse_file(folder: Path) -> None:
    """Say before the scoring that the overlays will have no folder to go to.

    Raises:
        UsageError: it, or what it should lie in, is no folder.
    """
    from abkit.errors import UsageError

    place = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not os.path.isdir(place):
        raise UsageError(f"{_printable(place)} is not a folder", hint="--explain needs a folder, new or not")


def _write_overlays(store: Store, result: ScoringResult, folder: Path, progress: Progress) -> int:
    """Overlays of each content once, by the version that scored it; how many files were written."""
    from abkit.workflows.models.evaluate import pick_scorer
    from abkit.workflows.models.explain import write_overlays

    pictures = {file.creative_id: file.path for file in reversed(result.files) if file.status != "rejected"}
    if not pictures:
        return 0
    scorer = pick_scorer(store, model=result.model_version)
    made = write_overlays(scorer, sorted(pictures.values()), folder, progress=progress)
    return sum(len(item.overlays) for item in made)


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("scoring", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(result: ScoringResult, form: Format) -> None:
    if form is Format.TABLE:
        usable = [file for file in result.files if file.status != "rejected"]
        rows = [_shown(file) | (_shown_fit(file) if result.brief else {}) for file in usable]
        print_rows(rows, form, title=_title(result))
        for file in result.files:
            if file.status == "rejected":
                note(f"rejected: {_printable(file.path)}: {file.reason}")
    else:
        rows = [_row(file) for file in result.files]
        print_rows(rows, form, columns=[name for name in rows[0] if name != "distribution"])
    counts = {status: sum(file.status == status for file in result.files) for status in ("scored", "known", "rejected")}
    note(", ".join(f"{count} {status}" for status, count in counts.items()) + f" (run {result.run_id})")
    if result.from_tokens:
        note(f"{result.from_tokens} of them without the encoder, from what it saw earlier")
    if result.ignored:
        note(f"{result.ignored} files in these folders are not named like pictures and were left alone")
    if result.brief:
        _explain_fit(result)
    for text in result.notes:
        note(f"Note: {shown(text)}")


def _explain_fit(result: ScoringResult) -> None:
    from abkit.workflows.scoring.brief import MEANING

    note(f"brief: “{_printable(result.brief)}”, read by {_printable(result.brief_encoder)}; {MEANING}")
    if without := sum(file.fit is None and file.status != "rejected" for file in result.files):
        note(f"{without} pictures have no fit: their files could not be read again")


def _row(file: ScoredFile) -> dict[str, Any]:
    return file.to_dict()


def _printable(path: Path | str) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()


def _title(result: ScoringResult) -> str:
    kind = " (demonstration weights)" if result.demonstration else ""
    return f"Campaign {result.campaign}: scores by {result.model_name} {result.model_version[:12]}{kind}"


def _shown(file: ScoredFile) -> dict[str, Any]:
    low, high = file.scale or (0.0, 1.0)
    interval = "not calibrated"
    if file.ci_low is not None and file.ci_high is not None:
        interval = f"{file.ci_low:.2f} … {file.ci_high:.2f}"
    share = ((file.mean or low) - low) / (high - low)
    filled = round(share * _BAR_CELLS)
    return {
        "rank": file.rank,
        "creative": _printable(file.path),
        "score": f"{file.mean:.2f}",
        f"{file.ci_level or 0:.0%} interval": interval,
        f"{low:g} … {high:g}": "█" * filled + "·" * (_BAR_CELLS - filled),
        "percentile": f"{file.percentile:.0f}",
        "n": file.n,
        "status": file.status,
    }


def _shown_fit(file: ScoredFile) -> dict[str, Any]:
    return {"fit": file.fit, "fit rank": None if file.fit is None else f"{file.fit_rank} of {file.fit_n}"}
