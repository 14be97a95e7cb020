"""Blend a closed form into query sets: the logarithms of the two distributions are averaged.

The hidden layer of a query set reads the embedding through rectified units, so that two units, which see w · x and
−w · x and are read with opposite signs, are together exactly linear. A blend is a network like any other: what a query
set says is drawn together by its share, and two units in front of the others add the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.terms.closed_form import Tilt

#: Units that a linear term takes.
UNITS = 2


@torch.no_grad()
def blend(network: QueryTransformer, closed: Tilt, share: float) -> QueryTransformer:
    """Return a network whose members say what `network` says by 1 − share, and what the closed form says by share.

    Args:
        network: The trained network; it is not changed.
        closed: What is blended in.
        share: From 0, which changes nothing, to 1.
    """
    if not share:
        return network
    wider = QueryTransformer(replace(network.config, hidden=network.config.hidden + UNITS))
    state = wider.state_dict()
    for name, value in network.state_dict().items():
        place = state[name]
        place[tuple(slice(now - before, None) for now, before in zip(place.shape, value.shape, strict=True))] = value
    direction, first = torch.from_numpy(closed.direction).float(), torch.from_numpy(closed.first).float()
    size = direction.norm().clamp(min=1e-12)
    for member in wider.query_sets():
        into, out = cast(nn.Linear, member.first[1]), cast(nn.Linear, member.first[-1])
        for part in (out.weight, out.bias, member.contribution):
            part.mul_(1 - share)
        # of unit length, because weights are kept in half precision
        into.weight[:UNITS] = _both_signs(direction / size)
        into.bias[:UNITS] = 0
        out.weight[:, :UNITS] = share * size * _both_signs(member.tilt).T
        out.bias.add_(share * (first - first.mean()))
    return wider


def _both_signs(values: Tensor) -> Tensor:
    return torch.stack([values, -values])
