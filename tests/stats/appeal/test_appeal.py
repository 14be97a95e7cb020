"""Appeal: a planted truth has to come out, with intervals that hold it; what cannot be judged is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.stats.appeal.appeal import appeals, randomized_appeals
from abkit.stats.appeal.relation import relation
from abkit.stats.appeal.rows import DeliveryRows
from tests.stats.appeal.worlds import deliver, true_appeal


def rows(events: list[float], creative: list[int], cell: list[int], campaign: list[int] | None = None) -> DeliveryRows:
    n = len(events)
    return DeliveryRows(
        events=np.array(events, float),
        exposure=np.full(n, 1000.0),
        creative=np.array(creative),
        campaign=np.array(campaign or [1] * n),
        cell=np.array(cell),
        age=np.zeros(n),
    )


def test_appeal_is_the_log_of_events_over_those_expected_in_the_cell() -> None:
    found = appeals(rows([600, 300, 300], [1, 2, 3], [1, 1, 1]))
    assert found.expected.tolist() == pytest.approx([400, 400, 400])
    assert found.appeal.tolist() == pytest.approx([np.log(1.5), np.log(0.75), np.log(0.75)], abs=2e-3)
    assert found.variance.tolist() == pytest.approx([1 / 400] * 3)
    assert found.own.tolist() == pytest.approx([0.5, 0.25, 0.25], abs=1e-3)


def test_days_of_other_levels_and_other_shares_leave_appeal_as_it_is() -> None:
    # Creative 1 has twice the rate of creative 2; on the second day everything is three times as good.
    found = appeals(
        replace(rows([400, 100, 120, 300], [1, 2, 1, 2], [1, 1, 2, 2]), exposure=np.array([2000.0, 1000, 200, 1000]))
    )
    assert found.appeal[0] - found.appeal[1] == pytest.approx(np.log(2), abs=5e-3)


def test_a_creative_without_events_has_an_appeal_and_one_alone_in_its_cell_is_not_identified() -> None:
    found = appeals(rows([30, 0, 50, 0, 0], [1, 2, 3, 4, 5], [1, 1, 2, 3, 3]))
    assert found.identified.tolist() == [True, True, False, False, False]
    assert np.isfinite(found.appeal[:2]).all()
    assert np.isnan(found.appeal[2:]).all()
    assert np.isnan(found.shrunk[2:]).all()
    assert found.shrunk[1] < 0 < found.shrunk[0]


def test_creatives_that_never_met_are_not_compared_inside_one_campaign() -> None:
    found = appeals(rows([100, 200, 100, 50], [1, 2, 3, 4], [1, 1, 2, 2]))
    assert found.group.tolist() == [0, 0, 1, 1]
    chain = appeals(rows([100, 200, 100, 50], [1, 2, 2, 3], [1, 1, 2, 2]))
    assert chain.group.tolist() == [0, 0, 0]
    # 2 is twice as good as 1 and as 3 … so 3 is half as good as 2.
    assert (chain.appeal - chain.appeal[1]).tolist() == pytest.approx([-np.log(2), 0, -np.log(2)], abs=0.02)


def test_fewer_expected_events_than_asked_for_are_not_identified_and_still_shrunk() -> None:
    found = appeals(rows([30, 10, 20], [1, 2, 3], [1, 1, 1]), min_expected=25)
    assert not found.identified.any()
    assert np.isnan(found.appeal).all()
    assert np.isfinite(found.shrunk).all()


def test_nothing_gives_nothing_and_faulty_columns_are_refused() -> None:
    assert len(appeals(rows([], [], [])).appeal) == 0
    with pytest.raises(InvalidInput, match="different lengths"):
        appeals(replace(rows([1, 2], [1, 2], [1, 1]), age=np.zeros(3)))
    with pytest.raises(InvalidInput, match="not negative"):
        appeals(rows([-1, 2], [1, 2], [1, 1]))


class Study:
    """Errors and coverage over some worlds, of creatives with 20 expected events or more, and of those with fewer."""

    def __init__(self, worlds: int, **world: float) -> None:
        errors: list[np.ndarray] = []
        covered: dict[bool, list[np.ndarray]] = {True: [], False: []}
        self.steered: list[float] = []
        self.spreads: list[float] = []
        for seed in range(worlds):
            delivered, truth = deliver(np.random.default_rng(seed), **world)  # type: ignore[arg-type]
            found = appeals(delivered)
            true = true_appeal(found, truth)
            self.steered.append(float(found.steered.mean()))
            self.spreads.append(found.spread)
            for enough in (True, False):
                some = found.identified & ((found.expected >= 20) == enough)
                covered[enough].append(((found.ci_low <= true) & (true <= found.ci_high))[some])
                if enough:
                    errors.append((found.appeal - true)[some])
        together = {enough: np.concatenate(parts) for enough, parts in covered.items()}
        self.bias = float(np.concatenate(errors).sum()) / max(1, len(together[True]))
        self.coverage, self.few_coverage = (float(one.sum()) / max(1, len(one)) for one in together.values())


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"impressions": 1500, "creatives": 3},
        {"creatives": 2, "campaigns": 15},
        {"day_noise": 0.3},
        {"fatigue": 0.3, "staggered": True, "impressions": 10_000},
    ],
    ids=["plenty", "few events", "pairs", "noisy days", "launched one after the other"],
)
def test_the_planted_appeal_comes_out_without_bias_and_inside_its_interval(world: dict[str, float]) -> None:
    study = Study(24, **world)
    assert abs(study.bias) <= 0.02
    assert 0.92 <= study.coverage <= 0.985
    assert np.mean(study.steered) <= 0.05


@pytest.mark.parametrize("impressions", [100, 500])
def test_with_few_events_the_truth_is_inside_the_interval_of_the_posterior(impressions: int) -> None:
    study = Study(16, impressions=impressions, campaigns=5)
    assert study.few_coverage >= 0.93


def test_where_two_creatives_run_at_a_time_the_far_ones_are_known_less_and_the_intervals_know_it() -> None:
    rng = np.random.default_rng(5)
    creative = np.repeat(np.arange(15), 2)
    week = (np.arange(15)[:, None] + np.arange(2)).ravel()
    covered, variances = [], []
    for _ in range(30):
        truth = rng.normal(0, 0.3, 15)
        world = rows(rng.poisson(500 * np.exp(truth[creative])).tolist(), creative.tolist(), week.tolist())
        found = appeals(world)
        true = true_appeal(found, truth)
        covered.append((found.ci_low <= true) & (true <= found.ci_high))
        variances.append(found.variance * found.expected)
    assert 0.9 <= np.mean(covered) <= 0.99
    assert np.mean(variances) > 3


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 500), st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)),
        min_size=1,
        max_size=25,
    )
)
def test_any_delivery_has_finite_figures_where_it_is_identified_in_whatever_order(
    delivered: list[tuple[int, int, int, int, int]],
) -> None:
    events, exposure, creative, campaign, day = np.array(delivered).T
    world = DeliveryRows(
        events=events.astype(float),
        exposure=exposure.astype(float),
        creative=creative,
        campaign=campaign,
        cell=day,
        age=day * creative / 2,
        day=day,
    )
    found = appeals(world)
    known = found.identified
    for name in ("appeal", "variance", "expected", "ci_high", "shrunk", "shrunk_sd"):
        assert np.isfinite(getattr(found, name)[known]).all()
    assert np.isnan(found.appeal[~known]).all()
    assert (found.ci_low <= found.ci_high)[known].all()
    for group in np.unique(found.group[known]):
        inside = found.group == group
        assert found.expected[inside].sum() == pytest.approx(found.events[inside].sum())
    turned = appeals(DeliveryRows(**{name: value[::-1] for name, value in vars(world).items() if value is not None}))
    np.testing.assert_allclose(turned.appeal, found.appeal, atol=1e-4)


def test_where_impressions_follow_clicks_it_is_said_and_counts_half() -> None:
    study = Study(12, steering=3.0, impressions=6000, days=20, campaigns=4)
    assert np.mean(study.steered) > 0.5
    # The winners have most of the events, and the spread is found all the same.
    assert np.mean(study.spreads) == pytest.approx(0.09, abs=0.02)
    world, _ = deliver(np.random.default_rng(2), steering=3.0, impressions=6000, days=20, campaigns=4)
    followed, blind = appeals(world), appeals(replace(world, day=None))
    assert followed.steered.all()
    assert not blind.steered.any()
    counted = followed.variance * followed.expected
    assert counted.min() >= 2


def test_an_experiment_has_the_variance_that_it_brings() -> None:
    arms = np.array([1, 2, 3])
    found = randomized_appeals(
        events=np.array([100.0, 130.0, 50.0]),
        exposure=np.array([5000.0, 5000.0, 5000.0]),
        variance=np.array([0.04, 0.03, np.nan]),
        creative=arms,
        campaign=np.ones(3, int),
        idea=arms,
        trial=np.array([7, 7, 8]),
    )
    assert found.variance[:2].tolist() == pytest.approx([0.04, 0.03])
    assert found.identified.tolist() == [True, True, False]
    assert found.appeal[1] - found.appeal[0] == pytest.approx(np.log(1.3), abs=0.01)
    width = (found.ci_high - found.ci_low)[:2]
    # Four times the noise of 100 clicks, half of it shared with what it is compared with.
    assert width[0] == pytest.approx(2 * 1.96 * np.sqrt(0.04 * 130 / 230), rel=0.1)


def test_the_slope_is_that_planted_even_where_most_creatives_have_few_events() -> None:
    slopes = []
    for seed in range(12):
        world, truth = deliver(np.random.default_rng(seed), campaigns=10, creatives=20, impressions=200)
        found = appeals(world)
        slopes.append(relation(found, truth[found.creative]).slope)
    # The score is the truth itself: one standard deviation is 0.3.
    assert np.mean(slopes) == pytest.approx(0.3, abs=0.04)


def test_the_correlation_with_the_true_appeal_is_higher_than_that_with_the_measured_one() -> None:
    rng = np.random.default_rng(1)
    world, truth = deliver(rng, campaigns=20, creatives=15, impressions=1000)
    score = 0.5 * truth / 0.3 + np.sqrt(0.75) * rng.normal(size=len(truth))
    found = appeals(world)
    result = relation(found, score[found.creative])
    assert result.ceiling is not None
    assert result.raw is not None
    assert result.disattenuated is not None
    assert result.disattenuated_low is not None
    assert result.disattenuated_high is not None
    assert 0.5 < result.ceiling < 0.95
    assert result.raw < result.disattenuated
    assert result.disattenuated_low < 0.5 < result.disattenuated_high


@pytest.mark.parametrize("what", ["three creatives", "no clicks", "equal scores", "one idea", "noise alone"])
def test_what_is_missing_is_said(what: str) -> None:
    world, truth = deliver(np.random.default_rng(3), creatives=1 if what == "three creatives" else 10, spread=0)
    score = np.full(len(truth), 4.2) if what == "equal scores" else np.random.default_rng(4).normal(size=len(truth))
    if what == "three creatives":
        world = replace(world, campaign=np.zeros_like(world.campaign), cell=world.cell % 1000)
    if what == "no clicks":
        world = replace(world, events=np.zeros_like(world.events))
    if what == "one idea":
        world = replace(world, idea=np.zeros_like(world.creative))
    found = appeals(world)
    result = relation(found, score[found.creative])
    notes = {
        "three creatives": "ideas with a score, shown beside others and with clicks: 3; needed: 4",
        "no clicks": "ideas with a score, shown beside others and with clicks: 0; needed: 4",
        "equal scores": "all creatives of each campaign have the same score",
        "one idea": "ideas with a score, shown beside others and with clicks: 1; needed: 4",
        "noise alone": "not enough clicks: creatives are not shown to differ beyond the noise of their clicks",
    }
    assert result.note == notes[what]
    assert result.disattenuated is None
