"""Queries that learn from outcomes: what their scores mean, how they are judged, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageEnhance

from abkit_model.data.dataset import Outcomes, load_outcomes
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.outcome_agreement import Judged, against_outcomes, spread_within, within_srcc
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer
from abkit_model.training.outcomes import LOG_RATE, held_out_groups
from abkit_model.training.pipeline import train_scorer
from abkit_model.training.release import TrainedScorer
from abkit_model.training.request import Recipe, TrainingRequest
from tests.model.conftest import photograph

ENCODER = "bundled:efficientnet-lite0"
QUICK = Recipe(members=1, epochs=8, components=12, width=16, queries=2)
IMAGES = 48


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creatives of eight campaigns, of which the darker ones draw more clicks; campaigns differ in their rate."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    light = rng.uniform(0.2, 1.6, IMAGES)
    lines = ["image,campaign,clicks,impressions,source,metric"]
    for i, one in enumerate(light):
        ImageEnhance.Brightness(photograph(i, 96, 72)).enhance(one).save(folder / f"{i}.png")
        clicks = rng.poisson(200 * np.exp(0.3 * (i // 6) - 0.6 * one))
        lines.append(f"{i}.png,c{i // 6},{clicks},20000,{'randomized' if i < 12 else ''},CTR")
    (folder / "outcomes.csv").write_text("\n".join(lines))
    return folder


def train(folder: Path, out: Path, **options: object) -> TrainedScorer:
    arguments = {"encoder": ENCODER, "recipe": QUICK, "table": folder / "outcomes.csv"} | options
    request = TrainingRequest(images=folder, out=out, **arguments)
    return train_scorer(request, from_outcomes=True, cache=TokenCache(folder / "cache"))


@pytest.fixture(scope="module")
def trained(shop: Path) -> TrainedScorer:
    return train(shop, shop / "scorer")


@pytest.fixture(scope="module")
def outcomes(shop: Path) -> Outcomes:
    return load_outcomes(shop / "outcomes.csv", shop, load_encoder(ENCODER), cache=TokenCache(shop / "cache"))[0]


def test_it_learns_inside_campaigns_which_creatives_draw_more_clicks(trained: TrainedScorer) -> None:
    figures = trained.outcomes
    assert figures is not None
    assert figures.within_srcc.low > 0.2
    assert figures.concordance.low > 0.5
    assert figures.slope.low > 0
    assert (figures.n, figures.families) == (IMAGES, IMAGES)
    assert trained.evaluation is None


def test_a_score_is_the_logarithm_of_the_rate_against_the_average_image(
    trained: TrainedScorer, outcomes: Outcomes
) -> None:
    scorer = Scorer.load(trained.folder)
    assert scorer.card.scale == LOG_RATE
    scores = predict(scorer.network, outcomes.views[0])[0] @ LOG_RATE.values
    assert abs(scores.mean()) < 0.05
    one = scorer.score_tokens(outcomes.views[0].batch([0]))[0]
    assert one.mean == pytest.approx(scores[0], abs=1e-5)
    assert np.isnan([one.ci_low, one.ci_high]).all()


def test_the_card_says_metric_campaigns_creatives_events_and_sources(trained: TrainedScorer) -> None:
    data = trained.card.data
    assert (data["layout"], data["metric"], data["campaigns"], data["images"]) == ("outcomes", "ctr", 8, IMAGES)
    assert data["events"] > 1000
    assert 0.1 < data["randomized_share"] < 0.4
    assert data["spread"] > 0
    assert trained.card.metrics["outcome_folds"]["within_srcc"]["low"] > 0.2


def test_whole_campaigns_are_held_out_where_they_share_no_family(outcomes: Outcomes) -> None:
    groups = np.array(held_out_groups(outcomes))
    assert all(len(set(groups[outcomes.image[outcomes.cell == cell]])) == 1 for cell in set(outcomes.cell.tolist()))
    entwined = replace(outcomes, cell=outcomes.image % 3)
    assert held_out_groups(entwined) == list(entwined.family)


def test_what_is_held_out_takes_its_rows_and_those_that_are_left_alone(outcomes: Outcomes) -> None:
    first = outcomes.image[outcomes.cell == 0]
    left = outcomes.without(first[1:])
    assert left is not None
    assert 0 not in left.cell
    assert len(left.family) == IMAGES - 6
    assert left.views[0].sha256 == [s for i, s in enumerate(outcomes.views[0].sha256) if i not in first]


def test_rank_correlation_inside_groups_knows_nothing_of_the_groups(trained: TrainedScorer) -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(30), 8)
    appeal = rng.normal(size=240) + 5 * group
    noise = rng.normal(size=240)
    judged = Judged(appeal=appeal, weight=np.ones(240), group=group, family=[str(i) for i in range(240)])
    figures = against_outcomes(noise + 5 * group, judged, resamples=100)
    assert figures is not None
    assert figures.within_srcc.low < 0 < figures.within_srcc.high
    assert figures.concordance.low < 0.5 < figures.concordance.high
    assert within_srcc(-appeal, appeal, group) == pytest.approx(-1)


def test_the_spread_between_creatives_is_told_apart_from_noise() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(400), 5)
    variance = rng.uniform(0.02, 0.3, 2000)
    appeal = rng.normal(0, 0.3, 2000) + rng.normal(0, variance**0.5) + group
    assert spread_within(appeal, variance, group) == pytest.approx(0.09, abs=0.02)
    assert spread_within(rng.normal(0, variance**0.5), variance, group) < 0.01
