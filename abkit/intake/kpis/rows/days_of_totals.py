"""Totals of weeks or months under a single day, as the days of other files show: "Day" with nothing but Mondays.

A total has the impressions of several days, and a day has its own: where both are known of an ad, they tell which it
is. Without this, a week would be taken for the figures of its Monday, and count beside its days.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.rows.longer_times import KINDS, Kind
from abkit.intake.kpis.times.dates import ReadDates

StoredDays = Callable[[Collection[str] | None, date, date, bool], pl.DataFrame]
"""Returns `external_id`, `day`, `kpi_import_id` and `impressions` of single days in the store.

Of ads by their ids, or of all, between two days; with True, only of imports whose days look like longer times.
"""

_MOST_ADS = 200
_FEWEST_DAYS = 3  # of a time that both have, so that a sum is not a day
_SUM_IS, _AT_MOST = 0.98, 1.5  # of the sum, and of what the time would have if all of its days were there
_FEWEST, _SHARE = 3, 0.8  # totals that are proven, and of all that can be compared
_DIGITS = 6.0  # that agree exactly: two weeks with 1,000 impressions each
_ASKS = "all days of "


def totals_of_days(
    rows: pl.DataFrame, dates: ReadDates, name: str, stored: StoredDays
) -> tuple[pl.DataFrame, ReadDates]:
    """Take rows of single days for totals where the days in the store add up to them.

    Args:
        rows: With `external_id`, `period_start`, `period_end` and `impressions`.
        dates: As they were read.
        name: The file's own name of the days.
        stored: Reads the store.

    Raises:
        InvalidInput: An earlier import has totals under single days, as the days of this file show.
    """
    if "day" not in dates.values:
        return rows, dates
    different = dates.values["day"].drop_nulls().unique()
    if not different.len():
        return rows, dates
    kinds = [kind for kind in KINDS if kind.fits(different)]
    first, last = _reach(different)
    before = pl.DataFrame() if kinds else stored(None, first, last, True)
    if not kinds and not before.height:
        return rows, dates
    shown = rows.filter(pl.col("period_start").is_not_null(), pl.col("impressions") > 0, pl.col("external_id") != "")
    some = _largest(shown)
    of_these = shown.filter(pl.col("external_id").is_in(some)).rename({"period_start": "day"})
    here = of_these.group_by("external_id", "day").agg(pl.col("impressions").sum())
    if not kinds:
        _refuse_doubled(here, before.filter(pl.col("external_id").is_in(some)))
        return rows, dates
    there = stored(some, first, last, False).group_by("external_id", "day").agg(pl.col("impressions").sum())
    for kind in kinds:
        for number, proven in enumerate(_proven(here, there, kind)):
            if proven:
                start, end = list(kind.spans(rows["period_start"]))[number]
                note = (
                    f"{name!r} has one day of each {kind.what}, and earlier files have days that add up to its rows: "
                    f"each row is the total of its {kind.what}"
                )
                notes = (*(one for one in dates.notes if not one.startswith(_ASKS)), note)
                dates = replace(dates, notes=notes, looks_like="")
                return rows.with_columns(start.alias("period_start"), end.alias("period_end")), dates
    return rows, dates


def _refuse_doubled(days: pl.DataFrame, before: pl.DataFrame) -> None:
    for (number,), rows in before.partition_by("kpi_import_id", as_dict=True).items():
        totals = rows.group_by("external_id", "day").agg(pl.col("impressions").sum())
        kinds = [kind for kind in KINDS if kind.fits(totals["day"].unique())]
        if what := next((kind.what for kind in kinds if any(_proven(totals, days, kind))), ""):
            raise InvalidInput(
                f"import {number} has totals of a {what} each under a single day, as the days of this file show: "
                "they would count twice",
                hint=f"abkit kpi undo {number}; then import this file, and after it that one once more: its rows are "
                "then taken for totals",
            )


def _proven(totals: pl.DataFrame, days: pl.DataFrame, kind: Kind) -> list[bool]:
    """Return by span of the kind whether what stands under single days are sums of days."""
    found = []
    for start, end in kind.spans(totals["day"]):
        asked = totals.with_columns(start.alias("start"), end.alias("end"))
        inside = asked.join(days, on="external_id", suffix="_of_day").filter(
            pl.col("day_of_day").is_between(pl.col("start"), pl.col("end"))
        )
        sums = inside.group_by("external_id", "day", "impressions", "start", "end").agg(
            days=pl.len(),
            total=pl.col("impressions_of_day").sum(),
            own=pl.col("impressions_of_day").filter(pl.col("day_of_day") == pl.col("day")).sum(),
        )
        sums = sums.filter(pl.col("days") >= _FEWEST_DAYS, pl.col("total") >= 2 * pl.col("own"))
        whole = pl.col("total") * ((pl.col("end") - pl.col("start")).dt.total_days() + 1) / pl.col("days")
        fits = pl.col("impressions").is_between(_SUM_IS * pl.col("total"), _AT_MOST * whole)
        exact = sums.filter(pl.col("impressions") == pl.col("total"))["impressions"].unique()
        fitting = sums.filter(fits)
        many = fitting["impressions"].n_unique() >= _FEWEST or float(exact.cast(pl.Float64).log10().sum()) >= _DIGITS
        found.append(bool(sums.height and fitting.height >= _SHARE * sums.height and many))
    return found


def _largest(shown: pl.DataFrame) -> list[str]:
    sums = shown.group_by("external_id").agg(pl.col("impressions").sum())
    return list(sums.sort("impressions", "external_id", descending=[True, False]).head(_MOST_ADS)["external_id"])


def _reach(days: pl.Series) -> tuple[date, date]:
    """Return the first and the last day of all times that these days may stand for."""
    edges = pl.Series([days.min(), days.max()], dtype=pl.Date)
    first, last = edges.dt.offset_by("-6d")[0], edges.dt.offset_by("2mo").dt.month_end()[1]
    assert isinstance(first, date) and isinstance(last, date)  # noqa: S101, PT018
    return first, last
