"""Money in the store: sums by currency, and figures in the one currency of an analysis."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from abkit.money import Amounts, Exchange, Rates, exchange
from abkit.store.catalog.places import NAMED, with_places
from abkit.store.database.statements import as_count, total
from abkit.store.schema import Kpi


class Figures(NamedTuple):
    """What was counted of a delivery.

    Money is None where a part of it is not known: a figure of a part would be taken for that of all.
    """

    impressions: int = 0
    clicks: int = 0
    conversions: float = 0
    spend: float | None = 0.0
    revenue: float | None = 0.0

    def plus(self, other: Figures) -> Figures:
        """Return both together."""
        return Figures(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            as_count(self.conversions + other.conversions),
            None if self.spend is None or other.spend is None else self.spend + other.spend,
            None if self.revenue is None or other.revenue is None else self.revenue + other.revenue,
        )


def exchange_of(
    session: Session, rates: Rates | None, counted: ColumnElement[bool], *where: ColumnElement[bool]
) -> Exchange:
    """Return the one currency of the rows that count and meet the conditions.

    Args:
        session: A reading session.
        rates: The currency that is wanted, and what others are worth in it.
        counted: That a row counts; see `abkit.store.kpis.once.counting.counts`.
        where: Which of these rows.

    Raises:
        AbkitError: They are in several and no table says how to convert them, or it lacks one of them.
    """
    spend, revenue = func.sum(Kpi.spend), func.sum(Kpi.revenue)
    money = or_(Kpi.spend.is_not(None), Kpi.revenue.is_not(None))
    first, last = func.min(Kpi.period_start), func.max(Kpi.period_end)
    columns = (Kpi.currency, spend, revenue, func.count(), first, last)
    rows = session.execute(select(*columns).where(money, counted, *where).group_by(Kpi.currency)).all()
    found = {row[0]: Amounts(row[1] or 0.0, row[2] or 0.0, row[3]) for row in rows}
    days = [day for row in rows for day in row[4:]]
    begins, ends = min(days, default=date.min), max(days, default=date.max)
    across = _within_a_change(session, rates, money, counted, *where) if rates and rates.dated else 0
    return exchange(found, rates, first=begins, last=ends, across=across)


def _within_a_change(session: Session, rates: Rates, *where: ColumnElement[bool]) -> int:
    """Return how many rows are of a longer period within which the rate of their currency changes."""
    period = (Kpi.currency, Kpi.period_start, Kpi.period_end)
    longer = select(*period, func.count()).where(*where, Kpi.period_end > Kpi.period_start).group_by(*period)
    return sum(
        number
        for currency, first, last, number in session.execute(longer)
        if currency != rates.currency and any(first < day <= last for day, _ in rates.table.get(currency, ()))
    )


# A row without delivery has no spend to know, and one without a conversion no revenue: exports leave such cells empty.
_SPEND_UNKNOWN = and_(Kpi.spend.is_(None), or_(Kpi.impressions > 0, Kpi.clicks > 0))
_REVENUE_UNKNOWN = and_(Kpi.revenue.is_(None), Kpi.conversions > 0)


AMOUNTS: tuple[Any, ...] = (
    func.sum(Kpi.spend).label("spend"),
    func.sum(Kpi.revenue).label("revenue"),
    func.max(case((_SPEND_UNKNOWN, 1), else_=0)).label("no_spend"),
    func.max(case((_REVENUE_UNKNOWN, 1), else_=0)).label("no_revenue"),
)
"""Sums of spend and revenue, and whether a part of each is not known."""


def figures_by(
    session: Session,
    keys: Iterable[Any],
    money: Exchange | None,
    counted: ColumnElement[bool],
    *where: ColumnElement[bool],
) -> dict[tuple[Any, ...], Figures]:
    """Return the figures of the rows that count and meet the conditions, by the values of columns; SQL does the sums.

    Args:
        session: A reading session.
        keys: The columns.
        money: The currency of the analysis; None where no money is asked for: it is then None in the figures.
        counted: That a row counts; see `abkit.store.kpis.once.counting.counts`.
        where: Which of these rows.
    """
    columns = list(keys)
    split: list[Any] = (
        [] if money is None else [Kpi.currency, *([Kpi.period_start, Kpi.period_end] if money.dated else [])]
    )
    sums = [total(Kpi.impressions), total(Kpi.clicks), func.sum(Kpi.conversions)]
    if money is not None:
        sums += AMOUNTS
    found: dict[tuple[Any, ...], Figures] = {}
    width = len(columns)
    statement = select(*columns, *split, *sums)
    if any(column is NAMED for column in columns):
        statement = with_places(statement)
    for row in session.execute(statement.where(counted, *where).group_by(*columns, *split)):
        key, rest = tuple(row[:width]), row[width:]
        amounts: list[float | None] = [None, None]
        if money is not None:
            since, day = rest[1:3] if money.dated else (None, None)
            currency, (*counts, spend, revenue, no_spend, no_revenue) = rest[0], rest[len(split) :]
            amounts = [
                None if unknown else money.converted(value or 0.0, currency, day, since=since)
                for value, unknown in ((spend, no_spend), (revenue, no_revenue))
            ]
        else:
            counts = list(rest)
        part = Figures(counts[0], counts[1], as_count(counts[2]), *amounts)
        found[key] = found[key].plus(part) if key in found else part
    return found
