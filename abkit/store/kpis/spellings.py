"""Values of dimensions that an earlier file writes in another way: `Feed` and `feed` are one placement.

Without this, the same day of an ad would count once as `feed` and once as `Feed`. Values are one where they differ in
case, blanks, underscores and dashes only; words of two languages stay two.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.names import folded
from abkit.store.schema import Segment
from abkit.vocabulary import Dimension

if TYPE_CHECKING:
    import polars as pl

_DASHES = re.compile(r"\s*[\-\u2010-\u2015\u2212]\s*")


def value_key(value: str) -> str:
    """Return a value without what two spellings of one differ in.

    >>> value_key("Audience_Network"), value_key("18\u201324") == value_key("18 - 24"), value_key("65+")
    ('audience network', True, '65+')
    """
    return _DASHES.sub("-", folded(value.replace("_", " ")))


def known_values(session: Session, segments: pl.DataFrame) -> dict[Dimension, dict[str, str]]:
    """Return by dimension the values of a file that the store writes in another way, each with that way.

    A value is left alone where the file itself has it in several spellings, or the store has.

    Args:
        session: A reading session.
        segments: Of the file: a column for each dimension.
    """
    found: dict[Dimension, dict[str, str]] = {}
    for dimension in Dimension:
        staged = set(segments[dimension]) - {""}
        if not staged:
            continue
        column = getattr(Segment, dimension)
        called = _other_spellings(staged, set(session.scalars(select(column).where(column != "").distinct())))
        if called:
            found[dimension] = called
    return found


def _other_spellings(staged: set[str], known: set[str]) -> dict[str, str]:
    new = staged - known
    if not new or not known:
        return {}
    called, called_new = _by_key(known), _by_key(new)
    return {
        value: other
        for value in new
        if len(called_new[key := value_key(value)]) == 1
        and len(others := called.get(key, [])) == 1
        and (other := others[0]) not in staged
    }


def _by_key(values: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for value in values:
        found[value_key(value)].append(value)
    return found
