"""What is not learned: the sizes of a network, and the means, scales and principal components of training images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abkit_model.data.tokens import Features
from abkit_model.query_transformer import Components, NetworkConfig, QueryTransformer
from abkit_model.training.request import Recipe

#: Components and mask `(n, T)` of the same images by view: as they are and, with a second view, mirrored.
Views = Sequence[tuple[Components, Tensor]]


def network_config(view: Features, bins: int, recipe: Recipe) -> NetworkConfig:
    """Return the sizes of the network for these images, a scale of so many steps, and this recipe."""
    tokens, embedding = view.rows[0][0], view.rows[0][2]
    return NetworkConfig(
        token_dim=tokens.shape[1],
        embedding_dim=embedding.shape[0],
        bins=bins,
        queries=recipe.queries,
        members=recipe.members,
        components=min(recipe.components, len(view.rows) - 1),
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        dropout=recipe.dropout,
        hidden=recipe.hidden,
        clip=recipe.clip,
    )


def measure(network: QueryTransformer, *looks: Sequence[Features]) -> None:
    """Fill the network's buffers: means, scales and principal components of the training images.

    Args:
        network: The network to fill.
        looks: The views of each set of images: as they are and, with a second view, mirrored.
    """
    embeddings = torch.cat([torch.stack([row[2] for row in view.rows]) for views in looks for view in views])
    valid = [row[0][row[1]].float() for views in looks for row in views[0].rows]
    count = sum(len(v) for v in valid)
    mean = sum((v.sum(dim=0) for v in valid), torch.zeros(valid[0].shape[1])) / count
    square = sum(((v - mean).square().sum(dim=0) for v in valid), torch.zeros_like(mean)) / count
    network.token_mean.copy_(mean)
    network.token_scale.copy_(square.sqrt().clamp(min=1e-6))
    network.embedding_mean.copy_(embeddings.mean(dim=0))
    network.embedding_scale.copy_(embeddings.std(dim=0).clamp(min=1e-6))
    gram = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for v in valid:
        # products of one image in single precision, their sum in double: as exact as needed, in half the time
        z = ((v - mean) / network.token_scale).clamp(-network.config.clip, network.config.clip)
        gram += z.T @ z
    network.token_basis.copy_(_leading(gram / count, network.config.components))
    clip = network.config.clip
    z = ((embeddings - network.embedding_mean) / network.embedding_scale).clamp(-clip, clip).double()
    _, singular, right = torch.linalg.svd(z, full_matrices=False)
    k = network.config.components
    scale = singular[:k] / len(z) ** 0.5
    network.embedding_basis.copy_(_signed(right[:k].T) / scale.clamp(min=1e-6))


def _leading(covariance: Tensor, k: int) -> Tensor:
    """Return the k leading eigenvectors, scaled so that components have unit variance."""
    values, vectors = torch.linalg.eigh(covariance)
    top = vectors[:, -k:].flip(1)
    scale: Tensor = values[-k:].flip(0).clamp(min=1e-6).sqrt()
    return _signed(top) / scale


def _signed(vectors: Tensor) -> Tensor:
    """Make the largest entry positive: eigenvectors have no sign of their own, and reruns must agree."""
    largest = vectors.abs().argmax(dim=0)
    return vectors * vectors[largest, torch.arange(vectors.shape[1])].sign()


def components_of(network: QueryTransformer, view: Features) -> tuple[Components, Tensor]:
    """Return components and mask `(n, T)` of all images of one view."""
    parts, masks = [], []
    longest = max(len(row[1]) for row in view.rows)
    with torch.inference_mode():
        for start in range(0, len(view.rows), 64):
            seen = view.batch(range(start, min(start + 64, len(view.rows))))
            parts.append(network.components(seen.tokens, seen.embedding))
            masks.append(torch.nn.functional.pad(seen.mask, (0, longest - seen.mask.shape[1])))
    tokens = torch.cat([torch.nn.functional.pad(p.tokens, (0, 0, 0, longest - p.tokens.shape[1])) for p in parts])
    pooled, embedding = torch.cat([p.pooled for p in parts]), torch.cat([p.embedding for p in parts])
    # copies, because what was made in inference mode cannot be learned from
    return Components(tokens.clone(), pooled.clone(), embedding.clone()), torch.cat(masks).clone()


def take(view: Components, chosen: Tensor) -> Components:
    """Return the components of some images."""
    return Components(view.tokens[chosen], view.pooled[chosen], view.embedding[chosen])
