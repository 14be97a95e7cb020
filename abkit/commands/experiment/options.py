"""Options that several commands of `abkit experiment` share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from abkit.commands.figures import number
from abkit.vocabulary import Monitoring

DAY = ["%Y-%m-%d"]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=DAY, help="Last day that counts; today by default.")
]
PowerOption = Annotated[
    float, typer.Option("--power", parser=number, metavar="NUMBER", help="Chance to find the planned lift.")
]
MonitoringOption = Annotated[Monitoring, typer.Option("--monitoring", help="How often the test is looked at.")]
