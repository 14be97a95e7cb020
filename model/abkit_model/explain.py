"""Where a score comes from: maps over the image. How faithful they are is measured in studies/faithfulness.py.

Five ways to make a map are compared there, beside random maps:

- `attention`: the raw cross-attention. Known to be often meaningless in querying transformers.
- `gradient`: attention times the gradient of the score, negative parts dropped (the way of Grad-CAM).
- `relevance`: generic relevance through self- and cross-attention (Chefer, Gur & Wolf 2021, arXiv 2103.15679).
- `pixels`: integrated gradients of the score from a blurred image to the image itself, through the encoder
  (Sundararajan, Taly & Yan 2017, arXiv 1703.01365), summed over each cell.
- `occlusion`: how much the score falls when a window of 3 × 3 cells is blurred, averaged over the windows that cover a
  cell (Zeiler & Fergus 2014, arXiv 1311.2901). It takes some twenty to forty runs of the encoder per image.

The first three see only what reaches the score through the queries, the last two also what the hidden layer reads from
the pooled embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from abkit_model.encoders.frozen import Encoded
from abkit_model.images import Prepared
from abkit_model.query_transformer import Attention, QuerySet
from abkit_model.scorer import Scorer

Floats = NDArray[np.float64]
METHODS = ("attention", "gradient", "relevance", "pixels", "occlusion")
#: Of these maps the sign means something: positive cells raise the score.
SIGNED = ("pixels", "occlusion")
STEPS = 6
WINDOW, STRIDE = 3, 2
_BLUR = 20


@dataclass(frozen=True)
class Explanation:
    """Maps of one image, each by the method that was found faithful for it.

    Attributes:
        score: `(h, w)`, by occlusion: by how many rating steps the score falls when a window around the cell is
            blurred, per cell of the window: positive cells raise the score.
        queries: `(M, K, h, w)`, by gradient-weighted attention: through which cells each query of each member raises
            the score. Never negative; each sums to 1, or is 0 where the query raises nothing.
        cell: Pixels of the prepared image that one cell stands for.
    """

    score: Floats
    queries: Floats
    cell: int


@dataclass(frozen=True)
class Occluded:
    """An image and its copies with one window blurred in each, as the encoder sees them.

    Attributes:
        encoded: The image first, then a copy for each window.
        windows: `(n, h, w)`, 1 where the window lies and 0 elsewhere.
    """

    encoded: Encoded
    windows: Floats


def explain(scorer: Scorer, prepared: Prepared) -> Explanation:
    """Map one image: its score by occlusion, its queries by gradient-weighted attention.

    >>> from abkit_model.scorer import Scorer
    >>> scorer = Scorer.load()
    >>> found = explain(scorer, scorer.prepare(Image.effect_noise((160, 80), 60).convert("RGB")))
    >>> found.score.shape, found.queries.shape[:2]
    ((8, 15), (5, 4))
    """
    score = score_occlusion(scorer, occlude(scorer, prepared))
    encoded = scorer.encode([prepared])
    members = range(scorer.network.config.members)
    queries = np.stack([attention_maps(scorer, encoded, member, "gradient") for member in members])
    return Explanation(score, queries.reshape(*queries.shape[:2], *score.shape), prepared.pixels.shape[0] // len(score))


def score_map(scorer: Scorer, prepared: Prepared, method: str) -> Floats:
    """Return the `(h, w)` map of the score by one of `METHODS`; cells above 0 raise the score in maps with a sign."""
    if method == "occlusion":
        return score_occlusion(scorer, occlude(scorer, prepared))
    encoded = scorer.encode([prepared])
    down, across = encoded.grid[0]
    if method == "pixels":
        return _integrated_gradients(scorer, prepared, down, across)
    maps = [attention_maps(scorer, encoded, m, method).sum(axis=0) for m in range(len(scorer.network.members))]
    return np.asarray(np.mean(maps, axis=0).reshape(down, across))


def with_random_queries(scorer: Scorer, seed: int) -> Scorer:
    """Return a scorer that learned nothing: the same encoder and standardization, fresh random query sets.

    For the sanity check of Adebayo et al. 2018 (arXiv 1810.03292). What queries contribute starts at zero when they are
    trained; here it is drawn with the trained spread, for nothing could be mapped otherwise.
    """
    network = copy.deepcopy(scorer.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for number, member in enumerate(scorer.network.query_sets()):
            fresh = QuerySet(scorer.network.config)
            spread = float(member.contribution.square().mean().sqrt())
            torch.nn.init.normal_(fresh.contribution, std=spread)
            network.members[number] = fresh
    other = copy.copy(scorer)
    other.network = network.eval().requires_grad_(False)
    return other


def attention_maps(scorer: Scorer, encoded: Encoded, number: int, method: str) -> Floats:
    """Return `(K, T)` maps of the queries of one member by `attention`, `gradient` or `relevance`.

    Each is non-negative with sum 1, or all zero. `encoded` holds one image.
    """
    member = list(scorer.network.query_sets())[number]
    with torch.enable_grad(), _recorded(member) as (among_queries, to_tokens):
        seen = scorer.network.components(encoded.tokens.clone(), encoded.embedding.clone())
        probabilities, _, _ = member(seen, encoded.mask.clone())
        score = probabilities[0] @ torch.from_numpy(scorer.card.scale.values).float()
        attentions = among_queries + to_tokens
        gradients = torch.autograd.grad(score, attentions, allow_unused=True)
    weighted = [_weighted(*one) for one in zip(attentions, gradients, strict=True)]
    if method == "attention":
        maps = to_tokens[-1][0].mean(dim=0)  # (K, T)
    elif method == "gradient":
        maps = weighted[-1]
    else:
        among = torch.eye(len(member.queries))
        maps = torch.zeros_like(weighted[-1])
        for self_map, cross_map in zip(weighted, weighted[len(among_queries) :], strict=False):
            among = among + self_map @ among
            maps = maps + among.T @ cross_map
    values = maps.detach().double().numpy()
    total = values.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(values, total, out=np.zeros_like(values), where=total > 0))


def _weighted(attention: Tensor, gradient: Tensor | None) -> Tensor:
    if gradient is None:
        return torch.zeros_like(attention[0].mean(dim=0))
    return (attention * gradient).clamp(min=0)[0].mean(dim=0).detach()


@contextmanager
def _recorded(member: QuerySet) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Keep the maps of self- and cross-attention as a member computes them, so that gradients reach them."""
    maps: tuple[list[Tensor], list[Tensor]] = [], []
    hooks = []
    for block in member.blocks:
        for layer, kept in zip((block.among_queries, block.to_tokens), maps, strict=True):
            keep = partial(lambda kept, _layer, _inputs, output: kept.append(output[1]), kept)
            hooks.append(cast(Attention, layer).register_forward_hook(keep))
    member.requires_grad_(True)  # so that the maps, which depend on the queries alone, are in the graph
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
        member.requires_grad_(False)


def blurred(prepared: Prepared) -> Prepared:
    """Return the image with its content blurred away: what a cell is compared with."""
    soft = Image.fromarray(prepared.pixels).filter(ImageFilter.GaussianBlur(_BLUR))
    return replace(prepared, pixels=np.asarray(soft))


def _integrated_gradients(scorer: Scorer, prepared: Prepared, down: int, across: int) -> Floats:
    start = torch.from_numpy(blurred(prepared).pixels.copy()).float()
    change = torch.from_numpy(prepared.pixels.copy()).float() - start  # (H, W, 3)
    total = torch.zeros_like(change)
    values = torch.from_numpy(scorer.card.scale.values).float()
    for step in range(STEPS):
        with torch.enable_grad():
            pixels = (start + (step + 0.5) / STEPS * change).requires_grad_()
            tokens, mask, embedding = scorer.encoder.differentiable(pixels, prepared.width, prepared.height)
            opinion = scorer.network(tokens, mask, embedding)
            score = opinion.probabilities.mean(dim=1)[0] @ values
            total += torch.autograd.grad(score, pixels)[0] / STEPS
    effect = (total * change).sum(dim=-1).double().numpy()  # (H, W)
    cell = effect.shape[0] // down
    return np.asarray(effect.reshape(down, cell, across, -1).sum(axis=(1, 3)))


def occlude(scorer: Scorer, prepared: Prepared) -> Occluded:
    """Blur one window after the other and let the encoder look at each."""
    soft = blurred(prepared)
    down, across = (side // scorer.encoder.canvas.cell for side in prepared.shape)
    corners = [(r, c) for r in range(1 - WINDOW, down, STRIDE) for c in range(1 - WINDOW, across, STRIDE)]
    batch, windows = [prepared], np.zeros((len(corners), down, across))
    for window, (row, column) in zip(windows, corners, strict=True):
        window[max(row, 0) : row + WINDOW, max(column, 0) : column + WINDOW] = 1
        batch.append(with_cells_of(prepared, soft, window))
    return Occluded(scorer.encode(batch), windows)


def score_occlusion(scorer: Scorer, occluded: Occluded) -> Floats:
    """Return `(h, w)`, in rating steps: what the windows that cover a cell add to the score, per cell."""
    means = np.array([score.mean for score in scorer.score_tokens(occluded.encoded)])
    return np.asarray(_spread_over_cells(means[0] - means[1:, None], occluded.windows)[0])


def query_occlusion(scorer: Scorer, occluded: Occluded) -> Floats:
    """Return `(M·K, h, w)`: the same for the activation of each query, in its own units."""
    activations = np.array([score.query_activations for score in scorer.score_tokens(occluded.encoded)])
    return _spread_over_cells(activations[0] - activations[1:], occluded.windows)


def _spread_over_cells(effects: Floats, windows: Floats) -> Floats:
    """Return effects `(n, Q)` of n windows as maps `(Q, h, w)`: each is spread over its cells, which take the mean."""
    size = windows.sum(axis=(1, 2))
    return np.asarray(np.tensordot(effects.T / size, windows, axes=1) / windows.sum(axis=0))


def _in_pixels(cells: Floats, prepared: Prepared) -> NDArray[np.bool_]:
    """Return `(H, W, 1)`, true in the pixels of the cells `(h, w)` that are not zero."""
    side = prepared.pixels.shape[0] // cells.shape[0]
    return np.kron(cells > 0, np.ones((side, side), dtype=bool))[..., None]


def with_cells_of(prepared: Prepared, other: Prepared, cells: Floats) -> Prepared:
    """Return the image with the pixels of another one in the cells `(h, w)` that are not zero."""
    return replace(prepared, pixels=np.where(_in_pixels(cells, prepared), other.pixels, prepared.pixels))
