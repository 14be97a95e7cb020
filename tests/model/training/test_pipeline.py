import json
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from abkit_model.checkpoint import default_checkpoint
from abkit_model.data.dataset import Examples, load_comparisons, load_dataset
from abkit_model.data.labels import read_ratings
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import CheckpointError, LabelError, TrainingError
from abkit_model.evaluation.trained_scorer import evaluate_on_comparisons, evaluate_scorer, predict
from abkit_model.images import RULES
from abkit_model.query_transformer import QueryTransformer
from abkit_model.scorer import Scorer
from abkit_model.studies.compare import compare_heads, transfer
from abkit_model.studies.heads import HEADS, QUERIES
from abkit_model.training import losses
from abkit_model.training.loop import fit
from abkit_model.training.pipeline import train_scorer
from abkit_model.training.ratings import RatingLabels, choose_queries
from abkit_model.training.release import TrainedScorer, diversity
from abkit_model.training.request import Recipe, TrainingRequest
from tests.model.conftest import network_config, photograph

QUICK = Recipe(members=2, epochs=3, components=12, width=16, queries=2)
IMAGES = 48


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose ratings follow their brightness, two of each subject."""
    folder = tmp_path_factory.mktemp("rated")
    rng = np.random.default_rng(0)
    rows = ["file,n1,n2,n3,n4,n5,subject"]
    for i in range(IMAGES):
        light = rng.uniform(0.2, 1.6)
        ImageEnhance.Brightness(photograph(i // 2, 96, 72)).enhance(light).save(folder / f"{i}.png")
        votes = rng.binomial(4, np.clip(light / 1.8, 0.05, 0.95), size=40)
        rows.append(f"{i}.png," + ",".join(map(str, np.bincount(votes, minlength=5))) + f",{i // 2}")
    (folder / "ratings.csv").write_text("\n".join(rows))
    return folder


def train(rated: Path, out: Path, **options: object) -> TrainedScorer:
    arguments = {
        "table": rated / "ratings.csv",
        "images": rated,
        "encoder": "bundled:efficientnet-lite0",
        "group_column": "subject",
        "recipe": QUICK,
    }
    request = TrainingRequest(out=out, **(arguments | options))
    return train_scorer(request, cache=TokenCache(rated / "cache"))


@pytest.fixture(scope="module")
def trained(rated: Path) -> TrainedScorer:
    return train(rated, rated / "scorer")


@pytest.fixture(scope="module")
def examples(rated: Path) -> Examples:
    encoder = load_encoder("bundled:efficientnet-lite0")
    cache = TokenCache(rated / "cache")
    return load_dataset(rated / "ratings.csv", rated, encoder, group_column="subject", cache=cache).examples


def test_it_learns_from_ratings_what_people_like(trained: TrainedScorer) -> None:
    assert trained.evaluation.srcc.value > 0.6
    assert trained.evaluation.srcc.low < trained.evaluation.srcc.value < trained.evaluation.srcc.high
    assert trained.evaluation.subjects == IMAGES // 2


def test_the_card_says_what_monitoring_needs(trained: TrainedScorer, rated: Path) -> None:
    scorer = Scorer.load(trained.folder)
    card = scorer.card
    assert card.digest == trained.card.digest
    assert card.data["images"] == IMAGES
    assert card.data["table_sha256"] == read_ratings(rated / "ratings.csv").sha256
    assert card.interval.coverage is not None
    assert card.metrics["pairs"]["pairs"] > 0
    assert card.metrics["pairs"]["ece"]["value"] >= 0
    assert len(card.activations["mean"]) == QUICK.members * QUICK.queries
    assert scorer.reference["reference.embedding"].shape == (IMAGES, scorer.encoder.embedding_dim)


def test_training_again_gives_the_same_weights(trained: TrainedScorer, rated: Path, tmp_path: Path) -> None:
    again = train(rated, tmp_path / "again", name="scorer")
    assert again.card.digest == trained.card.digest


def test_queries_tuned_from_a_parent_keep_what_it_measured_and_name_it(
    trained: TrainedScorer, rated: Path, tmp_path: Path
) -> None:
    tuned = train(rated, tmp_path / "tuned", parent=trained.folder, segment="story")
    assert tuned.card.parent == trained.card.digest
    assert tuned.card.segment == "story"
    assert (Scorer.load(tuned.folder).network.token_basis == Scorer.load(trained.folder).network.token_basis).all()


def test_the_number_of_queries_is_chosen_by_nested_validation(examples: Examples) -> None:
    chosen, curve = choose_queries(examples, replace(QUICK, epochs=1), (1, 2), folds=2)
    assert chosen in curve
    assert list(curve) == [1, 2]
    assert curve[chosen].value >= max(v.value for v in curve.values()) - 0.5
    assert all(v.low < v.value < v.high for v in curve.values())


def test_an_image_unlike_the_training_images_is_flagged(trained: TrainedScorer, rated: Path) -> None:
    scorer = Scorer.load(trained.folder)
    familiar = scorer.score([rated / f"{i}.png" for i in range(6)])
    strange = scorer.score([Image.new("RGB", (96, 72), color) for color in ("white", "lime")])
    assert np.median([s.novelty for s in familiar]) < 1 < min(s.novelty for s in strange)
    assert all(np.isnan([s.ci_low, s.ci_high]).all() for s in strange)
    near = [s for s in familiar if s.novelty <= 1]
    assert all(s.ci_low < s.mean < s.ci_high for s in near)
    assert len({round(s.ci_high - s.ci_low, 6) for s in near}) > 1 or scorer.card.interval.per_dissent == 0
    assert 0 <= scorer.card.metrics["query_diversity"] <= 1


def test_heads_are_compared_on_the_same_folds_with_paired_intervals(examples: Examples) -> None:
    result = compare_heads(examples, recipe=replace(QUICK, members=1, epochs=1), folds=3, repeats=1, resamples=50)
    names = [head.name for head in result.heads]
    assert set(names) == {n for kind in HEADS for n in (kind, f"{kind}, ensemble")}
    assert [h.srcc.value for h in result.heads] == sorted((h.srcc.value for h in result.heads), reverse=True)
    ours = next(h for h in result.heads if h.name == f"{QUERIES}, ensemble")
    assert (ours.srcc_difference.low, ours.srcc_difference.high) == (0, 0)
    other = next(h for h in result.heads if h.name == "ridge")
    assert other.srcc_difference.value == pytest.approx(ours.srcc.value - other.srcc.value)
    assert other.srcc.low <= other.srcc.value <= other.srcc.high


def test_repeats_that_run_side_by_side_give_the_same_figures_without_a_file_for_each_tensor(examples: Examples) -> None:
    plain = {"ridge": HEADS["ridge"]}
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, before[1]))
    try:
        apart = compare_heads(examples, heads=plain, recipe=QUICK, folds=3, repeats=2, resamples=20, jobs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    together = compare_heads(examples, heads=plain, recipe=QUICK, folds=3, repeats=2, resamples=20)
    assert [replace(head, seconds=0.0) for head in apart.heads] == [
        replace(head, seconds=0.0) for head in together.heads
    ]


def test_evaluating_on_the_training_images_is_reported_per_image(trained: TrainedScorer, rated: Path) -> None:
    figures, coverage, dataset = evaluate_scorer(
        Scorer.load(trained.folder), rated / "ratings.csv", rated, cache=TokenCache(rated / "cache")
    )
    assert figures.n == IMAGES
    assert coverage is not None
    assert coverage.share > 0.8
    assert {one.by for one in coverage.strata} == {"dissent", "novelty"}
    assert all(0 <= one.coverage.value <= 1 and one.half_width > 0 for one in coverage.strata)
    assert not dataset.missing


def test_images_that_are_missing_or_outside_the_folder_are_named(rated: Path, tmp_path: Path) -> None:
    text = (rated / "ratings.csv").read_text()
    (tmp_path / "more.csv").write_text(text + "\ngone.png,1,2,3,4,5,x\n../secret.png,1,2,3,4,5,y\n")
    (rated / "more.csv").write_text((tmp_path / "more.csv").read_text())
    recipe = Recipe(members=1, epochs=1, components=8, width=16, queries=1)
    result = train(rated, tmp_path / "out", table=rated / "more.csv", recipe=recipe)
    assert dict(result.missing) == {
        "gone.png": "the file does not exist",
        "../secret.png": "outside the folder of images",
    }


def test_a_loss_that_is_not_a_number_writes_nothing(
    rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "rank_loss", lambda p, t: p.sum() * float("nan"))
    with pytest.raises(TrainingError, match="not a number"):
        train(rated, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_is_refused_before_it_starts_when_it_cannot_end_well(rated: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        train(rated, tmp_path / "taken")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(LabelError, match="0 of 48 rated images are usable"):
        train(rated, tmp_path / "out", images=empty)


def test_a_token_file_that_was_damaged_is_made_again(rated: Path, trained: TrainedScorer) -> None:
    cache = TokenCache(rated / "cache")
    path = next(iter(sorted((rated / "cache").rglob("*.tokens"))))
    sha256, fingerprint = path.stem, path.parent.parent.name.removesuffix(f"-{RULES}")
    whole = path.read_bytes()
    assert cache.get(sha256, fingerprint) is not None
    path.write_bytes(whole[:-7])
    assert cache.get(sha256, fingerprint) is None
    path.write_bytes(whole)


def test_the_token_cache_keeps_to_its_size(tmp_path: Path, rated: Path, trained: TrainedScorer) -> None:
    cache = TokenCache(rated / "cache")
    path = next(iter(sorted((rated / "cache").rglob("*.tokens"))))
    row = cache.get(path.stem, path.parent.parent.name.removesuffix(f"-{RULES}"))
    assert row is not None
    small = TokenCache(tmp_path, max_bytes=2 * path.stat().st_size)
    for number in range(4):
        small.put(f"{number}" * 64, "fingerprint", row)
    assert small.trim() == 2
    assert len(list(tmp_path.rglob("*.tokens"))) == 2


@pytest.mark.realdata
def test_the_shipped_queries_rank_the_photographs(testdata: Path) -> None:
    folder = testdata / "oasis_beauty"
    scorer = Scorer.load(default_checkpoint())
    assert scorer.card.demonstration
    assert "Demonstration" in scorer.card.notice
    ratings = read_ratings(folder / "ratings_per_image.csv")
    from abkit_model.evaluation.metrics import spearman

    chosen = list(range(0, 616, 10))
    means = np.array([s.mean for s in scorer.score([folder / "images" / ratings.images[i] for i in chosen])])
    assert spearman(means, ratings.means[chosen]) > 0.7


def test_comparisons_between_other_images_teach_what_ratings_do_not(examples: Examples, tmp_path: Path) -> None:
    """Ratings praise brightness; people who choose between these images prefer the dark one."""
    write_comparisons(tmp_path, prefer="dark")
    encoder = load_encoder("bundled:efficientnet-lite0")
    comparisons, _, missing = load_comparisons(tmp_path / "comparisons.csv", tmp_path, encoder)
    assert missing == ()
    agreement = {}
    for name, learned in (("ratings", None), ("both", comparisons)):
        network = fit(RatingLabels(examples, learned), replace(QUICK, epochs=12, comparison_weight=3.0))
        means = predict(network, comparisons.views[0])[0] @ examples.values
        right = (means[comparisons.first] > means[comparisons.second]) == (comparisons.share > 0.5)
        agreement[name] = right.mean()
    assert agreement["ratings"] < 0.4
    assert agreement["both"] > 0.8


def test_a_comparison_that_shows_a_held_out_image_is_not_used_in_its_fold(tmp_path: Path) -> None:
    write_comparisons(tmp_path, prefer="dark")
    encoder = load_encoder("bundled:efficientnet-lite0")
    comparisons, _, _ = load_comparisons(tmp_path / "comparisons.csv", tmp_path, encoder)
    hidden = comparisons.views[0].sha256[0]
    left = comparisons.without({hidden})
    assert left is not None
    assert len(left.share) < len(comparisons.share)
    shown = left.views[0].sha256
    assert hidden not in shown
    pairs = {tuple(sorted((shown[a], shown[b]))) for a, b in zip(left.first, left.second, strict=True)}
    every = comparisons.views[0].sha256
    before = {tuple(sorted((every[a], every[b]))) for a, b in zip(comparisons.first, comparisons.second, strict=True)}
    assert pairs == {pair for pair in before if hidden not in pair}
    assert comparisons.without(set(comparisons.views[0].sha256)) is None


def test_heads_are_held_against_comparisons_between_images_they_never_saw(examples: Examples, tmp_path: Path) -> None:
    write_comparisons(tmp_path, prefer="bright")
    encoder = load_encoder("bundled:efficientnet-lite0")
    comparisons, _, _ = load_comparisons(tmp_path / "comparisons.csv", tmp_path, encoder)
    heads = {name: HEADS[name] for name in ("ridge", QUERIES)}
    found = transfer(examples, comparisons, heads=heads, recipe=replace(QUICK, epochs=6), resamples=50)
    figures = {one.name: one for one in found}
    assert figures["ridge"].picks_winner.value > 0.7
    assert figures["ridge"].n == len(comparisons.share)
    assert figures[f"{QUERIES}, ensemble"].picks_difference.value == 0
    assert figures["ridge"].picks_winner.low <= figures["ridge"].picks_winner.value


def write_comparisons(folder: Path, *, prefer: str) -> None:
    """Twelve images of other subjects, from dark to bright, each against the next but one."""
    light = np.linspace(0.3, 1.6, 12)
    for i, one in enumerate(light):
        ImageEnhance.Brightness(photograph(100 + i, 96, 72)).enhance(one).save(folder / f"c{i}.png")
    rows = ["image_a,image_b,wins_a,wins_b"]
    for i in range(len(light)):
        for j in range(i + 2, len(light), 2):
            rows.append(f"c{i}.png,c{j}.png," + ("18,2" if prefer == "dark" else "2,18"))
    (folder / "comparisons.csv").write_text("\n".join(rows))


def test_images_that_the_parent_was_trained_on_count_in_no_figure(
    trained: TrainedScorer, rated: Path, tmp_path: Path
) -> None:
    tuned = train(rated, tmp_path / "unmeasured", parent=trained.folder)
    assert (tuned.evaluation, tuned.seen_by_parent) == (None, IMAGES)
    assert tuned.card.interval.half_width is None
    assert not {"grouped_folds", "pairs", "against_parent"} & set(tuned.card.metrics)
    assert tuned.card.novelty_limit == trained.card.novelty_limit


def test_a_child_has_figures_of_the_images_that_its_parent_never_saw(rated: Path, tmp_path: Path) -> None:
    header, *rows = (rated / "ratings.csv").read_text().splitlines()
    half = tmp_path / "half.csv"
    half.write_text("\n".join([header, *rows[: IMAGES // 2]]))
    parent = train(rated, tmp_path / "parent", table=half)
    child = train(rated, tmp_path / "child", parent=parent.folder)
    assert child.seen_by_parent == IMAGES // 2
    assert child.evaluation is not None
    assert child.evaluation.n == child.card.interval.n == IMAGES // 2
    gap = child.card.metrics["against_parent"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    grandchild = train(rated, tmp_path / "grandchild", parent=child.folder)
    assert grandchild.seen_by_parent == IMAGES


def test_an_image_is_known_by_its_content_when_the_table_was_edited(
    trained: TrainedScorer, rated: Path, tmp_path: Path
) -> None:
    header, *rows = (rated / "ratings.csv").read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([header, *rows[5:]]))
    scorer = Scorer.load(trained.folder)
    _, _, dataset = evaluate_scorer(scorer, other, rated, cache=TokenCache(rated / "cache"))
    assert scorer.trained_on(dataset.examples.views[0].sha256, dataset.table.sha256).all()
    assert not scorer.trained_on(["ab" * 32], dataset.table.sha256).any()


def test_copies_of_an_image_are_held_out_together(rated: Path, tmp_path: Path) -> None:
    for i in range(IMAGES):
        (tmp_path / f"{i}.png").write_bytes((rated / f"{i}.png").read_bytes())
    (tmp_path / "copy of 3.png").write_bytes((rated / "3.png").read_bytes())
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    rows = (rated / "ratings.csv").read_text()
    (tmp_path / "ratings.csv").write_text(f"{rows}\ncopy of 3.png,1,2,3,4,5,another\nround.png,1,2,3,4,5,round")
    encoder = load_encoder("bundled:efficientnet-lite0")
    dataset = load_dataset(tmp_path / "ratings.csv", tmp_path, encoder, group_column="subject", mirrored=False)
    assert dataset.examples.groups[-1] == dataset.examples.groups[3]
    assert [name for name, _ in dataset.missing] == ["round.png"]


def test_the_number_of_queries_for_the_figures_of_a_fold_is_chosen_without_it(
    rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def chosen(examples: Examples, recipe: Recipe) -> tuple[int, dict[int, object]]:
        asked.append(len(examples.targets))
        return 1 + len(asked) % 2, {}

    monkeypatch.setattr("abkit_model.training.pipeline.choose_queries", chosen)
    train(rated, tmp_path / "auto", queries="auto")
    assert asked[0] == IMAGES
    assert len(asked) == 6
    assert max(asked[1:]) < IMAGES


def test_too_few_subjects_to_choose_the_number_of_queries_are_one_sentence(examples: Examples) -> None:
    few = replace(examples, groups=[str(i % 4) for i in range(IMAGES)])
    with pytest.raises(TrainingError, match="too few subjects"):
        choose_queries(few, QUICK)


def test_folds_without_a_rank_correlation_take_the_smallest_number_of_queries(examples: Examples) -> None:
    pairs = examples.subset(np.arange(10))
    chosen, curve = choose_queries(
        replace(pairs, groups=[str(i // 2) for i in range(10)]), replace(QUICK, epochs=1), (2, 1)
    )
    assert (chosen, curve) == (1, {})


def test_a_trained_scorer_is_held_against_comparisons(trained: TrainedScorer, rated: Path, tmp_path: Path) -> None:
    scorer, cache = Scorer.load(trained.folder), TokenCache(rated / "cache")
    _, _, dataset = evaluate_scorer(scorer, rated / "ratings.csv", rated, cache=cache)
    means = predict(scorer.network, dataset.examples.views[0])[0] @ dataset.examples.values
    best, worst = np.argsort(-means)[:6], np.argsort(means)[:6]
    pairs = [(b, w) for b in best for w in worst][:30]
    rows = ["image_a,image_b,wins_a,wins_b"]
    rows += [f"{b}.png,{w}.png,{'9,1' if k % 3 else '1,9'}" for k, (b, w) in enumerate(pairs)]
    (tmp_path / "comparisons.csv").write_text("\n".join([*rows, "gone.png,0.png,1,0"]))
    figures, seen, _, missing = evaluate_on_comparisons(scorer, tmp_path / "comparisons.csv", rated, cache=cache)
    assert figures.picks_winner.value == pytest.approx(2 / 3)
    assert figures.picks_winner.low <= 2 / 3 <= figures.picks_winner.high
    assert (figures.n, seen) == (30, 11)  # 0.png has lost its only pair
    assert [name for name, _ in missing] == ["gone.png"]


def test_a_single_query_has_no_diversity_and_a_card_can_say_so() -> None:
    network = QueryTransformer(network_config(4, 4, bins=5, members=5, queries=1, width=8, components=2))
    features: Any = None  # nothing is looked at
    # NaN is no JSON, and PostgreSQL refuses a card that has one
    assert json.dumps(diversity(network, features), allow_nan=False) == "null"
