"""Values of a breakdown that have the figures of another value, which an earlier file has and this one lacks.

`Germany` in a file in which all else is as before may be what an earlier file calls `DE`. A spelling can be told, a
language can not: both count, and are said, so that nothing counts twice in silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from abkit.records import Record
from abkit.store.database.statements import among, total
from abkit.store.kpis.once.nearness import FEW_CLICKS, LEAST_SHOWN, NEAR_CLICKS, VERY_NEAR
from abkit.store.kpis.stage import SEGMENT_KEY, STAGE_AD, STAGE_SEGMENT
from abkit.store.schema import Kpi, Segment
from abkit.vocabulary import Dimension

_SHARE = 0.9  # of the periods that both have
_DIFFERENT = 3  # impressions that are nearly equal
_UNLIKELY = 10_000  # impressions times clicks: one pair of figures that are equal by chance seldom enough

_MANY_ADS = 200  # of which some are looked at first
_SOME_ADS, _FEW_ADS = 20, 10  # these, and those that tell two values apart
_MOST_PAIRS = 500  # that one statement names

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class OtherValue(Record):
    """A value of a dimension with the figures that another value has in an earlier import.

    Attributes:
        dimension: Which one.
        value, other: Of this import, and of the earlier one.
        first, last: Days that both have.
        impressions: What both have of them.
        imports: First and last number of the imports that have the other value.
    """

    dimension: Dimension
    value: str
    other: str
    first: date
    last: date
    impressions: int
    imports: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class OtherValues(Record):
    """All of them, those with the most impressions first, and the number of this import."""

    import_id: int
    found: tuple[OtherValue, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        said = [f"{one.dimension} {one.value!r} has those of {one.other!r}" for one in self.found]
        more = f" and {len(said) - _NAMED:,} more" if len(said) > _NAMED else ""
        numbers = sorted({number for one in self.found for number in one.imports})
        shown = sum(one.impressions for one in self.found)
        days = f"{min(one.first for one in self.found)} to {max(one.last for one in self.found)}"
        listed = ", ".join(map(str, numbers[:_NAMED]))
        return (
            f"impressions and clicks are those of other values in import {listed} ({days}), or nearly so: "
            f"{', '.join(said[:_NAMED])}{more}; if they mean the same, {shown:,} impressions count twice: then take "
            f"this one back (abkit kpi undo {self.import_id}) and write them as before"
        )


def other_values(session: Session, import_id: int) -> OtherValues | None:
    """Return the values of the staged import that may be others of the store; None without any.

    Args:
        session: A session in which the import is staged and published, and which rows count is settled.
        import_id: The import.
    """
    found = [
        OtherValue(
            dimension=dimension,
            value=row.value,
            other=row.other,
            first=row.first,
            last=row.last,
            impressions=int(row.impressions),
            imports=(row.earliest, row.latest),
        )
        for dimension in Dimension
        for row in _found(session, dimension, import_id)
    ]
    found.sort(key=lambda one: (-one.impressions, one.dimension, one.value, one.other))
    return OtherValues(import_id=import_id, found=tuple(found)) if found else None


def _found(session: Session, dimension: Dimension, import_id: int) -> Sequence[Row[Any]]:
    """Return the values that are alike; each row is compared with each other value that some ads do not rule out."""
    pairs = {(row.segment_id, row.other_id): (row.value, row.other) for row in session.execute(_pairs(dimension))}
    if not pairs:
        return []
    ruled_out = _ruled_out(session, pairs, import_id)
    pairs = {segments: values for segments, values in pairs.items() if values not in ruled_out}
    if pairs:
        new = set(session.scalars(select(Kpi.segment_id).where(Kpi.kpi_import_id == import_id).distinct()))
        pairs = {segments: values for segments, values in pairs.items() if segments[0] in new}
    if not (possible := set(pairs.values())):
        return []
    only = sorted(possible) if len(possible) <= _MOST_PAIRS else ()
    return session.execute(_alike(dimension, import_id, only)).all()


def _ruled_out(
    session: Session, pairs: Mapping[tuple[int, int], tuple[str, str]], import_id: int
) -> set[tuple[str, str]]:
    """Return the values whose figures differ in half of the rows of some ads."""
    ads = session.scalars(select(STAGE_AD.c.ad_id).where(STAGE_AD.c.ad_id.is_not(None)).order_by(STAGE_AD.c.ad_id))
    every = ads.all()
    if len(every) < _MANY_ADS:
        return set()
    key = (Kpi.ad_id, Kpi.period_start, Kpi.period_end, Kpi.event, Kpi.attribution_window)
    figures = (Kpi.segment_id, Kpi.kpi_import_id, Kpi.impressions, Kpi.clicks)
    counted = (Kpi.left_out == "", among(session, Kpi.ad_id, every[:: len(every) // _SOME_ADS]))
    periods: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in session.execute(select(*key, *figures).where(*counted)):
        periods[tuple(row[: len(key)])].append(row)
    seen: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    for rows in periods.values():
        for here in rows:
            if here.kpi_import_id != import_id or here.impressions < LEAST_SHOWN:
                continue
            for there in rows:
                if values := pairs.get((here.segment_id, there.segment_id)):
                    seen[values].append((here.ad_id, _is_near(here, there)))
    return {
        values
        for values, compared in seen.items()
        if len({ad for ad, _ in compared}) >= _FEW_ADS and 2 * sum(near for _, near in compared) < len(compared)
    }


def _is_near(here: Any, there: Any) -> bool:
    shown, clicks = abs(here.impressions - there.impressions), abs(here.clicks - there.clicks)
    return bool(shown <= VERY_NEAR * here.impressions and clicks <= NEAR_CLICKS * here.clicks + FEW_CLICKS)


def _pairs(dimension: Dimension, only: Sequence[tuple[str, str]] = ()) -> Select[Any]:
    """Return the staged segments, each beside those that are not staged and differ in the dimension only."""
    mine, theirs = STAGE_SEGMENT.c[dimension], getattr(Segment, dimension)
    same = (getattr(Segment, name) == STAGE_SEGMENT.c[name] for name in SEGMENT_KEY if name != dimension)
    again = STAGE_SEGMENT.alias()
    return (
        select(STAGE_SEGMENT.c.segment_id, mine.label("value"), Segment.id.label("other_id"), theirs.label("other"))
        .join(Segment, and_(*same, theirs != mine))
        .where(mine != "", theirs != "", ~exists().where(again.c.segment_id == Segment.id))
        .where(*([tuple_(mine, theirs).in_(only)] if only else []))
    )


def _alike(dimension: Dimension, import_id: int, only: Sequence[tuple[str, str]]) -> Select[Any]:
    pairs, here, there = _pairs(dimension, only).subquery(), aliased(Kpi), aliased(Kpi)
    period = ("ad_id", "period_start", "period_end", "event", "attribution_window")
    near = and_(
        func.abs(here.impressions - there.impressions) <= VERY_NEAR * here.impressions,
        func.abs(here.clicks - there.clicks) <= NEAR_CLICKS * here.clicks + FEW_CLICKS,
    )
    equal = and_(here.impressions == there.impressions, here.clicks == there.clicks)
    different = func.count(case((near, here.impressions)).distinct())
    return (
        select(
            pairs.c.value,
            pairs.c.other,
            func.min(here.period_start).label("first"),
            func.max(here.period_end).label("last"),
            total(here.impressions).label("impressions"),
            func.min(there.kpi_import_id).label("earliest"),
            func.max(there.kpi_import_id).label("latest"),
        )
        .select_from(here)
        .join(pairs, pairs.c.segment_id == here.segment_id)
        .join(
            there,
            and_(
                there.segment_id == pairs.c.other_id,
                *(getattr(there, name) == getattr(here, name) for name in period),
            ),
        )
        .where(
            here.kpi_import_id == import_id,
            here.ad_id.in_(select(STAGE_AD.c.ad_id)),
            here.left_out == "",
            there.left_out == "",
            here.impressions >= LEAST_SHOWN,
        )
        .group_by(pairs.c.value, pairs.c.other)
        .having(
            (_count(near) >= _SHARE * func.count()) & (different >= _DIFFERENT)
            | (_count(equal) == func.count()) & (func.max((here.impressions + 1) * (here.clicks + 1)) >= _UNLIKELY)
        )
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
