"""Guards over how the arms were delivered."""

from datetime import date, timedelta

import numpy as np
import pytest

from abkit.stats.verdicts.delivery_guards import known_ads, not_steered, one_format, whole_days
from abkit.stats.verdicts.guards import ArmDays

FIRST = date(2026, 3, 2)


def arms_of(*by_day: list[int], shares: tuple[float, ...] = (0.5, 0.5)) -> list[ArmDays]:
    return [
        ArmDays(key, share, {FIRST + timedelta(n): count for n, count in enumerate(counts)}, {})
        for key, share, counts in zip("abc", shares, by_day, strict=False)
    ]


def test_traffic_that_moves_from_one_arm_to_the_other_is_seen_although_the_split_is_right_in_all() -> None:
    moving = arms_of([4_000, 5_000, 6_000], [6_000, 5_000, 4_000])
    found = not_steered(moving, {}, drawn=True)
    assert found.status == "block"
    assert "on 2026-03-02" in found.message
    assert "--allocation optimized" in found.action
    assert not_steered(moving, {}, drawn=False).status == "skipped"


def test_a_segment_that_one_arm_gets_more_of_is_seen() -> None:
    even = arms_of([5_000], [5_000])
    fair = {"device mobile": [3_000, 3_040], "device desktop": [2_000, 1_960]}
    assert not_steered(even, fair, drawn=True).status == "pass"
    found = not_steered(even, {"device mobile": [3_500, 2_500], "device desktop": [1_500, 2_500]}, drawn=True)
    assert "58.3 % of the impressions in device mobile, and 50.0 % in all" in found.message
    assert "2 parts differ" in found.message


def test_a_difference_too_small_to_matter_is_let_pass_however_certain_it_is() -> None:
    arms = arms_of([5_100_000, 5_000_000], [4_900_000, 5_000_000])
    assert not_steered(arms, {}, drawn=True).status == "pass"


def test_a_wrong_split_of_everything_is_the_sample_ratios_finding() -> None:
    assert not_steered(arms_of([6_000, 6_000], [4_000, 4_000]), {}, drawn=True).status == "pass"


def test_an_honest_split_is_called_steered_at_most_as_often_as_promised() -> None:
    """Of 2,000 tests of 30 days: at most 0.2 % wrongly, with three standard errors of the binomial: 9."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(2_000):
        total = rng.poisson(150, 30)
        first = rng.binomial(total, 0.5)
        segments = {str(n): [int(a), 400 - int(a)] for n, a in enumerate(rng.binomial(400, 0.5, 6))}
        wrong += not_steered(arms_of(list(first), list(total - first)), segments, drawn=True).status == "block"
    assert wrong <= 9


@pytest.mark.parametrize(
    ("sizes", "mixes", "status"),
    [
        ({"a": [(1080, 1080)], "b": [(1080, 1920)]}, False, "block"),
        ({"a": [(1080, 1080)], "b": [(540, 540)]}, False, "pass"),
        ({"a": [(1080, 1080), (1080, 1920)], "b": [(1080, 1080)]}, False, "block"),
        ({"a": [(1080, 1080), (1080, 1920)], "b": [(360, 640), (500, 500)]}, False, "pass"),
        ({"a": [(1080, 1080)], "b": [(1080, 1920)]}, True, "pass"),
        ({"a": [(1080, 1080)], "b": []}, False, "skipped"),
    ],
)
def test_arms_in_different_formats_are_not_compared(
    sizes: dict[str, list[tuple[int, int]]], mixes: bool, status: str
) -> None:
    assert one_format(sizes, tolerance=0.02, mixes=mixes).status == status


def test_rows_of_several_days_block_only_where_days_are_compared() -> None:
    assert whole_days({"a": 1, "b": 0}, by_day=True).status == "block"
    assert whole_days({"a": 1, "b": 0}, by_day=False).status == "skipped"
    assert whole_days({"a": 0, "b": 0}, by_day=True).status == "pass"
    assert known_ads({}).status == "pass"
