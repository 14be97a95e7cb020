"""The options that name days, which commands share: one format, one wording."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

_FORMATS = ["%Y-%m-%d"]

FromOption = Annotated[
    datetime | None, typer.Option("--from", formats=_FORMATS, help="First day of delivery that counts.")
]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=_FORMATS, help="The last day that counts; else today.")
]
