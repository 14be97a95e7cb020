"""A linear term inside the network: exact, kept in half precision, merged with one that is there."""

import numpy as np
import pytest
import torch

from abkit_model.data.tokens import Features
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.terms.linear_term import add_linear_term, flatten, say_the_same
from tests.model.conftest import network_config

MEMBERS, WIDTH, BINS = 2, 24, 5


@pytest.fixture
def network() -> QueryTransformer:
    torch.manual_seed(3)
    config = network_config(12, WIDTH, bins=BINS, members=MEMBERS, components=6, width=16)
    made = QueryTransformer(config)
    for member in made.query_sets():
        member.contribution.data.normal_(0, 0.2)
    made.token_basis.normal_()
    return made.eval().requires_grad_(False)


@pytest.fixture
def view() -> Features:
    torch.manual_seed(4)
    rows = [(torch.randn(9, 12).half(), torch.ones(9, dtype=torch.bool), torch.randn(WIDTH), (3, 3)) for _ in range(40)]
    return Features(rows, [f"{i:064x}" for i in range(40)])


def log_odds(network: QueryTransformer, view: Features) -> np.ndarray:
    """Log-odds of the highest against the lowest step, by member: where a tilt shows as it is."""
    members = predict(network, view)[1]
    return np.asarray(np.log(members[:, :, -1] / members[:, :, 0]))


def test_the_term_adds_exactly_what_it_says_to_the_tilt(network: QueryTransformer, view: Features) -> None:
    weights, offsets = torch.randn(MEMBERS, WIDTH) * 0.3, torch.tensor([0.2, -0.1])
    wider = add_linear_term(network, weights, offsets)
    assert wider.config.hidden == network.config.hidden + 2
    tilt = next(iter(network.query_sets())).tilt
    added = (torch.from_numpy(view.embeddings) @ weights.T - offsets).numpy() * float(tilt[-1] - tilt[0])
    assert log_odds(wider, view) - log_odds(network, view) == pytest.approx(added, abs=1e-4)


def test_a_second_term_is_merged_with_the_first(network: QueryTransformer, view: Features) -> None:
    weights, offsets = torch.randn(MEMBERS, WIDTH) * 0.3, torch.tensor([0.2, -0.1])
    once = add_linear_term(network, weights, offsets)
    once.load_state_dict({name: value.half().float() for name, value in once.state_dict().items()})
    twice = add_linear_term(once, -weights, -offsets)
    assert twice.config.hidden == once.config.hidden
    assert log_odds(twice, view) == pytest.approx(log_odds(network, view), abs=0.01)


def test_opinions_are_drawn_together_as_far_as_asked(network: QueryTransformer, view: Features) -> None:
    before = log_odds(network, view)
    half = add_linear_term(network, torch.zeros(MEMBERS, WIDTH), torch.zeros(MEMBERS))
    members = torch.from_numpy(predict(half, view)[1]).float()
    said = flatten(half, members, 0.5)
    assert said.numpy() == pytest.approx(predict(half, view)[0], abs=1e-4)
    after = log_odds(half, view)
    assert after.mean(axis=0) == pytest.approx(before.mean(axis=0), abs=1e-4)
    assert after.std(axis=0) == pytest.approx(before.std(axis=0) / 2, rel=1e-3)
    say_the_same(half, torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1]))
    assert predict(half, view)[0] == pytest.approx(np.tile([0.1, 0.2, 0.4, 0.2, 0.1], (40, 1)), abs=1e-5)
