"""Options of commands that show amounts: the currency, and what others are worth in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.money import Rates

RatesOption = Annotated[
    Path | None,
    typer.Option("--rates", help="Table of currency,rate[,date]: what a unit of each is worth in --currency."),
]
CurrencyOption = Annotated[
    str | None, typer.Option("--currency", help="Currency of amounts, such as EUR; by default that of the rows.")
]


def rates_of(settings: Settings, path: Path | None, currency: str | None) -> Rates | None:
    """Return the currency that amounts are wanted in, as given or configured; None where nothing says one."""
    from abkit.intake.tables.rates import rates_of as read

    return read(settings, path, currency)
