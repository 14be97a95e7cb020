"""What is measured once on the training pictures and not learned: means, scales and principal components."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from abkit_model.data.tokens import Features
from abkit_model.query_transformer import Components, QueryTransformer


def measure(network: QueryTransformer, *looks: Sequence[Features]) -> None:
    """Fill the network's buffers: means, scales and principal components of the training pictures.

    Args:
        network: To fill.
        looks: Of each set of pictures its views: as they are, and mirrored when there is a second one.
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
        z = ((v - network.token_mean) / network.token_scale).clamp(-network.config.clip, network.config.clip).double()
        gram += z.T @ z
    network.token_basis.copy_(_leading(gram / count, network.config.components))
    z = (
        ((embeddings - network.embedding_mean) / network.embedding_scale)
        .clamp(-network.config.clip, network.config.clip)
        .double()
    )
    _, singular, right = torch.linalg.svd(z, full_matrices=False)
    k = network.config.components
    scale = singular[:k] / len(z) ** 0.5
    network.embedding_basis.copy_(_signed(right[:k].T) / scale.clamp(min=1e-6))


def _leading(covariance: Tensor, k: int) -> Tensor:
    """The k leading eigenvectors, scaled so that components have unit variance."""
    values, vectors = torch.linalg.eigh(covariance)
    top = vectors[:, -k:].flip(1)
    scale: Tensor = values[-k:].flip(0).clamp(min=1e-6).sqrt()
    return _signed(top) / scale


def _signed(vectors: Tensor) -> Tensor:
    """Eigenvectors have no sign of their own: make the largest entry positive, so that reruns agree."""
    largest = vectors.abs().argmax(dim=0)
    return vectors * vectors[largest, torch.arange(vectors.shape[1])].sign()


def components_of(network: QueryTransformer, view: Features) -> tuple[Components, Tensor]:
    """Components and mask `(n, T)` of all pictures of one view."""
    parts, masks = [], []
    longest = max(len(row[1]) for row in view.rows)
    with torch.inference_mode():
        for start in range(0, len(view.rows), 64):
            seen = view.batch(range(start, min(start + 64, len(view.rows))))
            parts.append(network.components(seen.tokens, seen.embedding))
            masks.append(torch.nn.functional.pad(seen.mask, (0, longest - seen.mask.shape[1])))
    tokens = [torch.nn.functional.pad(p.tokens, (0, 0, 0, longest - p.tokens.shape[1])) for p in parts]
    merged = Components(
        torch.cat(tokens), torch.cat([p.pooled for p in parts]), torch.cat([p.embedding for p in parts])
    )
    return Components(merged.tokens.clone(), merged.pooled.clone(), merged.embedding.clone()), torch.cat(masks).clone()


def take(view: Components, chosen: Tensor) -> Components:
    """The components of some pictures."""
    return Components(view.tokens[chosen], view.pooled[chosen], view.embedding[chosen])
