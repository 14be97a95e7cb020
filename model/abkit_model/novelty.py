"""How unlike the training images an image is: how rare its local texture is among theirs.

Why texture: a frozen encoder's pooled embedding varies so much between photographs of different subjects that an
advertisement with text lies well inside. Seen cell by cell, in the encoder's finest stages, letters, buttons, flat
grounds and ruled edges are unlike anything that a photograph shows, whatever the photograph shows.

1. Each token's texture channels are standardized and turned into D whitened principal components.
2. The training tokens are split into quarters by the first component, which is how strong their contrasts are: a flat
   sky and a meadow are not of one distribution. Each quarter has its mean and covariance: a mixture of K = 4 normal
   distributions in D dimensions, with nothing random about it.
3. A token is as rare as its density under that mixture is low. The distance of an image is that of the token which 90 %
   of its tokens are no rarer than: a tenth of the image must look unlike the training for the image to.

It sees what is drawn, set in type or laid out. It does not see what an image is *of*, nor blur, nor washed-out colors:
a painting or a thing never seen before passes (`benchmarks/novelty.py` has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from abkit_model.encoders.frozen import Row, collate

Floats = NDArray[np.float64]

#: Share of the training kind's own images, held out, that may be called unlike the training.
FLAGGED = 0.05
SHARE_OF_TOKENS = 0.9
GROUPS, DIRECTIONS = 4, 144
#: A group needs that many tokens per direction, or its covariance says nothing.
_TOKENS_PER_DIRECTION = 8
_MOST_TOKENS = 60_000
_SHRINKAGE = 0.003
#: Beyond e to this power more distance says no more, and half-precision stores would overflow.
_FARTHEST = 11.0
_PREFIX = "reference.texture."
#: Types of the parts that are not in single precision.
_KINDS = {"channels": torch.int64, "whitening": torch.float16}


@dataclass(frozen=True, kw_only=True)
class TextureReference:
    """The local texture of training images, as a mixture of K normal distributions in D directions.

    Attributes:
        channels: `(C,)` int64, which of a token's channels are texture.
        mean: `(C,)`, of the training tokens.
        basis: `(C, D)`, takes centered channels to whitened principal components.
        centers: `(K, D)`, mean of each group.
        whitening: `(K, D, D)`, takes what is centered on a group to unit covariance; half precision.
        log_weight: `(K,)`, logarithm of each group's share of the tokens and of the volume that it fills.
    """

    channels: Tensor
    mean: Tensor
    basis: Tensor
    centers: Tensor
    whitening: Tensor
    log_weight: Tensor

    @classmethod
    def fit(cls, rows: Sequence[Row], channels: Sequence[int] | None = None, seed: int = 0) -> TextureReference:
        """Measure the texture of images.

        Args:
            rows: The images as the encoder saw them.
            channels: Which channels of a token are texture; None: all.
            seed: Seed of the choice of tokens, where there are more than 60,000.
        """
        rng = np.random.default_rng(seed)
        x, chosen = _texture(rows, channels, rng)  # (n, C)
        mean, scale = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
        z = (x - mean) / scale
        directions = min(DIRECTIONS, z.shape[1], max(1, len(z) // (GROUPS * _TOKENS_PER_DIRECTION)))
        values, vectors = torch.linalg.eigh((z.T @ z / len(z)).double())
        top = vectors[:, -directions:] / values[-directions:].clamp(min=1e-6).sqrt()
        basis = top.float() / scale[:, None]
        y = (x - mean) @ basis  # (n, D)
        centers, whitening, log_weight = _mixture(y, _groups(y[:, -1]))
        return cls(
            channels=chosen,
            mean=mean,
            basis=basis,
            centers=centers,
            whitening=whitening.half(),
            log_weight=log_weight,
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int | None = None) -> TextureReference | None:
        """Read a reference from the arrays of a checkpoint; None in those of an earlier release.

        Args:
            arrays: The arrays by name.
            width: Channels of a token; None: any number.

        Raises:
            ValueError: The arrays do not fit each other or the tokens, or hold what no reference does.
        """
        found = {name.removeprefix(_PREFIX): v for name, v in arrays.items() if name.startswith(_PREFIX)}
        if not found:
            return None
        try:
            reference = cls(**{name: torch.from_numpy(np.array(value)) for name, value in found.items()})
            k, d = reference.centers.shape
            c = len(reference.channels)
            fits = reference.whitening.shape == (k, d, d) and reference.basis.shape == (c, d)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the reference of textures is not whole: {error}") from error
        fits = fits and reference.channels.shape == (c,) and min(c, d, k) > 0
        if not fits or reference.mean.shape != (c,) or reference.log_weight.shape != (k,):
            raise ValueError("the parts of the reference of textures do not fit each other")
        for name, value in vars(reference).items():
            kind = _KINDS.get(name, torch.float32)
            if value.dtype != kind or not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} of the reference of textures is not of finite numbers in {kind}")
        if reference.channels.min() < 0 or (width is not None and reference.channels.max() >= width):
            raise ValueError("the reference of textures names channels that a token does not have")
        return reference

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a checkpoint keeps, by name."""
        return {f"{_PREFIX}{name}": value.numpy() for name, value in vars(self).items()}

    @torch.inference_mode()
    def distance(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return how rare the texture of images is, `(B,)`, above 0; to be read beside a limit.

        The geometric mean, over the D directions, of how much thinner than at its thickest the training tokens lie
        around the token that nine tenths of the image's tokens are no rarer than.

        Args:
            tokens: `(B, T, …)`, with all channels; at least one of an image shows it.
            mask: `(B, T)` bool, which tokens show the image.
        """
        rarity = self._rarity(tokens.index_select(2, self.channels).float())  # (B, T)
        rarity = torch.where(mask, rarity, torch.full_like(rarity, math.inf))
        place = (mask.sum(dim=1) * SHARE_OF_TOKENS).long()  # in whole tokens of each image, padding last
        found = rarity.sort(dim=1).values.gather(1, place[:, None])[:, 0]
        return found.clamp(-_FARTHEST, _FARTHEST).exp()

    def _rarity(self, x: Tensor) -> Tensor:
        """Return minus the logarithm of the density at tokens `(…, C)`, per direction, `(…)`."""
        y = (x - self.mean) @ self.basis  # (…, D)
        parts = [
            log_weight - ((y - center) @ whitening.float()).square_().sum(dim=-1) / 2
            for center, whitening, log_weight in zip(self.centers, self.whitening, self.log_weight, strict=True)
        ]
        return -torch.logsumexp(torch.stack(parts), dim=0) / len(self.basis[0])

    def distances(self, rows: Sequence[Row], batch: int = 64) -> Floats:
        """Return the distance of each image, `(n,)`."""
        found = []
        for start in range(0, len(rows), batch):
            seen = collate(rows[start : start + batch])
            found.append(self.distance(seen.tokens, seen.mask))
        return torch.cat(found).numpy().astype(np.float64)


def novelty_limit(distances: Floats) -> float | None:
    """Return the distance beyond which an image is called unlike the training, from those of images held out.

    A new image of the training kind is beyond it with a probability of 5 % at most (split conformal: the
    ⌈0.95 (n + 1)⌉-th smallest). Distances that were not measured are left out. None where too few are left.

    >>> novelty_limit(np.arange(1.0, 40.0)), novelty_limit(np.arange(1.0, 19.0))
    (38.0, None)
    """
    distances = distances[np.isfinite(distances)]
    rank = math.ceil((len(distances) + 1) * (1 - FLAGGED) - 1e-9)
    return float(np.sort(distances)[rank - 1]) if rank <= len(distances) else None


def _texture(rows: Sequence[Row], channels: Sequence[int] | None, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return texture channels `(n, C)` of valid tokens, at most some ten thousand, and which channels they are."""
    width = rows[0][0].shape[1]
    chosen = torch.arange(width) if channels is None else torch.tensor(channels, dtype=torch.int64)
    total = sum(int(row[1].sum()) for row in rows)
    share = min(1.0, _MOST_TOKENS / max(total, 1))
    parts = []
    for tokens, mask, *_ in rows:
        valid = tokens[mask][:, chosen]
        if share < 1:
            keep = rng.random(len(valid)) < share
            valid = valid[torch.from_numpy(keep)]
        parts.append(valid.float())
    return torch.cat(parts), chosen


def _groups(first: Tensor) -> Tensor:
    """Return the quarter `(n,)` that each token belongs to by its first principal component, `(n,)`."""
    edges = np.quantile(first.numpy(), np.linspace(0, 1, GROUPS + 1)[1:-1])
    return torch.bucketize(first.contiguous(), torch.from_numpy(edges.astype(np.float32)))


def _mixture(y: Tensor, member: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return center `(K, D)`, whitening `(K, D, D)` and log weight `(K,)` of the groups of tokens `(n, D)`."""
    directions = y.shape[1]
    centers, whitening, log_weight = [], [], []
    for group in np.unique(member.numpy()).tolist():
        inside = y[member == group]
        center = inside.mean(dim=0)
        spread = ((inside - center).T @ (inside - center) / len(inside)).double()
        spread = (1 - _SHRINKAGE) * spread + _SHRINKAGE * torch.eye(directions, dtype=torch.float64)
        values, vectors = torch.linalg.eigh(spread)
        centers.append(center)
        whitening.append((vectors / values.sqrt()).float())
        log_weight.append(math.log(len(inside) / len(y)) - float(values.log().sum()) / 2)
    return torch.stack(centers), torch.stack(whitening), torch.tensor(log_weight)
