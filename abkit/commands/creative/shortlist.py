"""`abkit shortlist`: which creatives of a campaign to launch, and how clear that is."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.context import CommandContext
from abkit.commands.figures import number
from abkit.commands.output import Format, FormatOption, note, show
from abkit.vocabulary import ShortlistUnit

app = typer.Typer()


@app.command("shortlist")
def shortlist(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Option("--campaign", "-c", help="The campaign whose creatives are chosen from.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Keep this many; by default as many as --p-best takes.")
    ] = None,
    p_best: Annotated[
        float,
        typer.Option(
            "--p-best",
            parser=number,
            metavar="NUMBER",
            help="Keep the best creative with at least this probability.",
        ),
    ] = 0.9,
    min_probability: Annotated[
        float,
        typer.Option(
            "--min-probability",
            parser=number,
            metavar="NUMBER",
            help="Two creatives are a tie unless one beats the other with this probability.",
        ),
    ] = 0.9,
    model: Annotated[
        str | None, typer.Option("--model", help="Use scores of this version (name or digest), not the active model.")
    ] = None,
    by: Annotated[
        ShortlistUnit, typer.Option("--by", help="Choose creatives, or ideas: sizes of one idea go together.")
    ] = ShortlistUnit.CREATIVE,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with 3 when the scores cannot tell, or an agreed approval is missing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show why each creative is kept or not.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Choose what to launch from the logged scores: P(best), ties, and with -v the reason for each creative."""
    from abkit.reporting.tables.scores.scoring import reasons

    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        result = workspace.shortlist(
            campaign,
            keep=keep,
            p_best=p_best,
            min_probability=min_probability,
            model=model,
            by_idea=by is ShortlistUnit.IDEA,
        )
        reviewed = workspace.review_gate(result) if gate else None
    show(result, form)
    if reviewed is not None and not reviewed.passed:
        listed = ", ".join(f"{name} ({state.value.replace('_', ' ')})" for name, state in reviewed.missing.items())
        note(f"not approved, which this campaign asks for: {listed}")
    if verbose and form is Format.TABLE:
        typer.echo("\n" + "\n".join(reasons(result)))
    if gate and not (result.clear and reviewed is not None and reviewed.passed):
        raise typer.Exit(3)
