"""The heads that learnable queries have to beat: the usual ways to score a frozen encoder's features.

Each is trained by the same loop, on the same components, with the same early stopping as the queries, and answers in
the same form: `(probabilities, activations, attention)`, the last two empty.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abkit_model.query_transformer import Components

Answer = tuple[Tensor, Tensor, Tensor]


class PooledHead(nn.Module):
    """A linear layer or an MLP on the pooled embedding.

    With `softmax` it predicts the distribution, as NIMA does (Talebi & Milanfar 2018, arXiv 1709.05424). Without, it
    predicts the mean, as the LAION aesthetic predictors do, with one spread for all pictures.
    """

    values: Tensor

    def __init__(
        self, inputs: int, values: Tensor, hidden: tuple[int, ...] = (), dropout: float = 0.5, softmax: bool = False
    ) -> None:
        super().__init__()
        self.register_buffer("values", values)
        self.softmax = softmax
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout / 2)]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(inputs, len(values) if softmax else 1)
        self.centre = nn.Parameter(values.mean())
        self.log_spread = nn.Parameter(torch.tensor(0.3))

    def forward(self, seen: Components, mask: Tensor) -> Answer:
        """Probabilities `(B, S)`; no activations, no attention."""
        out = self.out(self.layers(self.read(seen, mask)))
        if not self.softmax:
            distance = (self.values - self.centre - out) / self.log_spread.exp()  # (B, S)
            out = -0.5 * distance.square()
        return out.softmax(dim=-1), out[:, :0], out[:, :0]

    def read(self, seen: Components, mask: Tensor) -> Tensor:
        """What the layers see: the whole standardised embedding `(B, E)`."""
        return seen.embedding


class MeanPoolingHead(PooledHead):
    """The mean of the valid tokens, next to the principal components of the embedding."""

    def read(self, seen: Components, mask: Tensor) -> Tensor:
        """`(B, 2 P)`."""
        weight = mask.float() / mask.sum(dim=1, keepdim=True)
        return torch.cat([torch.einsum("bt,btp->bp", weight, seen.tokens), seen.pooled], dim=1)


class AttentionPoolingHead(PooledHead):
    """One learned query pools the tokens, next to the principal components of the embedding."""

    def __init__(self, components: int, values: Tensor, hidden: tuple[int, ...], dropout: float, softmax: bool) -> None:
        super().__init__(2 * components, values, hidden, dropout, softmax)
        self.query = nn.Parameter(torch.zeros(components))

    def read(self, seen: Components, mask: Tensor) -> Tensor:
        """`(B, 2 P)`."""
        logits = (seen.tokens @ self.query) * seen.tokens.shape[-1] ** -0.5  # (B, T)
        weight = logits.masked_fill(~mask, float("-inf")).softmax(dim=1)
        return torch.cat([torch.einsum("bt,btp->bp", weight, seen.tokens), seen.pooled], dim=1)
