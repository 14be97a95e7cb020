import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from abkit_model.data.dataset import Comparisons, Examples
from abkit_model.data.tokens import Features
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training import loop
from abkit_model.training.comparisons import ComparisonLabels
from abkit_model.training.components import measure, network_config
from abkit_model.training.losses import ComparisonLoss, RatingLoss
from abkit_model.training.ratings import RatingLabels
from abkit_model.training.request import Recipe

IMAGES = 24
QUICK = Recipe(members=2, epochs=2, components=6, width=8, heads=2, queries=2, hidden=8, batch=8)


def features() -> Features:
    generator = torch.Generator().manual_seed(3)
    rows = [
        (torch.randn(6, 10, generator=generator).half(), torch.ones(6, dtype=torch.bool), one, (2, 3))
        for one in torch.randn(IMAGES, 8, generator=generator)
    ]
    return Features(rows, [f"{i:064x}" for i in range(IMAGES)])


def ratings() -> RatingLabels:
    targets = np.random.default_rng(1).dirichlet(np.ones(5), IMAGES)
    return RatingLabels(Examples([features()], targets, np.arange(1.0, 6.0), [str(i) for i in range(IMAGES)]))


def comparisons() -> ComparisonLabels:
    first, share = np.arange(IMAGES), np.random.default_rng(2).random(IMAGES)
    return ComparisonLabels(Comparisons([features()], first, (first + 1) % IMAGES, share, np.ones(IMAGES)))


LABELS = pytest.mark.parametrize("labels", [ratings, comparisons])


def weights(network: QueryTransformer) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}


def test_ratings_and_comparisons_are_learned_from_in_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[Any] = []
    descend = loop.descend

    def seen(members: list[torch.nn.Module], loss: Any, *rest: Any, **named: Any) -> None:
        before = [[value.clone() for value in member.parameters()] for member in members]
        descend(members, loss, *rest, **named)
        for member, then in zip(members, before, strict=True):
            assert any((now != was).any() for now, was in zip(member.parameters(), then, strict=True))
        losses.append(loss)

    monkeypatch.setattr(loop, "descend", seen)
    for labels in (ratings(), comparisons()):
        loop.fit(labels, QUICK)
    assert [type(loss) for loss in losses] == [RatingLoss, ComparisonLoss]


@LABELS
def test_training_again_gives_the_same_bytes_whatever_was_drawn_before(
    labels: Callable[[], RatingLabels | ComparisonLabels],
) -> None:
    threads = torch.get_num_threads()
    once = weights(loop.fit(labels(), QUICK))
    torch.manual_seed(11)
    torch.set_num_threads(2)
    try:
        again = weights(loop.fit(labels(), QUICK))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert once == again


@LABELS
def test_every_position_is_seen_once_per_pass_in_a_new_order(
    labels: Callable[[], RatingLabels | ComparisonLabels], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    kind = RatingLoss if labels is ratings else ComparisonLoss
    call = kind.__call__

    def remember(self: Any, member: Any, chosen: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(chosen)
        return call(self, member, chosen, *rest)

    monkeypatch.setattr(kind, "__call__", remember)
    loop.fit(labels(), QUICK)
    orders = torch.cat(seen).reshape(QUICK.epochs, IMAGES).tolist()
    assert all(sorted(order) == list(range(IMAGES)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)


def test_members_that_take_their_steps_together_learn_what_each_would_learn_alone() -> None:
    labels, recipe = ratings(), replace(QUICK, dropout=0.0, queries=3)
    network = QueryTransformer(network_config(labels.views[0], 5, recipe))
    measure(network, *labels.looks)
    together, alone = list(copy.deepcopy(network).query_sets()), list(network.query_sets())
    assert (together[0].queries != together[1].queries).all()
    for members in (together, alone[:1], alone[1:]):
        torch.manual_seed(0)  # of the places of tokens that a step looks at
        loop.descend(members, labels.loss(network, recipe, None), recipe, torch.Generator().manual_seed(0))
    for one, other in zip(together, alone, strict=True):
        for name, value in one.state_dict().items():
            assert torch.allclose(value, other.state_dict()[name], atol=1e-4), name


def test_the_gradient_of_each_member_is_shortened_by_itself() -> None:
    long, short = torch.nn.Parameter(torch.zeros(2, 3, 4)), torch.nn.Parameter(torch.zeros(2))
    long.grad, short.grad = torch.ones(2, 3, 4), torch.tensor([2.0, 0.1])
    long.grad[1] *= 0.01
    loop.clip_each([long, short], 1.0)
    assert float(torch.cat([long.grad[0].flatten(), short.grad[:1]]).norm()) == pytest.approx(1.0, abs=1e-4)
    assert float(short.grad[1]) == pytest.approx(0.1)


def test_few_steps_are_larger_and_many_are_as_the_recipe_says() -> None:
    labels = ratings()
    network = QueryTransformer(network_config(labels.views[0], 5, QUICK))
    loss = labels.loss(network, QUICK, None)
    steps = -(-IMAGES // QUICK.batch) * QUICK.epochs  # 6
    assert loop.in_larger_steps(QUICK, loss).learning_rate == pytest.approx(QUICK.learning_rate * loop.LARGEST)
    some = replace(QUICK, epochs=QUICK.epochs * 10)
    wanted = some.learning_rate * (loop.FULL_STEPS / (10 * steps)) ** 0.5
    assert loop.in_larger_steps(some, loss).learning_rate == pytest.approx(wanted)
    many = replace(QUICK, epochs=loop.FULL_STEPS)
    assert loop.in_larger_steps(many, loss).learning_rate == QUICK.learning_rate


def test_queries_that_are_tuned_from_a_parent_keep_their_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, rates = loop.fit(ratings(), QUICK), []
    descend = loop.descend

    def seen(members: Any, loss: Any, recipe: Recipe, *rest: Any, **named: Any) -> None:
        rates.append(recipe.learning_rate)
        descend(members, loss, recipe, *rest, **named)

    monkeypatch.setattr(loop, "descend", seen)
    loop.fit(ratings(), QUICK, start=parent)
    assert rates == [QUICK.learning_rate / 4]
