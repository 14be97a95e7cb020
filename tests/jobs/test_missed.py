"""The policy for missed ticks, with the clock as a parameter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.jobs.cron import MOST_COUNTED, Cron, jitter, plan_tick, tick_after_clock_change
from abkit.vocabulary import MissedTicks

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
HOURLY = Cron("@hourly")
GRACE = timedelta(minutes=5)


@pytest.mark.parametrize("policy", list(MissedTicks))
def test_a_tick_within_its_grace_is_run_whatever_the_policy(policy: MissedTicks) -> None:
    found = plan_tick(HOURLY, TEN, TEN + GRACE, grace=GRACE, policy=policy)
    assert (found.run, found.tick, found.late, found.missed) == (True, TEN, False, 0)
    assert found.next_run_at == TEN + timedelta(hours=1)


def test_after_two_hours_asleep_run_last_runs_only_the_last() -> None:
    found = plan_tick(HOURLY, TEN, TEN + timedelta(hours=2, minutes=20), grace=GRACE, policy=MissedTicks.RUN_LAST)
    assert (found.run, found.tick, found.missed) == (True, TEN + timedelta(hours=2), 2)


def test_after_two_hours_asleep_skip_runs_none_that_is_late() -> None:
    found = plan_tick(HOURLY, TEN, TEN + timedelta(hours=2, minutes=20), grace=GRACE, policy=MissedTicks.SKIP)
    assert (found.run, found.missed, found.next_run_at) == (False, 3, TEN + timedelta(hours=3))


def test_skip_still_runs_the_tick_that_is_in_time() -> None:
    found = plan_tick(HOURLY, TEN, TEN + timedelta(hours=2, minutes=2), grace=GRACE, policy=MissedTicks.SKIP)
    assert (found.run, found.missed, found.next_run_at) == (False, 2, TEN + timedelta(hours=2))


def test_after_two_hours_asleep_run_all_runs_each_in_turn() -> None:
    now, due, ran = TEN + timedelta(hours=2, minutes=20), TEN, []
    while due <= now:
        found = plan_tick(HOURLY, due, now, grace=GRACE, policy=MissedTicks.RUN_ALL)
        ran.append(found.tick.hour)
        due = found.next_run_at
    assert ran == [10, 11, 12]


def test_a_year_of_missed_seconds_is_decided_quickly_and_counted_only_so_far() -> None:
    found = plan_tick(Cron("* * * * * *"), TEN, TEN + timedelta(days=365), grace=GRACE, policy=MissedTicks.RUN_LAST)
    assert found.tick == TEN + timedelta(days=365)
    assert found.missed == MOST_COUNTED


@given(
    line=st.sampled_from(["@hourly", "*/7 * * * *", "0 6 * * 1-5", "*/20 * * * * *"]),
    late=st.timedeltas(timedelta(0), timedelta(days=3)),
    grace=st.timedeltas(timedelta(0), timedelta(hours=2)),
    policy=st.sampled_from(list(MissedTicks)),
)
def test_every_turn_moves_on_and_never_runs_the_future(
    line: str, late: timedelta, grace: timedelta, policy: MissedTicks
) -> None:
    cron = Cron(line)
    due = cron.after(TEN)
    now = due + late
    found = plan_tick(cron, due, now, grace=grace, policy=policy)
    assert due <= found.tick <= now
    assert found.next_run_at > found.tick
    assert found.late == (late > grace)
    if policy is not MissedTicks.RUN_ALL and found.late and found.run:
        assert found.next_run_at > now


def test_jitter_is_the_same_everywhere_and_within_its_bound() -> None:
    seen = {jitter("score", TEN + timedelta(hours=hour), 60) for hour in range(200)}
    assert max(seen) <= timedelta(seconds=60)
    assert len(seen) > 30
    assert jitter("score", TEN, 60) == jitter("score", TEN, 60)


def test_a_clock_set_back_does_not_leave_a_schedule_waiting_for_a_day() -> None:
    tolerance = timedelta(minutes=10)
    assert tick_after_clock_change(HOURLY, TEN + timedelta(days=1), TEN, tolerance) == TEN + timedelta(hours=1)
    assert tick_after_clock_change(HOURLY, TEN + timedelta(hours=1), TEN, tolerance) is None
    # A machine whose clock is five seconds behind must not undo what another one has just claimed.
    assert tick_after_clock_change(HOURLY, TEN + timedelta(hours=1), TEN - timedelta(seconds=5), tolerance) is None
