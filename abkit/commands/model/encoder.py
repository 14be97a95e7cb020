"""`abkit encoder`: pull the weights of an encoder, and list those that are here."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.output import Format, FormatOption, note, progress_bar, show

app = typer.Typer(help="The frozen encoders: pull the weights of another one, list those that are here.")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="openclip:MODEL/TAG or timm:MODEL.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to size, license and digest beforehand.")] = False,
) -> None:
    """Fetch the weights of an encoder once, after showing size and license; it works without network afterwards."""
    from abkit.workflows.models import encoders

    plan = encoders.plan_pull(name)
    if plan.here:
        note(f"{plan.name} is here already: {plan.file}")
        return
    if plan.damaged:
        note(f"{plan.file} is not the file that was pulled: it is replaced")
    license = f"license {plan.license} ({plan.source})" if plan.license else f"license not known: see {plan.source}"
    note(f"{plan.name}: {plan.size / 1e6:,.1f} MB, {license}\nfrom {plan.url}\nto {plan.file}")
    _agree("Fetch it?", yes)
    with progress_bar("megabytes") as progress:
        came = encoders.pull(plan, progress=lambda done, total: progress(done // 1_000_000, total // 1_000_000))
    if came.unconfirmed:
        note(f"SHA-256 {came.sha256}; its owner published none that abkit knows, so nobody vouches for this file")
        try:
            _agree("Record this digest, and use the file?", yes)
        except typer.Abort:
            encoders.discard(plan)
            raise
        encoders.confirm(plan, came.sha256)
    typer.echo(came.name)
    word = "as published" if came.pinned else "recorded on first use"
    note(f"SHA-256 {came.sha256[:12]}… {word}; train on it: abkit model train … --encoder {came.name}")


@app.command("list")
def list_encoders(form: FormatOption = Format.TABLE) -> None:
    """List the encoders whose weights are on this machine, and the folder to copy to one without network."""
    from abkit.workflows.models import encoders

    found = encoders.list_encoders()
    show(found, form, as_rows=True)
    note(f"pulled weights lie in {found.folder}: copy it to a machine without network, or name it with ABKIT_ENCODERS")


def _agree(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)
