"""Amounts of money: one currency per analysis, converted only by a table of rates that the user gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from abkit.errors import AbkitError, InvalidInput


class Amounts(NamedTuple):
    """Sums of the rows of one currency."""

    spend: float = 0.0
    revenue: float = 0.0
    rows: int = 0

    def __str__(self) -> str:
        """Return both for people."""
        return f"spend {self.spend:,.2f}, revenue {self.revenue:,.2f}"


@dataclass(frozen=True)
class Rates:
    """What a unit of each currency is worth in one of them.

    Attributes:
        currency: The one that is converted to.
        table: Currency → (first day, rate), the earliest first; a rate without a day has `date.min`.
        source: Where they come from, for messages.
        problem: Why a table that the configuration names cannot be read: said by the first analysis that needs it.

    Raises:
        InvalidInput: A rate is not a number above 0.

    >>> rates = Rates.of("EUR", [("USD", 0.9, None), ("USD", 0.8, date(2026, 3, 1))])
    >>> rates.rate("USD", date(2026, 2, 28)), rates.rate("USD", date(2026, 3, 1)), rates.rate("EUR", date(2026, 1, 1))
    (0.9, 0.8, 1.0)
    """

    currency: str
    table: Mapping[str, tuple[tuple[date, float], ...]] = field(default_factory=dict)
    source: str = ""
    problem: AbkitError | None = None

    @classmethod
    def of(cls, currency: str, rows: Iterable[tuple[str, float, date | None]], source: str = "") -> Rates:
        """Return the table of rows of currency, rate and first day."""
        table: dict[str, dict[date, float]] = {}
        for name, rate, since in rows:
            if not (math.isfinite(rate) and rate > 0):
                raise InvalidInput(f"the rate of {name} is {rate}; expected a number above 0")
            if table.setdefault(name, {}).setdefault(since or date.min, rate) != rate:
                day = f" from {since}" if since else ""
                raise InvalidInput(f"{source or 'the table of rates'} has two rates of {name}{day}; expected one")
        return cls(currency, {name: tuple(sorted(days.items())) for name, days in table.items()}, source)

    @property
    def dated(self) -> bool:
        """Whether a rate changes over time."""
        return any(since != date.min for days in self.table.values() for since, _ in days)

    def rate(self, currency: str, day: date) -> float:
        """Return what a unit of a currency was worth on a day: by the last rate that began until then.

        Raises:
            AbkitError: The table has no rate of that currency on that day.
        """
        if currency == self.currency:
            return 1.0
        known = [rate for since, rate in self.table.get(currency, ()) if since <= day]
        if not known:
            when = f" on {day}" if currency in self.table else ""
            where = self.source or "the table of rates"
            raise AbkitError(
                f"there is no rate from {currency} to {self.currency}{when}",
                hint=f"add the line {currency},RATE to {where}: what 1 {currency} is worth in {self.currency}"
                if self.source
                else f"give a table with it: --rates FILE with the columns currency,rate (1 {currency} in "
                f"{self.currency}), or rates = FILE under [money]",
            )
        return known[-1]

    def rate_over(self, currency: str, first: date, last: date) -> float:
        """Return the average of the rates of all days of a period: its amount is spread evenly over them.

        Raises:
            AbkitError: The table has no rate of that currency on the first day.

        >>> rates = Rates.of("EUR", [("USD", 0.9, None), ("USD", 0.8, date(2026, 3, 1))])
        >>> round(rates.rate_over("USD", date(2026, 2, 28), date(2026, 3, 4)), 4)
        0.82
        """
        if first >= last or currency == self.currency:
            return self.rate(currency, last)
        changes = [day for day, _ in self.table.get(currency, ()) if first < day <= last]
        begins = [first, *changes]
        ends = [*changes, last + timedelta(days=1)]
        parts = [self.rate(currency, begin) * (end - begin).days for begin, end in zip(begins, ends, strict=True)]
        return sum(parts) / ((last - first).days + 1) if changes else self.rate(currency, first)


@dataclass(frozen=True)
class Exchange:
    """The one currency of an analysis, and how its rows come to it.

    Attributes:
        currency: The currency; "" where no row names one.
        rates: The table, if anything is converted.
        notes: What was converted and by which rate, and what has no currency.
    """

    currency: str
    rates: Rates | None = None
    notes: tuple[str, ...] = ()

    @property
    def dated(self) -> bool:
        """Whether rows have to be summed by day before they are converted."""
        return self.rates is not None and self.rates.dated

    def converted(
        self, value: float | None, currency: str, day: date | None = None, *, since: date | None = None
    ) -> float | None:
        """Return an amount in the currency of the analysis; None where it is not known, or in no known currency.

        Args:
            value: The amount.
            currency: Its currency; "" is not known.
            day: Its day; by the last rate of the table where there is none.
            since: The first day of a longer period, of which `day` is the last one.

        Raises:
            AbkitError: There is no rate.
        """
        if value is None or (currency == "" and self.currency and value):
            return None
        if not value or currency == self.currency:
            return float(value)
        last = day or date.max
        return float(value) * (self.rates or Rates(self.currency)).rate_over(currency, since or last, last)


def exchange(
    found: Mapping[str, Amounts], rates: Rates | None, *, first: date, last: date, across: int = 0
) -> Exchange:
    """Return the currency of an analysis.

    Args:
        found: The sums of its rows by currency; "" are rows that name none.
        rates: The currency that is wanted, with its table; None for that of the rows.
        first, last: Days of the rows, for the note.
        across: Number of rows of longer periods within which a rate changes, for the note.

    Raises:
        AbkitError: The rows are in several currencies and nothing says how to convert them, or a rate is missing.

    >>> exchange({"EUR": Amounts(10, 30, 2)}, None, first=date(2026, 3, 1), last=date(2026, 3, 2)).currency
    'EUR'
    >>> exchange({"EUR": Amounts(1), "USD": Amounts(2)}, None, first=date.min, last=date.max)
    Traceback (most recent call last):
    abkit_model.errors.AbkitError: the rows are in 2 currencies and are not added up: EUR (spend 1.00, revenue 0.00), \
USD (spend 2.00, revenue 0.00)
    """
    named = sorted(name for name, sums in found.items() if name and (sums.spend or sums.revenue))
    blank = found.get("", Amounts())
    if rates is not None and rates.problem is not None and set(named) - {rates.currency}:
        raise rates.problem
    if rates is None and len(named) > 1:
        raise AbkitError(
            f"the rows are in {len(named)} currencies and are not added up: "
            + ", ".join(f"{name} ({found[name]})" for name in named),
            hint="say what each is worth: --rates FILE with the columns currency,rate and --currency EUR, or currency "
            "and rates under [money] in abkit.toml; or look at the campaigns of one currency",
        )
    currency = rates.currency if rates and named else (named or [""])[0]
    notes = []
    for name in named:
        if rates and name != currency:
            used = [rates.rate(name, first), *(r for day, r in rates.table[name] if first < day <= last)]
            said = f"{used[0]:g}" if len(used) == 1 else f"{min(used):g} to {max(used):g}, by day"
            where = f" ({rates.source})" if rates.source else ""
            notes.append(f"{name} ({found[name]}) was converted to {currency} at {said}{where}")
    if across:
        notes.append(
            f"within the periods of {across:,} rows a rate changes: their amounts are taken to be spread evenly over "
            "the days; rows per day say more"
        )
    if named and (blank.spend or blank.revenue):
        notes.append(
            f"{blank.rows:,} rows name no currency ({blank}): what they belong to is left out of {currency}; import "
            "them with their currency"
        )
    elif blank.spend or blank.revenue:
        notes.append("no row names its currency: amounts are taken to be in one")
    return Exchange(currency, rates, tuple(notes))
