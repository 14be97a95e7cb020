"""`abkit demo`: the whole loop on drawn creatives and simulated clicks, in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.commands.output import note

if TYPE_CHECKING:
    from abkit.demo.closing import Closing
    from abkit.demo.stage import DemoWorkspace
    from abkit.demo.story import Story

app = typer.Typer()


@app.command("demo")
def demo(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="A new folder for the demo; a temporary one by default.")
    ] = None,
    nothing_to_learn: Annotated[
        bool,
        typer.Option("--nothing-to-learn", help="Draw the new taste by chance: a challenger must then be refused."),
    ] = False,
) -> None:
    """Play the whole loop: score creatives, simulate delivery, find the change of taste, retrain on later clicks."""
    import tempfile
    from datetime import UTC, datetime

    from abkit.commands.operate.demo_screen import DemoScreen
    from abkit.demo.stage import open_workspace
    from abkit.demo.story import play, recent_world
    from abkit.reporting.tables.show import view
    from abkit.reporting.tables.table import terminal_width

    workspace = open_workspace(folder or Path(tempfile.mkdtemp(prefix="abkit-demo-")))
    world = recent_world(datetime.now(UTC).date())
    try:
        with DemoScreen(world.days) as screen:
            story = play(workspace, screen, world, learnable=not nothing_to_learn)
    finally:
        workspace.store.close()
    for table in (table for result in story.scored for table in view(result).tables):
        typer.echo(table.text(terminal_width()) + "\n")
    _print_story(story)
    _say_where(story, workspace)


def _print_story(story: Story) -> None:
    """Print what was planted beside what was found."""
    from abkit.stats.monitoring.decisions import LAYERS

    world, found, last = story.world, story.found, story.days[-1]
    checked = [day for day in story.days if day.decision]
    calm = [day for day in checked if found is None or day.index < found.index]
    typer.echo("The clicks behind these figures are simulated; the images, the scores and every computation are real.")
    if world.break_day is not None:
        typer.echo(f"  planted  {world.day(world.break_day)}  taste changes: the score no longer predicts CTR (day 60)")
    counts = ", ".join(
        f"{sum(day.decision == decision for day in calm)} {decision.replace('_', ' ')}"
        for decision in sorted({day.decision for day in calm})
    )
    typer.echo(f"  before   {len(calm)} checks through season and fatigue: {counts}")
    whole = sum(day.layers_judged == LAYERS for day in checked)
    coarse = sum(day.coarse > 0 for day in checked)
    only = f"; in {coarse}, one of them for major shifts only" if coarse else ""
    typer.echo(f"  layers   all {LAYERS} judged in {whole} of {len(checked)} checks{only}")
    if found is None:
        typer.echo("  found    no decision to retrain")
    else:
        after = "" if world.break_day is None else f", {found.index - world.break_day} days after the change"
        typer.echo(f"  found    {found.day}  {found.decision}, cause {found.cause}{after}")
    typer.echo(f"  alerts   {story.alerts_opened} opened")
    if last.srcc is not None and last.srcc_low is not None and last.srcc_high is not None:
        typer.echo(
            f"  last     within-campaign SRCC of score and CTR {last.srcc:.2f} "
            f"({last.srcc_low:.2f} to {last.srcc_high:.2f}, 95 % interval), n = {last.n}, last 7 days"
        )
    _print_closing(story.closing)
    typer.echo(f"  report   {story.report}")


def _print_closing(closing: Closing) -> None:
    """Print what retraining found, in the lines of the story."""
    if closing.learned_until is None:
        typer.echo("  learned  nothing: no challenger was trained")
    else:
        typer.echo(f"  learned  until {closing.learned_until}, from the (simulated) clicks since the change was found")
    typer.echo(f"  retrain  {closing.day}  {closing.reason}")
    if closing.figures:
        old, new = (closing.figures[who]["concordance"] for who in ("champion", "challenger"))
        typer.echo(
            f"  judged   on {closing.figures['creatives']} creatives launched after that in "
            f"{closing.figures['campaigns']} campaigns: the higher-scored ad wins {10 * new:.1f} of 10 pairs, "
            f"{10 * old:.1f} by the model before"
        )
    day, decision = closing.checks[-1]
    alert = "still open" if closing.alerts else "resolved"
    typer.echo(f"  after    {day}  drift check: {decision.replace('_', ' ')}; the alert is {alert}")


def _say_where(story: Story, workspace: DemoWorkspace) -> None:
    if story.scored[0].notice:
        note(f"Note: {story.scored[0].notice}")
    note(f"Look around in the browser: cd {workspace.folder} && abkit open")
    note("Or there on the command line: abkit drift list   (or alerts list, correlate, kpi link, report)")
