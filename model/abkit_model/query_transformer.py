"""The querying transformer, top to bottom: learnable queries look at frozen tokens and predict how an image is rated.

An image comes as tokens `(B, T, D)` with a mask `(B, T)` and one pooled embedding `(B, E)`. One hidden layer reads the
embedding and gives a first distribution over the bins. K learned queries attend to each other, then to the tokens, and
each tilts that distribution towards higher or lower opinions: probabilities are proportional to
exp(first + tilt · value), where the tilt is the sum of what the queries add.

Several query sets over the same tokens form an ensemble; the encoder runs once for all of them.

Sizes in the comments: B images, T tokens, D token width, E embedding width, K queries, W width, H attention heads,
M members, N hidden units, S bins of the scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """All that is needed beside the weights to build the network; the training's `Recipe` declares the defaults.

    Attributes:
        token_dim: D of the encoder's tokens.
        embedding_dim: E of its pooled embedding.
        components: P, principal components of the tokens that the queries see, and of the embeddings that novelty
            is measured in.
        bins: S, the number of steps of the rating scale.
        queries: K per member.
        members: M query sets in the ensemble.
        width: W inside the transformer.
        depth: Number of blocks.
        heads: Attention heads; divides the width.
        dropout: On tokens' channels, attention outputs, feed-forward outputs and the embedding while training.
        hidden: N, units of the layer that reads the embedding.
        clip: Standardized channels are cut off at this many standard deviations, so that an image unlike any of the
            training images cannot be scored by one channel alone.
    """

    token_dim: int
    embedding_dim: int
    bins: int
    queries: int
    members: int
    components: int
    width: int
    depth: int
    heads: int
    dropout: float
    hidden: int
    clip: float


@dataclass(frozen=True)
class Opinion:
    """Predictions of the ensemble for a batch.

    Attributes:
        probabilities: `(B, M, S)`, one distribution over the bins from each member.
        activations: `(B, M, K)`, what each query added to the tilt: by how much it raised the logarithm of the odds of
            an opinion one standard deviation of the scale's values higher.
        attention: `(B, M, L, H, K, T)` cross-attention of each block; None unless asked for.
    """

    probabilities: Tensor
    activations: Tensor
    attention: Tensor | None = None


@dataclass(frozen=True)
class Components:
    """What the query sets share: P principal components of what the encoder saw.

    Attributes:
        tokens: `(B, T, P)`.
        pooled: `(B, P)`, of the embedding.
        embedding: `(B, E)`, all of it, standardized.
    """

    tokens: Tensor
    pooled: Tensor
    embedding: Tensor


class Attention(nn.Module):
    """Multi-head attention from queries to keys, with a mask, written out so that its map can be read."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_query = nn.Linear(width, width)
        self.to_key = nn.Linear(width, width, bias=False)  # a bias of the keys would cancel in the softmax
        self.to_value = nn.Linear(width, width)
        self.to_out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, keys: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the updated queries `(B, K, W)` and the attention map `(B, H, K, T)`."""
        q = self._split(self.to_query(x))  # (B, H, K, W/H)
        k = self._split(self.to_key(keys))  # (B, H, T, W/H)
        v = self._split(self.to_value(keys))  # (B, H, T, W/H)
        logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, H, K, T)
        if mask is not None:
            logits = logits.masked_fill(~mask[:, None, None, :], float("-inf"))
        attention = logits.softmax(dim=-1)
        out = (attention @ v).transpose(1, 2).flatten(2)  # (B, K, W)
        return self.dropout(self.to_out(out)), attention

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, H, N, W/H)


class Block(nn.Module):
    """Self-attention among the queries, cross-attention to the tokens, feed-forward; pre-norm, residual."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.norm_self, self.norm_cross, self.norm_forward = (nn.LayerNorm(width) for _ in range(3))
        self.among_queries = Attention(width, config.heads, config.dropout)
        self.to_tokens = Attention(width, config.heads, config.dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(config.dropout)
        )

    def forward(self, x: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the updated queries `(B, K, W)` and the cross-attention map `(B, H, K, T)`."""
        normed = self.norm_self(x)
        x = x + self.among_queries(normed, normed, None)[0]
        seen, attention = self.to_tokens(self.norm_cross(x), keys, mask)
        x = x + seen
        return x + self.feed_forward(self.norm_forward(x)), attention


class DropoutOfChannels(nn.Dropout):
    """Dropout that leaves out the same channels of all tokens of an image."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens `(B, T, P)` with some channels at zero while training."""
        if not self.training:
            return tokens
        return tokens * super().forward(tokens.new_ones(len(tokens), 1, tokens.shape[-1]))


class QuerySet(nn.Module):
    """One member of the ensemble: a hidden layer on the embedding, K learned queries and their blocks."""

    tilt: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, drop = config.width, config.dropout
        self.first = nn.Sequential(
            nn.Dropout(drop),
            nn.Linear(config.embedding_dim, config.hidden),
            nn.ReLU(),
            nn.Dropout(drop / 2),
            nn.Linear(config.hidden, config.bins),
        )
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.5)
        self.read_tokens = nn.Sequential(DropoutOfChannels(drop), nn.Linear(config.components, width))
        self.norm_keys = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm_out = nn.LayerNorm(width)
        # from zero: before they learned anything, the queries say nothing
        self.contribution = nn.Parameter(torch.zeros(config.queries, width))
        steps = torch.arange(config.bins, dtype=torch.float32)
        self.register_buffer("tilt", (steps - steps.mean()) / steps.std())

    def forward(self, seen: Components, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probabilities `(B, S)`, activations `(B, K)` and cross-attention `(B, L, H, K, T)`."""
        first = self.first(seen.embedding)  # (B, S)
        tokens, mask = _some(seen.tokens, mask) if self.training else (seen.tokens, mask)
        keys = self.norm_keys(self.read_tokens(tokens))  # (B, T, W)
        x = self.queries.expand(first.shape[0], -1, -1)  # (B, K, W); a length would be fixed when the graph is traced
        maps = []
        for block in self.blocks:
            x, attention = block(x, keys, mask)
            maps.append(attention)
        activations = (self.norm_out(x) * self.contribution).sum(dim=-1)  # (B, K)
        logits = first + activations.sum(dim=-1, keepdim=True) * self.tilt  # (B, S)
        return logits.softmax(dim=-1), activations, torch.stack(maps, dim=1)


def _some(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return a third of the tokens `(B, T, P)` and their mask, the same places in all images of a step.

    Attention learns as well from a third as from all of them, at a third of the cost (as in Li et al. 2023, Scaling
    language-image pre-training via masking, arXiv 2212.00794). An image that shows nothing there is seen as gray.
    """
    places = torch.randperm(mask.shape[1])[: -(-mask.shape[1] // 3)]
    mask = mask[:, places]
    return tokens[:, places], mask | ~mask.any(dim=1, keepdim=True)


class QueryTransformer(nn.Module):
    """The whole of what is trained: an ensemble of query sets over standardized tokens and embeddings."""

    token_mean: Tensor
    token_scale: Tensor
    embedding_mean: Tensor
    embedding_scale: Tensor
    token_basis: Tensor
    embedding_basis: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        # measured once on the training images, not learned
        self.register_buffer("token_mean", torch.zeros(config.token_dim))
        self.register_buffer("token_scale", torch.ones(config.token_dim))
        self.register_buffer("embedding_mean", torch.zeros(config.embedding_dim))
        self.register_buffer("embedding_scale", torch.ones(config.embedding_dim))
        self.register_buffer("token_basis", torch.zeros(config.token_dim, config.components))
        self.register_buffer("embedding_basis", torch.zeros(config.embedding_dim, config.components))
        self.members = nn.ModuleList(QuerySet(config) for _ in range(config.members))

    def forward(self, tokens: Tensor, mask: Tensor, embedding: Tensor, *, attention: bool = False) -> Opinion:
        """Return what every member predicts from tokens `(B, T, D)`, mask `(B, T)` and embedding `(B, E)`."""
        seen = self.components(tokens, embedding)
        answers = [member(seen, mask) for member in self.members]
        probabilities, activations, maps = zip(*answers, strict=True)
        return Opinion(
            probabilities=torch.stack(probabilities, dim=1),
            activations=torch.stack(activations, dim=1),
            attention=torch.stack(maps, dim=1) if attention else None,
        )

    def distance(self, embedding: Tensor) -> Tensor:
        """Return how far embeddings `(B, E)` lie from the training images, `(B,)`; about 1 for one like them.

        The mean of two parts: the length within the principal components, in their own standard deviations, and the
        length of what they do not explain, in standardized channels (Hotelling's T² and the Q statistic of process
        monitoring: Jackson & Mudholkar 1979, doi 10.1080/00401706.1979.10489779).
        """
        z = (embedding - self.embedding_mean) / self.embedding_scale
        inside = z @ self.embedding_basis  # (B, P), whitened
        directions = F.normalize(self.embedding_basis, dim=0)
        outside = z.square().sum(dim=-1) - (z @ directions).square().sum(dim=-1)
        return (inside.square().mean(dim=-1) + outside.clamp(min=0) / z.shape[-1]) / 2

    def query_sets(self) -> Iterator[QuerySet]:
        """Iterate over the members of the ensemble."""
        for member in self.members:
            yield cast(QuerySet, member)

    def components(self, tokens: Tensor, embedding: Tensor) -> Components:
        """Return principal components of standardized tokens and embeddings, the same for all members."""
        clip = self.config.clip
        # In place: in new memory each step would take as long as the product that follows.
        tokens = (tokens - self.token_mean).div_(self.token_scale).clamp_(-clip, clip)
        embedding = self.standardized(embedding)
        return Components(tokens @ self.token_basis, embedding @ self.embedding_basis, embedding)

    def standardized(self, embedding: Tensor) -> Tensor:
        """Return embeddings `(B, E)` in the standard deviations of the training images, cut off."""
        clip = self.config.clip
        return ((embedding - self.embedding_mean) / self.embedding_scale).clamp(-clip, clip)
