"""Options that several commands of `abkit experiment` share."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.figures import number
from abkit.vocabulary import Monitoring

PowerOption = Annotated[
    float, typer.Option("--power", parser=number, metavar="NUMBER", help="Chance to find the planned lift.")
]
MonitoringOption = Annotated[Monitoring, typer.Option("--monitoring", help="How often the test is looked at.")]
