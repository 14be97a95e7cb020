"""Each guard alone: when it blocks, and when it does not apply."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from abkit.stats.verdicts.guards import ArmDays, Guard, check_guards
from abkit.stats.verdicts.sample_ratio import sample_ratio

START = date(2026, 3, 2)


def arm(key: str, exposures: list[int], successes: list[int] | None = None, **more: object) -> ArmDays:
    days = [START + timedelta(step) for step in range(len(exposures))]
    clicks = successes if successes is not None else [n // 20 for n in exposures]
    options = {"share": 0.5} | more
    by_day = (dict(zip(days, figures, strict=True)) for figures in (exposures, clicks))
    return ArmDays(key, options.pop("share"), *by_day, **options)  # type: ignore[arg-type]


def guards(*arms: ArmDays, **options: object) -> Mapping[str, Guard]:
    settings = {"allocation": "random", "as_of": START + timedelta(9), "running": True, "by_day": False} | options
    return {guard.name: guard for guard in check_guards(arms, **settings)}  # type: ignore[arg-type]


STEADY = [1000] * 10


def test_a_clean_test_passes_all_of_them() -> None:
    found = guards(arm("a", STEADY), arm("b", [1003] * 10))
    assert {guard.status for guard in found.values()} == {"pass"}


def test_the_split_is_tested_so_that_looking_daily_raises_no_false_alarm() -> None:
    # Beyond chance for one look, within chance for one who looks every day.
    n0, n1 = [1000] * 10, [1049] * 10
    assert sample_ratio([sum(n0), sum(n1)]).mismatch
    assert guards(arm("a", n0), arm("b", n1))["sample_ratio"].status == "pass"
    assert guards(arm("a", n0), arm("b", [1120] * 10))["sample_ratio"].status == "block"


def test_the_planned_shares_are_what_the_split_is_held_against() -> None:
    found = guards(arm("a", STEADY, share=0.25), arm("b", [3000] * 10, share=0.75))
    assert found["sample_ratio"].status == "pass"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"allocation": "optimized", "by_day": True}, "the platform chooses"),
        ({"by_day": True}, "not what was randomized"),
    ],
)
def test_a_split_that_chance_did_not_make_is_not_tested(options: dict[str, object], said: str) -> None:
    found = guards(arm("a", STEADY), arm("b", [5000] * 10), **options)["sample_ratio"]
    assert found.status == "skipped"
    assert said in found.message


def test_where_days_are_the_units_a_week_is_the_least() -> None:
    assert guards(arm("a", STEADY[:6]), arm("b", STEADY[:6]), by_day=True)["data"].status == "block"
    assert guards(arm("a", STEADY[:7]), arm("b", STEADY[:7]), by_day=True)["data"].status == "pass"


def test_a_metric_that_stops_while_exposures_go_on_is_noticed() -> None:
    stopped = [50] * 8 + [0, 0]
    assert guards(arm("a", STEADY), arm("b", STEADY, stopped))["metric"].status == "block"
    # Two days without a click are nothing where a click a day is usual.
    rare = [1] * 8 + [0, 0]
    assert guards(arm("a", STEADY), arm("b", STEADY, rare))["metric"].status == "pass"


def test_an_arm_that_never_had_a_success_is_a_fault_of_the_tracking_where_the_others_have_many() -> None:
    found = guards(arm("a", STEADY), arm("b", STEADY, [0] * 10))["metric"]
    assert (found.status, "b has had no success" in found.message) == ("block", True)
    assert guards(arm("a", STEADY, [1] + [0] * 9), arm("b", STEADY, [0] * 10))["metric"].status == "pass"


def test_a_metric_that_stopped_and_came_back_is_noticed() -> None:
    hole = [50, 50, 50, 0, 0, 50, 50, 50, 50, 50]
    found = guards(arm("a", STEADY), arm("b", STEADY, hole))["metric"]
    assert found.status == "block"
    assert "from 2026-03-05 to 2026-03-06" in found.message


def test_data_that_end_long_before_the_planned_end_are_noticed() -> None:
    options = {"as_of": START + timedelta(30), "running": False}
    early = guards(arm("a", STEADY), arm("b", STEADY), ends_on=START + timedelta(20), **options)["feed"]
    assert (early.status, "11 days before the end" in early.message) == ("block", True)
    assert guards(arm("a", STEADY), arm("b", STEADY), ends_on=START + timedelta(9), **options)["feed"].status == "pass"


def test_a_day_without_exposures_and_a_feed_that_ended_are_noticed() -> None:
    gap = [1000] * 5 + [0] + [1000] * 4
    found = guards(arm("a", STEADY), arm("b", gap, [50] * 10))["days"]
    assert (found.status, "b on 2026-03-07" in found.message) == ("block", True)
    assert guards(arm("a", STEADY), arm("b", STEADY), as_of=START + timedelta(12))["feed"].status == "block"
    late = guards(arm("a", STEADY), arm("b", STEADY), as_of=START + timedelta(12), running=False)
    assert late["feed"].status == "skipped"


def test_a_change_of_creative_is_noticed() -> None:
    found = guards(arm("a", STEADY), arm("b", STEADY, creatives=frozenset({"x", "y"})))
    assert found["creative"].status == "block"
