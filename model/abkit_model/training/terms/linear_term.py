"""A linear term inside a query set: two hidden units that add w · embedding to the tilt of its distribution.

The hidden layer of a query set reads the whole embedding through rectified units. One unit that sees w · x and one that
sees −w · x, read with opposite signs, are together exactly linear, so that a closed form fits into the network as it
is, and a checkpoint with one is read as any other.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from abkit_model.query_transformer import QuerySet, QueryTransformer

SMALL = 1e-12


def add_linear_term(network: QueryTransformer, weights: Tensor, offsets: Tensor) -> QueryTransformer:
    """Return a network whose members add `weights · embedding − offset` to their tilt; a term in it already is kept.

    Args:
        network: The network; it is not changed.
        weights: `(M, E)`, on standardized embeddings.
        offsets: `(M,)`.
    """
    has_one = all(_is_linear(member) for member in network.query_sets())
    config = network.config if has_one else replace(network.config, hidden=network.config.hidden + 2)
    wider = QueryTransformer(config)
    state, own = wider.state_dict(), network.state_dict()
    for name, value in own.items():
        place = state[name]
        place[tuple(slice(0, size) for size in value.shape)] = value  # new units stand behind the others
    wider.load_state_dict(state)
    for number, member in enumerate(wider.query_sets()):
        _, into, _, _, out = member.first
        _write(member, cast(nn.Linear, into), cast(nn.Linear, out), weights[number], offsets[number], has_one)
    return wider.eval().requires_grad_(False)


def without_linear_term(network: QueryTransformer) -> QueryTransformer:
    """Return a network without the linear term of its members: what it said before it learned from outcomes."""
    bare = copy.deepcopy(network)
    for member in bare.query_sets():
        if _is_linear(member):
            cast(nn.Linear, member.first[-1]).weight.data[:, -2:] = 0
    return bare


@torch.no_grad()
def _write(member: QuerySet, into: nn.Linear, out: nn.Linear, weights: Tensor, offset: Tensor, has_one: bool) -> None:
    if has_one:
        factor = out.weight[:, -2] @ member.tilt / (member.tilt @ member.tilt)
        weights, offset = weights + factor * into.weight[-2], offset - factor * into.bias[-2]
    size = weights.norm().clamp(min=SMALL)
    # of unit length, because weights are kept in half precision
    into.weight[-2], into.weight[-1] = weights / size, -weights / size
    into.bias[-2], into.bias[-1] = -offset / size, offset / size
    out.weight[:, -2], out.weight[:, -1] = size * member.tilt, -size * member.tilt


def _is_linear(member: QuerySet) -> bool:
    _, into, _, _, out = member.first
    weight, bias, read = cast(nn.Linear, into).weight, cast(nn.Linear, into).bias, cast(nn.Linear, out).weight
    if len(weight) < 2 or not weight[-2].any():
        return False
    opposite = torch.equal(weight[-1], -weight[-2]) and torch.equal(bias[-1], -bias[-2])
    tilt, pushed = member.tilt, read[:, -2]
    along = torch.allclose(pushed, tilt * (pushed @ tilt / (tilt @ tilt)), atol=1e-2)
    return bool(opposite and along and torch.equal(read[:, -1], -pushed))


@torch.no_grad()
def flatten(network: QueryTransformer, said: Tensor, share: float) -> Tensor:
    """Draw what each member says about an image towards what it says on average: 1 leaves it, 0 says the same of all.

    Args:
        network: The network; it is changed.
        said: `(n, M, S)`, what its members say about some images: the average is over these.
        share: How much is left of what sets images apart.

    Returns:
        What the network says about these images now, `(n, S)`.
    """
    logits = said.clamp(min=SMALL).log()
    middle = logits.mean(dim=0)  # (M, S)
    for number, member in enumerate(network.query_sets()):
        out = cast(nn.Linear, member.first[-1])
        out.weight.mul_(share)
        out.bias.mul_(share).add_((1 - share) * middle[number])
        member.contribution.mul_(share)
    return (share * logits + (1 - share) * middle).softmax(dim=-1).mean(dim=1)


@torch.no_grad()
def say_the_same(network: QueryTransformer, distribution: Tensor) -> None:
    """Make all members say one distribution `(S,)` of every image."""
    for member in network.query_sets():
        out = cast(nn.Linear, member.first[-1])
        out.weight.zero_()
        out.bias.copy_(distribution.clamp(min=SMALL).log())
        member.contribution.zero_()
