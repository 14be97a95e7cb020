"""Numbers in addresses and forms: none is larger than a store can hold, whatever somebody writes there."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query

#: Ids of the store have 64 bits.
MOST_ID: Final = 2**62
MOST_PAGES: Final = 100_000

Id = Annotated[int, Path(ge=1, le=MOST_ID)]
Before = Annotated[int | None, Query(ge=1, le=MOST_ID)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=MOST_PAGES)]
