"""Queries that learn from outcomes: what their scores mean, how they are judged, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageEnhance

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Checkpoint
from abkit_model.data.dataset import Examples, Outcomes, load_outcomes
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import LabelError
from abkit_model.evaluation.outcome_agreement import Judged, against_outcomes, spread_within, within_srcc
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer
from abkit_model.selection import error_spread
from abkit_model.training.outcome_facts import contradiction, outcomes_for_parent
from abkit_model.training.outcomes import LOG_RATE, _working_rows, held_out_groups
from abkit_model.training.pipeline import train_scorer
from abkit_model.training.release import TrainedScorer
from abkit_model.training.request import Recipe, TrainingRequest
from tests.model.conftest import photograph

ENCODER = "bundled:efficientnet-lite0"
QUICK = Recipe(members=2, components=12, width=16, queries=2)
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


@pytest.fixture
def parent_folder(random_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """Queries that know nothing of these images, on a scale from 1 to 7."""
    card = replace(random_checkpoint.card, encoder_fingerprint=load_encoder(ENCODER).fingerprint)
    checkpoints.save(replace(random_checkpoint, card=card), tmp_path / "parent")
    return tmp_path / "parent"


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


def test_p_a_beats_b_is_measured_on_outcomes_inside_campaigns(trained: TrainedScorer) -> None:
    pairs = trained.card.metrics["pairs"]
    assert (pairs["labels"], pairs["n"], pairs["subjects"]) == ("outcomes", IMAGES, IMAGES)
    assert pairs["pairs"] == 8 * 6 * 5 // 2, "of one campaign, all of them"
    assert pairs["right"]["low"] > 0.5
    assert abs(pairs["overconfidence"]["value"]) < 0.15
    spread = error_spread(trained.card.metrics, {})
    assert spread is not None
    assert spread.measured
    assert 0 < spread.std < np.inf


def test_the_card_says_metric_campaigns_creatives_events_and_sources(trained: TrainedScorer) -> None:
    data = trained.card.data
    assert (data["layout"], data["metric"], data["campaigns"], data["images"]) == ("outcomes", "ctr", 8, IMAGES)
    assert data["events"] > 1000
    assert 0.1 < data["randomized_share"] < 0.4
    assert data["spread"] > 0
    assert trained.card.metrics["outcome_folds"]["within_srcc"]["low"] > 0.2


def test_a_parent_is_moved_as_far_as_outcomes_say_and_keeps_its_scale(
    trained: TrainedScorer, shop: Path, outcomes: Outcomes, tmp_path: Path, parent_folder: Path
) -> None:
    parent = Scorer.load(parent_folder)
    tuned = train(shop, tmp_path / "tuned", parent=parent_folder)
    assert tuned.card.scale == parent.card.scale
    assert tuned.card.metrics["outcome_fit"]["moved"]
    assert 0 < tuned.card.metrics["outcome_fit"]["own_share"] < 1
    assert tuned.card.metrics["outcomes_against_parent"]["low"] > 0
    assert tuned.outcomes.within_srcc.low > 0.2
    before, after = (
        predict(scorer.network, outcomes.views[0])[0] @ parent.card.scale.values
        for scorer in (parent, Scorer.load(tuned.folder))
    )
    inside = lambda scores: np.std(scores - (np.bincount(outcomes.cell, scores) / 6)[outcomes.cell])  # noqa: E731
    assert inside(after) == pytest.approx(inside(before), rel=0.3)
    # with the same outcomes once more, what it learned from them is learned anew and does not count twice
    again = train(shop, tmp_path / "again", parent=tuned.folder)
    assert again.outcomes is None  # the parent has seen every creative
    assert any("learned anew" in note for note in again.card.data["notes"])
    once_more = predict(Scorer.load(again.folder).network, outcomes.views[0])[0] @ parent.card.scale.values
    assert np.corrcoef(once_more, after)[0, 1] > 0.95
    assert again.card.network["hidden"] == tuned.card.network["hidden"]


def test_outcomes_that_carry_nothing_are_refused_without_a_parent_and_leave_a_parent_as_it_is(
    shop: Path, tmp_path: Path, outcomes: Outcomes, parent_folder: Path
) -> None:
    rng = np.random.default_rng(5)
    lines = ["image,campaign,appeal,standard_error"]
    lines += [f"{i}.png,c{i // 6},{rng.normal(0, 0.3):.4f},0.3" for i in range(IMAGES)]
    (shop / "noise.csv").write_text("\n".join(lines))
    with pytest.raises(LabelError, match="nothing in the images tells these outcomes apart"):
        train(shop, tmp_path / "new", table=shop / "noise.csv")
    tuned = train(shop, tmp_path / "tuned", table=shop / "noise.csv", parent=parent_folder)
    assert not tuned.card.metrics["outcome_fit"]["moved"]
    assert tuned.card.metrics["outcome_fit"]["own_share"] == 0
    before, after = (
        predict(Scorer.load(folder).network, outcomes.views[0])[0] for folder in (parent_folder, tuned.folder)
    )
    assert after == pytest.approx(before, abs=2e-3)  # half precision on disk


def test_a_parent_is_not_taught_twice_what_it_learned_already(outcomes: Outcomes, trained: TrainedScorer) -> None:
    parent = Scorer.load(trained.folder)
    parent.card.data["images"] = 1000
    with pytest.raises(LabelError, match="has learned from the outcomes of 48 of these 48 creatives"):
        outcomes_for_parent(outcomes, parent)


@pytest.mark.parametrize("said", [None, "many"])
def test_a_parent_whose_card_does_not_count_its_images_is_known_by_its_list_of_them(
    outcomes: Outcomes, trained: TrainedScorer, said: str | None
) -> None:
    parent = Scorer.load(trained.folder)
    parent.card.data["images"] = said
    if said is None:
        del parent.card.data["images"]
    _, anew, note = outcomes_for_parent(outcomes, parent)
    assert anew
    assert "learned anew" in note


def test_ratings_that_contradict_the_clicks_are_said(outcomes: Outcomes) -> None:
    shares = np.zeros((IMAGES, 5))
    order = np.argsort(np.argsort(-outcomes.appeal)) * 5 // IMAGES
    shares[outcomes.image, order] = 1.0
    rated = Examples(outcomes.views, shares, np.arange(1.0, 6.0), outcomes.family)
    assert "ratings contradict the outcomes of the same creatives: SRCC inside campaigns -" in contradiction(
        outcomes, rated
    )
    agreeing = Examples(outcomes.views, shares[:, ::-1], np.arange(1.0, 6.0), outcomes.family)
    assert contradiction(outcomes, agreeing) == ""


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


def test_counts_are_fitted_by_how_the_events_of_a_campaign_fall_on_its_creatives(outcomes: Outcomes) -> None:
    """At the truth, the working values are the truth, whatever the campaigns draw on the whole."""
    truth = np.linspace(-0.5, 0.5, IMAGES)
    inside = truth[outcomes.image] - (np.bincount(outcomes.cell, truth[outcomes.image]) / 6)[outcomes.cell]
    events = 3.0 * outcomes.expected * np.exp(inside)
    rows = _working_rows(replace(outcomes, events=events), truth, 0.04)
    assert rows.value == pytest.approx(inside, abs=1e-6)
    assert rows.variance == pytest.approx(0.04 + 1 / events, rel=0.01)
