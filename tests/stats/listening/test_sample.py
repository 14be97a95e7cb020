"""Which creatives a score is judged on, and why others are not."""

import numpy as np
import pytest

from abkit.errors import InvalidInput
from abkit.stats.listening.gains import gain_curve
from abkit.stats.listening.pairs import pairs_right
from abkit.stats.listening.policy import policy_value
from abkit.stats.listening.sample import listening_sample
from abkit.stats.listening.winners import winner_recall
from tests.stats.listening.worlds import world


def made(**changes: object) -> object:
    fields: dict[str, object] = {
        "score": [3.0, 2.0, 1.0, 2.5],
        "events": [30.0, 10.0, 20.0, 20.0],
        "expected": [20.0, 20.0, 20.0, 20.0],
        "campaign": [1, 1, 1, 1],
        "shrunk": [0.3, -0.4, 0.0, 0.0],
        "shrunk_sd": [0.1] * 4,
    }
    return listening_sample(**(fields | changes))  # type: ignore[arg-type]


def test_sizes_of_one_idea_are_one_candidate() -> None:
    sample = made(idea=[7, 7, 8, 9])
    (one,) = sample.campaigns  # type: ignore[attr-defined]
    assert one.n == 3
    assert sample.creatives == 4  # type: ignore[attr-defined]
    assert one.score.tolist() == [2.5, 1.0, 2.5]
    assert one.ratio.tolist() == [1.0, 1.0, 1.0]
    assert one.expected.tolist() == [40.0, 20.0, 20.0]
    assert one.shrunk_sd[0] == pytest.approx(0.1 / np.sqrt(2))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"idea": [7, 7, 7, 7]}, "creatives of campaigns whose creatives are all sizes of one idea"),
        ({"campaign": [1, 2, 3, 4]}, "creatives that are alone in their campaign"),
        ({"expected": [1.0, 2.0, 0.0, 9.0]}, "creatives with fewer than 10 expected events"),
        ({"score": [np.nan] * 4}, "creatives without score or appeal"),
        ({"shrunk": [np.nan, np.inf, np.nan, np.nan]}, "creatives without score or appeal"),
    ],
)
def test_what_says_nothing_is_left_out_with_its_reason(changes: dict[str, object], reason: str) -> None:
    sample = made(**changes)
    assert sample.campaigns == ()  # type: ignore[attr-defined]
    assert sample.left_out == {reason: 4}  # type: ignore[attr-defined]


def test_campaigns_that_share_an_idea_are_one_cluster_also_through_a_third() -> None:
    ideas = [1, 2, 2, 3, 3, 4, 8, 9]
    sample = listening_sample(
        score=np.arange(8.0), events=np.full(8, 20.0), expected=np.full(8, 20.0), campaign=[1, 1, 2, 2, 3, 3, 4, 4],
        shrunk=np.zeros(8), shrunk_sd=np.ones(8), idea=ideas,
    )  # fmt: skip
    assert sample.cluster.tolist() == [0, 0, 0, 1]


def test_groups_of_one_campaign_are_judged_apart_and_count_as_one_campaign() -> None:
    n = 12
    sample = listening_sample(
        score=np.arange(n), events=20.0 + np.arange(n), expected=np.full(n, 20.0), campaign=np.repeat([1, 2], [8, 4]),
        group=np.repeat([5, 6, 7], 4), shrunk=np.arange(n) / n, shrunk_sd=np.full(n, 0.1),
    )  # fmt: skip
    assert [(one.campaign, one.n) for one in sample] == [(1, 4), (1, 4), (2, 4)]
    assert sample.cluster.tolist() == [0, 0, 1]
    assert sample.size == 2
    counted = [winner_recall(sample, 2), policy_value(sample, 2, randomized=True), pairs_right(sample)]
    assert [one.campaigns for one in (*counted, *gain_curve(sample, most=3))] == [2] * 6


def test_arrays_that_do_not_fit_or_count_below_zero_are_refused() -> None:
    with pytest.raises(InvalidInput, match="different lengths"):
        made(campaign=[1, 1])
    with pytest.raises(InvalidInput, match="fewer than 0"):
        made(events=[-1.0, 0.0, 0.0, 0.0])


def test_tied_scores_share_the_places_that_are_left() -> None:
    (one,) = made(score=[2.0, 2.0, 2.0, 1.0]).campaigns  # type: ignore[attr-defined]
    assert one.top(2) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0])
    assert world(1, rho=0.5).campaigns[0].top(3).sum() == 3
