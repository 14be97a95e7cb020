"""Segments that explain a change of level: exact sums, an independent test, and error rates."""

import numpy as np
import pytest
from scipy import stats

from abkit.stats.monitoring.shifts.segment_shift import SegmentShift, segment_shifts


def world(
    rng: np.random.Generator, changes: dict[str, float], *, units: int = 25, luck: float = 0.2, grows: float = 1.0
) -> list[SegmentShift]:
    """Creatives in two windows and some placements; in some of these the rate changes."""
    rows = []
    for unit in range(units):
        level = 0.02 * np.exp(rng.normal(0, luck))
        for place, change in changes.items():
            for now in (False, True):
                shown = 3_000 * (grows if now and place == "feed" else 1)
                rate = level * (1.5 if place == "feed" else 1) * np.exp(change if now else 0)
                rows.append((unit, place, now, shown, rng.poisson(rate * shown)))
    unit, place, now, shown, clicks = zip(*rows, strict=True)
    dimensions = {"placement": place, "device": [""] * len(place)}
    return segment_shifts(events=clicks, exposure=shown, unit=unit, current=now, dimensions=dimensions)


def test_contributions_sum_to_the_change_of_the_overall_rate_with_segments_that_come_and_go() -> None:
    events, exposure = np.array([50, 90, 20, 30, 70, 44]), np.array([1000, 2000, 300, 1500, 900, 700])
    now = np.array([False, False, False, True, True, True])
    countries = ["at", "de", "it", "at", "de", "fr"]
    found = segment_shifts(
        events=events, exposure=exposure, unit=range(6), current=now, dimensions={"country": countries}
    )
    change = events[now].sum() / exposure[now].sum() - events[~now].sum() / exposure[~now].sum()
    assert sum(one.contribution for one in found) == pytest.approx(change, abs=1e-15)
    assert all(one.contribution == pytest.approx(one.by_rate + one.by_mix) for one in found)
    gone = next(one for one in found if one.value == "it")
    assert (gone.after, gone.by_rate, gone.p_value) == (None, 0, None)
    middle = (events[now].sum() / exposure[now].sum() + events[~now].sum() / exposure[~now].sum()) / 2
    assert gone.by_mix == pytest.approx(-300 / 3300 * (20 / 300 - middle))


def test_the_segment_that_fell_is_named_first_and_alone() -> None:
    found = world(np.random.default_rng(1), {"feed": 0.0, "story": -0.7, "reels": 0.0})
    assert found[0].value == "story"
    assert [one.value for one in found if (one.q_value or 1) < 0.01 and abs(one.apart or 0) > 0.35] == ["story"]
    assert found[0].log_ratio == pytest.approx(-0.7, abs=0.1)
    assert {one.dimension for one in found} == {"placement"}


def test_a_segment_that_only_grew_explains_by_its_share() -> None:
    found = world(np.random.default_rng(2), {"feed": 0.0, "story": 0.0}, grows=4)
    feed = next(one for one in found if one.value == "feed")
    assert feed.share_after == pytest.approx(0.8)
    assert feed.by_mix > 2 * abs(feed.by_rate)
    assert (feed.q_value or 0) > 0.01


def test_p_is_that_of_the_difference_of_two_log_ratios_between_independent_counts() -> None:
    events, exposure = [400, 300, 380, 200], [10_000] * 4
    found = segment_shifts(
        events=events, exposure=exposure, unit=[1, 2, 1, 2], current=[False, False, True, True],
        dimensions={"device": ["tablet", "phone"] * 2},
    )  # fmt: skip
    # One creative each: nothing but the noise of the counts, and t with the least freedom.
    z = (np.log(380 / 400) - np.log(200 / 300)) / np.sqrt(sum(1 / count for count in events))
    assert found[0].p_value == pytest.approx(2 * stats.t.sf(abs(z), 1))


def test_where_all_changed_alike_none_is_named() -> None:
    rng = np.random.default_rng(3)
    runs = 100
    false = sum(
        any((one.q_value or 1) < 0.05 for one in world(rng, {"feed": -0.5, "story": -0.5, "reels": -0.5}, units=12))
        for _ in range(runs)
    )
    assert false <= stats.binom.ppf(0.999, runs, 0.05)


def test_small_segments_are_drawn_towards_the_others() -> None:
    rng = np.random.default_rng(4)
    found = world(rng, {"feed": 0.3, "story": 0.3, "reels": 0.3}, units=4)
    raw = [np.log((one.after or 1) / (one.before or 1)) for one in found]
    assert np.ptp([one.log_ratio for one in found]) < 0.5 * np.ptp(raw)


def test_without_events_or_with_one_segment_there_is_nothing_to_name() -> None:
    alike = {"events": [5, 5], "exposure": [10, 10], "unit": [1, 1], "current": [False, True]}
    assert segment_shifts(**alike, dimensions={"placement": ["feed", "feed"]}) == []
    assert segment_shifts(**{**alike, "current": [True, True]}, dimensions={"placement": ["feed", "story"]}) == []
    few = segment_shifts(**alike, dimensions={"placement": ["feed", "story"]})
    assert [one.p_value for one in few] == [None, None]
