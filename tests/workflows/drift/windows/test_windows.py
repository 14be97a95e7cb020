"""Which window of a drift check a delivery belongs to: the current one, the reference, or neither."""

from datetime import date, timedelta
from typing import Any

import pytest

from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Window
from abkit.workflows.drift.windows.windows import DriftWindows, parse_window

AS_OF = date(2025, 5, 31)
START = date(2025, 5, 25)


def windows(reference: str, current: str, **changes: Any) -> DriftWindows:
    chosen: dict[str, Any] = {
        "reference": parse_window(reference, current=False),
        "current": parse_window(current, current=True),
        "as_of": AS_OF,
        "judged_until": AS_OF,
        "segment": "",
        "version": None,
        "start": START,
        "reference_start": date(2025, 5, 1),
        "reference_end": START - timedelta(days=1),
        "current_campaign": None,
        "reference_campaign": None,
        "current_creatives": (),
        "reference_creatives": (),
    }
    return DriftWindows(**chosen | changes)


def row(first: date, last: date | None = None, *, creative: int = 1, campaign: int = 9) -> DeliveryRow:
    return DeliveryRow(
        creative_id=creative,
        campaign_id=campaign,
        segment_id=1,
        period_start=first,
        period_end=last or first,
        impressions=1000,
        clicks=10,
    )


@pytest.mark.parametrize(
    ("first", "last", "window"),
    [
        (START, AS_OF, Window.CURRENT),
        (START - timedelta(days=1), START, Window.NEITHER),
        (START - timedelta(days=1), START - timedelta(days=1), Window.REFERENCE),
        (date(2025, 5, 1), date(2025, 5, 2), Window.REFERENCE),
        (date(2025, 4, 30), date(2025, 5, 2), Window.NEITHER),
    ],
)
def test_days_hold_periods_that_lie_inside_and_leave_out_those_that_cross_a_border(
    first: date, last: date, window: Window
) -> None:
    assert windows("days:24", "days:7").window_of(row(first, last)) is window


def test_the_days_after_a_break_belong_to_neither_window() -> None:
    broken = windows("model", "days:7", reference_end=date(2025, 5, 10))
    assert broken.window_of(row(date(2025, 5, 11))) is Window.NEITHER
    assert broken.window_of(row(date(2025, 5, 10))) is Window.REFERENCE
    assert broken.window_of(row(date(2024, 5, 10))) is Window.REFERENCE  # everything before, for the model's sample


def test_campaigns_hold_their_own_delivery_and_that_of_creatives_that_only_they_have() -> None:
    both = windows(
        "campaign:before",
        "campaign:after",
        current_campaign=1,
        reference_campaign=2,
        current_creatives=(10, 12),
        reference_creatives=(11, 12),
    )
    found = {
        (campaign, creative): both.window_of(row(AS_OF, campaign=campaign, creative=creative))
        for campaign in (1, 2, 3)
        for creative in (10, 11, 12)
    }
    assert {found[1, creative] for creative in (10, 11, 12)} == {Window.CURRENT}
    assert {found[2, creative] for creative in (10, 11, 12)} == {Window.REFERENCE}
    assert [found[3, creative] for creative in (10, 11, 12)] == [Window.CURRENT, Window.REFERENCE, Window.NEITHER]


def test_a_campaign_against_the_model_is_compared_with_all_other_delivery() -> None:
    one = windows("model", "campaign:after", current_campaign=1, current_creatives=(10,), reference_end=AS_OF)
    assert one.window_of(row(AS_OF, campaign=1, creative=99)) is Window.CURRENT
    assert one.window_of(row(AS_OF, campaign=3, creative=10)) is Window.CURRENT
    assert one.window_of(row(AS_OF, campaign=3, creative=11)) is Window.REFERENCE
