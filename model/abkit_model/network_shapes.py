"""The shapes of a network's arrays, from the numbers on its card: known before anything is built.

A card is text that anybody can write. To build a network of the size that it names could take all memory, so what it
says is compared with the arrays that lie beside it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from abkit_model.limits import MAX_PARAMETERS

Shape: TypeAlias = tuple[int, ...]


def refuse_other_arrays(network: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Compare the arrays of a network with what its hyper-parameters say, one by one and no further than they agree.

    Args:
        network: The hyper-parameters on a card, all of them checked to be numbers.
        arrays: The arrays of the file, by name; others than those of the network are left alone.

    Raises:
        ValueError: An array is missing, of another shape, or not of finite numbers; or the network is too large.
    """
    parameters = 0
    for name, shape in shapes(network):
        if name not in arrays:
            raise ValueError(f"the network on its card has an array {name}, and the file has none")
        found = arrays[name]
        if found.shape != shape:
            raise ValueError(f"{name} has the shape {found.shape}, and {shape} by the card")
        if found.dtype.kind != "f" or not np.isfinite(found).all():
            raise ValueError(f"{name} has values that are not finite numbers")
        parameters += prod(shape)
        if parameters > MAX_PARAMETERS:
            raise ValueError(f"the network has more than {MAX_PARAMETERS:,} parameters")


def shapes(network: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    """Yield name and shape of each array of a network, those of the first member before those of the second.

    >>> sizes = dict.fromkeys(["token_dim", "embedding_dim", "components", "hidden", "bins", "queries"], 2)
    >>> len(list(shapes(sizes | {"width": 4, "depth": 1, "members": 3})))
    117
    """
    tokens, embedding, components = network["token_dim"], network["embedding_dim"], network["components"]
    hidden, bins, queries, width = network["hidden"], network["bins"], network["queries"], network["width"]
    for kind, size in (("token", tokens), ("embedding", embedding)):
        yield f"{kind}_mean", (size,)
        yield f"{kind}_scale", (size,)
        yield f"{kind}_basis", (size, components)
    for member in range(network["members"]):
        at = f"members.{member}"
        yield f"{at}.queries", (queries, width)
        yield f"{at}.contribution", (queries, width)
        yield f"{at}.tilt", (bins,)
        yield from _layer(f"{at}.first.1", hidden, embedding)
        yield from _layer(f"{at}.first.4", bins, hidden)
        yield from _layer(f"{at}.read_tokens.1", width, components)
        for norm in ("norm_keys", "norm_out"):
            yield from _norm(f"{at}.{norm}", width)
        for block in range(network["depth"]):
            yield from _block(f"{at}.blocks.{block}", width)


def _block(at: str, width: int) -> Iterator[tuple[str, Shape]]:
    for norm in ("norm_self", "norm_cross", "norm_forward"):
        yield from _norm(f"{at}.{norm}", width)
    for attention in ("among_queries", "to_tokens"):
        for layer in ("to_query", "to_value", "to_out"):
            yield from _layer(f"{at}.{attention}.{layer}", width, width)
        yield f"{at}.{attention}.to_key.weight", (width, width)
    yield from _layer(f"{at}.feed_forward.0", 2 * width, width)
    yield from _layer(f"{at}.feed_forward.2", width, 2 * width)


def _layer(at: str, out: int, into: int) -> Iterator[tuple[str, Shape]]:
    yield f"{at}.weight", (out, into)
    yield f"{at}.bias", (out,)


def _norm(at: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{at}.weight", (width,)
    yield f"{at}.bias", (width,)
