"""Missing days: a fault where the account always delivered, and none where it rests now and then."""

from datetime import date, timedelta

import pytest

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import Budget
from abkit.workflows.drift.layers.feeds import judge_feed
from tests.workflows.drift.windows.test_windows import AS_OF, windows

BUDGET = Budget(per_year=1, looks_per_year={})


@pytest.mark.parametrize(
    ("missing", "rested", "verdict"),
    [
        ([6], 0, "ok"),
        ([4, 5, 6], 0, "fault"),
        ([3, 4, 5, 6], 0, "fault"),
        ([4, 5, 6], 30, "ok"),
    ],
)
def test_days_without_delivery_are_held_against_how_often_the_account_rests(
    missing: list[int], rested: int, verdict: str
) -> None:
    """`missing` are days before the last; the last three may still come. `rested` of 90 days had no delivery before."""
    days = {AS_OF - timedelta(days=back): 1000 for back in range(97)}
    for back in missing:
        del days[AS_OF - timedelta(days=back)]
    for number in range(rested):
        del days[AS_OF - timedelta(days=8 + 2 * number)]
    first = date.fromordinal(AS_OF.toordinal() - 96)

    gaps = judge_feed(days, windows("creatives", "days:7", reference_start=first), DriftSettings(), BUDGET)[0]

    assert gaps.verdict == verdict
    assert gaps.p_value is not None
