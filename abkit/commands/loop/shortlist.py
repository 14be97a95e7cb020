"""`abkit shortlist`: which pictures of a campaign to launch, and how sure that is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_json, print_rows, shown

if TYPE_CHECKING:
    from abkit.workflows.scoring.results import Candidate, Shortlist

app = typer.Typer()


@app.command("shortlist")
def shortlist(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Option("--campaign", "-c", help="The campaign whose pictures are chosen from.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Keep so many; as many as --p-best takes by default.")
    ] = None,
    p_best: Annotated[
        float, typer.Option("--p-best", help="The probability demanded that the best picture is kept.")
    ] = 0.9,
    min_probability: Annotated[
        float,
        typer.Option(
            "--min-probability", help="Two pictures are a tie unless one beats the other with this probability."
        ),
    ] = 0.9,
    model: Annotated[
        str | None, typer.Option("--model", help="Use the scores of this version (name or digest) instead.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="End with 3 when the scores cannot tell the kept from those left out.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Choose what to launch from the logged scores: P(best), ties, and the reason for each picture."""
    from abkit.workflows.scoring.shortlist import shortlist as choose

    context: CommandContext = ctx.obj
    with context.store() as store:
        result = choose(
            store, campaign=campaign, keep=keep, p_best=p_best, min_probability=min_probability, model=model
        )
    _print(result, form)
    if gate and not result.clear:
        raise typer.Exit(3)


def _print(result: Shortlist, form: Format) -> None:
    if form is Format.JSON:
        print_json(_plain(result))
    elif form is Format.CSV:
        rows = [candidate.to_dict() for candidate in result.candidates]
        extra = {"campaign": result.campaign, "model_version": result.model_version, "run_id": result.run_id}
        print_rows([row | extra for row in rows], form)
    else:
        _print_table(result)
    note(f"run {result.run_id}, model version {result.model_version[:12]}")
    for text in result.notes:
        note(f"Note: {shown(text)}")


def _plain(result: Shortlist) -> dict[str, Any]:
    plain = result.to_dict()
    spread = plain.pop("spread")
    return {
        **{name: value for name, value in plain.items() if name != "candidates"},
        "error_spread": spread["std"],
        "error_spread_from": spread["source"],
        "error_spread_measured": spread["measured"],
        "creatives": plain["candidates"],
    }


def _print_table(result: Shortlist) -> None:
    kind = " (demonstration weights)" if result.demonstration else ""
    title = f"Campaign {result.campaign}: {result.kept} of {result.n} kept, by {result.model_name}{kind}"
    print_rows([_shown(candidate, result) for candidate in result.candidates], Format.TABLE, title=title)
    typer.echo("")
    typer.echo(f"{'Clear' if result.clear else 'Not clear'}: {result.why}.")
    typer.echo(f"These are probabilities of {_meaning(result)}, not of clicks:")
    for sentence in result.relation:
        typer.echo(f"  {sentence}")
    low, high = result.scale
    spread = f"{_number(result.spread.std)} steps" if high - low > 1 else f"{result.spread.std:.3f} of {high - low:g}"
    typer.echo(f"Error spread: {spread}, {result.spread.source}.")
    if result.calibration is not None:
        typer.echo(_calibration(result.calibration))


def _shown(candidate: Candidate, result: Shortlist) -> dict[str, Any]:
    interval = "–"
    if candidate.ci_low is not None and candidate.ci_high is not None:
        interval = f"{candidate.ci_low:.2f} … {candidate.ci_high:.2f}"
    level = next((one.ci_level for one in result.candidates if one.ci_level), 0)
    copies = len(candidate.names) - 1
    also = f" (+{copies} {'copy' if copies == 1 else 'copies'})" if copies > 0 else ""
    return {
        "rank": candidate.rank,
        "creative": candidate.creative + also,
        "score": _number(candidate.score),
        f"{level:.0%} interval": interval,
        "P(best)": _probability(candidate.p_best),
        "beats next": _probability(candidate.p_beats_next),
        "beats first left out": _probability(candidate.p_beats_first_left_out),
        "tie": candidate.tie_group,
        "kept": "yes" if candidate.kept else "no",
        "reason": candidate.reason,
    }


def _meaning(result: Shortlist) -> str:
    if result.calibration is not None and result.calibration["labels"] == "choices":
        return "what most people who choose between such pictures would prefer"
    return "what raters like those of the training would say"


def _calibration(figures: Any) -> str:
    right, ece = figures["right"], figures["ece"]
    of = f"{figures['subjects']} {'pictures' if figures['labels'] == 'choices' else 'subjects'}"
    return (
        f"On {figures['pairs']:,} held-out pairs of its training data ({of}) "
        f"the higher score won in {right['value']:.1%} [{right['low']:.1%}, {right['high']:.1%}], "
        f"{figures['said']:.1%} was said; calibration error {ece['value']:.3f} [{ece['low']:.3f}, {ece['high']:.3f}]."
    )


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"


def _probability(value: float | None) -> str:
    from abkit.workflows.scoring.line import show_probability

    return "–" if value is None else show_probability(value)
