"""The paired gain: what it measures, that it is honest about few clusters, and that scales of scores do not matter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from abkit.stats.promotion.gain import PairedGain, paired_gain
from abkit.stats.promotion.launches import Launches


def columns(
    rng: np.random.Generator, champion: float, challenger: float, *, n: int = 300, campaigns: int = 30
) -> dict[str, Any]:
    truth = rng.normal(size=n)
    scores = [r * truth + math.sqrt(1 - r * r) * rng.normal(size=n) for r in (champion, challenger)]
    campaign = np.arange(n) % campaigns
    level = rng.normal(size=campaigns)[campaign]
    return {
        "appeal": truth + level + 0.5 * rng.normal(size=n), "variance": np.full(n, 0.25),
        "champion": scores[0], "challenger": scores[1], "campaign": campaign,
    }  # fmt: skip


def gain_of(given: dict[str, Any], **other: Any) -> PairedGain:
    return paired_gain(Launches.of(**{**given, **other}))


def test_the_gain_is_that_of_the_correlation_with_what_was_observed() -> None:
    found = gain_of(columns(np.random.default_rng(1), 0.0, 0.5, n=6000, campaigns=300))
    assert found.challenger is not None
    assert found.champion is not None
    assert found.challenger.correlation == pytest.approx(0.5 * math.sqrt(0.8), abs=0.03)
    assert found.champion.correlation == pytest.approx(0.0, abs=0.03)
    assert found.gain == found.challenger.correlation - found.champion.correlation
    # a normal pair with correlation r is concordant with chance 1/2 + asin(r)/π
    assert found.challenger.concordance == pytest.approx(0.5 + math.asin(0.447) / math.pi, abs=0.02)
    assert found.challenger.slope == pytest.approx(0.5, abs=0.05)
    assert found.challenger.rank_correlation == pytest.approx(6 / math.pi * math.asin(0.447 / 2), abs=0.05)
    assert found.challenger.pick > 0.5 > 0.15 > abs(found.champion.pick)


def test_only_differences_inside_campaigns_count() -> None:
    given = columns(np.random.default_rng(2), 0.0, 0.0)
    given["challenger"] = given["challenger"] + 100 * given["campaign"]
    given["appeal"] = given["appeal"] + 100 * given["campaign"]
    found = gain_of(given)
    assert found.low is not None
    assert found.low < 0


def test_creatives_of_a_campaign_that_never_ran_beside_each_other_are_not_compared() -> None:
    given = columns(np.random.default_rng(12), 0.0, 0.0)
    season = (np.arange(300) >= 150).astype(int)
    given["challenger"] = given["challenger"] + 100 * season
    given["appeal"] = given["appeal"] + 100 * season
    assert (gain_of(given).gain or 0) > 0.5
    apart = gain_of(given, group=season)
    assert apart.campaigns == 30
    assert apart.clusters < 30.1
    assert apart.low is not None
    assert apart.low < 0


def test_scales_of_scores_and_one_extreme_score_decide_nothing() -> None:
    given = columns(np.random.default_rng(3), 0.1, 0.4)
    usual = gain_of(given).gain
    assert gain_of(given, challenger=1000 + 50 * given["challenger"]).gain == pytest.approx(usual)
    wild = given["challenger"].copy()
    wild[0] = 1e9
    assert gain_of(given, challenger=wild).gain == pytest.approx(usual, abs=0.05)


def test_champion_and_challenger_change_places_with_the_sign() -> None:
    given = columns(np.random.default_rng(4), 0.0, 0.4)
    one = gain_of(given)
    other = gain_of(given, champion=given["challenger"], challenger=given["champion"])
    assert one.gain is not None
    assert other.gain == pytest.approx(-one.gain)
    assert other.standard_error == pytest.approx(one.standard_error)


def test_uncertain_appeals_weigh_less() -> None:
    given = columns(np.random.default_rng(5), 0.0, 0.5)
    noisy = np.arange(300) < 150
    given["appeal"] = given["appeal"] + np.where(noisy, np.random.default_rng(6).normal(0, 5, 300), 0)
    weighed = gain_of(given, variance=np.where(noisy, 25.25, 0.25))
    plain = gain_of(given, variance=np.full(300, 0.25))
    assert weighed.gain is not None
    assert plain.gain is not None
    assert weighed.gain > plain.gain + 0.05


def test_equal_scores_have_correlation_0_and_it_is_said() -> None:
    found = gain_of(columns(np.random.default_rng(7), 0.0, 0.0), challenger=np.full(300, 4.2))
    assert found.challenger is not None
    figures = found.challenger
    assert (figures.correlation, figures.rank_correlation, figures.slope, figures.concordance) == (0, 0, 0, 0.5)
    assert found.note == "all scores of the challenger are equal inside campaigns"


def test_a_family_in_all_campaigns_widens_the_interval() -> None:
    given = columns(np.random.default_rng(8), 0.0, 0.4)
    alone = gain_of(given)
    tied = gain_of(given, family=np.arange(300) // 30)  # ten ideas, each in all campaigns
    assert alone.low is not None
    assert tied.low is not None
    assert tied.clusters <= 10.5 < 28 < alone.clusters
    assert tied.low < alone.low


def test_one_large_campaign_among_small_ones_is_no_crowd() -> None:
    given = columns(np.random.default_rng(9), 0.0, 0.5)
    crowded = np.where(np.arange(300) < 260, 0, np.arange(300) % 20 + 1)
    found = gain_of(given, campaign=crowded)
    assert found.campaigns == 21
    assert found.clusters < 1.5
    assert found.low is not None
    assert found.low < 0


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"campaign": np.zeros(300)}, "a single campaign"),
        ({"campaign": np.arange(300)}, "no campaign has two creatives"),
        ({"appeal": np.full(300, 0.1)}, "did equally well"),
        ({"champion": np.full(300, np.nan)}, "no campaign has two creatives"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(change: dict[str, Any], note: str) -> None:
    found = gain_of({**columns(np.random.default_rng(10), 0.0, 0.3), **change})
    assert found.gain is None
    assert found.low is None
    assert note in found.note


def test_its_lower_end_is_above_a_gain_of_0_as_rarely_as_it_says_with_ten_campaigns() -> None:
    rng = np.random.default_rng(11)
    wrong = sum((gain_of(columns(rng, 0.2, 0.2, n=100, campaigns=10)).low or 0) > 0 for _ in range(400))
    assert wrong / 400 < 0.045  # 2.5 %, and 2.5 standard errors of 400 trials


def test_many_accounts_are_clusters_with_all_of_their_campaigns_and_few_are_not() -> None:
    rng = np.random.default_rng(21)
    given = columns(rng, 0.0, 0.0, n=1200, campaigns=120)
    account = given["campaign"] // 6  # twenty
    taste = rng.normal(0, 0.6, 20)[account]  # what the challenger knows is right in one account and wrong in another
    given["appeal"] = given["appeal"] + taste * given["challenger"]
    alone, together = gain_of(given), gain_of(given, account=account)
    assert together.gain == alone.gain
    assert together.clusters == pytest.approx(20, abs=0.5)
    assert together.standard_error > 1.5 * alone.standard_error
    few = gain_of(given, account=account // 4)
    assert (few.standard_error, few.clusters) == (alone.standard_error, alone.clusters)
    assert gain_of(given, account=given["campaign"]) == alone
