"""Values of dimensions that an earlier file writes in another way: `Feed` and `feed` are one placement.

Without this, the same day of an ad would count once as `feed` and once as `Feed`. Values are one where they differ in
case, blanks, underscores and dashes only, and ages where their range is the same (`65+`, `65-plus`, `65 or more`).
Words of two languages stay two.
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
_AGE_PARTS = re.compile(r"\d+|[^\W\d_]+|[^\s\w]")
_AROUND_AGES = frozenset(["age", "ages", "aged", "year", "years", "yr", "yrs", "yo", "old", "-", "to"])
_OPEN_RANGE = re.compile(r"\+|plus|(?:(?:and|or) )?(?:over|older|above|more|up)")
_OLDEST = 99  # which some platforms write as the end of an open range


def value_key(value: str, dimension: Dimension | None = None) -> str:
    """Return a value without what two spellings of one differ in.

    >>> value_key("Audience_Network"), value_key("18\u201324") == value_key("18 - 24"), value_key("65+")
    ('audience network', True, '65+')
    >>> value_key("65-plus", Dimension.AGE), value_key("AGE_18_24", Dimension.AGE), value_key("under 18", Dimension.AGE)
    ('65+', '18-24', 'under 18')
    """
    key = _DASHES.sub("-", folded(value.replace("_", " ")))
    return (_age_range(key) or key) if dimension is Dimension.AGE else key


def _age_range(key: str) -> str:
    first, *rest = [part for part in _AGE_PARTS.findall(key) if part not in _AROUND_AGES] or [""]
    if not first.isdecimal():
        return ""
    if len(rest) == 1 and rest[0].isdecimal():
        return f"{int(first)}-{int(rest[0])}" if int(rest[0]) < _OLDEST else f"{int(first)}+"
    return f"{int(first)}+" if _OPEN_RANGE.fullmatch(" ".join(rest)) else ""


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
        known = set(session.scalars(select(column).where(column != "").distinct()))
        called = _other_spellings(staged, known, dimension)
        if called:
            found[dimension] = called
    return found


def _other_spellings(staged: set[str], known: set[str], dimension: Dimension) -> dict[str, str]:
    new = staged - known
    if not new or not known:
        return {}
    called, called_new = _by_key(known, dimension), _by_key(new, dimension)
    return {
        value: other
        for value in new
        if len(called_new[key := value_key(value, dimension)]) == 1
        and len(others := called.get(key, [])) == 1
        and (other := others[0]) not in staged
    }


def _by_key(values: Iterable[str], dimension: Dimension) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for value in values:
        found[value_key(value, dimension)].append(value)
    return found
