import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from abkit_model.data.dataset import Comparisons, Examples
from abkit_model.data.tokens import Features
from abkit_model.evaluation.metrics import spearman, spread
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.training.comparisons import CHANCE, ComparisonLabels
from abkit_model.training.loop import fit
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe
from abkit_model.training.terms.blend import blend
from abkit_model.training.terms.closed_form import (
    FINE_PENALTIES,
    Pairs,
    choose_penalty,
    fit_ridge,
    likely_direction,
    preferences,
    share_of,
    share_of_pairs,
    solve_ratings,
    standardized,
    tilt_of,
    typical_opinion,
)

IMAGES, WIDTH = 60, 24
QUICK = Recipe(members=2, epochs=2, components=6, width=8, heads=2, queries=2, hidden=8, batch=32)
VALUES = np.arange(1.0, 6.0)


def features(seed: int = 3) -> Features:
    generator = torch.Generator().manual_seed(seed)
    rows = [
        (torch.randn(6, 10, generator=generator).half(), torch.ones(6, dtype=torch.bool), one, (2, 3))
        for one in torch.randn(IMAGES, WIDTH, generator=generator)
    ]
    return Features(rows, [f"{i:063x}{seed}" for i in range(IMAGES)])


def liked(view: Features) -> np.ndarray:
    """What people really like: two channels of the embedding."""
    return np.asarray(view.embeddings[:, 0] - view.embeddings[:, 1])


def ratings(view: Features, noise: float = 0.0) -> RatingLabels:
    wanted = liked(view) + noise * np.random.default_rng(0).normal(size=IMAGES)
    logits = -0.5 * ((VALUES - 3)[None] - wanted[:, None]) ** 2
    targets = np.exp(logits)
    targets /= targets.sum(axis=1, keepdims=True)
    return RatingLabels(Examples([view], targets, VALUES, [str(i) for i in range(IMAGES)]))


def comparisons(view: Features) -> ComparisonLabels:
    first = np.arange(IMAGES)
    second = (first + 7) % IMAGES
    share = 1 / (1 + np.exp(-2 * (liked(view)[first] - liked(view)[second])))
    return ComparisonLabels(Comparisons([view], first, second, share, np.ones(IMAGES)))


@pytest.mark.parametrize("labels", [ratings, comparisons])
def test_what_queries_cannot_learn_in_two_passes_the_closed_form_knows_already(labels: object) -> None:
    new = features(seed=4)
    with_it = fit(labels(features()), QUICK)  # type: ignore[operator]
    without = fit(labels(features()), replace(QUICK, closed_form=0.0))  # type: ignore[operator]
    values = np.linspace(0, 1, with_it.config.bins)
    assert spearman(predict(with_it, new)[0] @ values, liked(new)) > 0.85
    assert spearman(predict(without, new)[0] @ values, liked(new)) < 0.6
    assert with_it.config.hidden == without.config.hidden + 2


def test_a_blend_is_the_average_of_the_logarithms_of_what_the_parts_say() -> None:
    labels = ratings(features())
    alone = fit(labels, replace(QUICK, closed_form=0.0))
    own = labels.examples
    closed = solve_ratings(alone, own.views, own.targets, own.values, groups=own.groups, seed=0)
    seen = features(seed=4).batch(range(8))
    blended = blend(alone, closed, 0.7).eval()(seen.tokens, seen.mask, seen.embedding)
    before = alone(seen.tokens, seen.mask, seen.embedding)
    tilt = alone.standardized(seen.embedding).double() @ torch.from_numpy(closed.direction)
    logits = torch.from_numpy(closed.first) + tilt[:, None] * torch.from_numpy(tilt_of(alone))
    wanted = (0.7 * logits[:, None] + 0.3 * before.probabilities.log()).softmax(dim=-1)
    assert torch.allclose(blended.probabilities.double(), wanted, atol=1e-4)
    # of the tilt, queries add what they added before, times their share
    assert torch.allclose(blended.activations, 0.3 * before.activations, atol=1e-6)


def test_the_mean_opinion_follows_the_regression_and_people_disagree_as_much_as_they_do() -> None:
    labels = ratings(features())
    network = fit(labels, replace(QUICK, closed_form=1.0))
    said, own = predict(network, labels.views[0])[0], labels.examples
    assert np.corrcoef(said @ VALUES, own.targets @ VALUES)[0, 1] > 0.9
    assert np.abs((said - own.targets) @ VALUES).mean() < 0.35
    assert spread(said, VALUES).mean() == pytest.approx(spread(own.targets, VALUES).mean(), abs=0.15)


def test_noise_is_met_with_a_larger_penalty() -> None:
    X = np.random.default_rng(1).normal(size=(80, 30))
    groups = [str(i) for i in range(80)]
    clear = X @ np.r_[np.ones(3), np.zeros(27)]
    noise = np.random.default_rng(2).normal(size=80)
    assert choose_penalty(X, clear, groups) < choose_penalty(X, 0.5 * clear + 3 * noise, groups)


def test_images_and_channels_lead_to_the_same_regression() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(20, 30)), rng.normal(size=(60, 30))
    for X in (few, many):
        y = X[:, 0] + rng.normal(size=len(X))
        found = fit_ridge(X, y, [str(i) for i in range(len(X))])
        E = X.shape[1]
        expected = np.linalg.solve(X.T @ X + found.penalty * E * np.eye(E), X.T @ (y - y.mean()))
        assert found.direction == pytest.approx(expected)


def test_preferences_are_where_bradley_and_terry_have_no_slope() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 5))
    pairs = Pairs(
        first=rng.integers(0, 6, 30), second=rng.integers(6, 12, 30), share=rng.random(30), weight=rng.random(30)
    )
    direction = X.T @ preferences(X @ X.T, pairs, 0.7)
    apart = X[pairs.first] - X[pairs.second]
    slope = apart.T @ (pairs.weight * (pairs.share - 1 / (1 + np.exp(-apart @ direction)))) - 0.7 * direction
    assert slope == pytest.approx(np.zeros(5), abs=1e-5)


def test_a_typical_opinion_disagrees_as_much_as_one_image_makes_people_disagree() -> None:
    targets = np.random.default_rng(0).dirichlet(np.r_[1.0, 2.0, 4.0, 2.0, 1.0], 40)
    typical = typical_opinion(targets, VALUES)
    assert typical.sum() == pytest.approx(1)
    assert spread(typical, VALUES) == pytest.approx(spread(targets, VALUES).mean(), abs=1e-6)


def test_many_images_are_left_to_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = comparisons(features())
    assert labels.closed_form_share == share_of_pairs(len(labels.comparisons.share))
    monkeypatch.setattr("abkit_model.training.comparisons.MOST_SOLVED", IMAGES - 1)
    assert labels.closed_form_share == 0
    assert labels.scale == CHANCE
    assert ComparisonLabels(labels.comparisons, replace(CHANCE, high=2.0)).closed_form_share == 0


def test_pairs_leave_more_to_the_closed_form_than_as_many_rated_images() -> None:
    pairs = comparisons(features()).comparisons
    shares = []
    for count in (30, 31, 150, 151):
        some = np.arange(count) % len(pairs.share)
        columns = {name: getattr(pairs, name)[some] for name in ("first", "second", "share", "weight")}
        shares.append(ComparisonLabels(replace(pairs, **columns)).closed_form_share)
    assert shares == [share_of_pairs(count) for count in (30, 31, 150, 151)]
    assert shares[0] > shares[1] == shares[2] > shares[3]
    assert shares[0] > share_of(30)
    assert shares[2] > share_of(150)


def test_likelihood_weighs_penalties_as_a_normal_density_of_the_labels_does() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(24, 40))
    y = X[:, 0] + rng.normal(size=24)
    y -= y.mean()
    gram = X @ X.T / 40
    likelihood, directions = [], []
    for penalty in FINE_PENALTIES:
        covariance = gram + penalty * np.eye(24)
        scale = y @ np.linalg.solve(covariance, y) / 24
        likelihood.append(stats.multivariate_normal(np.zeros(24), scale * covariance).logpdf(y))
        directions.append(X.T @ np.linalg.solve(covariance, y) / 40)
    weight = np.exp(np.array(likelihood) - max(likelihood))
    assert likely_direction(X, y + 5) == pytest.approx(weight @ np.array(directions) / weight.sum(), abs=1e-9)


def test_few_images_average_two_regressions_and_many_choose_by_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ratings(features())
    network, own = fit(labels, replace(QUICK, closed_form=0.0)), labels.examples
    given = {"groups": own.groups, "seed": 0}
    few = solve_ratings(network, own.views, own.targets, own.values, **given).direction
    monkeypatch.setattr("abkit_model.training.terms.closed_form.FEW_IMAGES", IMAGES - 1)
    many = solve_ratings(network, own.views, own.targets, own.values, **given).direction
    X = np.mean([standardized(network, view.embeddings) for view in own.views], axis=0)
    likely = 2 * few - many
    slope = np.linalg.lstsq(likely[:, None], likely_direction(X, own.targets @ own.values), rcond=None)[0]
    assert likely_direction(X, own.targets @ own.values) == pytest.approx(likely * slope, abs=1e-9)
    assert not np.allclose(few, many)


def test_ratings_with_comparisons_beside_them_have_none_because_it_would_not_hear_of_these() -> None:
    labels = ratings(features())
    beside = RatingLabels(labels.examples, comparisons(features(seed=4)).comparisons)
    assert labels.closed_form_share == share_of(IMAGES)
    assert beside.closed_form_share == 0
    assert fit(beside, QUICK).config.hidden == QUICK.hidden


def test_a_checkpoint_in_half_precision_keeps_the_closed_form() -> None:
    network = fit(ratings(features()), QUICK)
    stored = copy.deepcopy(network)
    stored.load_state_dict({name: value.half().float() for name, value in network.state_dict().items()})
    new = features(seed=4)
    assert predict(stored, new)[0] @ VALUES == pytest.approx(predict(network, new)[0] @ VALUES, abs=5e-3)
