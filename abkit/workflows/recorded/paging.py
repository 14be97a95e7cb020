"""Pages of a list: the latest first, each with where the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from abkit.records import RecordList, to_plain

Item = TypeVar("Item")

#: Items of a page, at most.
MOST = 200


@dataclass(frozen=True, kw_only=True)
class Page(RecordList, Generic[Item]):
    """A part of a list.

    Attributes:
        items: The latest first.
        next: Where the next page begins: ask for what comes before it; None on the last page.
    """

    items: tuple[Item, ...]
    next: int | None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per item."""
        return [to_plain(item) for item in self.items]


def newest(
    session: Session,
    query: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    *,
    before: int | None,
    limit: int,
) -> tuple[list[Any], int | None]:
    """Return rows of a query, the latest first, and where the next page begins.

    Args:
        session: A reading session.
        query: What is listed, without an order. A query of several columns has the key as its first one.
        key: The id that it is ordered by.
        before: Only rows with a smaller id.
        limit: At most so many.
    """
    if before is not None:
        query = query.where(key < before)
    rows = session.execute(query.order_by(key.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    if not more:
        return list(rows), None
    first = rows[-1][0]
    return list(rows), first if isinstance(first, int) else first.id


def part_of(
    items: Sequence[Item], number: Callable[[Item], int], *, before: int | None, limit: int
) -> tuple[tuple[Item, ...], int | None]:
    """Return a page of a list that is in memory, the highest number first.

    >>> part_of([1, 2, 3], lambda item: item, before=None, limit=2)
    ((3, 2), 2)
    """
    left = sorted((item for item in items if before is None or number(item) < before), key=number, reverse=True)
    return tuple(left[:limit]), number(left[limit - 1]) if len(left) > limit else None
