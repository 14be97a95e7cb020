"""What the columns of an export could be, by what is in them: guesses for a person to confirm, where no name says it.

Dates tell a day, words an ad, whole numbers counts, and amounts what was spent. Of counts, impressions are the largest
and clicks the next that is small beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from abkit.intake.kpis.header.fields import currency_in
from abkit.intake.kpis.times.date_texts import read_text
from abkit_model.data.numbers import readings, written

_MOST = 0.8  # this share of the cells that are not blank says what a column holds
_CLICKS_AT_MOST = 0.2  # of the impressions: reach and views are more, clicks hardly ever
_CONVERSIONS_AT_MOST = 0.5  # of the clicks
_ID_DIGITS = 9
_AS_AN_AVERAGE = 0.02  # an average cost is so near to amount through count
_BLANK = frozenset(["", "-", "--", "—", "n/a", "na", "null"])
_FILE = re.compile(r"\.(?:png|jpe?g|gif|webp|avif|mp4|mov|webm)$", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Z]{3}")
_OF_CONVERSIONS = re.compile(r"(?<!to[ _-])\b(conversion|action|event|goal)")  # but not the call to action


class _Kind(Enum):
    """What the cells of a column are."""

    BLANK = 0
    DATE = 1
    WORDS = 2
    WHOLE = 3
    DECIMAL = 4
    ID = 5
    RATE = 6


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What a column could be.

    Attributes:
        column: Its name.
        field: The field.
        reason: What in its cells says so, for a person.
    """

    column: str
    field: str
    reason: str


@dataclass(frozen=True)
class ColumnValues:
    """The cells of one column.

    Attributes:
        name: What the file calls it.
        place: Its index.
        cells: Its cells, stripped.
    """

    name: str
    place: int
    cells: Sequence[str]

    @cached_property
    def filled(self) -> Sequence[str]:
        """The cells that are not blank."""
        return [cell for cell in self.cells if cell.casefold() not in _BLANK]

    @cached_property
    def distinct(self) -> int:
        """How many different cells there are."""
        return len(set(self.filled))

    @cached_property
    def is_money(self) -> bool:
        """Whether its name has a currency, or its cells do."""
        signed = sum((found := written(cell)) is not None and found.currency is not None for cell in self.filled)
        return currency_in(self.name) is not None or self._most(signed)

    @cached_property
    def numbers(self) -> Sequence[float | None]:
        """The cells as numbers."""
        return [_number(cell) for cell in self.cells]

    @property
    def total(self) -> float:
        """The sum of its numbers."""
        return sum(number for number in self.numbers if number is not None)

    @cached_property
    def kind(self) -> _Kind:
        """What its cells are."""
        if not self.filled:
            return _Kind.BLANK
        if self._most(sum(map(_is_date, self.filled))):
            return _Kind.DATE
        if self._most(sum("%" in cell for cell in self.filled)):
            return _Kind.RATE
        if not self._most(sum(_number(cell) is not None for cell in self.filled)):
            return _Kind.WORDS
        if all(map(_is_whole, self.filled)):
            digits = sum(len(re.sub(r"\D", "", cell)) for cell in self.filled) / len(self.filled)
            return _Kind.ID if digits >= _ID_DIGITS and not self.is_money else _Kind.WHOLE
        return _Kind.DECIMAL

    @property
    def has_names(self) -> bool:
        """Whether its cells are words or long ids, which divide rows, and not figures of them."""
        return self.kind in (_Kind.WORDS, _Kind.ID)

    def could_be(self, field: str) -> bool:
        """Return whether its cells rule out a field."""
        allowed: Mapping[str, tuple[_Kind, ...]] = {
            "day": (_Kind.DATE,),
            "impressions": (_Kind.WHOLE,),
            "clicks": (_Kind.WHOLE,),
            "conversions": (_Kind.WHOLE, _Kind.DECIMAL),
            "spend": (_Kind.WHOLE, _Kind.DECIMAL),
            "ad_name": (_Kind.WORDS,),
            "creative": (_Kind.WORDS,),
            "ad": (_Kind.WORDS, _Kind.ID, _Kind.WHOLE),
        }
        return self.kind is _Kind.BLANK or field not in allowed or self.kind in allowed[field]

    def _most(self, count: int) -> bool:
        return count > 0 and count >= _MOST * len(self.filled)


def column_values(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[ColumnValues]:
    """Return the cells of rows by column."""
    cut = [[*map(str.strip, row)] for row in rows]
    return [ColumnValues(name, at, [row[at] if at < len(row) else "" for row in cut]) for at, name in enumerate(names)]


def kinds_of_conversions(columns: Iterable[ColumnValues]) -> list[ColumnValues]:
    """Return the columns that tell kinds of conversions apart, by their names and cells: the finest first."""
    named = [one for one in columns if _OF_CONVERSIONS.search(one.name.casefold())]
    return sorted((one for one in named if one.kind is _Kind.WORDS and one.distinct > 1), key=lambda one: -one.distinct)


def fits(field: str, column: ColumnValues, free: Iterable[ColumnValues], known: Mapping[str, ColumnValues]) -> bool:
    """Return whether a column could be a field beside the others: nobody clicks more often than an ad is shown.

    Args:
        field: The field.
        column: The column.
        free: The columns whose meaning is unknown, this one included.
        known: Those whose field is known.
    """
    if not column.could_be(field):
        return False
    if field == "impressions" and "clicks" in known:
        return column.total >= known["clicks"].total
    if field == "clicks":
        shown = [known["impressions"]] if "impressions" in known else free
        return any(one.total >= column.total for one in shown if one is not column and one.could_be("impressions"))
    return True


def guess_by_values(
    wanted: Sequence[str], free: Sequence[ColumnValues], known: Mapping[str, ColumnValues]
) -> list[Guess]:
    """Guess which columns fields are, from their cells.

    Args:
        wanted: Fields, of day, ad, ad_name, impressions, clicks, conversions and spend; "ad" may be named by its name.
        free: The columns whose meaning is unknown.
        known: Those whose field is known.
    """
    guesses = [*_days(wanted, free), *_counts(wanted, free, known)]
    counts = {**known, **{one.field: _named(free, one.column) for one in guesses}}
    taken = {one.column for one in guesses}
    guesses += _spend(wanted, [one for one in free if one.name not in taken], counts)
    return [*_names(wanted, free, known), *guesses]


def _named(columns: Sequence[ColumnValues], name: str) -> ColumnValues:
    return next(one for one in columns if one.name == name)


def _days(wanted: Sequence[str], free: Sequence[ColumnValues]) -> list[Guess]:
    dates = [one for one in free if one.kind is _Kind.DATE]
    if "day" not in wanted or not dates:
        return []
    if len(dates) == 1 or dates[0].cells == dates[1].cells:
        return [Guess(column=dates[0].name, field="day", reason="dates")]
    first, last = dates[:2]
    return [
        Guess(column=first.name, field="period_start", reason="dates"),
        Guess(column=last.name, field="period_end", reason="other dates"),
    ]


def _names(wanted: Sequence[str], free: Sequence[ColumnValues], known: Mapping[str, ColumnValues]) -> list[Guess]:
    """Guess the name of the ad: file names, else the most different ones; then its id, and its campaign before it."""
    words = [one for one in free if one.kind is _Kind.WORDS and not all(map(_CURRENCY.fullmatch, one.filled))]
    if not {"ad", "ad_name"} & {*wanted}:
        return []
    ids = [one for one in free if one.kind is _Kind.ID]
    if not words:
        named = [] if "ad" not in wanted else sorted(ids, key=lambda one: (one.distinct, one.place))[-1:]
        return [Guess(column=one.name, field="ad", reason="ids") for one in named]

    def files(one: ColumnValues) -> bool:
        return 2 * sum(bool(_FILE.search(cell)) for cell in one.filled) >= len(one.filled)

    ad = max(words, key=lambda one: (files(one), one.distinct, one.place))
    guesses = [Guess(column=ad.name, field="ad_name", reason="file names" if files(ad) else "the most different names")]
    key = max((one for one in ids if one.distinct >= ad.distinct), key=lambda one: one.place, default=None)
    if key and "ad" in wanted:
        guesses.append(Guess(column=key.name, field="ad", reason="as many ids"))
    before = [one for one in words if one.place < ad.place and one.distinct <= ad.distinct]
    if before and not {"campaign", "campaign_name"} & known.keys():
        guesses.insert(0, Guess(column=before[0].name, field="campaign_name", reason="names before those of the ads"))
    return guesses


def _counts(wanted: Sequence[str], free: Sequence[ColumnValues], known: Mapping[str, ColumnValues]) -> list[Guess]:
    """Guess impressions, clicks and conversions: each the largest that is plausible beside the one before it."""
    pool = [one for one in free if one.kind is _Kind.WHOLE and not one.is_money and one.total > 0]
    pool.sort(key=lambda one: -one.total)
    guesses: list[Guess] = []
    above = None
    for field, share, reason in (
        ("impressions", 1.0, "the largest counts"),
        ("clicks", _CLICKS_AT_MOST, "the largest counts that are small beside impressions"),
        ("conversions", _CONVERSIONS_AT_MOST, "the next smaller counts"),
    ):
        if field in wanted:
            limit = share * above.total if above else float("inf")
            least = known["clicks"].total if field == "impressions" and "clicks" in known else 0
            fitting = [one for one in pool if least <= one.total <= limit]
            if not fitting and field == "clicks":
                fitting = [one for one in pool if above and one.total <= above.total]
            if not fitting:
                continue
            above = fitting[0]
            pool.remove(above)
            guesses.append(Guess(column=above.name, field=field, reason=reason))
        elif field in known:
            above = known[field]
    return guesses


def _spend(wanted: Sequence[str], free: Sequence[ColumnValues], counts: Mapping[str, ColumnValues]) -> list[Guess]:
    """Guess the amount spent: the one that a column of averages is made of, else the largest amounts."""
    numeric = (_Kind.WHOLE, _Kind.DECIMAL)
    amounts = [one for one in free if one.kind in numeric and one.is_money]
    amounts = amounts or [one for one in free if one.kind is _Kind.DECIMAL]
    if "spend" not in wanted or not amounts:
        return []
    averages = [one for one in free if one.kind is _Kind.DECIMAL]

    def made_of(amount: ColumnValues) -> bool:
        return any(
            _is_average(average, amount, counts[field], scale)
            for average in averages
            if average is not amount
            for field, scale in (("clicks", 1), ("impressions", 1000), ("conversions", 1))
            if field in counts
        )

    certain = [one for one in amounts if made_of(one)]
    best = max(certain or amounts, key=lambda one: one.total)
    return [Guess(column=best.name, field="spend", reason="amounts" if certain else "the largest amounts")]


def _is_average(average: ColumnValues, amount: ColumnValues, count: ColumnValues, scale: int) -> bool:
    rows = [
        abs(one * of - whole * scale) <= _AS_AN_AVERAGE * whole * scale + of * 0.005
        for one, whole, of in zip(average.numbers, amount.numbers, count.numbers, strict=True)
        if one is not None and whole and of
    ]
    return len(rows) > 1 and sum(rows) >= _MOST * len(rows)


def _is_date(cell: str) -> bool:
    # A count of five digits may be the number of a day in a spreadsheet; eight digits are a date or an id.
    if cell.isdigit() and not (len(cell) == 8 and cell[:2] in ("19", "20")):
        return False
    return bool(read_text(cell).readings)


def _is_whole(cell: str) -> bool:
    return any(value.is_integer() for value in readings(cell))


def _number(cell: str) -> float | None:
    """Read a number as far as its size goes: of two readings the larger one.

    >>> _number("1.234"), _number("1 234,50 €"), _number("1,234.5"), _number("0,25"), _number("v1.2")
    (1234.0, 1234.5, 1234.5, 0.25, None)
    """
    return max(readings(cell), key=abs, default=None)
