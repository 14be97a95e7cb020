"""`abkit preflight`: check files against placements before launch, without a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.output import Format, FormatOption, note, progress_bar, show, shown

if TYPE_CHECKING:
    from abkit.workflows.preflight.results import Preflight

app = typer.Typer()


@app.command("preflight")
def preflight(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Images, films, folders, or patterns such as 'ads/*.png'.")
    ] = None,
    placement: Annotated[
        list[str] | None,
        typer.Option("--placement", "-p", help="Placements, with commas between them; --list names them all."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the table of placements and check nothing.")] = False,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Write a summary with small images to this Markdown file too.")
    ] = None,
    images_at: Annotated[
        str,
        typer.Option(
            "--images-at", help="Show the images of the summary from this address, which the paths are added to."
        ),
    ] = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Check images and films against what ad placements ask: exits with 3 if something fails."""
    from abkit.errors import UsageError
    from abkit.vocabulary import PreflightVerdict

    if listed:
        _show_placements(form)
        return
    if not paths or not placement:
        missing = "there is nothing to check" if not paths else "no placement is named"
        raise UsageError(missing, hint="name files and placements: abkit preflight ads/ --placement meta-feed")
    from abkit.workflows.preflight.check import preflight as check

    with progress_bar("checking") as progress:
        result = check(paths, placement, progress=progress)
    show(result, form)
    if summary is not None:
        _write_summary(summary, result, images_at)
    if result.verdict is PreflightVerdict.FAIL:
        raise typer.Exit(3)


def _show_placements(form: Format) -> None:
    from abkit.commands.output import print_rows
    from abkit.intake.media.placements import placement_table

    table = placement_table()
    rows = [
        {
            "placement": placement.name,
            "asks": "; ".join(figure.shown for figure in placement.figures.values()),
            "title": placement.title,
            "sources": " ".join(dict.fromkeys(figure.source.url for figure in placement.figures.values())),
        }
        for placement in table.placements.values()
    ]
    columns = ["placement", "asks"] if form is Format.TABLE else None
    print_rows(rows, form, columns=columns, title=f"Placements: table {table.version} of {table.date}")


def _write_summary(path: Path, result: Preflight, images_at: str) -> None:
    from abkit.reporting.tables.preflight.summary import summary
    from abkit.written_files import whole_file

    with whole_file(path, what="the summary", hint="name another file, or free some space") as unfinished:
        unfinished.write_text(summary(result, images_at=images_at), encoding="utf-8", errors="replace")
    note(f"summary: {shown(path)}")
