"""Queries that learn from nothing but comparisons: what their scores mean, how they are judged, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageEnhance
from scipy.special import expit, logit

from abkit_model.data.dataset import Comparisons, load_comparisons
from abkit_model.data.tokens import Features, TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import LabelError, TrainingError
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer
from abkit_model.training.comparisons import CHANCE, ComparisonLabels, neighborhoods
from abkit_model.training.holdout import cross_validate, held_out_distances
from abkit_model.training.loop import fit
from abkit_model.training.pipeline import train_scorer
from abkit_model.training.release import TrainedScorer
from abkit_model.training.request import Recipe, TrainingRequest
from tests.model.conftest import photograph

ENCODER = "bundled:efficientnet-lite0"
QUICK = Recipe(members=2, epochs=15, components=12, width=16, queries=2)
IMAGES = 40


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of which people prefer the darker one, each compared with its neighbours on a ring of random order."""
    folder = tmp_path_factory.mktemp("chosen")
    rng = np.random.default_rng(0)
    light = rng.uniform(0.2, 1.6, IMAGES)
    for i, one in enumerate(light):
        ImageEnhance.Brightness(photograph(i, 96, 72)).enhance(one).save(folder / f"{i}.png")
    rows = ["image_a,image_b,wins_a,wins_b"]
    for i in range(IMAGES):
        for step in (1, 2):
            j = (i + step) % IMAGES
            wins = rng.binomial(20, expit(3 * (light[j] - light[i])))
            rows.append(f"{i}.png,{j}.png,{wins},{20 - wins}")
    (folder / "comparisons.csv").write_text("\n".join(rows))
    return folder


def train(folder: Path, out: Path, table: str = "comparisons.csv", **options: object) -> TrainedScorer:
    arguments = {"encoder": ENCODER, "recipe": QUICK} | options
    progress = arguments.pop("progress", None)
    request = TrainingRequest(table=folder / table, images=folder, out=out, **arguments)
    return train_scorer(request, from_comparisons=True, cache=TokenCache(folder / "cache"), progress=progress)


@pytest.fixture(scope="module")
def trained(chosen: Path) -> TrainedScorer:
    return train(chosen, chosen / "scorer")


@pytest.fixture(scope="module")
def comparisons(chosen: Path) -> Comparisons:
    cache = TokenCache(chosen / "cache")
    return load_comparisons(chosen / "comparisons.csv", chosen, load_encoder(ENCODER), cache=cache)[0]


def test_it_learns_from_comparisons_alone_which_of_two_new_images_is_preferred(trained: TrainedScorer) -> None:
    figures = trained.agreement
    assert figures.picks_winner.value > 0.75
    assert figures.picks_winner.low > 0.5
    assert figures.correlation.value > 0.5
    assert 20 <= figures.n < 2 * IMAGES  # pairs across folds are not judged
    assert trained.evaluation is None


def test_a_score_is_the_chance_to_be_preferred_over_an_average_image(
    trained: TrainedScorer, comparisons: Comparisons
) -> None:
    scorer = Scorer.load(trained.folder)
    assert scorer.card.scale == CHANCE
    _, members = predict(scorer.network, comparisons.views[0])
    chances = members[:, :, 1]
    assert np.abs(logit(chances).mean(axis=0)).max() < 0.01  # half precision on disk
    assert chances.std() > 0.05
    image = scorer.score_tokens(comparisons.views[0].batch([0]))[0]
    assert sum(image.distribution) == pytest.approx(1)
    assert image.mean == pytest.approx(image.distribution[1])
    assert np.isnan([image.ci_low, image.ci_high]).all()
    assert image.novelty > 0


def test_the_difference_of_log_odds_is_that_of_the_votes(comparisons: Comparisons) -> None:
    """Bradley and Terry: what is learned from a share of three quarters is a difference of about log 3."""
    firm = replace(comparisons, share=np.where(comparisons.share > 0.5, 0.75, 0.25))
    network = fit(ComparisonLabels(firm), replace(QUICK, members=1, epochs=60, dropout=0.0))
    chance = predict(network, comparisons.views[0])[0][:, 1]
    gap = logit(chance[firm.first]) - logit(chance[firm.second])
    assert np.median(np.abs(gap)) == pytest.approx(np.log(3), rel=0.5)


def test_the_card_says_what_was_learned_from_and_how_it_was_judged(trained: TrainedScorer, chosen: Path) -> None:
    card = trained.card
    assert card.data["layout"] == "comparisons"
    assert card.data["comparison_pairs"] == 2 * IMAGES
    assert card.metrics["comparison_folds"]["pairs"] == trained.agreement.n
    assert card.metrics["comparison_folds"]["picks_winner"]["low"] <= trained.agreement.picks_winner.value
    assert "grouped_folds" not in card.metrics
    assert card.metrics["pairs"]["pairs"] == trained.agreement.n
    assert card.metrics["pairs"]["error_spread"] > 0
    assert (card.interval.half_width, card.interval.coverage) == (None, None)
    scorer = Scorer.load(trained.folder)
    assert len(scorer.learned_images) == IMAGES
    assert len(scorer.reference["reference.score"]) == IMAGES
    assert scorer.reference["reference.score"].std() > 0


@pytest.mark.long  # of ratings it is shown by default
def test_training_on_comparisons_again_gives_the_same_weights(
    trained: TrainedScorer, chosen: Path, tmp_path: Path
) -> None:
    recipe = replace(QUICK, epochs=2)
    one, other = (train(chosen, tmp_path / name, name="scorer", recipe=recipe) for name in ("once", "again"))
    assert one.card.digest == other.card.digest
    assert one.card.digest != trained.card.digest


def test_a_fold_learns_from_no_comparison_that_shows_one_of_its_images(comparisons: Comparisons) -> None:
    learned: list[Comparisons] = []

    def settle(others: ComparisonLabels, recipe: Recipe) -> tuple[Recipe, None]:
        learned.append(others.comparisons)
        return recipe, None

    recipe = replace(QUICK, members=1, epochs=1, seed=0)
    labels = ComparisonLabels(comparisons)
    answers = cross_validate(labels, recipe, settle=settle)
    folds = answers.folds
    every = np.array(comparisons.views[0].sha256)
    assert np.isfinite(answers.distributions).all()
    assert np.isfinite(held_out_distances(labels, folds, None)).all()
    assert len(learned) == 5
    for fold, others in enumerate(learned):
        assert not set(others.views[0].sha256) & set(every[folds == fold])
        outside = (folds[comparisons.first] != fold) & (folds[comparisons.second] != fold)
        assert len(others.share) == outside.sum()


def test_neighbours_are_held_out_together_so_that_most_pairs_can_be_judged() -> None:
    """A ring of 400 images in random order: dealt one by one, a fifth of its pairs would lie within a fold."""
    count = 400
    order = np.random.default_rng(1).permutation(count)
    ring = Comparisons(
        [Features([], [f"{i:064x}" for i in range(count)])], order, np.roll(order, 1), np.ones(count), np.ones(count)
    )
    groups = np.array(neighborhoods(ring))
    assert (groups[ring.first] == groups[ring.second]).mean() > 0.8
    assert len(set(groups)) >= 10
    assert max(np.unique(groups, return_counts=True)[1]) <= count // 10


def test_copies_of_an_image_are_held_out_together() -> None:
    names = [f"{i:064x}" for i in range(40)]
    names[39] = names[0]
    chain = np.arange(39)
    groups = neighborhoods(Comparisons([Features([], names)], chain, chain + 1, np.ones(39), np.ones(39)))
    assert groups[0] == groups[39]
    assert len(set(groups)) > 5


def test_many_copies_do_not_tie_everything_to_everything() -> None:
    rng = np.random.default_rng(2)
    names = [f"{i:064x}" for i in range(300)]
    for copy, original in rng.choice(300, (20, 2), replace=False):
        names[copy] = names[original]
    first = rng.integers(300, size=900)
    second = (first + rng.integers(1, 300, size=900)) % 300
    groups = neighborhoods(Comparisons([Features([], names)], first, second, np.ones(900), np.ones(900)))
    assert len(set(groups)) >= 10


def test_tuned_from_a_parent_the_scores_stay_on_its_scale_and_are_held_against_it(chosen: Path, tmp_path: Path) -> None:
    """A parent that learned from ratings that bright is good, tuned with comparisons for the dark."""
    rows = ["file,n1,n2,n3,n4,n5"]
    for i, light in enumerate(np.linspace(0.3, 1.6, 24)):
        ImageEnhance.Brightness(photograph(200 + i, 96, 72)).enhance(light).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png," + ",".join(str(round(100 / (1 + (bin_ - 3 * light) ** 2))) for bin_ in range(5)))
    (tmp_path / "ratings.csv").write_text("\n".join(rows))
    request = TrainingRequest(
        table=tmp_path / "ratings.csv", images=tmp_path, out=tmp_path / "parent", encoder=ENCODER, recipe=QUICK
    )
    parent = train_scorer(request)
    tuned = train(chosen, tmp_path / "tuned", parent=parent.folder)
    assert (tuned.card.scale, tuned.card.parent) == (parent.card.scale, parent.card.digest)
    assert tuned.seen_by_parent == 0
    against = tuned.card.metrics["picks_against_parent"]
    assert 0 < against["low"] <= against["value"]
    before, after = (Scorer.load(one.folder) for one in (parent, tuned))
    images = [photograph(i, 96, 72) for i in range(8)]
    means = [np.mean([s.mean for s in one.score(images)]) for one in (before, after)]
    assert means[1] == pytest.approx(means[0], abs=0.5)


def test_images_that_the_parent_learned_from_are_in_no_figure(
    trained: TrainedScorer, chosen: Path, tmp_path: Path
) -> None:
    tuned = train(chosen, tmp_path / "tuned", parent=trained.folder)
    assert (tuned.agreement, tuned.seen_by_parent) == (None, IMAGES)
    assert not {"comparison_folds", "picks_against_parent", "pairs"} & set(tuned.card.metrics)
    assert tuned.card.novelty_limit == trained.card.novelty_limit


def test_one_image_in_every_pair_can_be_learned_from_but_not_judged(chosen: Path, tmp_path: Path) -> None:
    """The active model against each variant: hold it out, and nothing is left to learn from."""
    rows = ["image_a,image_b,wins_a,wins_b", *(f"0.png,{i}.png,{i % 20},{20 - i % 20}" for i in range(1, IMAGES))]
    (chosen / "star.csv").write_text("\n".join(rows))
    found = train(chosen, tmp_path / "star", "star.csv", recipe=replace(QUICK, epochs=1))
    assert found.agreement is None
    assert found.folder.is_dir()


def test_images_that_lost_their_pairs_are_not_learned_from(chosen: Path, tmp_path: Path) -> None:
    """The last four are compared with an image that is not there only, and one with its own copy."""
    rows = (chosen / "comparisons.csv").read_text().splitlines()
    kept = [row for row in rows if not any(f"{i}.png" in row for i in range(35, 40))]
    shutil.copy(chosen / "39.png", chosen / "copy.png")
    lost = [f"{i}.png,nowhere.png,3,1" for i in range(35, 39)]
    (chosen / "lost.csv").write_text("\n".join([*kept, *lost, "39.png,copy.png,9,1"]))
    found = train(chosen, tmp_path / "lost", "lost.csv", recipe=replace(QUICK, epochs=1))
    assert found.card.data["images"] == 35
    assert len(Scorer.load(found.folder).learned_images) == 35


def test_work_inside_of_a_fold_is_heard_of(chosen: Path, tmp_path: Path) -> None:
    """A run whose process is silent for too long is taken for dead."""
    heard: list[tuple[str, int, int]] = []
    recipe = replace(QUICK, epochs=2)
    train(chosen, tmp_path / "heard", recipe=recipe, progress=lambda *said: heard.append(said))
    folds = [done for stage, done, _ in heard if stage == "folds"]
    assert folds == [step for fold in range(5) for step in (*[fold] * recipe.epochs, fold + 1)]
    assert [done for stage, done, _ in heard if stage == "queries"] == [1, 2]


def test_comparisons_between_few_images_are_refused_and_nothing_is_written(chosen: Path, tmp_path: Path) -> None:
    rows = (chosen / "comparisons.csv").read_text().splitlines()[:12]
    (chosen / "few.csv").write_text("\n".join(rows))
    with pytest.raises(LabelError, match=r"comparisons between \d+ images, 20 are needed"):
        train(chosen, tmp_path / "few", "few.csv")
    assert not (tmp_path / "few").exists()


def test_a_loss_that_is_not_a_number_is_said_and_nothing_is_written(
    chosen: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(TrainingError, match="not a number"):
        train(chosen, tmp_path / "nan", recipe=replace(QUICK, learning_rate=1e20))
    assert not (tmp_path / "nan").exists()
