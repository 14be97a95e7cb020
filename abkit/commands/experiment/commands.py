"""`abkit experiment`: its commands, in the order in which an experiment takes them."""

from __future__ import annotations

import typer

from abkit.commands.experiment import review, upkeep
from abkit.commands.experiment.analyze import analyze
from abkit.commands.experiment.create import create
from abkit.commands.experiment.decide import decide, list_
from abkit.commands.experiment.design import design
from abkit.commands.experiment.rows import simulate

app = typer.Typer(help="Design, guard, analyze and decide A/B tests.", no_args_is_help=True)

app.command("design")(design)
app.command("create")(create)
app.command("analyze")(analyze)
app.command("simulate")(simulate)
app.command("decide")(decide)
app.command("list")(list_)
app.command("programme")(review.programme)
app.command("archive")(upkeep.archive)
app.command("rename")(upkeep.rename)
app.command("delete")(upkeep.delete)
