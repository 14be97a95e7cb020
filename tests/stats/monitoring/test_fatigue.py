"""Fatigue of single creatives: a planted decline is found with its interval, and noise is not taken for one."""

from typing import Any

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.monitoring.fatigue import Wear, fatigue
from abkit.vocabulary import Fatigue


def _world(
    seed: int, *, creatives: int = 30, days: int = 45, loss: float = 0.0, impressions: int = 3_000
) -> tuple[Wear, ...]:
    """Creatives in two placements that differ by a factor of two; the share of the better one falls with time."""
    rng, day = np.random.default_rng(seed), np.arange(days)
    rows = []
    for creative in range(creatives):
        luck = 0.1 * rng.normal(size=days)
        for segment, share in enumerate((np.linspace(0.2, 0.8, days), np.linspace(0.8, 0.2, days))):
            shown = rng.poisson(impressions * share)
            rate = 0.012 * (1 + segment) * np.exp(luck - loss * day / (days - 1))
            rows.append(
                np.column_stack(
                    [rng.poisson(shown * rate), shown, np.full(days, creative), np.full(days, segment), day]
                )
            )
    events, exposure, creative_, segment_, day_ = np.concatenate(rows).T
    return fatigue(events=events, exposure=exposure, creative=creative_, segment=segment_, day=day_)


def test_noisy_days_and_a_worse_placement_are_not_taken_for_fatigue() -> None:
    found = [one for seed in range(10) for one in _world(seed)]
    p = np.array([one.p_value for one in found], float)
    # 300 tests at 5 %: at most 5 % + 2.6 binomial standard errors. Without placements all of them are significant.
    assert (p < 0.05).mean() <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 300)
    assert sum(one.state is Fatigue.TIRED for one in found) <= 3


def test_the_interval_of_a_planted_decline_covers_it() -> None:
    found = [one for seed in range(10) for one in _world(seed, loss=0.5)]
    truth = np.expm1(-0.5 * 38 / 44)  # between the middles of its first and last week
    covered = np.mean([one.change is not None and one.change.ci_low <= truth <= one.change.ci_high for one in found])
    assert covered >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean([one.state is Fatigue.TIRED for one in found]) >= 0.95
    # Half of it is gone after 44 · ln 2 / 0.5 = 61 days.
    worn = [one.worn_out_age for one in found if one.worn_out_age is not None]
    assert np.median([one.estimate for one in worn]) == pytest.approx(61, rel=0.1)
    assert np.mean([one.ci_low <= 61 <= one.ci_high for one in worn]) >= 0.9


def test_many_clicks_show_that_a_creative_is_steady_and_few_that_nobody_can_tell() -> None:
    assert np.mean([one.state is Fatigue.STEADY for one in _world(1, impressions=60_000)]) >= 0.9
    few = [one.state for one in _world(1, impressions=60)]
    assert Fatigue.TIRED not in few
    assert few.count(Fatigue.INSUFFICIENT_DATA) >= 0.8 * len(few)


def test_a_young_creative_is_fresh_whatever_its_clicks_do() -> None:
    assert {one.state for one in _world(1, days=13, loss=2.0)} == {Fatigue.FRESH}


@pytest.mark.parametrize(
    "columns",
    [
        {"events": np.zeros(40)},
        {"exposure": np.zeros(40)},
        {"events": np.full(40, np.nan)},
        {"day": np.zeros(40, int)},
    ],
    ids=["no clicks", "no impressions", "clicks not known", "one day"],
)
def test_a_creative_without_a_trend_is_not_judged(columns: dict[str, Any]) -> None:
    same = {"events": np.full(40, 9.0), "exposure": np.full(40, 1_000.0), "day": np.arange(40)}
    labels = {"creative": np.zeros(40, int), "segment": np.zeros(40, int)}
    found = fatigue(**{**same, **labels, **columns})
    assert all(one.change is None and one.state in (Fatigue.FRESH, Fatigue.INSUFFICIENT_DATA) for one in found)


def test_a_floor_that_is_no_share_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has to lie between 0 and"):
        fatigue(events=[1], exposure=[10], creative=[0], segment=[0], day=[0], floor=0.5)
