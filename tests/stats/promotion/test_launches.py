"""Launches: what can be judged, each family of a campaign once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.promotion.launches import Launches


def test_sizes_of_one_idea_in_a_campaign_are_one_creative_weighed_by_certainty() -> None:
    both = Launches.of(
        appeal=[0.3, 0.0, -0.2],
        variance=[0.1, 0.2, 0.1],
        champion=[4.0, 6.0, 3.0],
        challenger=[1.0, 1.0, 2.0],
        campaign=["spring"] * 3,
        family=["hero", "hero", "logo"],
    )
    assert (both.creatives, both.campaigns, both.left_out) == (2, 1, 0)
    np.testing.assert_allclose(both.appeal, [0.2, -0.2])
    np.testing.assert_allclose(both.variance, [1 / 15, 0.1])
    np.testing.assert_allclose(both.champion, [5.0, 3.0])


def test_an_idea_in_two_campaigns_is_judged_in_both_and_counts_once() -> None:
    both = Launches.of(
        appeal=[0.1, 0.2, 0.3, 0.4], variance=[0.1] * 4, champion=[1, 2, 1, 2], challenger=[2, 1, 2, 1],
        campaign=[1, 1, 2, 2], family=["a", "b", "a", "b"],
    )  # fmt: skip
    assert (len(both.appeal), both.creatives, both.campaigns) == (4, 2, 2)


def test_what_cannot_be_compared_is_left_out_and_counted() -> None:
    some = Launches.of(
        appeal=[0.1, math.nan, 0.3, 0.4, 0.5, 0.6],
        variance=[0.1] * 6,
        champion=[1, 2, math.nan, 2, 1, 2],
        challenger=[2, 1, 2, 1, 1, 2],
        campaign=[1, 1, 1, 1, 2, 2],
        family=[1, 2, 3, 4, 5, 5],  # campaign 2 is a single family
    )
    assert (some.creatives, some.campaigns, some.left_out) == (2, 1, 3)


def test_nothing_at_all_is_no_error() -> None:
    none = Launches.of(appeal=[], variance=[], champion=[], challenger=[], campaign=[])
    assert (none.creatives, none.campaigns, none.left_out) == (0, 0, 0)


def test_the_true_spread_is_what_noise_does_not_explain() -> None:
    rng = np.random.default_rng(3)
    n = 4000
    campaign = np.arange(n) % 100
    appeal = rng.normal(size=100)[campaign] + rng.normal(0, 0.3, n) + rng.normal(0, 0.4, n)
    found = Launches.of(appeal=appeal, variance=np.full(n, 0.16), champion=appeal, challenger=appeal, campaign=campaign)
    assert found.spread == pytest.approx(0.09, abs=0.01)


@pytest.mark.parametrize("variance", [0.0, -1.0])
def test_a_variance_that_is_not_above_0_is_refused(variance: float) -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        Launches.of(appeal=[1, 2], variance=[1, variance], champion=[1, 2], challenger=[1, 2], campaign=[1, 1])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match="length"):
        Launches.of(appeal=[1, 2], variance=[1, 1], champion=[1], challenger=[1, 2], campaign=[1, 1])
