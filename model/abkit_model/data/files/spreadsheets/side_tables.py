"""Another table on the same sheet: beside the one that is read, with an empty column between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def columns_of_others(
    header: Sequence[str], rows: Sequence[Sequence[Any]], known: Callable[[Sequence[str]], int]
) -> list[int]:
    """Return the columns of tables that stand beside the main one.

    A block of columns is a table of its own when an empty column without a name stands before or behind it, and its
    rows are not those of the block with the most known names.

    Args:
        header: The names of the columns.
        rows: The rows below; "" is an empty cell.
        known: Returns how many of some names are known.

    >>> known = lambda names: sum(name in ("day", "ad") for name in names)
    >>> columns_of_others(["day", "ad", "", "ad"], [[1, 2, "", 3], [1, 2, "", ""]], known)
    [3]
    >>> columns_of_others(["day", "ad", "", "cost"], [[1, 2, "", 3], [1, 2, "", 4]], known)
    []
    """
    blocks = list(_blocks(header, rows))
    if len(blocks) < 2:
        return []
    main = max(blocks, key=lambda block: known([header[index] for index in block]))
    filled = _filled(rows, main)
    return [index for block in blocks if block is not main and _filled(rows, block) != filled for index in block]


def _blocks(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[list[int]]:
    block: list[int] = []
    for index, name in enumerate(header):
        if name or any(row[index] != "" for row in rows):
            block.append(index)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _filled(rows: Sequence[Sequence[Any]], block: Sequence[int]) -> list[bool]:
    return [any(row[index] != "" for index in block) for row in rows]
