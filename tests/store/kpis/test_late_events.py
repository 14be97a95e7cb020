"""What came on days without impressions goes to a row that has some, and nothing of it is lost or made up."""

from dataclasses import replace
from datetime import date

import pytest

from abkit.store.kpis.late_events import DeliveryRow, with_late_events


def row(day: int, impressions: int = 1000, *, segment: int = 1, clicks: int = 10) -> DeliveryRow:
    return DeliveryRow(
        creative_id=1, campaign_id=1, segment_id=segment, period_start=date(2026, 1, day),
        period_end=date(2026, 1, day), impressions=impressions, clicks=clicks, conversions=1.5, spend=2.0, revenue=5.0,
    )  # fmt: skip


LATE = replace(row(10, 0, clicks=3), conversions=0.5, spend=0.25, revenue=4.0)


@pytest.mark.parametrize(
    ("rows", "taken_by"),
    [
        ([row(8), row(11)], 0),  # the last before it, though the next is nearer
        ([row(3), row(8), row(11)], 1),
        ([row(12), row(11)], 1),  # the next, where none is before
        ([row(9, segment=2), row(20)], 1),  # its own segment first
        ([row(9, segment=2), row(20, segment=2)], 0),
    ],
)
def test_a_late_event_goes_to_the_last_row_before_it_and_all_of_it(rows: list[DeliveryRow], taken_by: int) -> None:
    found = with_late_events([*rows, LATE])
    added = replace(rows[taken_by], clicks=13, conversions=2.0, spend=2.25, revenue=9.0)
    assert found == [added if place == taken_by else one for place, one in enumerate(rows)]


def test_what_is_unknown_stays_unknown_and_a_blank_cost_of_the_late_day_is_nothing() -> None:
    (found,) = with_late_events([row(8), replace(LATE, spend=None, revenue=None)])
    assert (found.spend, found.revenue) == (2.0, None)
    (found,) = with_late_events([replace(row(8), spend=None, revenue=None), LATE])
    assert (found.spend, found.revenue) == (None, None)


@pytest.mark.parametrize("other", [{"creative_id": 2}, {"campaign_id": 2}])
def test_no_other_creative_or_campaign_takes_it(other: dict[str, int]) -> None:
    rows = [replace(row(8), **other)]
    assert with_late_events([*rows, LATE]) == rows
