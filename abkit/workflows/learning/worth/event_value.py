"""What an event (a click, a conversion) is worth, and how many come in a week: from the store, or as given."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput
from abkit.metrics import METRICS, MONEY
from abkit.money import Rates
from abkit.records import Record
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, deliveries
from abkit.vocabulary import Metric

RECENT = timedelta(days=28)
"""The last days of delivery: how much runs now."""


@dataclass(frozen=True, kw_only=True)
class GivenEventValue:
    """What an event is worth, where the user says so.

    Attributes:
        value: Money per event; None where it is not given.
        currency: Its currency; that of the rows where it is not named.

    Raises:
        InvalidInput: The value is not a number above 0.
    """

    value: float | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not (math.isfinite(self.value) and self.value > 0):
            raise InvalidInput(f"the value per event is {self.value}; expected an amount above 0, such as 25")


@dataclass(frozen=True, kw_only=True)
class EventValue(Record):
    """What the events of a week are worth.

    Attributes:
        each: Money per event.
        events_per_week: Events per week over the last four weeks of delivery.
        rate: The metric there: events per impression, click or amount spent.
        currency: Currency of `each`; "" where no row names one.
        basis: Where `each` comes from, in words.
    """

    each: float
    events_per_week: float
    rate: float
    currency: str
    basis: str

    @property
    def per_week(self) -> float:
        """Money that a week's events are worth: a lift times this is what it brings."""
        return self.each * self.events_per_week


def event_value(
    session: Session,
    metric: Metric,
    *,
    as_of: date,
    campaigns: Sequence[str] | None = None,
    given: GivenEventValue | None = None,
    rates: Rates | None = None,
    ads: Collection[int] | None = None,
) -> EventValue | None:
    """Return what an event is worth: as given, else its revenue, else what it costs; None where nothing is known.

    What an event costs is what a lift saves: as many events for less money.

    Args:
        session: A reading session.
        metric: The KPI; its events are clicks, conversions or amounts.
        as_of: The last day of delivery that counts.
        campaigns: Keys of the only campaigns; all by default.
        given: What an event is worth, where the user says so.
        rates: The currency of amounts, and what others are worth in it.
        ads: Ids of the only ads to look at; all by default.

    Raises:
        AbkitError: Amounts are in several currencies, and nothing says how to convert them.
    """
    of, per = METRICS[metric].rate
    only: Sequence[str | None] = campaigns or [None]
    ends = [deliveries(session, Filters(end=as_of, campaign=one, ads=ads)).last for one in only]
    last = max((day for day in ends if day), default=None)
    if last is None:
        return None
    windows = [Filters(last - RECENT + timedelta(days=1), last, one, ads=ads) for one in only]
    asked = given or GivenEventValue()
    try:
        found = [deliveries(session, one, with_money=True, rates=rates) for one in windows]
    except AbkitError:
        if asked.value is None or of in MONEY:
            raise
        found = [deliveries(session, one) for one in windows]
    rows = [row for part in found for row in part.rows]
    first = min((part.first for part in found if part.first), default=None)
    currency = _one_currency(found)
    count, base = _total(rows, of), _total(rows, per)
    if first is None or not count or not base:
        return None
    weeks = max((last - first).days + 1, 7) / 7
    known = {"events_per_week": count / weeks, "rate": count / base}
    if of in MONEY:
        return EventValue(each=1.0, currency=currency, basis="the amounts of the rows", **known)
    one = of.removesuffix("s")
    if asked.value is not None:
        named = asked.currency or currency
        return EventValue(each=asked.value, currency=named, basis=f"value per {one}, as given", **known)
    for name, said in (("revenue", "revenue"), ("spend", "what it costs now: spend")):
        paid = [row for row in rows if getattr(row, name) is not None]
        amount, events = _total(paid, name), _total(paid, of)
        if amount > 0 and events > 0:
            return EventValue(each=amount / events, currency=currency, basis=f"{said} per {one}", **known)
    return None


def _one_currency(found: Sequence[Deliveries]) -> str:
    """Return the currency of what was delivered in several campaigns."""
    named = sorted({part.money.currency for part in found if part.money and part.money.currency})
    if len(named) > 1:
        raise AbkitError(
            f"the campaigns are in {len(named)} currencies: {', '.join(named)}",
            hint="say what each is worth: --rates FILE with the columns currency,rate and --currency EUR",
        )
    return named[0] if named else ""


def _total(rows: Sequence[Delivered], name: str) -> float:
    return float(sum(getattr(row, name) or 0 for row in rows))
