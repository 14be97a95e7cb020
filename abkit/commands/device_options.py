"""The option of commands whose encoders may compute on a GPU."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.vocabulary import Device

DeviceOption = Annotated[
    Device | None,
    typer.Option("--device", help="Where the encoder computes: auto takes a GPU with CUDA; that of [scoring]."),
]
