"""Options that commands share: days, the device that computes, and the currency of amounts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.vocabulary import Device

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.money import Rates

#: How a day is written.
DAY = ["%Y-%m-%d"]

FromOption = Annotated[datetime | None, typer.Option("--from", formats=DAY, help="First day of delivery that counts.")]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=DAY, help="Last day that counts; today by default.")
]
DeviceOption = Annotated[
    Device | None,
    typer.Option("--device", help="Where the encoder computes: auto takes a CUDA GPU; by default as in [scoring]."),
]
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
