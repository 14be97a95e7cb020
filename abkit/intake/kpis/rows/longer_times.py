"""Days that stand for longer times: a column `Week` or `Month` has the first day of each, and its rows are totals."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import polars as pl

from abkit.intake.kpis.header.fields import plain_name
from abkit.intake.kpis.times.dates import ReadDates

_START = ("", "of", "start", "starting", "startdate", "beginning", "begin", "commencing", "commencingdate")
_WEEKS = {f"week{rest}" for rest in _START} | {"woche", "kalenderwoche", "semaine", "semana", "settimana", "tydzień"}
_WEEKS |= {"startofweek", "weekmonday", "weeksunday", "週", "주", "周"}
_WEEK_ENDS = {"weekending", "weekend", "weekenddate", "weekendingdate", "endofweek"}
_MONTHS = {f"month{rest}" for rest in _START} | {"monat", "mois", "mes", "mês", "mese", "maand", "miesiąc"}
_MONTHS |= {"startofmonth", "月", "월"}
_QUARTERS = {f"quarter{rest}" for rest in _START} | {"quartal", "trimestre", "kwartaal", "kwartał"}
_WEEK = 7
_FEWEST = 3  # different days that may lie weeks apart by chance


def of_longer_times(read: ReadDates, name: str) -> ReadDates:
    """Take the days of a column that is called like a longer time for that time; say where days look like one.

    Args:
        read: One column of days, or what its texts name.
        name: The file's own name of the column.
    """
    if "day" not in read.values:
        return read
    days = read.values["day"]
    different = days.drop_nulls().unique().sort()
    if not different.len():
        return read
    plain = plain_name(name)
    for kind in KINDS:
        if plain in kind.names and kind.fits(different):
            start, end = (_week_before(days), days) if plain in _WEEK_ENDS else (days, kind.last(days))
            values = {"period_start": start, "period_end": end}
            note = f"{name!r} has a day of each {kind.what}: each row is the total of its {kind.what}"
            return replace(read, values=values, notes=(*read.notes, note))
    if different.len() < _FEWEST:
        return read
    looks = next((kind.what for kind in KINDS if kind.fits(different)), "")
    if not looks:
        return read
    note = (
        f"all days of {name!r} are {'the same day of the week' if looks == 'week' else f'the first of a {looks}'}: if "
        f"each row is the total of a {looks}, call the column {looks.title()!r}, or give the first and the last day"
    )
    return replace(read, notes=(*read.notes, note), looks_like=looks)


def _are_one_weekday(days: pl.Series) -> bool:
    return days.dt.weekday().n_unique() == 1


def _are_first_of_quarters(days: pl.Series) -> bool:
    return _are_first_of_months(days) and bool((days.dt.month() % 3 == 1).all())


def _are_first_of_months(days: pl.Series) -> bool:
    return bool((days.dt.day() == 1).all())


def _after_a_week(days: pl.Series) -> pl.Series:
    return days.dt.offset_by(f"{_WEEK - 1}d")


def _after_a_month(days: pl.Series) -> pl.Series:
    return days.dt.month_end()


def _after_a_quarter(days: pl.Series) -> pl.Series:
    return days.dt.offset_by("2mo").dt.month_end()


@dataclass(frozen=True)
class Kind:
    """A longer time that one of its days may stand for.

    Attributes:
        names: What a column of it is called, plain.
        fits: Returns whether different days could each stand for one.
        last: Returns the last days of those that begin on these days.
        what: Its name.
    """

    names: Collection[str]
    fits: Callable[[pl.Series], bool]
    last: Callable[[pl.Series], pl.Series]
    what: str

    def spans(self, days: pl.Series) -> Iterator[tuple[pl.Series, pl.Series]]:
        """Yield the first and the last days of the times that days may stand for."""
        yield days, self.last(days)
        if self.what == "week":
            yield _week_before(days), days


def _week_before(days: pl.Series) -> pl.Series:
    return days.dt.offset_by(f"-{_WEEK - 1}d")


KINDS = (
    Kind(_WEEKS | _WEEK_ENDS, _are_one_weekday, _after_a_week, "week"),
    Kind(_MONTHS, _are_first_of_months, _after_a_month, "month"),
    Kind(_QUARTERS, _are_first_of_quarters, _after_a_quarter, "quarter"),
)
